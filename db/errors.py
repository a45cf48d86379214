"""What the memory can say no with. Each is one sentence, with its numbers as facts.

DbError
├── LeaseLost         a write came after its claim's lease had ended; no row was changed
├── QueueFull         one more job would be over a limit
├── Draining          an operator closed the queue for new films
├── Banned            this person may not ask for films
├── DayUsed           this person's GPU time of a day is used up
├── TooSoon           less than the cooldown since this person's last film
├── Duplicate         the same film was asked for a moment ago
├── NoSuchJob         no row has that number
├── NotYours          somebody else's job
├── NotFinished       fewer sections are finished than another film shall take over
├── LatentsGone       what going on with a film needs was let go
├── DatabaseInUse     another process owns the file
├── DatabaseNewer     the file was made by a newer flipbot
├── DatabaseUnusable  the file is no database, or cannot be opened
├── DatabaseBusy      another process kept the write lock for too long; nothing was written
├── DatabaseAway      the server of the database cannot be reached
├── NotEmpty          a queue was to be moved to a database that has one already
├── DiskFull          no room left; nothing half-written stays behind
├── DiskFailed        the disk refuses to read or write, full or not
├── MachineShort      the system has no more open files or memory to give
├── MediaAway         the bucket of the media does not answer, or not to us
└── ConfigError       a configuration that cannot be used
"""

from pathlib import Path
from typing import ClassVar

from db.said import Said, said


class DbError(Exception):
    """The root of this room's errors. `reason` and `facts` are what a job's row keeps of it."""

    reason: ClassVar[str] = "internal"

    def __init__(self, sentence: Said, /, **facts: object) -> None:
        """facts: none takes those of the sentence."""
        super().__init__(sentence)
        self.sentence, self.facts = sentence, facts or dict(sentence.facts)

    def said(self) -> Said:
        """The sentence, which can be said in other languages."""
        return self.sentence


class LeaseLost(DbError):
    """The claim's lease ran out or somebody else holds the job; nothing was written."""

    reason = "lease_lost"

    def __init__(self, job: int, fence: int) -> None:
        super().__init__(
            said("The claim on job {job} (fence {fence}) is no longer held; nothing was written.", job=job, fence=fence)
        )


class QueueFull(DbError):
    """One more job would be over a limit. of: "user", "chat" or "all"."""

    reason = "queue_full"

    def __init__(self, got: int, limit: int, of: str) -> None:
        whose = {"user": said("You have"), "chat": said("This chat has"), "all": said("The queue has")}[of]
        sentence = said(
            "{whose} {got} job waiting or running and the limit is {limit}; try again when one is finished."
            if got == 1
            else "{whose} {got} jobs waiting or running and the limit is {limit}; try again when one is finished.",
            whose=whose,
            got=got,
            limit=limit,
        )
        super().__init__(
            sentence,
            got=got,
            limit=limit,
            of=of,
        )
        self.got, self.limit, self.of = got, limit, of


class Draining(DbError):
    """Nothing is taken in; what is in line is finished."""

    reason = "draining"

    def __init__(self, reason: str) -> None:
        because = said(": {reason}", reason=reason) if reason else ""
        sentence = said("No new films are taken in now{because}; those in line are finished.", because=because)
        super().__init__(sentence, reason=reason)


class Banned(DbError):
    """This person may ask for nothing. until_ms: None for ever; scope: "all" or a server."""

    reason = "banned"

    def __init__(self, reason: str, until_ms: int | None, scope: str) -> None:
        because = said(": {reason}", reason=reason) if reason else ""
        sentence = said("You may not ask for films here{because}.", because=because)
        super().__init__(sentence, reason=reason, until_ms=until_ms, scope=scope)
        self.until_ms, self.scope = until_ms, scope


class DayUsed(DbError):
    """The GPU time of the last 24 hours is at the limit. until_ms: when enough of it is a day old."""

    reason = "day_used"

    def __init__(self, got_s: int, limit_s: int, until_ms: int) -> None:
        super().__init__(
            said(
                "You used {got_s} s of GPU time within a day and the limit is {limit_s} s.",
                got_s=got_s,
                limit_s=limit_s,
            ),
            got_s=got_s,
            limit_s=limit_s,
            until_ms=until_ms,
        )
        self.until_ms = until_ms


class TooSoon(DbError):
    """Films of one person come at least so many seconds apart."""

    reason = "too_soon"

    def __init__(self, limit_s: int, until_ms: int) -> None:
        sentence = said("One film every {limit_s} s is the limit.", limit_s=limit_s)
        super().__init__(sentence, limit_s=limit_s, until_ms=until_ms)
        self.until_ms = until_ms


class Duplicate(DbError):
    """The very same film was asked for a moment ago. job: its number."""

    reason = "duplicate"

    def __init__(self, job: int) -> None:
        super().__init__(said("This is the same film as job {job}.", job=job))
        self.job = job


class NoSuchJob(DbError):
    """There is no such job."""

    reason = "no_such_job"

    def __init__(self, job: int) -> None:
        super().__init__(said("There is no job {job}.", job=job))


class NotYours(DbError):
    """Only the owner of a job may do this."""

    reason = "not_yours"

    def __init__(self, job: int) -> None:
        super().__init__(said("Job {job} belongs to somebody else.", job=job))


