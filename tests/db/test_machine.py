"""Random orders of everything that can happen to jobs, against a small model of what should come of it."""

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from makers import PLENTY, Clock, ask, due, made
from sqlalchemy import select

from db import canvases, jobs, progress, requests, sections, turns
from db.connect import Database
from db.errors import LeaseLost
from db.media import media_keep
from db.models import Canvas, Section, State, Tick
from db.rows import Claim, Job

LEASE_MS = 1000
HOUR_MS = 3_600_000
AGO = st.sampled_from([0, 0, 0, 1, 2])  # which claim: mostly the latest, which may be held; else one that is stale


@dataclass
class Model:
    """What a job should be."""

    id: int
    sections: int
    state: State = State.QUEUED
    done: int = 0
    fence: int = 0
    crashes: int = 0
    wish: str | None = None
    lease_until: int = 0
    not_before: int = 0
    fences: list[int] = field(default_factory=list)
    film: str | None = None
    begun: bool = False  # its section: there is progress to show
    deaths: int = 0
    losses: int = 0
    tighter: int = 0
    prompt: str = "night falls"

    def set_down(self, *, crashed: bool = False, given_up: bool = False) -> None:
        self.crashes += crashed
        self.begun = False
        if self.wish:
            self.state = State.STOPPED if self.wish == "stop" and self.film else State.CANCELLED
        else:
            self.state = State.FAILED if given_up or (crashed and self.crashes == 3) else State.QUEUED


