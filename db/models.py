"""The tables, and the words their rows use.

    request 1─n job 1─n section
                 ├─1 canvas      the one message that shows it
                 ├─n shown       others that show something of it
                 ├─n rendition   its film as a place can take it
                 ├─n link        shows it to who has the token
                 └─1 progress    the sampling step under way
       flow 1─n ─┘               whose turns a job takes; tick is the time they are counted in

    person      what somebody agreed to and prefers       report     a film that somebody objects to
    inbox       what a platform delivered, unhandled      question   what the bot waits to hear
    removal     a message that has to go out of a chat    memo       what a front-end must still know
    chat        its rate, and whether one can speak there worker     a process on this database

A request and a section are written once; a job and a canvas have a state. Times are integer milliseconds since the
epoch, files are named by their SHA-256. Rules that must always hold stand here as constraints: no code can break them.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.said import packed, unpacked
from db.turns import STARTED


class State(StrEnum):
    """Where a job is in its life: received ─▶ queued ⇄ running ─▶ done | stopped | failed | cancelled."""

    RECEIVED = "received"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """True for the states that a job never leaves."""
        return self in TERMINAL


OPEN = (State.RECEIVED, State.QUEUED, State.RUNNING)
TERMINAL = (State.DONE, State.STOPPED, State.FAILED, State.CANCELLED)


class Platform(StrEnum):
    """Where a request came from."""

    TERMINAL = "terminal"
    PAGE = "page"
    DISCORD = "discord"
    TELEGRAM = "telegram"


class Reason(StrEnum):
    """Why a job failed or waits. The column keeps any text, so that a newer worker's reason is not lost."""

    BAD_PRECISION = "bad_precision"
    CANCELLED = "cancelled"
    CHECKPOINT_CORRUPT = "checkpoint_corrupt"
    CHECKPOINT_INCOMPLETE = "checkpoint_incomplete"
    CHECKPOINT_MISSING = "checkpoint_missing"
    CHECK_UNUSABLE = "check_unusable"
    DEVICE_MISSING = "device_missing"
    DATABASE_BUSY = "database_busy"
    DATABASE_AWAY = "database_away"
    DISK_FAILED = "disk_failed"
    DISK_FULL = "disk_full"
    ENCODER_FAILED = "encoder_failed"
    FILM_HELD_BACK = "film_held_back"
    INTERNAL = "internal"
    MACHINE_SHORT = "machine_short"
    LIMIT_TOO_SMALL = "limit_too_small"
    MEDIA_AWAY = "media_away"
    MEMORY_TAKEN = "memory_taken"
    NAN_LATENTS = "nan_latents"
    OTHER_MODEL = "other_model"
    OUT_OF_MEMORY = "out_of_memory"
    PICTURE_HELD_BACK = "picture_held_back"
    PICTURE_UNREADABLE = "picture_unreadable"
    SAMPLING_NOT_SUPPORTED = "sampling_not_supported"
    SECTION_LOST = "section_lost"
    SERVICE_DIED = "service_died"
    TOO_LITTLE_MEMORY = "too_little_memory"
    UNKNOWN_MODEL = "unknown_model"
    WORKER_CRASHED = "worker_crashed"
    WORKER_LOST = "worker_lost"


CHATS = (Platform.DISCORD, Platform.TELEGRAM)  # where a job has a message that the poster keeps up to date


class Delivery(StrEnum):
    """How a canvas stands to its message."""

    NEW = "new"  # there is none yet
    SENDING = "sending"  # one was begun, and whether it arrived is not known
    LIVE = "live"
    GONE = "gone"  # somebody deleted it: the result comes once more, in a new one
    AGAIN = "again"  # which is this; it is not sent a third time
    OVER = "over"  # nothing will be shown any more


class Notice(StrEnum):
    """The ping after a long job, which may go out once."""

    NONE = "none"
    DUE = "due"
    BEGUN = "begun"
    OVER = "over"


