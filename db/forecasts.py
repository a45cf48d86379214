"""When a job will be finished: the line as it stands, played forward with the turns themselves.

Nobody new is assumed to come. The line is read once and played as far as somebody asks for; while nothing changes, or
in a long line for a little while, everybody who asks is answered from the same play.
"""

import heapq
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, func, select

from db import flows, rows, turns
from db.absences import find_away
from db.connect import Database, reads
from db.errors import QueueFull
from db.flows import IS_OPEN, MODEL_RUNS
from db.models import Flow, Job, Platform, Progress, State, Tick
from db.query import find_jobs, load_job, measured_pace

MOST: Final = 50_000  # sections that are played: at half a minute each, more than two weeks
STALE_AFTER: Final = 20  # times as long as reading the line took, it may be out of date
SMALL: Final = 200  # jobs; so short a line is read anew after every change


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job of the line, as its row has it; `made` is the share of the section under way."""

    id: int
    flow: int
    done: int
    sections: int
    hurried: bool
    shape: str
    running: bool
    made: float
    since: int = 0


class Play:
    """The line, played forward one section at a time, by as many workers as are at work now."""

    def __init__(self, line: turns.Line, waiting: Sequence[Waiting], pace: Mapping[str, int]) -> None:
        """line: with its flows, no jobs yet; pace: milliseconds of a section, by shape"""
        self.line, self.pace = line, pace
        self.jobs = {job.id: job for job in waiting}
        self.done = {job.id: job.done for job in waiting}
        self.next_at: dict[int, int] = {}  # the job's next section is there, the first, the last
        self.first_at: dict[int, int] = {}
        self.done_at: dict[int, int] = {}
        self.places: dict[int, rows.Place] = {}
        self.turn = threading.Lock()  # several threads ask
        self.steps = 0
        self.at = 0
        self.taken: set[int] = set()
        self.ends: list[tuple[int, int]] = []  # (when, job) of the sections under way
        known = sorted(pace.values())
        self.usual = known[len(known) // 2] if known else 1  # of a kind that was never made; never of the asker's own
        for job in waiting:
            line.hold(job.flow, job.id, job.done, job.sections, job.hurried, job.since)
        for job in waiting:
            if job.running:
                self.places[job.id] = rows.Place(jobs_ahead=0, sections_ahead=0, running=True)
                self._begin(job.id, 1.0 - job.made)
        for flow in {job.flow for job in waiting}:
            for films in (line.flows[flow].fresh, line.flows[flow].begun):
                films[:] = sorted(film for film in films if film[1] not in self.taken)
            line.settle(flow)
        self.workers = max(1, len(self.ends))  # those at work when the line was read are all there are
        self._fill()

    def _begin(self, job: int, share: float) -> None:
        self.taken.add(job)
        took = self.pace.get(self.jobs[job].shape, self.usual)
        heapq.heappush(self.ends, (self.at + round(took * share), job))

    def _fill(self) -> None:
        """Give a turn to every worker that has none."""
        while len(self.ends) < self.workers and (job := self.line.take()) is not None:
            ahead = rows.Place(jobs_ahead=len(self.taken - {job}), sections_ahead=self._ahead(), running=False)
            self.places.setdefault(job, ahead)
            self._begin(job, 1.0)

    def _ahead(self) -> int:
        return self.steps + len(self.ends)

    def step(self) -> bool:
        """Play until the next section is there; false where none is left or the play is too long."""
        if not self.ends or self.steps >= MOST:
            return False
        self.at, job = heapq.heappop(self.ends)
        self.steps += 1
        self.done[job] += 1
        self.next_at.setdefault(job, self.at)
        if self.done[job] == 1:
            self.first_at[job] = self.at
        if self.line.made(job):
            self.done_at[job] = self.at
        self._fill()
        return True

    def forecast(self, job_id: int) -> rows.Forecast | None:
        """When the job will be where; None without a measured pace of its kind, or too far away."""
        if job_id not in self.jobs or self.jobs[job_id].shape not in self.pace:
            return None
        with self.turn:
            while job_id not in self.done_at:
                if not self.step():
                    return None
        return rows.Forecast(
            first_ms=self.first_at.get(job_id, 0), next_ms=self.next_at[job_id], done_ms=self.done_at[job_id]
        )

    def ended(self, among: Collection[int], count: int) -> int | None:
        """When so many of these jobs have ended, as far as it can be told; None where it cannot."""
        told = {job for job in among if job in self.jobs and self.jobs[job].shape in self.pace}
        if len(told) < count:
            return None
        with self.turn:
            while len(told & self.done_at.keys()) < count:
                if not self.step():
                    return None
            return sorted(self.done_at[job] for job in told & self.done_at.keys())[count - 1]

    def order(self, most: int) -> list[int]:
        """The first so many jobs, in the order of their next turns."""
        with self.turn:
            while len(self.places) < most and self.step():
                pass
        return list(self.places)[:most]

    def place(self, job_id: int) -> rows.Place:
        """What has its turn before the job has; of one that can have none now, all that is left."""
        with self.turn:
            while job_id not in self.places and self.step():
                pass
        everything = rows.Place(jobs_ahead=len(self.taken), sections_ahead=self._ahead(), running=False)
        return self.places.get(job_id, everything)


@dataclass(slots=True)
class _Kept:
    play: Play
    paused: bool
    away: rows.Away | None
    commits: int
    read_at: float
    took: float


_KEPT: WeakKeyDictionary[Database, _Kept] = WeakKeyDictionary()


@reads
def forecast(db: Database, job_id: int) -> rows.Forecast | None:
    """When the job will be where; None before there is a measurement of its kind, while it cannot have a turn, or once
    it has ended. raises NoSuchJob."""
    with db.reading() as tx:
        job = load_job(tx, job_id)
        if job.state.terminal:
            return None
        kept = _kept(db, tx)
    told = None if kept.paused else kept.play.forecast(job_id)
    return told if told is None or kept.away is None else _put_off(told, job, kept.away, db.now())


def _put_off(told: rows.Forecast, job: rows.Job, away: rows.Away, now_ms: int) -> rows.Forecast | None:
    """What is foretold where no section is begun before a certain time; a section under way is finished."""
    if away.opens_ms is None:
        return None
    wait = max(0, away.opens_ms - now_ms)
    begun = job.state == State.RUNNING
    return rows.Forecast(
        first_ms=told.first_ms + wait if told.first_ms and not begun else told.first_ms,
        next_ms=told.next_ms if begun else told.next_ms + wait,
        done_ms=told.done_ms if begun and told.done_ms == told.next_ms else told.done_ms + wait,
    )


@reads
def room_in(db: Database, full: QueueFull, platform: Platform, user_id: str, chat_id: str) -> int | None:
    """In how many milliseconds a limit that is reached has room for one more; None where that cannot be told."""
    whose = {"user": Job.user_id == user_id, "chat": Job.chat_id == chat_id}
    there = [] if full.of == "all" else [Job.platform == platform, whose[full.of]]
    with db.reading() as tx:
        among = set(tx.scalars(select(Job.id).where(IS_OPEN, MODEL_RUNS, *there)))
        kept = _kept(db, tx)
    over = len(among) - full.limit + 1
    if kept.paused or over < 1 or kept.away is not None:
        return None
    return kept.play.ended(among, over)


@reads
def place(db: Database, job_id: int) -> rows.Place:
    """The job's place in line; nothing is ahead of one that runs or has ended. raises NoSuchJob."""
    with db.reading() as tx:
        job = load_job(tx, job_id)
        if job.state.terminal or job.state == State.RUNNING:
            return rows.Place(jobs_ahead=0, sections_ahead=0, running=job.state == State.RUNNING)
        kept = _kept(db, tx)
    return kept.play.place(job_id)


