"""A finished section: its row, its job's next state and the canvas that shows it are one commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, insert

from db import flows, rows
from db.connect import Database, reads, writes
from db.errors import LeaseLost
from db.models import Job, Reason, Section, State
from db.query import held, load_held, load_job, load_sections, section_shape, set_down, unreferenced, wished_end

LOSSES = 5  # of finished sections of one film: after that it is the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a worker made in its turn. The files are in the media store already, fsynced; here are their SHA-256 names.

    n:            the section's number, from 0
    clip:         its final frames; none where no frame became final
    tail:         its provisional frames, for the next section
    film:         everything finished so far
    conditioning: where it was made in this turn
    frames:       of the film
    fragment:     the clip for a player that goes on while the film grows, where seconds come in viewing order;
    fragment_end: the same of the provisional frames
    """

    n: int
    latents: str
    clip: str | None
    tail: str | None
    film: str
    frames: int
    sampling_ms: int
    decode_ms: int
    encode_ms: int
    conditioning: str | None = None
    fragment: str | None = None
    fragment_end: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The job after the record, and the files that no row names any more: its earlier film and tail."""

    job: rows.Job
    unreferenced: tuple[str, ...]


@writes
def record(db: Database, claim: rows.Claim, made: Made) -> Recorded:
    """Record a section, in one transaction. The claim is over then: the job is in line for its next turn, or has ended.

    raises: LeaseLost (also when the section is not the next one); nothing was written
    """
    with db.transaction() as tx:
        now, steady = db.now(), db.steady()
        before = load_held(tx, claim, steady)
        done = made.n + 1
        state = State.DONE if done == before.sections else wished_end(before, made.film) or State.QUEUED
        files = {"film": made.film, "tail": made.tail, "conditioning": made.conditioning or before.conditioning}
        files["fragment_end"] = made.fragment_end
        fresh: dict[str, Any] = {"crashes": 0, "deaths": 0, "not_before_ms": 0, "reason": None, "facts": {}}
        mine = and_(held(claim, steady), Job.done == made.n)
        flows.serve(tx, before.id, made.sampling_ms + made.decode_ms, now)
        if set_down(tx, mine, state, now, **{"done": done, **files, **fresh}) is None:
            raise LeaseLost(claim.job.id, claim.fence)
        tx.execute(insert(Section).values(**_row(claim, before, made), created_ms=now))
        superseded = {before.film, before.fragment_end, before.tail, before.conditioning, made.tail} - {None}
        gone = unreferenced(tx, [sha for sha in superseded if sha])
        return Recorded(job=load_job(tx, claim.job.id), unreferenced=gone)


@writes
def lose(db: Database, claim: rows.Claim, n: int, facts: Mapping[str, Any]) -> Recorded:
    """Forget section n and those after it, whose files are damaged: they are made again, equal to the bit.

    The claim is over then. The film so far stays what people see until there is a longer one. Files that another job
    names are not unreferenced. A job that loses sections again and again fails: then it is the disk.
    raises: LeaseLost; nothing was written
    """
    with db.transaction() as tx:
        now, steady = db.now(), db.steady()
        before = load_held(tx, claim, steady)
        losses = before.losses + 1
        mine = and_(held(claim, steady), Job.done > n)
        lost: dict[str, Any] = {"losses": losses, "reason": Reason.SECTION_LOST, "facts": {**facts, "section": n}}
        if losses > LOSSES:
            state, parts = State.FAILED, []
        else:
            parts = [part for part in load_sections(tx, before.id) if part.n >= n]
            lost |= {"done": n, "tail": None, "fragment_end": None} | ({} if n else {"film": None})
            state = wished_end(before, before.film if n else None) or State.QUEUED
        if set_down(tx, mine, state, now, **lost) is None:
            raise LeaseLost(claim.job.id, claim.fence)
        tx.execute(delete(Section).where(Section.job_id == before.id, Section.n.in_([part.n for part in parts])))
        files = {sha for part in parts for sha in (part.latents, part.clip, part.fragment)}
        files |= {before.tail, before.film, before.fragment_end}
        gone = unreferenced(tx, [sha for sha in files if sha])
        return Recorded(job=load_job(tx, before.id), unreferenced=gone)


def _row(claim: rows.Claim, job: rows.Job, made: Made) -> dict[str, Any]:
    times = {"sampling_ms": made.sampling_ms, "decode_ms": made.decode_ms, "encode_ms": made.encode_ms}
    return {
        "job_id": job.id,
        "n": made.n,
        "fence": claim.fence,
        "shape": section_shape(job.plan),
        "latents": made.latents,
        "clip": made.clip,
        "fragment": made.fragment,
        "frames": made.frames,
        **times,
        "gpu_ms": made.sampling_ms + made.decode_ms,
    }


@reads
def of(db: Database, job_id: int) -> list[rows.Section]:
    """A job's sections, in order."""
    with db.reading() as tx:
        return load_sections(tx, job_id)
