"""What a job looks like now, for whoever shows it: pure, but for look(), which reads the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.words import duration, say
from db import jobs, operators, progress, sections
from db.connect import Database
from db.models import State
from db.rows import Forecast, Job, Place, Progress, QueueState, Section

OPEN: Final = QueueState()
OTHER_MODEL: Final = "other_model"
WAITS: Final = {  # what a job that is in line is held up by
    "bad_precision": "engine_away",
    "checkpoint_corrupt": "model_gone",
    "checkpoint_incomplete": "model_gone",
    "checkpoint_missing": "model_gone",
    "check_unusable": "engine_away",
    "database_busy": "database_away",
    "database_away": "database_away",
    "device_missing": "engine_away",
    "disk_failed": "held_up",
    "disk_full": "no_room",
    "limit_too_small": "engine_away",
    "machine_short": "engine_away",
    "media_away": "media_away",
    "memory_taken": "memory_taken",
    OTHER_MODEL: "other_model",
    "out_of_memory": "smaller",
    "section_lost": "continuing",
    "too_little_memory": "engine_away",
    "worker_crashed": "engine_again",
    "worker_lost": "engine_again",
}
HELD_BACK: Final = ("picture_held_back", "film_held_back")  # made again it would be the same
ENDINGS: Final = ("decoding", "writing")  # phases of a section after its last sampling step
BEGINNINGS: Final = {"loading": "loading", "encoding": "reading"}  # those before its first, and what is said of them


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A job as people see it; every field can be JSON.

    done, sections: how many sections are recorded, and how many there will be
    step, of:       the sampling step of the section under way; 0 of 0 where none is
    place:          in line, 1 is next; None unless it waits
    eta_ms:         until the whole film is ready, from measured sections; None where nothing was measured yet
    first_ms:       until its first second can be seen; None once it can, and where nothing was measured yet
    next_ms:        until its next section can be seen
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
    first_ms: int | None
    next_ms: int | None
    headline: str
    facts: dict[str, Any]
    has_film: bool
    can_stop: bool
    can_cancel: bool
    reason: str | None
    reason_facts: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long the film is: what it will have by its sections, or has, once it has ended."""
        return self.seconds_done if self.state.terminal and self.has_film else self.seconds_total


def view(
    job: Job,
    made: Sequence[Section],
    under_way: Progress | None,
    place: Place | None,
    told: Forecast | None,
    closed: QueueState = OPEN,
) -> View:
    """What to show of a job.

    made:      its sections so far
    under_way: the section being made
    told:      when it will be where, by measured sections
    closed:    what an operator closed
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
    held_up = job.state == State.QUEUED and job.reason in WAITS and closed.away is None
    if wished or not open_ or held_up:
        told = None
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
        eta_ms=told.done_ms if told else None,
        first_ms=told.first_ms if told and not job.done else None,
        next_ms=told.next_ms if told else None,
        headline="headline." + headline(job, under_way, place, closed),
        facts={
            "seconds_done": seconds_done,
            "seconds_total": seconds_total,
            "place": in_line,
            "why": closed.reason,
            "model": awaited(job),
        },
        has_film=job.film is not None,
        can_stop=open_ and not wished and job.done > 0 and job.film is not None,
        can_cancel=open_ and job.wish != "cancel",
        reason=job.reason if job.state == State.FAILED else None,
        reason_facts=dict(job.facts) if job.state == State.FAILED else {},
    )


def headline(job: Job, under_way: Progress | None, place: Place | None, closed: QueueState = OPEN) -> str:
    """Which sentence says what happens to the job now."""
    ahead = place.jobs_ahead if place else 0
    match job.state:
        case State.QUEUED if job.reason == OTHER_MODEL:  # be there a pause or not
            return WAITS[OTHER_MODEL]
        case State.QUEUED if closed.paused:
            return "paused_because" if closed.reason else "paused"
        case State.QUEUED if closed.away is not None:
            return absence(closed.away.reason)
        case State.QUEUED if job.reason in WAITS:
            return WAITS[job.reason]
        case State.QUEUED if job.done:  # between two turns; with nobody ahead nothing is waited for
            return "again" if ahead else "growing"
        case State.QUEUED:
            return "queued" if ahead else "next"
        case State.RUNNING if job.wish:
            return "stopping" if job.wish == "stop" else "cancelling"
        case State.RUNNING if job.done == 0:
            return BEGINNINGS.get(under_way.phase, "first") if under_way else "warming"
        case State.RUNNING:
            last = job.done + 1 == job.sections and under_way is not None and under_way.phase in ENDINGS
            return "finishing" if last else "growing"
        case State.FAILED:
            return "failed_kept" if job.film else "failed"
        case _:
            return job.state.value


def absence(reason: str) -> str:
    """What is said where nobody makes films now: it is not the hour, or the machine is at something else."""
    return "resting" if reason == "hours" else "in_use"


def awaited(job: Job) -> str:
    """The model that a job needs: by its name, and with its version where another one of that name runs."""
    made, loaded = str(job.facts.get("made", "")), str(job.facts.get("loaded", ""))
    name = made.partition("@")[0]
    return made if name == loaded.partition("@")[0] else name


def when(locale: str, view: View) -> str:
    """When there is something new to see, in words; empty where nothing was measured yet."""
    if view.eta_ms is None:
        return ""
    left = duration(locale, view.eta_ms / 1000)
    if view.first_ms is not None and view.first_ms < view.eta_ms:
        return say(locale, "eta.first", first=duration(locale, view.first_ms / 1000), left=left)
    if view.headline == "headline.again" and view.next_ms is not None and view.next_ms < view.eta_ms:
        return say(locale, "eta.next", next=duration(locale, view.next_ms / 1000), left=left)
    return say(locale, "eta.left", left=left)


async def look(db: Database, job: Job) -> View:
    """What to show of a job, from the rows of this moment."""
    if job.state.terminal:
        return view(job, await sections.of(db, job.id), None, None, None)
    return view(
        job,
        await sections.of(db, job.id),
        await progress.of(db, job.id),
        await jobs.place(db, job.id),
        await jobs.forecast(db, job.id),
        await operators.state(db, job.server_id),
    )
