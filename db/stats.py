"""What an owner wants to see of the past: how long sections took, how many films were in line, what failed."""

from collections import deque
from dataclasses import dataclass

from sqlalchemy import func, or_, select

from db import rows
from db.connect import Database, reads
from db.models import Job, Section, State
from db.query import find_jobs
from db.requests import TAKEN_OVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """A section that was made, and the milliseconds of its parts."""

    at_ms: int
    sampling_ms: int
    decode_ms: int
    encode_ms: int


@reads
def took(db: Database, newest: int) -> list[Took]:
    """The newest so many sections, oldest first; those taken over from another film took nothing."""
    columns = (Section.created_ms.label("at_ms"), Section.sampling_ms, Section.decode_ms, Section.encode_ms)
    made = select(*columns).where(Section.shape != TAKEN_OVER).order_by(Section.created_ms.desc()).limit(newest)
    with db.reading() as tx:
        return [Took(**row._mapping) for row in tx.execute(made)][::-1]


@reads
def in_line(db: Database, since_ms: int, points: int) -> list[tuple[int, int]]:
    """(milliseconds since the epoch, films waiting or running) at so many moments from since_ms to now.

    The films are the most that there were at once since the moment before.
    """
    now = db.now()
    step = max(1, (now - since_ms) // max(1, points - 1))
    moments = [since_ms + n * step for n in range(points)]
    begin = since_ms - step
    alive = select(Job.created_ms, Job.finished_ms).where(or_(Job.finished_ms.is_(None), Job.finished_ms > begin))
    with db.reading() as tx:
        spans = [(row.created_ms, row.finished_ms) for row in tx.execute(alive)]
    changes = sorted([(born, 1) for born, _ in spans] + [(ended, -1) for _, ended in spans if ended is not None])
    return list(zip(moments, _most(changes, begin, moments), strict=True))


def _most(changes: list[tuple[int, int]], begin: int, moments: list[int]) -> list[int]:
    """The highest count up to each moment since the one before it, the first since begin.

    changes: (when, by how much), in the order of time; where one goes and one comes at once, it goes first
    """
    left, count, most = deque(changes), 0, []
    for until in (begin, *moments):
        most.append(count)
        while left and left[0][0] <= until:
            count += left.popleft()[1]
            most[-1] = max(most[-1], count)
    return most[1:]


@reads
def failed(db: Database, newest: int) -> list[rows.Job]:
    """The newest jobs that failed."""
    with db.reading() as tx:
        return find_jobs(tx, Job.state == State.FAILED, newest=newest)


@reads
def counts(db: Database) -> dict[State, int]:
    """How many jobs are in each state."""
    with db.reading() as tx:
        found = tx.execute(select(Job.state, func.count()).group_by(Job.state))
        return {row[0]: row[1] for row in found}
