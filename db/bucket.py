"""Media in an S3 bucket, for many machines: prefix/ab/<sha>, with a folder on this machine of what was used last.

Files come before the rows that name them, here too: a name is given out once the bucket has acknowledged the object.
What comes out of it is believed once it has the hash that is its name: on the way it may be cut; and here, in a folder
whose files are not brought to the disk one by one, a power cut may leave half of one.
"""

import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from db.errors import MediaAway
from db.media import NAME, OWNER, Disk, Media, on_disk
from db.said import said
from db.threads import Threads

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ClientConfig, RetryConfig, S3Config

log = logging.getLogger("flipbot.bucket")
T = TypeVar("T")

THREADS: Final = 16  # that wait for the store, at most
SILENT: Final = timedelta(seconds=15)  # between two bytes of an answer: longer, and the store is away
LITTLE: Final = 1 << 20  # bytes; what is larger may be longer on its way up, in which time nothing is answered
UPLOAD: Final = timedelta(minutes=8)  # for what is sent in one piece: a line of 1.2 Mbit/s carries it
WHOLE: Final = 64 << 20  # bytes; larger files travel in parts, of which some stay in the bucket where they are cut
PART: Final = 8 << 20
AT_ONCE: Final = 2  # parts on their way
CHUNK: Final = 1 << 20
IN_USE_S: Final = 3600.0  # since the last use; as long a file is not put out of the folder here
ROOM: Final = 0.9  # of the limit, to which the folder is brought down once it is above
LOOK_S: Final = 60.0  # between two looks for what may go, where nothing could
RESTS_S: Final = 5.0  # after a trouble: so long nothing is asked, and whoever wants something hears it at once
BUSY_S: Final = (1.0, 2.0, 2.0, 2.0)  # between tries, of which each takes half one, of a store that is too busy
PATIENCE: Final["RetryConfig"] = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}

REFUSED: Final = (PermissionDeniedError, UnauthenticatedError)
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
_STATUS = re.compile(r"status code: ([0-9]{3}[ A-Za-z]{0,40})")
_BUSY = ("429", "503")
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}


