"""Claim a turn → tell the child → record the section → show it. Renews the lease and hears stop and cancel. No torch.

The rows say all there is to do: this file may stop at any line, and the next dispatcher goes on from them.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from db import jobs, operators, progress, sections, workers
from db.connect import Database
from db.errors import (
    DatabaseAway,
    DatabaseBusy,
    DiskFailed,
    DiskFull,
    LeaseLost,
    MachineShort,
    MediaAway,
    NoSuchJob,
    OtherStore,
)
from db.media import Media, fetched, in_thread, settle_store
from db.models import Reason, State
from db.room import Room
from db.rows import Claim, Job
from db.sections import Made
from db.trouble import TROUBLE
from gen.check import Check
from gen.config import ModelConfig
from gen.driver import is_free
from gen.errors import (
    CheckpointCorrupt,
    CheckpointIncomplete,
    CheckpointMissing,
    CheckUnusable,
    DeviceMissing,
    MemoryTaken,
    NanLatents,
    OtherModel,
    OutOfMemory,
    SectionLost,
    TextEncoderDied,
)
from gen.leave import Leave
from gen.loader import Loader
from gen.process import ChildDied, ChildFailed, ChildHung, ChildProcess, Told

log = logging.getLogger("flipbot.dispatch")

P = ParamSpec("P")
T = TypeVar("T")

LEASE_MS = 60_000
IDLE_S = 5.0  # how often an idle dispatcher looks by itself: wake-ups are a courtesy, the rows are the truth
TOLD_EVERY_S = 0.5  # progress rows are commits: no more often than that
DISK_RETRY_MS = 30_000
CRASH_RETRY_MS = 1_000
AWAY = (MediaAway, DatabaseAway, DatabaseBusy, MachineShort)
AWAY_S = 600.0  # a section that is made waits so long for what is away, before it is given up
BLIND = 10  # times as long between two tries that take memory from others
TIGHTER = 1  # steps down from the first memory plan that are tried
# While a card's driver is renewed, it sleeps, or weights are fetched anew
GONE = tuple(
    kind.reason for kind in (DeviceMissing, CheckpointMissing, CheckpointIncomplete, CheckpointCorrupt, CheckUnusable)
)
LOADS = 3  # children in a row that die before they have loaded: then it counts as the job's crash, so that it ends
# Where several workers share a database, a trouble of one is no film's: it gives the film back, and rests
OF_FILES = (DiskFull.reason, DiskFailed.reason, MachineShort.reason, MediaAway.reason)
# The film's or the machine's, which another worker finds out
DOUBTFUL = (OutOfMemory.reason, TextEncoderDied.reason, NanLatents.reason, Reason.INTERNAL)
CRASH_REST_S = 5.0  # twice as long each time, until a section is made; for a trouble of the machine from retry_ms on
LONGEST_REST_S = 600.0
COUNTS = 3  # of so many crashes in a row at one worker the first counts, where there are others to try the film


class Siblings:
    """The dispatchers of one process, each with a device of its own: they share the machine's RAM and its disk."""

    def __init__(self) -> None:
        self.all: list[Dispatch] = []
        self.loading = asyncio.Lock()  # memory is planned by what is free, so one loads after the other


