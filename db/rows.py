"""What leaves this room: frozen rows, never a session or a query.

Times are integer milliseconds since the epoch (`_ms`), files are SHA-256 names of `db.media`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from db.models import Platform, State

Wish = Literal["stop", "cancel"]
Kind = Literal["preview", "final", "poster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked for, as it came in."""

    id: int
    key: str
    platform: Platform
    user_id: str
    chat_id: str
    server_id: str
    locale: str
    picture: str
    end_picture: str | None
    prompt: str
    settings: Mapping[str, Any]
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A film in the making, with what its request said.

    done:     sections recorded, which are 0 … done-1; of a film that goes on with another, those it took over too
    prompt:   what was asked for, or steered to since
    wish:     what its owner asked of a running job; `wish_by` says who
    crashes:  of workers, at the section it is at now
    deaths:   of the whole service, while that section was being made
    losses:   how often finished sections of it were found damaged and are made again
    tighter:  by how many steps its memory plan is smaller than the first one that fits
    reason:   why it failed, or why it waits; usually a `db.models.Reason`, but any text
    film:     everything finished so far, as a file that plays; none where only a part of another film was taken over
    fragment_end: its provisional frames, for a player that goes on while the film grows
    tail:     provisional frames for the next section; none once the job has ended, it can be made again
    hurried:  an operator put it before all others
    revision: rises with every change that somebody could see
    """

    id: int
    request_id: int
    parent_id: int | None
    platform: Platform
    user_id: str
    chat_id: str
    server_id: str
    locale: str
    prompt: str
    picture: str
    end_picture: str | None
    settings: Mapping[str, Any]
    plan: Mapping[str, Any]
    sections: int
    done: int
    state: State
    wish: Wish | None
    wish_by: str | None
    fence: int
    worker: str | None
    lease_until_ms: int | None
    crashes: int
    not_before_ms: int
    reason: str | None
    facts: Mapping[str, Any]
    conditioning: str | None
    tail: str | None
    film: str | None
    fragment_end: str | None
    created_ms: int
    started_ms: int | None
    finished_ms: int | None
    hurried: bool
    revision: int
    deaths: int = 0
    losses: int = 0
    tighter: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One finished sampling run. `frames` counts the film so far; `clip` is none where no frame became final.

    `latents` is "" once the film was let go of: it ended long ago, and cannot be gone on with any more.

    The times of one that was taken over from another film are 0: its own job has paid for it.
    """

    job_id: int
    n: int
    fence: int
    latents: str
    clip: str | None
    fragment: str | None
    frames: int
    sampling_ms: int
    decode_ms: int
    encode_ms: int
    gpu_ms: int
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A film made fit for a place: `sha` when it is ready, never above limit_bytes, or `reason` where it cannot be.

    film: what it is made from; where that fits as it is, sha is the same
    """

    id: int
    job_id: int
    film: str
    kind: Kind
    limit_bytes: int
    state: Literal["wanted", "ready", "failed"]
    sha: str | None
    bytes: int
    width: int
    height: int
    duration_ms: int
    reason: str | None
    facts: Mapping[str, Any]
    tries: int
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The one message that shows a job. `message_id` is none until it is sent.

    delivery:      a `db.models.Delivery`; notice: a `db.models.Notice`
    sends:         messages begun for it, sent_revision: which the last of them was to show
    message_ms:    when it was sent, edited_ms and media_ms: when it, and the film in it, was last changed
    shown_hash:    of everything it says; shown_media: which film stands in it
    plain:         the person's own text may not stand in it
    """

    job_id: int
    platform: Platform
    chat_id: str
    message_id: str | None
    wanted: int
    shown: int
    not_before_ms: int
    tries: int
    server_id: str
    thread_id: str | None
    reply_to: str | None
    delivery: str
    sends: int
    sent_revision: int
    message_ms: int
    edited_ms: int
    media_ms: int
    shown_hash: str | None
    shown_media: str | None
    plain: bool
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Where a job's message stands or shall stand; message_id is none where the poster is to send it.

    thread_id: the topic, where a chat has such
    message_ms: when it was sent
    """

    message_id: str | None = None
    message_ms: int = 0
    thread_id: str | None = None
    reply_to: str | None = None
    server_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """What holds for all messages of one chat.

    sent_ms:         its latest calls, oldest first
    frozen_until_ms: nothing is said before; slow_until_ms: everything takes twice its time before
    limit_bytes:     of a file, where the platform said no to a larger one
    unreachable:     why nobody can speak there
    """

    platform: Platform
    chat_id: str
    sent_ms: tuple[int, ...] = ()
    frozen_until_ms: int = 0
    slow_until_ms: int = 0
    limit_bytes: int | None = None
    unreachable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The section under way: step `step` of `of`; `preview` is a small JPEG."""

    job_id: int
    n: int
    step: int
    of: int
    phase: str
    preview: bytes | None
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A job's place in line: what has its turn before it. `running` when it has its turn now."""

    jobs_ahead: int
    sections_ahead: int
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a job will be where, in milliseconds from now, by the measured pace and the turns of everybody in line.

    first_ms: its first second can be seen; 0 where it can already
    next_ms:  its next section can be seen
    done_ms:  it is finished
    """

    first_ms: int
    next_ms: int
    done_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The queue in numbers.

    jobs:    by state
    people:  who have a job that can have a turn
    pace_ms: by shape; what was made and its GPU time count since the database was made
    """

    jobs: Mapping[str, int]
    sections_left: int
    people: int
    oldest_s: float
    paused: bool
    away: bool
    draining: bool
    pace_ms: Mapping[str, int]
    sections_made: int
    gpu_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How the making of films goes.

    made:    sections, since the database was made; films: that wait or run; running: whether one does
    held_up: reason and facts of one that waits for something
    ended:   the newest that ended by themselves, newest first: whether it is ready, else its reason and facts
    """

    made: int
    films: int
    running: bool
    held_up: tuple[str, Mapping[str, Any]] | None
    ended: tuple[tuple[bool, str, Mapping[str, Any]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """Why a process makes no films now, as db/away.py says. opens_ms: when it will again, where that is known."""

    name: str
    reason: str
    facts: Mapping[str, Any]
    opens_ms: int | None
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """What operators closed, for all or for one server. paused: no section is begun; draining: nothing is taken in.

    away: why nobody makes films now, be the queue open or not
    """

    paused: bool = False
    draining: bool = False
    reason: str = ""
    by: str = ""
    since_ms: int | None = None
    away: Away | None = None

    @property
    def kind(self) -> str:
        """The two in one word: open, paused, draining, or shut, which is both."""
        if self.paused and self.draining:
            return "shut"
        return "paused" if self.paused else "draining" if self.draining else "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """Somebody who may ask for nothing. until_ms: None for ever; scope: "all" or a server."""

    platform: Platform
    user_id: str
    scope: str
    until_ms: int | None
    reason: str
    by: str
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What an operator did. target: a job's number, or "platform:user", or nothing."""

    id: int
    at_ms: int
    by: str
    action: str
    scope: str
    target: str
    reason: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A job's turn to get section number `job.done` made, held by `worker` under `fence` until its lease ends.

    since_ms: when it was claimed, by the clock that leases are counted by
    """

    job: Job
    sections: tuple[Section, ...]
    fence: int
    worker: str
    since_ms: int


Notify = Literal["ping", "silent", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody on a platform: what they agreed to and what they prefer. None means the service's default.

    consent:  version of the terms they accepted, at consent_ms; 0: none yet
    language: instead of the one that their client speaks
    notify:   what they hear when a film is ready: "ping" them, a "silent" message, or nothing
    shut:     how often in a row their chat let nothing in
    """

    platform: Platform
    user_id: str
    consent: int = 0
    consent_ms: int | None = None
    language: str | None = None
    seconds: float | None = None
    quality: str | None = None
    notify: Notify = "ping"
    spoiler: bool = False
    shut: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What computes on a device: the model it loaded, by which plan; the most bytes that it was seen to take since.

    freed_ms: when it gave its memory back; None while it has the model
    """

    name: str
    model: str
    plan: Mapping[str, Any]
    vram: int
    ram: int
    loaded_ms: int
    freed_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process with a model, its identity given; it was there at seen_ms. works: it makes films."""

    name: str
    model: str
    works: bool
    seen_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Somebody thinks that a film should not be here. `user_id` is none once that person is forgotten.

    told_ms: when everybody who is to hear of it had
    """

    id: int
    job_id: int
    platform: Platform
    user_id: str | None
    reason: str
    created_ms: int
    resolved_ms: int | None
    resolved_by: str | None
    told_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A message that has to go out of a chat."""

    id: int
    platform: Platform
    chat_id: str
    message_id: str
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a platform delivered, as it came, and how often it was tried to handle it."""

    id: int
    key: str
    content: str
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the bot asked somebody. `kind` and `about` say what the answer is for; no `message_id` until it is sent."""

    id: int
    key: str
    platform: Platform
    user_id: str
    chat_id: str
    message_id: str | None
    kind: str
    about: Mapping[str, Any]
    created_ms: int