class NotFinished(DbError):
    """Another film was to take over more sections of a job than are finished."""

    reason = "not_finished"

    def __init__(self, job: int, done: int, wanted: int) -> None:
        super().__init__(
            said(
                "Job {job} has {done} finished sections, and {wanted} were to be kept.",
                job=job,
                done=done,
                wanted=wanted,
            )
        )


class LatentsGone(DbError):
    """A film that ended long ago was to be gone on with; its latents are not kept for so long."""

    reason = "latents_gone"

    def __init__(self, job: int) -> None:
        super().__init__(said("What job {job} could be gone on with is not kept any more; its film is.", job=job))


class DatabaseInUse(DbError):
    """Another process owns the database file. pid: of that process, where it could be read."""

    reason = "database_in_use"

    def __init__(self, path: Path | str, pid: int | None = None) -> None:
        by = said(" (process {pid})", pid=pid) if pid else ""
        super().__init__(
            said(
                "{path} is in use by another flipbot{by}: stop that one first, or use another data directory.",
                path=path,
                by=by,
            ),
            path=str(path),
            pid=pid,
        )
        self.path, self.pid = path, pid


class DatabaseNewer(DbError):
    """The file holds a migration that this version does not know."""

    reason = "database_newer"

    def __init__(self, path: Path | str, version: str) -> None:
        super().__init__(
            said(
                "{path} was made by a newer flipbot (schema {version}): update flipbot, or use another data directory.",
                path=str(path),
                version=version,
            )
        )


class DatabaseUnusable(DbError):
    """The file is no database of ours, is damaged, or cannot be opened."""

    reason = "database_unusable"

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(said("{path} cannot be used as the database: {why}.", path=str(path), why=why))


class DiskFull(DbError):
    """No room is left for a file or a row."""

    reason = "disk_full"

    def __init__(self, path: Path | str) -> None:
        super().__init__(said("No room is left on the disk of {path}: free some and try again.", path=str(path)))


class DiskFailed(DbError):
    """The disk does not read or write as it should: a device that fails, or that was made read-only."""

    reason = "disk_failed"

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(
            said(
                "The disk of {path} cannot be used now ({why}): look at the disk; flipbot tries again by itself.",
                path=str(path),
                why=why,
            )
        )


class MachineShort(DbError):
    """The system has no more of something to give: open files, memory. why: in the system's words"""

    reason = "machine_short"

    def __init__(self, why: str) -> None:
        super().__init__(
            said(
                "The system gives flipbot no more ({why}): raise its limits or end other programs; "
                "flipbot tries again.",
                why=why,
            )
        )


class MediaAway(DbError):
    """The bucket of the media cannot be used now. why: in a few words; advice: what to do about it."""

    reason = "media_away"

    def __init__(self, where: str, why: str, advice: str) -> None:
        super().__init__(
            said(
                "The media in {where} cannot be used now ({why}): {advice}; flipbot tries again by itself.",
                where=where,
                why=why,
                advice=advice,
            ),
            where=where,
            why=why,
        )


class OtherStore(MediaAway):
    """What others on the database keep in their store is not in this process's: they are two. where: this one's."""

    def __init__(self, where: str) -> None:
        super().__init__(
            where,
            said("nothing of the others' is there"),
            said("give all the same [media] url, a bucket or a folder that both see"),
        )
        self.where = where


class DatabaseBusy(DbError):
    """Another process holds the write lock. waited_s: how long it was waited for."""

    reason = "database_busy"

    def __init__(self, path: Path | str, waited_s: int) -> None:
        super().__init__(
            said(
                "{path} is locked by another program since {waited_s} s: end that one (a backup, a database browser?).",
                path=str(path),
                waited_s=waited_s,
            )
        )


class DatabaseAway(DbError):
    """The server of the database does not answer, or its connection broke. why: in its words, or the network's."""

    reason = "database_away"

    def __init__(self, place: str, why: str) -> None:
        super().__init__(
            said(
                "The database {place} cannot be reached ({why}): look at its server, the network between, and what its "
                "address says.",
                place=place,
                why=why,
            ),
            path=place,
            why=why,
        )


class NotEmpty(DbError):
    """Somebody has asked for films in the database that another one's were to be moved to."""

    reason = "not_empty"

    def __init__(self, place: str) -> None:
        sentence = said("Films were asked for in {place} already: move to a database that is new.", place=place)
        super().__init__(sentence, path=place)


CONFIGURATION = said("configuration")  # in place of the file of a ConfigError, where it is not known


class ConfigError(DbError):
    """A configuration that cannot be used. key: "section.name", or "" for the whole file."""

    reason = "config"

    def __init__(self, file: str, key: str, problem: str) -> None:
        ends = problem.endswith((".", "?"))
        where = said("{file}: {key}", file=file, key=key) if key else file
        sentence = said("{where}: {problem}" if ends else "{where}: {problem}.", where=where, problem=problem)
        super().__init__(sentence, file=file, key=key, problem=problem)
        self.problem = problem

    def named(self, file: Path | None) -> "ConfigError":
        """The same, of the file where the key stands, if that was not known."""
        if file is None or self.facts["file"] != CONFIGURATION:
            return self
        return ConfigError(str(file), str(self.facts["key"]), self.problem)

    @classmethod
    def of(cls, file: str, key: str, expected: str, got: str) -> "ConfigError":
        """A key that has something else than it should."""
        return cls(file, key, said("expected {expected}, got {got}", expected=expected, got=got))