class Dispatch:
    """Drives one GPU child by the rows of one database."""

    def __init__(
        self,
        db: Database,
        media: Media,
        model: ModelConfig,
        models_dir: Path,
        *,
        worker: str,
        texts_dir: Path | None = None,
        sizes: Sequence[str] = (),
        lease_ms: int = LEASE_MS,
        room: Room | None = None,
        retry_ms: int = DISK_RETRY_MS,
        idle_s: float = IDLE_S,
        on_other_model: Callable[[str], Awaitable[str]] | None = None,
        check: Check | None = None,
        siblings: Siblings | None = None,
        leave: Leave | None = None,
        children: type[ChildProcess] = ChildProcess,
    ) -> None:
        """worker: the name under which claims are made, one per running dispatcher; lease_ms: how long each holds.
           Of a model that names several devices each dispatcher gets one.

        room: no turn is taken while the disk is too full; retry_ms: after a trouble of the machine
        idle_s:   how often it looks by itself
        sizes:    that the model may be asked for, which is what memory is planned for; none: all
        on_other_model: called where a film was planned for another model than the one that is loaded: the checkpoint
                  may have been changed under the service. Has films planned for what is there now,
                  and returns its identity; of one that cannot be read, nothing
        check:    what looks at pictures and films first
        siblings: the dispatchers of this process, which this one joins; none: it is the only one
        leave:    says when the machine is its owner's; none: never
        children: how a child is started and what it runs
        """
        self.siblings = siblings or Siblings()
        self.siblings.all.append(self)
        self.db = db
        self.media = media
        self.loader = Loader(
            *(db, model, models_dir),
            worker=worker,
            root=media.root,
            texts_dir=texts_dir or models_dir / "texts",
            sizes=sizes,
            check=check,
            children=children,
            loading=self.siblings.loading,
            others=lambda: [each.loader for each in self.siblings.all if each is not self],
        )
        self.leave = leave
        self.worker = worker
        self.lease_ms = lease_ms
        self.room = room
        self.retry_ms = retry_ms
        self.idle_s = idle_s
        self.on_other_model = on_other_model
        self.in_trouble = False
        self.why: tuple[str, Mapping[str, Any]] | None = None  # no turn is taken, and what those who wait are told
        self.rests_until = 0.0
        self.rests = 0  # in a row, without a section between them; where there are others
        self.used_at = time.monotonic()  # the end of the last turn

    async def run(self) -> None:
        """Take turn after turn until cancelled; then the child is ended and the claim given back."""
        try:
            while True:
                seen = self.db.commits
                try:
                    claim = await self.next()
                    if claim is not None:
                        await self.turn(claim)
                        continue
                except TROUBLE as trouble:
                    self.say(trouble)
                except Exception:  # ends the turn, not the service; what it held is anybody's once its lease is over
                    log.exception("no turn worker=%s", self.worker)
                else:
                    await self.db.changed(seen, self.idle_s)
                    continue
                await asyncio.sleep(self.retry_ms / 6000)
        finally:
            await self.loader.free("end")

    async def next(self) -> Claim | None:
        """The next turn, once what could not be given back is, and where the disk has room. raises: TROUBLE."""
        if self.in_trouble:
            await jobs.abandon(self.db, self.worker)
            self.in_trouble = False
            log.info("trouble over worker=%s", self.worker)
        if self.leave is not None and self.leave.why is not None:
            await self.loader.free(self.leave.why.reason)
            return None
        if self.why and time.monotonic() >= self.rests_until and not await self.worth_a_try(*self.why):
            self.rest(*self.why, self.retry_ms / 1000, grows=False)
        if time.monotonic() < self.rests_until:  # for each film a child would be started in vain
            if self.why:
                await self.hold_up(*self.why)
            return None
        if self.one_of_several and self.why and not await self.well(self.why[0]):
            return None
        self.why = None
        short = await self.room.short() if self.room is not None else None
        if short is not None:
            await self.hold_up(DiskFull.reason, short)
            return None
        claim = await self.claim()
        if claim is None:
            await self.spare()
        return claim

    async def spare(self) -> None:
        """Give the device's memory back where no film wants it: others may."""
        idle_s = 60 * self.loader.model.idle_minutes
        if not self.loader.holds:
            return
        if idle_s and time.monotonic() - self.used_at >= idle_s:
            await self.loader.free("idle")
        elif (await operators.state(self.db)).paused:
            await self.loader.free("paused")

    async def hold_up(self, reason: str, facts: Mapping[str, Any]) -> None:
        """Say at the film whose turn is next why it is not begun, unless another worker may begin it."""
        everybodys = reason in OF_FILES and not self.db.shared
        if everybodys or await self.alone():
            await jobs.hold_up(self.db, reason, facts)

    @property
    def one_of_several(self) -> bool:
        """Whether others may make the film that this one cannot."""
        return self.db.shared or len(self.siblings.all) > 1

    def hopeless(self) -> bool:
        """Whether each device of the only machine has tried to load the model, and none has ever had it."""
        others = [each for each in self.siblings.all if each is not self]
        loaded = any(each.loader.engine for each in self.siblings.all)
        return not self.db.shared and not loaded and all(each.rests for each in others)

    async def alone(self) -> bool:
        """Whether no other worker is there, and no sibling of this one that does not rest."""
        now = time.monotonic()
        if any(each is not self and each.rests_until <= now for each in self.siblings.all):
            return False
        return not self.db.shared or all(
            workers.is_of(self.worker, each.name) for each in await workers.working(self.db)
        )

    def rest(self, reason: str, facts: Mapping[str, Any] | None, rest_s: float, *, grows: bool = True) -> None:
        """Take no turn for so long; where there are others, twice as long each time.

        facts: None where those who wait are told nothing
        grows: not where the trouble may be everybody's, as a store's that is away: its end is to be noticed soon
        """
        if self.one_of_several and grows:
            rest_s = min(rest_s * 2 ** min(self.rests, 20), LONGEST_REST_S)
            level = logging.INFO if self.rests else logging.WARNING
            log.log(level, "worker rests worker=%s reason=%s facts=%s for=%.0fs", self.worker, reason, facts, rest_s)
            self.rests += 1
        self.why, self.rests_until = None if facts is None else (reason, facts), time.monotonic() + rest_s

    async def worth_a_try(self, reason: str, facts: Mapping[str, Any]) -> bool:
        """Whether what this worker rested for may be over, as far as can be told without a child: starting one takes
        seconds, and memory that is somebody else's."""
        if reason != MemoryTaken.reason:
            return True
        return await asyncio.to_thread(is_free, str(facts["kind"]), float(facts["need"]), str(facts.get("card", "")))

    async def well(self, reason: str) -> bool:
        """Whether what this worker rested for is over, found out without a film; where it is not, it rests on."""
        try:
            if reason == MediaAway.reason:
                await settle_store(self.db, self.media)
            elif reason not in OF_FILES:  # in less memory, if that was what was short
                smaller = reason == OutOfMemory.reason and self.loader.tighter < TIGHTER
                await self.loader.ready(self.loader.tighter + smaller, nobody)
        except ChildDied as died:
            self.rest(Reason.WORKER_CRASHED, {"status": died.status}, self.retry_ms / 1000)
        except ChildFailed as failed:
            self.rest(failed.reason, failed.facts, self.retry_ms / 1000)
        except MediaAway as away:
            self.rest(away.reason, away.facts, self.retry_ms / 1000, grows=isinstance(away, OtherStore))
        else:
            return True
        return False

    def say(self, trouble: Exception) -> None:
        """Log the start of a trouble of the machine; from now on it is looked after before the next turn."""
        if not self.in_trouble:
            log.warning("trouble worker=%s: %s", self.worker, trouble)
        self.in_trouble = True

    async def claim(self) -> Claim | None:
        """The next turn; one that was claimed while this task was being cancelled is given back."""
        claiming = asyncio.ensure_future(jobs.claim(self.db, self.worker, self.lease_ms))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with suppress(*TROUBLE):  # else it would take the cancellation's place, and `run` would go on for ever
                if (claim := await claiming) is not None:
                    await self.give_back(claim)
            raise

    async def turn(self, claim: Claim) -> None:
        """Make the section that was claimed and record it, or record why it was not made."""
        job = claim.job
        log.info("section claimed job=%d n=%d/%d fence=%d", job.id, job.done + 1, job.sections, claim.fence)
        started = time.monotonic()
        out: Path | None = None
        keeping = asyncio.create_task(self.keep_lease(claim))
        try:
            out = self.media.workdir()
            made = await self.make(claim, out)
            await self.record(claim, made, started)
        except ChildDied as died:
            if self.given_up:
                log.info("section given up job=%d n=%d", job.id, job.done + 1)
            else:
                log.warning("child died job=%d n=%d status=%s", job.id, job.done + 1, died.status)
            facts: dict[str, Any] = {"status": died.status}
            if isinstance(died, ChildHung):
                facts["silent_s"] = died.silent_s
            await self.died(claim, facts)
        except ChildFailed as failed:
            try:
                await self.failed(claim, failed)
            except (LeaseLost, NoSuchJob):
                await self.lost(claim)
            except TROUBLE as trouble:
                self.say(trouble)
        except TROUBLE as trouble:
            log.warning("section put off job=%d n=%d: %s", job.id, job.done + 1, trouble)
            if self.db.shared and trouble.reason in OF_FILES:
                await self.give_back(claim)
                grows = isinstance(trouble, OtherStore)  # the others pass by themselves
                self.rest(trouble.reason, trouble.facts, self.retry_ms / 1000, grows=grows)
            else:
                await self.give_back(claim, reason=trouble.reason, facts=trouble.facts, retry_in_ms=self.retry_ms)
        except LeaseLost:
            await self.lost(claim)
        except asyncio.CancelledError:
            await asyncio.shield(self.give_back(claim))
            raise
        except Exception as error:  # ends the attempt, not the service
            log.exception("unexpected job=%d n=%d", job.id, job.done + 1)
            await self.crashed(claim, Reason.INTERNAL, {"what": type(error).__name__})
        finally:
            self.used_at = time.monotonic()
            keeping.cancel()
            keeping.add_done_callback(heard)
            if out is not None:
                shutil.rmtree(out, ignore_errors=True)  # not in a thread: who is cancelled then would leave it

    async def make(self, claim: Claim, out: Path) -> dict[str, Any]:
        """Ask the child for the section; returns the files it made."""
        job, done, tell = claim.job, claim.sections, Teller(self.db, claim)
        named = {job.picture, job.end_picture, job.conditioning, job.tail}
        parts = {sha for section in done for sha in (section.latents, section.clip)}
        here = await self.bring(named | parts)
        if self.db.shared and any((parts | {job.picture, job.end_picture}) - here):
            await settle_store(self.db, self.media)  # else the child says what it means that they are lost

        def file(sha: str | None, *, again: bool = False) -> str | None:
            """Where it stands, or would; again: None where it does not, for it can be made again."""
            return str(self.media.path(sha)) if sha and (not again or sha in here) else None

        child = await self.loader.ready(job.tighter, tell)
        return await child.section(
            tell,
            plan=dict(job.plan),
            n=job.done,
            picture=file(job.picture),
            end_picture=file(job.end_picture),
            conditioning=file(job.conditioning, again=True),
            latents=[file(section.latents) for section in done],
            tail=file(job.tail, again=True),
            clips=[file(section.clip) for section in done],
            out=str(out),
        )

    async def bring(self, shas: Iterable[str | None]) -> set[str]:
        """See that the files are on this machine; returns those that are. raises: MediaAway, DiskFull, DiskFailed."""

        async def one(sha: str) -> str | None:
            try:
                await fetched(self.media, sha)
            except FileNotFoundError:  # the child says what that means
                return None
            return sha

        return {sha for sha in await asyncio.gather(*(one(sha) for sha in shas if sha)) if sha}

    async def keep_lease(self, claim: Claim) -> None:
        """Renew the lease in time, and take the section back while it is not wanted or not ours any more.

        To the turn's end: loading a large model takes longer than a lease, and so may a bucket. What is taken back
        before it was asked for is taken back again after.
        """
        renew_every_s = self.lease_ms / 4000
        renew_at = time.monotonic() + renew_every_s
        seen = self.db.commits
        while True:
            seen = await self.db.changed(seen, min(1.0, renew_every_s))
            lost, wish = False, None
            try:
                job = await jobs.get(self.db, claim.job.id)
                lost, wish = job.fence != claim.fence or job.state != State.RUNNING, job.wish
                if not lost and time.monotonic() >= renew_at:
                    renew_at = time.monotonic() + renew_every_s
                    await jobs.renew(self.db, claim, self.lease_ms)
            except (LeaseLost, NoSuchJob):
                lost = True
            except TROUBLE:  # it is tried again, and the section may be done before the lease is over
                pass
            if self.given_up:
                await self.loader.free("program")
            child = self.loader.child
            if (lost or wish) and child is not None and child.alive:
                with suppress(ChildDied):
                    await child.take_back()

    async def write(
        self, claim: Claim, verb: Callable[Concatenate[Database, Claim, P], Awaitable[T]], *args: P.args, **kw: P.kwargs
    ) -> T:
        """Write under a claim, however long this process was frozen meanwhile, unless somebody has taken the job.

        raises: LeaseLost, and what the verb does
        """
        try:
            return await verb(self.db, claim, *args, **kw)
        except LeaseLost:
            await jobs.renew(self.db, claim, self.lease_ms)
            return await verb(self.db, claim, *args, **kw)

    async def record(self, claim: Claim, made: Mapping[str, Any], started: float) -> None:
        """Files first, then the row that names them: fsynced and renamed before the commit."""

        kept: dict[str, str] = {}  # the names of what is taken in already

        def one(path: str) -> str:
            if path not in kept:
                kept[path] = self.media.adopt(Path(path))
            return kept[path]

        def some(path: str | None) -> str | None:
            return one(path) if path else None

        def adopt() -> Made:
            for path in made["mended"]:  # over the damaged file: it has the same name, being the same to the bit
                one(path)
            return Made(
                n=claim.job.done,
                latents=one(made["latents"]),
                clip=some(made["clip"]),
                tail=some(made["tail"]),
                film=one(made["film"]),
                fragment=some(made["fragment"]),
                fragment_end=some(made["fragment_end"]),
                conditioning=some(made["conditioning"]),
                frames=made["frames"],
                sampling_ms=made["sampling_ms"],
                decode_ms=made["decode_ms"],
                encode_ms=made["encode_ms"],
            )

        taken_in = await self.once_back(claim, lambda: in_thread(self.media, adopt))
        recorded = await self.once_back(claim, lambda: self.write(claim, sections.record, taken_in))
        if self.rests:
            log.info("worker is well again worker=%s", self.worker)
            self.rests = 0
        await self.drop(recorded.unreferenced)
        await self.loader.seen(made["vram"], made["ram"])
        job = recorded.job
        took = time.monotonic() - started
        log.info("section recorded job=%d n=%d/%d took=%.1fs state=%s", job.id, job.done, job.sections, took, job.state)

    async def once_back(self, claim: Claim, do: Callable[[], Awaitable[T]]) -> T:
        """Do it, and again while the store or the database is away: minutes of work are not thrown away for that.

        do: goes on where it was
        raises: TROUBLE; LeaseLost, where somebody has the film by now, and where it was done before the answer broke
        """
        until, told = time.monotonic() + AWAY_S, False
        while True:
            try:
                return await do()
            except AWAY as away:
                if time.monotonic() >= until:
                    raise
                if not told:
                    log.warning("section waits to be recorded job=%d n=%d: %s", claim.job.id, claim.job.done + 1, away)
                told = True
            await asyncio.sleep(self.retry_ms / 6000)
            with suppress(*TROUBLE):
                await jobs.renew(self.db, claim, self.lease_ms)

    async def drop(self, shas: Sequence[str]) -> None:
        """Remove what no row names any more; where other workers may be about to name the same, the sweep does."""
        if not self.one_of_several:
            await in_thread(self.media, self.media.drop_all, shas)

    async def failed(self, claim: Claim, failed: ChildFailed) -> None:
        """The child could not: end the job as it was wished, or with the reason, or try again where that can help."""
        job = await jobs.get(self.db, claim.job.id)
        if failed.reason == "cancelled":
            if job.wish:
                await self.end(claim, job)
            return
        log.warning("section failed job=%d n=%d reason=%s facts=%s", job.id, job.done + 1, failed.reason, failed.facts)
        release = partial(jobs.release, reason=failed.reason, facts=failed.facts)
        match failed.reason:
            case reason if self.db.shared and reason in OF_FILES:
                await self.write(claim, jobs.release)
                self.rest(reason, failed.facts, self.retry_ms / 1000)
            case MemoryTaken.reason:
                await self.write(claim, jobs.release)
                await self.loader.free(failed.reason)
                blind = failed.facts["kind"] == "VRAM" and not failed.facts.get("card")  # only a child can find out
                self.rest(failed.reason, failed.facts, (BLIND if blind else 1) * self.retry_ms / 1000)
            case DiskFull.reason:  # nothing finished is lost
                await self.write(claim, release, retry_in_ms=self.retry_ms)
            case reason if self.one_of_several and (reason in GONE or not self.loader.loaded) and not self.hopeless():
                await self.write(claim, jobs.release)
                self.rest(reason, failed.facts, self.retry_ms / 1000)
            case reason if reason in GONE and self.loader.engine:  # it was there, and comes back
                await self.write(claim, jobs.release)
                self.rest(reason, failed.facts, self.retry_ms / 1000)
            case OutOfMemory.reason if job.tighter < TIGHTER:
                # than the one that was too large, whoever it was made for
                smaller = max(job.tighter, self.loader.tighter) + 1
                await self.write(claim, release, tighter=smaller)
            case SectionLost.reason:
                await self.continue_from(claim, failed)
            case OtherModel.reason:
                await self.write(claim, jobs.release)
                await self.other_model(str(failed.facts["loaded"]))
            case reason if self.one_of_several and reason in DOUBTFUL:
                await self.crashed(claim, reason, failed.facts)
            case _:
                await self.write(claim, jobs.fail, failed.reason, failed.facts)

    @property
    def given_up(self) -> bool:
        """Whether what is under way is given up for the machine's owner."""
        return self.leave is not None and self.leave.why is not None and self.leave.why.at_once

    async def died(self, claim: Claim, facts: Mapping[str, Any]) -> None:
        """The child died: at the film, unless it had not loaded yet; or it was ended for the machine's owner."""
        if self.given_up:
            self.loader.died_loading = 0
            await self.give_back(claim)
        elif self.loader.loaded:
            await self.crashed(claim, Reason.WORKER_CRASHED, facts)
        elif self.one_of_several:
            await self.give_back(claim)
            self.rest(Reason.WORKER_CRASHED, facts, self.retry_ms / 1000)
        else:  # it is not this job's fault, unless it goes on and on: then somebody must hear it
            blamed = self.loader.died_loading % LOADS == 0
            await self.give_back(claim, crashed=blamed, reason=Reason.WORKER_CRASHED, facts=facts)

    async def crashed(self, claim: Claim, reason: str, facts: Mapping[str, Any]) -> None:
        """A film took the child with it, or as good as that; or this machine did, and would do so with any film.

        Where others may try the film, this worker rests, and its crashes in a row do not all count against films.
        """
        counts = not self.one_of_several or self.rests % COUNTS == 0 or await self.alone()
        await self.give_back(claim, crashed=counts, reason=reason, facts=facts)
        if self.one_of_several:
            self.rest(reason, None, CRASH_REST_S)

    async def continue_from(self, claim: Claim, failed: ChildFailed) -> None:
        """Files of a finished section are damaged: go on from the last one before it."""
        n = int(failed.facts["n"])
        after = await self.write(claim, sections.lose, n, {"file": failed.facts["file"]})
        await self.drop(after.unreferenced)
        log.warning("sections lost job=%d n=%d state=%s; they are made again", claim.job.id, n + 1, after.job.state)

    async def other_model(self, loaded: str) -> None:
        """What is loaded is not what a film was planned for: have plans name what is on the disk now, and load that.

        Where nobody can tell, or what was just loaded is another one, films of what is loaded are made and others wait.
        """
        child = self.loader.child
        assert child is not None
        now = await self.on_other_model(loaded) if self.on_other_model is not None else ""
        if not now or now == loaded or child.asked == 1:
            await jobs.run_model(self.db, loaded)  # of those that were being made meanwhile, too
        else:
            await child.close()

    async def end(self, claim: Claim, job: Job) -> None:
        """End a job whose owner wished it, keeping the sections that are finished."""
        kept = job.wish == "stop" and job.film is not None
        state = State.STOPPED if kept else State.CANCELLED
        await self.write(claim, jobs.end, state)
        log.info("job ended job=%d state=%s sections=%d/%d", job.id, state, job.done, job.sections)

    async def give_back(self, claim: Claim, *, crashed: bool = False, **why: Any) -> None:
        """Put the job back in line, unless somebody else has it by now; what cannot be written now, is later."""
        if why:
            why = {"retry_in_ms": CRASH_RETRY_MS, **why}
        try:
            await self.write(claim, jobs.release, crashed=crashed, **why)
        except LeaseLost:
            await self.lost(claim)
        except TROUBLE as trouble:
            self.say(trouble)

    async def lost(self, claim: Claim) -> None:
        """Say that the section was made, or begun, for nothing: its turn is another one's by now.

        Nothing is said where it was recorded, and this turn was ended in the moment between.
        """
        with suppress(NoSuchJob, *TROUBLE):
            job = await jobs.get(self.db, claim.job.id)
            if job.fence == claim.fence and job.done > claim.job.done:
                return
        log.warning("lease lost job=%d n=%d fence=%d; it is dropped", claim.job.id, claim.job.done + 1, claim.fence)


def heard(keeping: "asyncio.Task[None]") -> None:
    """What ended the keeping of a lease, but for the turn's end."""
    if not keeping.cancelled() and (error := keeping.exception()):
        log.error("a lease was not kept any more", exc_info=error)


async def nobody(_told: Told) -> None:
    """Hears what the child tells while it works for no film."""


class Teller:
    """Writes what the child tells into the job's progress row, not more often than people can see."""

    def __init__(self, db: Database, claim: Claim) -> None:
        self.db = db
        self.claim = claim
        self.next = 0.0
        self.phase = ""
        self.preview: bytes | None = None

    async def __call__(self, told: Told) -> None:
        self.preview = told.preview or self.preview
        if time.monotonic() < self.next and told.phase == self.phase:
            return
        self.phase = told.phase
        self.next = time.monotonic() + TOLD_EVERY_S
        with suppress(LeaseLost, *TROUBLE):  # it is for people's eyes only
            n = self.claim.job.done
            await progress.report(self.db, self.claim, n, told.step, told.of, told.phase, self.preview)