Id = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER numbers itself on SQLite; it is 64 bits there
Sha = String(64)


def words(kind: type[StrEnum], name: str) -> Enum:
    """A column of one of these words, stored as text and held by a CHECK."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda k: [w.value for w in k],
    )


def where(condition: str) -> dict[str, Any]:
    """The condition of a partial index, in the words of both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Facts(TypeDecorator[dict[str, Any]]):
    """What a sentence can be made of, as JSON; sentences among them come out as they went in, for every language."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> Any:
        """As JSON takes it."""
        return packed(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """As it was; what older versions wrote is plain text."""
        return unpacked(value)


class Base(DeclarativeBase):
    """Every constraint has a name, so that a migration can change it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Request(Base):
    """What somebody asked for, as it came in. Written once."""

    __tablename__ = "request"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)  # asked twice with one key is asked once
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"))
    user_id: Mapped[str] = mapped_column(String(100))
    chat_id: Mapped[str] = mapped_column(String(100))
    server_id: Mapped[str] = mapped_column(String(100), default="", server_default="")  # Discord's guild
    locale: Mapped[str] = mapped_column(String(35))
    picture: Mapped[str] = mapped_column(Sha, index=True)
    end_picture: Mapped[str | None] = mapped_column(Sha, index=True)  # what the film shall end with
    prompt: Mapped[str]
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class Job(Base):
    """A film in the making: its plan, how far it is, and who holds it."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("sections >= 1 AND done >= 0 AND done <= sections", name="counts"),
        CheckConstraint("(state = 'running') = (worker IS NOT NULL)", name="worker"),
        CheckConstraint("(state = 'running') = (lease_until_ms IS NOT NULL)", name="lease"),
        CheckConstraint(
            "(state IN ('done', 'stopped', 'failed', 'cancelled')) = (finished_ms IS NOT NULL)", name="finished"
        ),
        CheckConstraint("state <> 'done' OR done = sections", name="done"),
        CheckConstraint("state <> 'stopped' OR done >= 1", name="stopped"),
        CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name="failed"),
        CheckConstraint("wish IN ('stop', 'cancel')", name="wish"),
        CheckConstraint("fence >= 0 AND crashes >= 0 AND revision >= 1", name="risen"),
        Index("ix_job_turn", "flow_id", "rank", "id", **where("rank IS NOT NULL")),
        Index("ix_job_wait", "since", "id", **where(f"rank >= {STARTED}")),
        Index("ix_job_wake", "not_before_ms", **where("not_before_ms > 0")),
        Index("ix_job_state", "state", "id"),
        Index("ix_job_lease", "lease_until_ms", **where("state = 'running'")),
        Index("ix_job_user", "platform", "user_id", "state"),
        Index("ix_job_chat", "platform", "chat_id", "state"),
        Index("ix_job_finished", "finished_ms"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id"), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"), index=True)
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"))  # these three as in its request:
    user_id: Mapped[str] = mapped_column(String(100))  # turns and limits are then decided
    chat_id: Mapped[str] = mapped_column(String(100))  # from this one table
    server_id: Mapped[str] = mapped_column(String(100), default="", server_default="")
    flow_id: Mapped[int | None] = mapped_column(Id)  # whose turns it takes; see db.turns
    shape: Mapped[str] = mapped_column(String(200), default="", server_default="")  # as its sections'
    rank: Mapped[int | None]  # its place among those of its flow, smallest first; none while it can have no turn
    since: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # sections of all at its last one
    hurried: Mapped[bool] = mapped_column(default=False, server_default=false())  # an operator put it first
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    steered: Mapped[str | None]  # the prompt, where its request's is not what holds any more
    sections: Mapped[int]
    done: Mapped[int] = mapped_column(default=0)
    state: Mapped[State] = mapped_column(words(State, "state"))
    wish: Mapped[str | None] = mapped_column(String(8))
    wish_by: Mapped[str | None] = mapped_column(String(100))
    fence: Mapped[int] = mapped_column(default=0)  # rises with every claim; every write that follows one names it
    worker: Mapped[str | None] = mapped_column(String(100))
    lease_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    crashes: Mapped[int] = mapped_column(default=0)  # at the section it is at
    deaths: Mapped[int] = mapped_column(default=0, server_default="0")  # of the service, at the section it is at
    losses: Mapped[int] = mapped_column(default=0, server_default="0")  # how often finished sections were damaged
    tighter: Mapped[int] = mapped_column(default=0, server_default="0")  # steps down from the first memory plan
    not_before_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    reason: Mapped[str | None] = mapped_column(String(100))
    facts: Mapped[dict[str, Any]] = mapped_column(Facts, default=dict)
    conditioning: Mapped[str | None] = mapped_column(Sha, index=True)
    tail: Mapped[str | None] = mapped_column(Sha, index=True)
    film: Mapped[str | None] = mapped_column(Sha, index=True)
    fragment_end: Mapped[str | None] = mapped_column(Sha, index=True)  # its provisional frames, for a player
    created_ms: Mapped[int] = mapped_column(BigInteger)
    started_ms: Mapped[int | None] = mapped_column(BigInteger)
    finished_ms: Mapped[int | None] = mapped_column(BigInteger)
    revision: Mapped[int] = mapped_column(default=1)  # rises with every change that somebody could see


class Flow(Base):
    """The turns of one person: what they were served, and when in virtual time their next thing is due.

    `who` is a hash: a flow outlives for a day what is forgotten of its person, so that no limit is lifted by that.
    Sections are counted per weight. `turn` is none while no job of theirs can have a turn.
    """

    __tablename__ = "flow"
    __table_args__ = (
        CheckConstraint("weight > 0", name="weight"),
        Index("ix_flow_turn", "turn", "id", **where("turn IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    who: Mapped[str] = mapped_column(Sha, unique=True)
    weight: Mapped[float] = mapped_column(default=1.0)
    served: Mapped[float] = mapped_column(default=0.0)
    last: Mapped[float] = mapped_column(default=0.0, index=True)  # when it would be empty if all shared every moment
    turn: Mapped[float | None]
    head: Mapped[int | None] = mapped_column(Id)  # the job that has it
    asked_ms: Mapped[int] = mapped_column(BigInteger, default=0)  # when they last put something in line


class Tick(Base):
    """Virtual time, in one row: it passes with every section made, or taken back. `weight`: of all flows with a later
    `last`.

    `open` is the one count that is kept: the limit in all is asked at every submit, and may be very high.
    """

    __tablename__ = "tick"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time: Mapped[float] = mapped_column(default=0.0)
    weight: Mapped[float] = mapped_column(default=0.0)
    sections: Mapped[int] = mapped_column(BigInteger, default=0)
    gpu_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    open: Mapped[int] = mapped_column(default=0, server_default="0")  # jobs that have not ended


class Ledger(Base):
    """GPU time that somebody used, one row a turn: a day's limit is a sum over these, not a counter."""

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_day", "flow_id", "at_ms"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    flow_id: Mapped[int] = mapped_column(Id)
    gpu_ms: Mapped[int]
    at_ms: Mapped[int] = mapped_column(BigInteger, index=True)


