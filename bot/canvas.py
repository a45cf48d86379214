"""What a job looks like now, for whoever shows it: pure, but for look(), which reads the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from db import jobs, progress, sections
from db.connect import Database
from db.models import State
from db.rows import Job, Place, Progress, Section

ENDINGS: Final = ("decoding", "writing")  # phases of a section after its last sampling step


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A job as people see it; every field can be JSON.

    done, sections: how many sections are recorded, and how many there will be
    step, of:       the sampling step of the section under way; 0 of 0 where none is
    place:          in line, 1 is next; None unless it waits
    eta_ms:         until the whole film is ready, from measured sections; None where nothing was measured yet
    headline:       the key of the sentence that says what happens, `facts` are its fields
    reason:         why it failed, with its facts, for bot.words.why
    can_stop:       something is finished, so that stopping keeps a film
    """

    job: int
    state: State
    revision: int
    done: int
    sections: int
    step: int
    of: int
    seconds_done: float
    seconds_total: float
    place: int | None
    eta_ms: int | None
    headline: str
    facts: dict[str, Any]
    has_film: bool
    can_stop: bool
    can_cancel: bool
    reason: str | None
    reason_facts: dict[str, Any]


def view(
    job: Job,
    made: Sequence[Section],
    under_way: Progress | None,
    place: Place | None,
    pace_ms: int | None,
) -> View:
    """What to show of a job.

    made:      its sections so far
    under_way: the section being made
    pace_ms:   milliseconds that one section of this kind takes, measured
    """
    fps = job.plan.get("fps") or job.settings.get("fps") or 30
    frames = made[-1].frames if made else 0
    seconds_done = frames / fps
    seconds_total = job.settings.get("frames", 0) / fps if job.state != State.DONE else seconds_done
    if under_way is not None and (job.state != State.RUNNING or under_way.n != job.done):
        under_way = None  # what is left of an earlier turn
    seconds_done, seconds_total = round(seconds_done, 1), round(max(seconds_total, seconds_done), 1)
    in_line = place.jobs_ahead + 1 if place and job.state == State.QUEUED else None
    open_, wished = not job.state.terminal, job.wish is not None
    return View(
        job=job.id,
        state=job.state,
        revision=job.revision,
        done=job.done,
        sections=job.sections,
        step=under_way.step if under_way else 0,
        of=under_way.of if under_way else 0,
        seconds_done=seconds_done,
        seconds_total=seconds_total,
        place=in_line,
        eta_ms=eta(job, under_way, place, pace_ms) if open_ and not wished else None,
        headline="headline." + headline(job, under_way, place),
        facts={"seconds_done": seconds_done, "seconds_total": seconds_total, "place": in_line},
        has_film=job.film is not None,
        can_stop=open_ and not wished and job.done > 0 and job.film is not None,
        can_cancel=open_ and job.wish != "cancel",
        reason=job.reason if job.state == State.FAILED else None,
        reason_facts=dict(job.facts) if job.state == State.FAILED else {},
    )


def headline(job: Job, under_way: Progress | None, place: Place | None) -> str:
    """Which sentence says what happens to the job now."""
    ahead = place.jobs_ahead if place else 0
    match job.state:
        case State.QUEUED if job.done:  # between two turns; with nobody ahead nothing is waited for
            return "again" if ahead else "growing"
        case State.QUEUED:
            return "queued" if ahead else "next"
        case State.RUNNING if job.wish:
            return "stopping" if job.wish == "stop" else "cancelling"
        case State.RUNNING if job.done == 0:
            return "first" if under_way and under_way.step else "warming"
        case State.RUNNING:
            last = job.done + 1 == job.sections and under_way is not None and under_way.phase in ENDINGS
            return "finishing" if last else "growing"
        case State.FAILED:
            return "failed_kept" if job.film else "failed"
        case _:
            return job.state.value


def eta(job: Job, under_way: Progress | None, place: Place | None, pace_ms: int | None) -> int | None:
    """Milliseconds until the film is whole: the sections ahead of it and its own, each at the measured pace.

    Those ahead are taken to be of the same kind, which they are where everybody uses one quality.
    """
    if pace_ms is None:
        return None
    made = under_way.step / under_way.of if under_way and under_way.of else 0.0
    ahead = place.sections_ahead if place and not place.running else 0
    return round(pace_ms * max(0.0, ahead + job.sections - job.done - min(made, 1.0)))


async def look(db: Database, job: Job) -> View:
    """What to show of a job, from the rows of this moment."""
    if job.state.terminal:
        return view(job, await sections.of(db, job.id), None, None, None)
    plan = job.plan
    shape = (str(plan.get("model")), plan.get("width", 0), plan.get("height", 0), plan.get("steps", 0))
    return view(
        job,
        await sections.of(db, job.id),
        await progress.of(db, job.id),
        await jobs.place(db, job.id),
        await jobs.pace(db, *shape),
    )