class Memory(RuleBasedStateMachine):
    """What always holds:

    - the sections of a job are exactly 0 … done-1, each once, under the fences of the claims that made them
    - a claim that is not held any more changes no row, whatever it tries; it is held again once it is renewed, unless
      somebody has taken the job
    - at most one claim holds a job
    - fence and revision never fall; a job that has ended never changes
    - what a canvas wants is the job's revision, and it never shows a newer one
    - every file that a row names is on the disk, whatever was dropped, swept or expired, and whoever else names it; a
      sweep leaves no other
    - a film goes on to be shown until there is a newer one, though sections of it were lost
    - setting the system's clock changes no lease, no wait and no turn
    - jobs, claims and their ends are as in the model
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.clock, self.wall = Clock(), Clock()  # the first counts leases and waits; the second may be set
        self.disk: set[str] = set()
        self.jobs: dict[int, Model] = {}
        self.seen: dict[int, Job] = {}
        self.claimed: list[Claim] = []
        self.made = 0

    @initialize()
    def begin(self) -> None:
        shutil.copy(TEMPLATE[0], self.folder / "flipbot.db")
        self.open()

    def open(self) -> None:
        self.stack = AsyncExitStack()
        opened = Database.open(data_dir=self.folder, clock=self.wall, steady=self.clock)
        self.db = self.runner.run(self.stack.enter_async_context(opened))

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.runner.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    def holds(self, claim: Claim) -> bool:
        job = self.jobs[claim.job.id]
        return job.state == State.RUNNING and job.fence == claim.fence and job.lease_until >= self.clock.ms

    def tries(self, claim: Claim, verb: Any) -> Any:
        """The verb's answer if the claim holds its job; else it must be refused."""
        if self.holds(claim):
            return self.runner.run(verb)
        with pytest.raises(LeaseLost):
            self.runner.run(verb)
        return None

    @rule(key=st.integers(0, 20), sections=st.integers(1, 4))
    def submit(self, key: int, sections: int) -> None:
        self.disk.add(ask().picture)
        job = self.runner.run(requests.submit(self.db, ask(f"{key}", sections=sections, canvas=True), PLENTY))
        self.jobs.setdefault(job.id, Model(id=job.id, sections=sections))

    @precondition(lambda self: any(job.done for job in self.jobs.values()))
    @rule(data=st.data(), more=st.integers(1, 2))
    def extend(self, data: st.DataObject, more: int) -> None:
        """A new film takes over the first sections of another one, and goes on with them."""
        parent = self.jobs[data.draw(st.sampled_from([job.id for job in self.jobs.values() if job.done]))]
        kept = data.draw(st.integers(1, parent.done))
        fields = {"sections": kept + more, "parent_id": parent.id, "kept": kept, "canvas": True}
        job = self.runner.run(requests.submit(self.db, ask(f"extended {self.made}", **fields), PLENTY))
        self.made += 1
        film = parent.film if kept == parent.done else None
        model = Model(id=job.id, sections=kept + more, done=kept, fences=parent.fences[:kept], film=film)
        self.jobs.setdefault(job.id, model)
        assert job.film == film

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), late=st.booleans())
    def steer(self, data: st.DataObject, late: bool) -> None:
        """What comes next of a film changes; whoever saw it as it was too long ago changes nothing."""
        model = self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]
        seen = self.runner.run(jobs.get(self.db, model.id))
        seen = replace(seen, revision=seen.revision - 1) if late else seen
        prompt = f"steered {self.made}"
        job = self.runner.run(requests.steer(self.db, seen, dict(seen.plan), prompt))
        assert (job is None) == (late or model.state.terminal or model.wish is not None)
        if job is not None:
            model.prompt = prompt

    @rule(slept_ms=st.sampled_from([0, 0, LEASE_MS + 1]))
    def claim(self, slept_ms: int) -> None:
        """Claim the next turn; after a long sleep it is one that others have lost. All workers have one name: it is the
        fence that tells them apart."""
        self.sleep(slept_ms)
        claim = self.runner.run(jobs.claim(self.db, "worker", LEASE_MS))
        for job in self.jobs.values():
            if job.state == State.RUNNING and job.lease_until < self.clock.ms:
                job.set_down(crashed=True)
                job.not_before = 0
        ready = [j for j in self.jobs.values() if j.state == State.QUEUED and j.not_before <= self.clock.ms]
        if not ready:
            assert claim is None
            return
        job = min(ready, key=lambda job: (turns.rank(job.done, job.sections), job.id))
        job.state, job.fence, job.lease_until = State.RUNNING, job.fence + 1, self.clock.ms + LEASE_MS
        assert claim and (claim.job.id, claim.fence, claim.job.done) == (job.id, job.fence, job.done)
        assert [section.n for section in claim.sections] == list(range(job.done))
        self.claimed.append(claim)

    @precondition(lambda self: self.claimed)
    @rule(ago=AGO, ahead=st.sampled_from([0, 0, 0, 1, -1]))
    def record(self, ago: int, ahead: int) -> None:
        claim = self.claimed[-1 - ago % len(self.claimed)]
        job, name = self.jobs[claim.job.id], f"{self.made}"
        n = job.done + ahead
        self.made += 1
        if n != job.done or n < 0:
            with pytest.raises(LeaseLost):
                self.runner.run(sections.record(self.db, claim, made(n, name)))
            return
        recorded = self.tries(claim, sections.record(self.db, claim, made(n, name)))
        self.disk |= {sha for sha in asdict(made(n, name)).values() if isinstance(sha, str)}
        if recorded:
            self.disk -= set(recorded.unreferenced)
            job.film = made(n, name).film
            job.done, job.crashes, job.not_before, job.deaths = n + 1, 0, 0, 0
            job.fences.append(claim.fence)
            job.set_down()
            job.state = State.DONE if job.done == job.sections else job.state
            assert recorded.job.film == made(n, name).film

    @precondition(lambda self: self.claimed)
    @rule(ago=AGO)
    def renew(self, ago: int) -> None:
        """A lease that is over is revived, unless somebody has taken the job."""
        claim = self.claimed[-1 - ago % len(self.claimed)]
        job = self.jobs[claim.job.id]
        if job.state == State.RUNNING and job.fence == claim.fence:
            job.lease_until = self.clock.ms + LEASE_MS
        if self.holds(claim):
            assert self.runner.run(jobs.renew(self.db, claim, LEASE_MS)) == job.wish
        else:
            self.tries(claim, jobs.renew(self.db, claim, LEASE_MS))

    @precondition(lambda self: self.claimed)
    @rule(ago=AGO)
    def report(self, ago: int) -> None:
        claim = self.claimed[-1 - ago % len(self.claimed)]
        held = self.holds(claim)
        self.tries(claim, progress.report(self.db, claim, claim.job.done, 1, 8, "sampling", None))
        self.jobs[claim.job.id].begun |= held

    @precondition(lambda self: self.claimed)
    @rule(ago=AGO, crashed=st.booleans(), retry_in_ms=st.sampled_from([0, 500]))
    def release(self, ago: int, crashed: bool, retry_in_ms: int) -> None:
        claim = self.claimed[-1 - ago % len(self.claimed)]
        if self.tries(claim, jobs.release(self.db, claim, crashed=crashed, retry_in_ms=retry_in_ms)):
            job = self.jobs[claim.job.id]
            job.set_down(crashed=crashed)
            job.not_before = self.clock.ms + retry_in_ms

    @precondition(lambda self: self.claimed)
    @rule(ago=AGO)
    def run_out_of_memory(self, ago: int) -> None:
        claim = self.claimed[-1 - ago % len(self.claimed)]
        job = self.jobs[claim.job.id]
        if self.tries(claim, jobs.release(self.db, claim, reason="out_of_memory", tighter=job.tighter + 1)):
            job.tighter, job.not_before = job.tighter + 1, 0
            job.set_down()

    @precondition(lambda self: self.claimed)
    @rule(ago=AGO, back=st.integers(1, 3))
    def lose(self, ago: int, back: int) -> None:
        """The files of a finished section are damaged."""
        claim = self.claimed[-1 - ago % len(self.claimed)]
        job = self.jobs[claim.job.id]
        n = job.done - back
        if n < 0:
            return
        lost = self.tries(claim, sections.lose(self.db, claim, n, {}))
        if lost:
            self.disk -= set(lost.unreferenced)
            job.losses, job.film = job.losses + 1, job.film if n else None
            job.done, job.fences = n, job.fences[:n]
            job.set_down()

    @precondition(lambda self: self.claimed)
    @rule(ago=AGO, failed=st.booleans())
    def give_up(self, ago: int, failed: bool) -> None:
        claim = self.claimed[-1 - ago % len(self.claimed)]
        job = self.jobs[claim.job.id]
        state = State.FAILED if failed else State.STOPPED if job.done else State.CANCELLED
        verb = jobs.fail(self.db, claim, "nan_latents", {}) if failed else jobs.end(self.db, claim, state)
        if self.tries(claim, verb):
            job.state, job.begun = state, False

    @rule(ms=st.sampled_from([1, 400, 1001]))
    def time_passes(self, ms: int) -> None:
        self.sleep(ms)

    def sleep(self, ms: int) -> None:
        self.clock.forward(ms)
        self.wall.forward(ms)

    @rule(ms=st.sampled_from([-HOUR_MS, HOUR_MS]))
    def clock_is_set(self, ms: int) -> None:
        self.wall.forward(ms)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), wish=st.sampled_from(["stop", "cancel"]))
    def wish(self, data: st.DataObject, wish: Any) -> None:
        job = self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]
        self.runner.run(requests.wish(self.db, job.id, wish, "ann"))
        if not job.state.terminal and job.wish != "cancel":
            job.wish = wish
            if job.state == State.QUEUED:
                job.set_down()

    @rule()
    def restart(self) -> None:
        """The service ends at any moment and starts again; claims of its former life are void."""
        self.runner.run(self.stack.aclose())
        self.open()
        self.runner.run(jobs.recover(self.db))
        for job in self.jobs.values():
            job.not_before = 0
            if job.state == State.RUNNING:
                job.deaths += job.begun
                if job.deaths > jobs.PATIENT:
                    job.not_before = self.clock.ms + 1000 * 2 ** (job.deaths - jobs.PATIENT)
                job.set_down(given_up=job.deaths >= jobs.DEATHS)

    @rule()
    def sweep(self) -> None:
        """What no row names is removed."""
        self.disk &= self.runner.run(media_keep(self.db))

    @rule(ago_ms=st.sampled_from([0, 1000, HOUR_MS]))
    def expire(self, ago_ms: int) -> None:
        """What ended before a time is forgotten; those that took over something of it keep it."""
        before = self.wall.ms - ago_ms
        ended = [id for id, job in self.seen.items() if job.finished_ms is not None and job.finished_ms < before]
        assert self.runner.run(requests.expire(self.db, before)) == len(ended)
        for id in ended:
            del self.jobs[id], self.seen[id]
        self.claimed = [claim for claim in self.claimed if claim.job.id not in ended]

    @rule(data=st.data())
    def show(self, data: st.DataObject) -> None:
        late = self.runner.run(due(self.db))
        if late:
            canvas = data.draw(st.sampled_from(late))
            self.runner.run(canvases.shown(self.db, canvas.job_id, canvas.wanted, "message"))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), retry_in_ms=st.sampled_from([0, 500]))
    def put_off(self, data: st.DataObject, retry_in_ms: int) -> None:
        """A chat asks to be left alone for a while; until then it is."""
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        self.runner.run(canvases.put_off(self.db, job_id, retry_in_ms))
        late = [canvas.job_id for canvas in self.runner.run(due(self.db))]
        assert retry_in_ms == 0 or job_id not in late

    @invariant()
    def holds_what_always_holds(self) -> None:
        self.runner.run(self.check())

    async def check(self) -> None:
        with self.db.reading() as tx:
            messages = list(tx.execute(select(Canvas.job_id, Canvas.wanted, Canvas.shown)))
            found_parts = list(tx.execute(select(Section.job_id, Section.n, Section.fence).order_by(Section.n)))
            assert tx.scalar(select(Tick.open)) == sum(not job.state.terminal for job in self.jobs.values())
        wanted = {row.job_id: row.wanted for row in messages}
        assert all(row.shown <= row.wanted for row in messages)
        parts: dict[int, list[tuple[int, int]]] = {id: [] for id in self.jobs}
        for part in found_parts:
            parts[part.job_id].append((part.n, part.fence))
        named = await media_keep(self.db)
        assert named <= self.disk, "a row names a file that is gone"
        found = {job.id: job for job in await jobs.recent(self.db, 99)}
        assert found.keys() == self.jobs.keys()
        for id, job in found.items():
            model = self.jobs[id]
            assert (job.state, job.done, job.crashes, job.fence, job.wish) == (
                *(model.state, model.done, model.crashes, model.fence, model.wish),
            )
            assert (job.film, job.prompt) == (model.film, model.prompt)
            assert (job.deaths, job.losses, job.tighter) == (model.deaths, model.losses, model.tighter)
            assert parts[id] == list(enumerate(model.fences)) and len(parts[id]) == job.done
            assert job.revision == wanted[id]
            before = self.seen.get(id, job)
            assert job.fence >= before.fence and job.revision >= before.revision
            assert not before.state.terminal or job == before
            assert (job.revision > before.revision) or visible(job) == visible(before)
        self.seen = found


def visible(job: Job) -> tuple[object, ...]:
    return (job.state, job.done, job.wish, job.film, job.reason)


TEMPLATE: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def template(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An empty database, made once: applying the migrations for each example would take most of the time."""

    async def make(folder: Path) -> None:
        async with Database.open(data_dir=folder):
            pass

    folder = tmp_path_factory.mktemp("template")
    asyncio.run(make(folder))
    TEMPLATE[:] = [folder / "flipbot.db"]


TestMemory = Memory.TestCase
LONG = settings.get_current_profile_name() == "long"
TestMemory.settings = settings(
    max_examples=settings().max_examples if LONG else 10,
    stateful_step_count=settings().stateful_step_count if LONG else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[phase for phase in Phase if phase != Phase.shrink],  # an example is slow: shrinking takes minutes
)