class Gate(Base):
    """What an operator closed, for "all" or one server: paused, no section is begun; draining, nothing is taken in."""

    __tablename__ = "gate"

    scope: Mapped[str] = mapped_column(String(100), primary_key=True)
    paused: Mapped[bool] = mapped_column(default=False)
    draining: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str]
    by: Mapped[str] = mapped_column(String(200))
    since_ms: Mapped[int] = mapped_column(BigInteger)


class Ban(Base):
    """Somebody who may ask for nothing, in all or on one server, until a time or for ever."""

    __tablename__ = "ban"
    __table_args__ = (UniqueConstraint("platform", "user_id", "scope"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"))
    user_id: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(100))
    until_ms: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str]
    by: Mapped[str] = mapped_column(String(200))
    since_ms: Mapped[int] = mapped_column(BigInteger)


class ServerLimits(Base):
    """The limits that a server's admins set for it, by name. They can only be narrower than the owner's."""

    __tablename__ = "server_limits"

    server_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    limits: Mapped[dict[str, Any]] = mapped_column(JSON)
    by: Mapped[str] = mapped_column(String(200))
    since_ms: Mapped[int] = mapped_column(BigInteger)


class Audit(Base):
    """What an operator did. Written once, in the transaction of the deed."""

    __tablename__ = "audit"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    by: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(20))
    scope: Mapped[str] = mapped_column(String(100))
    target: Mapped[str] = mapped_column(String(200))  # a job's number, or "platform:user"
    reason: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(Facts)