class Bucket(Media):
    """A bucket, or a part of one, and the folder of what was used last. Every method blocks; call it from a thread.

    Where the store does not answer, or not to us, they raise MediaAway.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        prefix: str = "",
        *,
        endpoint: str = "",
        region: str = "",
        cache_bytes: int = 20 << 30,
        least_free: int = 0,
        disk: Disk | None = None,
    ) -> None:
        """Nothing is made or asked until something is put in or taken out. Credentials are the environment's.

        raises: ValueError, where all that is no bucket's
        root:        the folder on this machine, which no other process of it uses
        cache_bytes: how large that may grow; least_free: below how many free bytes on its disk it grows smaller
        """
        super().__init__(root, disk)
        self.url = f"s3://{name}/{prefix}".rstrip("/")
        config: S3Config = {}
        if endpoint:
            config["endpoint"] = endpoint
        if region:
            config["region"] = region
        client: ClientConfig = {"connect_timeout": "5s", "timeout": "10m"}
        if endpoint.startswith("http:"):
            client["allow_http"] = True

        def store(read_timeout: timedelta) -> S3Store:
            options: ClientConfig = {**client, "read_timeout": read_timeout}
            return S3Store(name, prefix=prefix or None, config=config, client_options=options, retry_config=PATIENCE)

        try:
            self._store = store(SILENT)
            self._slow = store(UPLOAD)  # the time for an answer counts from the request's first byte
        except BaseError as error:
            raise ValueError(str(error)) from None
        self.threads = Threads(THREADS, "flipbot-media")
        self.cache_bytes, self.least_free = cache_bytes, least_free
        self._whole: dict[str, tuple[int, int]] = {}  # size and age of files here that have the right content
        self._one = tuple(threading.Lock() for _ in range(64))  # a file is fetched once, however many want it
        self._counting = threading.Lock()
        self._size: int | None = None  # bytes in the folder here, once they were counted
        self._look_at = 0.0  # when what may go is looked for again
        self._away_until = 0.0
        self._away_why = ("", "")

    def place(self, name: str = "") -> str:
        """As Media.place: an address in the bucket."""
        return f"{self.url}/{name}" if name else self.url

    def fetch(self, sha: str) -> Path:
        """As Media.fetch: out of the bucket where it is not here. raises FileNotFoundError, MediaAway, DiskFull."""
        path = self.path(sha)
        with self._one[int(sha[:2], 16) % len(self._one)]:
            if not self._use(path, forget=True):
                self._bring(sha, path)
        return path

    def here(self, sha: str) -> Path | None:
        """As Media.here."""
        path = self.path(sha)
        return path if self._use(path) else None

    def exists(self, sha: str) -> bool:
        """Whether the file is in the bucket, or still here."""
        return super().exists(sha) or self._age(_key(sha)) is not None

    def verify(self, sha: str) -> bool:
        """Whether the file can be had whole; a damaged one here is brought anew."""
        for _ in range(2):
            try:
                self.fetch(sha)
            except FileNotFoundError:
                return False
            if super().verify(sha):
                return True
            self._forget(sha)
        return False

    def drop(self, sha: str) -> bool:
        """Remove the file from the bucket and from here. False where it was not there, or cannot be removed now."""
        self._forget(sha)
        try:
            there = self._age(_key(sha)) is not None
            with self._reaching():
                _patiently(lambda: obstore.delete(self._store, _key(sha)))
        except MediaAway:
            return False
        return there

    def drop_all(self, shas: Iterable[str]) -> None:
        """As Media.drop_all, many at a time."""
        names = list(shas)
        for sha in names:
            self._forget(sha)
        if names:
            with suppress(MediaAway), self._reaching():  # `sweep` will
                _patiently(lambda: obstore.delete(self._store, [_key(sha) for sha in names]))

    def sweep(self, keep: set[str], older_than_s: float) -> int:
        """As Media.sweep, in the bucket by its own clock, and here."""
        limit, swept = time.time() - older_than_s, 0
        for key, at in self._objects():
            name = key[3:]
            if name in keep or at >= limit:
                continue
            again = self._age(key)  # the list may be minutes old, and the file put in again since
            if again is not None and again < limit:
                with self._reaching():
                    obstore.delete(self._store, key)
                self._forget(name)
                swept += 1
        return swept + self.sweep_here(keep, older_than_s)

    def sweep_here(self, keep: set[str], older_than_s: float) -> int:
        """As Media.sweep_here; and what the folder here holds is counted again."""
        swept = super().sweep(keep, older_than_s)
        for name in list(self._whole):
            if not self.path(name).is_file():
                self._whole.pop(name, None)
        self._make_room(count_again=True)
        return swept

    def owner(self) -> str | None:
        """As Media.owner."""
        try:
            with self._reaching():
                return bytes(obstore.get(self._store, OWNER).bytes()).decode("utf-8", "replace").strip()
        except FileNotFoundError:
            return None

    def mark(self, owner: str) -> None:
        """As Media.mark. raises MediaAway."""
        with self._reaching():
            obstore.put(self._store, OWNER, owner.encode())

    def strange(self, keep: set[str], older_than_s: float, besides: str = "") -> bool:
        """As Media.strange."""
        limit, old = time.time() - older_than_s, False
        for key, at in self._objects():
            if key[3:] == besides:
                continue
            if key[3:] in keep:
                return False
            old = old or at < limit
        return old

    def probe(self) -> str | None:
        """As Media.probe: an object is written, read and deleted, and the bucket is listed. raises MediaAway."""
        with self._reaching():
            same = self._try_out()
            for _ in obstore.list(self._store, chunk_size=1):
                break
        if not same:
            raise MediaAway(self.url, said("it gives back other bytes than it was given"), said("see to the store"))
        size = f"{self.cache_bytes / (1 << 30):g} GiB"
        return said(
            "{url} can be written, read, listed and deleted in; the last {size} used are kept in {root}.",
            url=self.url,
            size=size,
            root=self.root,
        )

    def _keep(self, path: Path, sha: str) -> str:
        """The bucket first: until it has the file, the file stays where it was and can be kept again."""
        size, store = path.stat().st_size, self._store
        if size > LITTLE:
            self._age(OWNER)  # where it does not answer even that, it is not waited for as long as a slow line is
            store = self._slow

        def put() -> None:
            parts = size > WHOLE
            obstore.put(store, _key(sha), path, use_multipart=parts, chunk_size=PART, max_concurrency=AT_ONCE)

        with self._reaching():
            _patiently(put)  # over an earlier one, too: that may be damaged, and to `sweep` it is young again
        super()._keep(path, sha)
        self._came(self.path(sha), sha)
        return sha

    def _bring(self, sha: str, path: Path) -> None:
        """Fetch the object, as often as is due to a line that is bad. raises FileNotFoundError where it is damaged."""
        for _ in range(2):
            got = self._get(_key(sha))
            with self._making() as part:
                if not self._download(got, sha, part):
                    continue
                folder = self._folder(sha[:2])
                with on_disk(folder):
                    self.disk.rename(part, folder / sha)
            self._came(path, sha)
            return
        log.warning("object damaged in=%s sha=%s", self.url, sha)
        raise FileNotFoundError(f"{self.place(_key(sha))} is damaged")

    def _get(self, key: str) -> "GetResult":
        """Ask for an object. raises FileNotFoundError, MediaAway."""
        with self._reaching():
            try:
                return _patiently(lambda: obstore.get(self._store, key))
            except REFUSED:  # to whoever may not list, so is what is not there
                self._try_out()  # we may read what is there
                raise FileNotFoundError(self.place(key)) from None

    def _try_out(self) -> bool:
        """Write an object, read it and delete it; returns whether what came back is what was written."""
        key, content = f"flipbot-probe-{uuid4().hex}", uuid4().bytes
        obstore.put(self._store, key, content)
        try:
            return bytes(obstore.get(self._store, key).bytes()) == content
        finally:
            obstore.delete(self._store, key)

    def _download(self, got: "GetResult", sha: str, part: Path) -> bool:
        """Write it to a file; returns whether it is what its name says."""
        digest = hashlib.sha256()
        with self._reaching(), on_disk(part), part.open("wb") as file:
            for chunk in got.stream(CHUNK):
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest() == sha

    def _use(self, path: Path, *, forget: bool = False) -> bool:
        """Whether the file is here and whole; then it was used now, as its access time says. forget: a damaged one"""
        try:
            found = path.stat()
            if self._whole.get(path.name) != (found.st_size, found.st_mtime_ns):
                if not super().verify(path.name):
                    if forget:
                        self._forget(path.name)
                    return False
                self._whole[path.name] = (found.st_size, found.st_mtime_ns)
            os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
        except OSError:  # not here, or gone in this moment
            return False
        return True

    def _came(self, path: Path, sha: str) -> None:
        """A file is here that was not, or is again."""
        try:
            found = path.stat()
        except FileNotFoundError:  # dropped in this moment
            return
        with self._counting:
            self._size = None if self._size is None else self._size + found.st_size
        self._whole[sha] = (found.st_size, found.st_mtime_ns)
        self._make_room()

    def _forget(self, sha: str) -> None:
        """Take the file away from here."""
        self._whole.pop(sha, None)
        super().drop(sha)

    def _make_room(self, *, count_again: bool = False) -> None:
        """Put out what was not used for longest, where the folder is too large or its disk too full."""
        with self._counting:
            if self._size is not None and not count_again:
                room = self._size <= self.cache_bytes and self.free_bytes() >= self.least_free
                if room or time.monotonic() < self._look_at:
                    return
            here = sorted(_used(self._files()))
            size, free, too_much = sum(found for _, found, _ in here), self.free_bytes(), 0.0
            if size > self.cache_bytes:
                too_much = size - self.cache_bytes * ROOM
            if free < self.least_free:
                too_much = max(too_much, self.least_free / ROOM - free)
            oldest = time.time() - IN_USE_S
            for at, found, path in here:
                if too_much <= 0 or at >= oldest:
                    break
                self._forget(path.name)
                too_much, size = too_much - found, size - found
            self._size = size
            if too_much > 0:
                self._look_at = time.monotonic() + LOOK_S

    def _objects(self) -> Iterator[tuple[str, float]]:
        """Key and time of every object that stands where a file of ours would, under a name as ours have."""
        with self._reaching():
            for page in obstore.list(self._store, chunk_size=1000):
                for each in page:
                    key = each["path"]
                    if key[2:3] == "/" and NAME.fullmatch(key[3:]) and key[3:].startswith(key[:2]):
                        yield key, each["last_modified"].timestamp()

    def _age(self, key: str) -> float | None:
        """When the object was written, by the store's clock; None where it is not there."""
        with self._reaching():
            try:
                return _patiently(lambda: obstore.head(self._store, key))["last_modified"].timestamp()
            except (FileNotFoundError, *REFUSED):  # what is not there, may be the whole bucket: that a GET says
                pass
            try:
                return self._get(key).meta["last_modified"].timestamp()
            except FileNotFoundError:
                return None

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """What the store refuses, as our error, with nothing in it that the store said but its code.

        Right after a trouble nothing is asked: of many, not each one waits for a store that is away.
        """
        if time.monotonic() < self._away_until:
            raise MediaAway(self.url, *self._away_why)
        try:
            yield
        except FileNotFoundError as error:
            if _code(error) != "NoSuchBucket":
                raise
            raise self._away(error) from None
        except BaseError as error:
            raise self._away(error) from None
        if self._away_until:
            self._away_until = 0.0
            log.info("store answers again url=%s", self.url)

    def _away(self, error: Exception) -> MediaAway:
        self._away_why = _why(error)
        away = MediaAway(self.url, *self._away_why)
        status = _status(error)
        # A refusal comes soon, and may be of that alone.
        rests_s = 0.0 if status.startswith("4") and not status.startswith(_BUSY) else RESTS_S
        first, self._away_until = not self._away_until, time.monotonic() + rests_s
        if first:
            log.warning("%s", away)
        return away