def _kept(db: Database, tx: Connection) -> _Kept:
    """The play of the line; read anew once it is out of date."""
    kept = _KEPT.get(db)
    now = time.monotonic()
    if kept is not None:
        fresh = len(kept.play.jobs) > SMALL and now - kept.read_at < STALE_AFTER * kept.took
        if fresh or (kept.commits == db.commits and now - kept.read_at < 1.0):
            return kept
    commits = db.commits
    play = _read(tx)
    kept = _Kept(play, flows.paused(tx), find_away(tx, db.steady()), commits, now, time.monotonic() - now)
    _KEPT[db] = kept
    return kept


def _read(tx: Connection) -> Play:
    tick = tx.execute(select(Tick.time, Tick.weight, Tick.sections)).one()
    line = turns.Line(tick.time, tick.weight, tick.sections)
    asked = (
        Job.id,
        Job.flow_id,
        Job.rank,
        Job.state,
        Job.done,
        Job.sections,
        Job.hurried,
        Job.shape,
        Job.not_before_ms,
        Job.since,
    )
    step: Any = (Progress.n, Progress.step, Progress.of)
    found = tx.execute(select(*asked, *step).outerjoin(Progress, Progress.job_id == Job.id).where(IS_OPEN))
    waiting = [
        _waiting(row) for row in found if row.rank is not None or row.not_before_ms or row.state == State.RUNNING
    ]
    of = (Flow.id, Flow.weight, Flow.served, Flow.last)
    idle = Flow.last > tick.time  # they still count in virtual time
    busy = Flow.id.in_(select(Job.flow_id).where(IS_OPEN))
    for row in tx.execute(select(*of).where(idle | busy)):
        line.flow(row.id, turns.Flow(weight=row.weight, served=row.served, last=row.last))
    return Play(line, waiting, measured_pace(tx, {job.shape for job in waiting}))


def _waiting(row: Any) -> Waiting:
    made = row.step / row.of if row.n == row.done and row.of else 0.0
    return Waiting(
        id=row.id,
        flow=row.flow_id,
        done=row.done,
        sections=row.sections,
        hurried=row.hurried,
        shape=row.shape,
        running=row.state == State.RUNNING,
        made=min(made, 1.0),
        since=row.since,
    )


@reads
def line(db: Database, most: int) -> tuple[list[rows.Job], int]:
    """The first so many jobs of the line, in the order of their next turns, and how many more there are.

    Those that cannot have a turn now come last.
    """
    with db.reading() as tx:
        kept = _kept(db, tx)
        order = kept.play.order(most)
        count = tx.scalar(select(func.count()).select_from(Job).where(IS_OPEN)) or 0
        others = select(Job.id).where(IS_OPEN, Job.id.not_in(order)).order_by(Job.id).limit(most - len(order))
        order += list(tx.scalars(others))
        found = {job.id: job for job in find_jobs(tx, Job.id.in_(order))}
        return [found[id] for id in order if id in found], count - len(order)