class Section(Base):
    """One finished sampling run. Written once; its key is a second fence: nobody can make section n twice."""

    __tablename__ = "section"
    __table_args__ = (
        CheckConstraint("n >= 0 AND fence >= 1 AND frames >= 1", name="counts"),
        CheckConstraint("sampling_ms >= 0 AND decode_ms >= 0 AND encode_ms >= 0 AND gpu_ms >= 0", name="times"),
        Index("ix_section_shape", "shape", "created_ms"),
    )

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fence: Mapped[int]  # of the claim it was made under, be it one on the film that this one goes on with
    latents: Mapped[str] = mapped_column(Sha, index=True)  # "": not kept any more
    clip: Mapped[str | None] = mapped_column(Sha, index=True)
    fragment: Mapped[str | None] = mapped_column(Sha, index=True)  # the clip, for a player
    frames: Mapped[int]  # of the film so far
    sampling_ms: Mapped[int]
    decode_ms: Mapped[int]
    encode_ms: Mapped[int]
    gpu_ms: Mapped[int]
    shape: Mapped[str] = mapped_column(String(200))  # model, size and steps: what sections of one pace have in common
    created_ms: Mapped[int] = mapped_column(BigInteger)


class Rendition(Base):
    """A film made fit for a place: small enough for a message, smaller still while it grows, or one picture of it."""

    __tablename__ = "rendition"
    __table_args__ = (
        UniqueConstraint("job_id", "film", "kind", "limit_bytes"),
        CheckConstraint("kind IN ('preview', 'final', 'poster')", name="kind"),
        CheckConstraint("state IN ('wanted', 'ready', 'failed')", name="state"),
        CheckConstraint("(state = 'ready') = (sha IS NOT NULL)", name="ready"),
        CheckConstraint("state <> 'ready' OR bytes <= limit_bytes", name="fits"),
        CheckConstraint("(state = 'failed') = (reason IS NOT NULL)", name="failed"),
        Index("ix_rendition_wanted", "id", **where("state = 'wanted'")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    film: Mapped[str] = mapped_column(Sha, index=True)  # what it is made from
    kind: Mapped[str] = mapped_column(String(16))
    limit_bytes: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    sha: Mapped[str | None] = mapped_column(Sha, index=True)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    width: Mapped[int] = mapped_column(default=0)
    height: Mapped[int] = mapped_column(default=0)
    duration_ms: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None] = mapped_column(String(100))
    facts: Mapped[dict[str, Any]] = mapped_column(Facts, default=dict)
    tries: Mapped[int] = mapped_column(default=0)  # that ended with the death of the process
    created_ms: Mapped[int] = mapped_column(BigInteger)


class Worker(Base):
    """One of several processes on the database, and when it was last there. works: it makes films."""

    __tablename__ = "worker"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    works: Mapped[bool] = mapped_column(Boolean)
    seen_ms: Mapped[int] = mapped_column(BigInteger)


class Canvas(Base):
    """The one message that shows a job: which revision it should show, and which it does."""

    __tablename__ = "canvas"
    __table_args__ = (
        CheckConstraint("wanted >= 1 AND shown >= 0 AND shown <= wanted AND tries >= 0", name="counts"),
        Index("ix_canvas_notice", "job_id", **where("notice IN ('due', 'begun')")),
        Index("ix_canvas_message", "platform", "chat_id", "message_id"),
    )

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True, autoincrement=False)
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"))
    chat_id: Mapped[str] = mapped_column(String(100))
    message_id: Mapped[str | None] = mapped_column(String(100))  # none until it is sent
    wanted: Mapped[int]
    shown: Mapped[int] = mapped_column(default=0)
    not_before_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    tries: Mapped[int] = mapped_column(default=0)  # since it was last shown
    server_id: Mapped[str] = mapped_column(String(100), default="", server_default="")
    thread_id: Mapped[str | None] = mapped_column(String(100))  # where a chat's messages stand in topics
    reply_to: Mapped[str | None] = mapped_column(String(100))
    delivery: Mapped[str] = mapped_column(String(16), default=Delivery.NEW, server_default=Delivery.NEW)
    sends: Mapped[int] = mapped_column(default=0, server_default="0")  # messages begun for it; with its id, a nonce
    sent_revision: Mapped[int] = mapped_column(default=0, server_default="0")  # that the last of them was to show
    message_ms: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # when it was sent
    edited_ms: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    media_ms: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # when a film was last put in
    shown_hash: Mapped[str | None] = mapped_column(Sha)  # of everything it says: the same is not said again
    shown_media: Mapped[str | None] = mapped_column(String(100))  # which film stands in it
    plain: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())  # without the person's text
    notice: Mapped[str] = mapped_column(String(16), default=Notice.NONE, server_default=Notice.NONE)