def _key(sha: str) -> str:
    if not NAME.fullmatch(sha):
        raise ValueError(f"not the name of a file: {sha!r}")
    return f"{sha[:2]}/{sha}"


def _used(files: Iterable[Path]) -> Iterator[tuple[float, int, Path]]:
    """When each was used last, its size and where it is."""
    for path in files:
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        yield max(found.st_atime, found.st_mtime), found.st_size, path


def _patiently(ask: Callable[[], T]) -> T:
    """Ask the store, and again for some seconds while it says that it has too much to do."""
    for wait_s in BUSY_S:
        try:
            return ask()
        except BaseError as error:
            if not _status(error).startswith(_BUSY):
                raise
        time.sleep(wait_s)
    return ask()


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _status(error: Exception) -> str:
    """As "404 Not Found"; empty where the store did not answer."""
    found = _STATUS.search(str(error))
    return found[1].strip() if found else ""


def _why(error: Exception) -> tuple[str, str]:
    """What is wrong with the store, in a few words, and what to do about it."""
    text, code, status = str(error), _code(error), _status(error)
    short = code or status or said("it does not answer")
    keys = said("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if "169.254.16" in text or "169.254.17" in text:  # where the machines of a cloud ask for theirs
        return said("no credentials were found"), said("set {keys}", keys=keys)
    if code == "NoSuchBucket":
        return said("there is no such bucket"), said("make it, or mend [media] url and endpoint")
    if code == "RequestTimeTooSkewed":
        return short, said("set this machine's clock")
    if code in _REGION or status.startswith("3"):
        return short, said("set [media] region to where the bucket is")
    if isinstance(error, REFUSED) or "AccessDenied" in code:
        refuses = said("it refuses us: {short}", short=short)
        return refuses, said("see to {keys}, and to what they may do there", keys=keys)
    return short, said("see to the network, and to [media] endpoint")