class Shown(Base):
    """A message that shows something of a job beside its canvas: an earlier one, a film shown once more, a list.

    It goes out of the chat with the job.
    """

    __tablename__ = "shown"

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True, autoincrement=False)
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"), primary_key=True)
    chat_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(100), primary_key=True)


class Chat(Base):
    """What holds for all messages of one chat. A chat without a row is an ordinary one."""

    __tablename__ = "chat"

    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"), primary_key=True)
    chat_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    sent_ms: Mapped[list[int]] = mapped_column(JSON, default=list)  # the latest calls, oldest first
    frozen_until_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    slow_until_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    limit_bytes: Mapped[int | None] = mapped_column(BigInteger)  # of a file, where the platform said no to a larger one
    unreachable: Mapped[str | None] = mapped_column(String(200))  # why


class Link(Base):
    """A way to one film for whoever has the token, until it expires."""

    __tablename__ = "link"

    token_sha: Mapped[str] = mapped_column(Sha, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), index=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    until_ms: Mapped[int] = mapped_column(BigInteger, index=True)


class Progress(Base):
    """How far the section under way is. Overwritten; worth nothing after the section is recorded."""

    __tablename__ = "progress"
    __table_args__ = (CheckConstraint("n >= 0 AND step >= 0", name="counts"),)

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True, autoincrement=False)
    n: Mapped[int]
    step: Mapped[int]
    of: Mapped[int]
    phase: Mapped[str] = mapped_column(String(40))
    preview: Mapped[bytes | None]
    at_ms: Mapped[int] = mapped_column(BigInteger)


class Engine(Base):
    """What computes on a device: the model it loaded last, by which memory plan, and what it was seen to take."""

    __tablename__ = "engine"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)  # machine and device
    model: Mapped[str] = mapped_column(String(200))
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    vram: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes, the most since it was loaded
    ram: Mapped[int] = mapped_column(BigInteger, default=0)
    loaded_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    freed_ms: Mapped[int | None] = mapped_column(BigInteger)  # when it gave its memory back; none while it is loaded


class Away(Base):
    """A process that makes no films now, since its machine is wanted for something else."""

    __tablename__ = "away"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)  # as that of Worker
    reason: Mapped[str] = mapped_column(String(40))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    opens_ms: Mapped[int | None] = mapped_column(BigInteger)  # when it will make some again, where that is known
    since_ms: Mapped[int] = mapped_column(BigInteger)


class Person(Base):
    """Somebody on a platform: what they agreed to and what they prefer. No row: nothing yet, and every default."""

    __tablename__ = "person"
    __table_args__ = (CheckConstraint("notify IN ('ping', 'silent', 'off')", name="notify"),)

    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    consent: Mapped[int] = mapped_column(default=0)  # the version of the terms they accepted; 0: none
    consent_ms: Mapped[int | None] = mapped_column(BigInteger)
    language: Mapped[str | None] = mapped_column(String(35))  # instead of the one their client speaks
    seconds: Mapped[float | None]
    quality: Mapped[str | None] = mapped_column(String(40))
    notify: Mapped[str] = mapped_column(String(8), default="ping")
    spoiler: Mapped[bool] = mapped_column(default=False)
    shut: Mapped[int] = mapped_column(default=0)  # how often in a row their chat let nothing in
    changed_ms: Mapped[int] = mapped_column(BigInteger)


class Report(Base):
    """Somebody thinks that a film should not be here. One of each person for each film."""

    __tablename__ = "report"
    __table_args__ = (
        UniqueConstraint("job_id", "platform", "user_id"),
        CheckConstraint("(resolved_ms IS NULL) = (resolved_by IS NULL)", name="resolved"),
        Index("ix_report_open", "id", **where("resolved_ms IS NULL")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), index=True)
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"))
    user_id: Mapped[str | None] = mapped_column(String(100))  # none once that person is forgotten
    reason: Mapped[str]
    created_ms: Mapped[int] = mapped_column(BigInteger)
    resolved_ms: Mapped[int | None] = mapped_column(BigInteger)
    resolved_by: Mapped[str | None] = mapped_column(String(100))
    told_ms: Mapped[int | None] = mapped_column(BigInteger)  # when all who are to hear of it had


class Removal(Base):
    """A message that has to go out of a chat, since what it shows was deleted. Once it is gone, the row goes."""

    __tablename__ = "removal"
    __table_args__ = (
        UniqueConstraint("platform", "chat_id", "message_id"),
        CheckConstraint("tries >= 0", name="counts"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"))
    chat_id: Mapped[str] = mapped_column(String(100))
    message_id: Mapped[str] = mapped_column(String(100))
    not_before_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    tries: Mapped[int] = mapped_column(default=0)


class Inbox(Base):
    """What a platform delivered, kept before it is confirmed. Handled, only its number stays, for a while."""

    __tablename__ = "inbox"
    __table_args__ = (Index("ix_inbox_open", "id", **where("content IS NOT NULL")), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(100), unique=True)  # the bot and the number of its update
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"))
    user_id: Mapped[str | None] = mapped_column(String(100))
    content: Mapped[str | None]
    tries: Mapped[int] = mapped_column(default=0)
    created_ms: Mapped[int] = mapped_column(BigInteger, index=True)


class Question(Base):
    """What the bot asked somebody and still waits for: the answer may come after a restart."""

    __tablename__ = "question"
    __table_args__ = (
        Index("ix_question_user", "platform", "user_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)  # asked twice about one thing is asked once
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"))
    user_id: Mapped[str] = mapped_column(String(100))
    chat_id: Mapped[str] = mapped_column(String(100))
    message_id: Mapped[str | None] = mapped_column(String(100))  # of the message that asks; none until it is sent
    kind: Mapped[str] = mapped_column(String(20))
    about: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_ms: Mapped[int] = mapped_column(BigInteger, index=True)


class Memo(Base):
    """Something small that a front-end has to know after a restart, such as the hash of the commands it registered."""

    __tablename__ = "memo"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str]
