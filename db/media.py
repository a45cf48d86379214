"""Pictures, latents, clips and films, each a file named by the SHA-256 of its content: root/ab/<sha>.

The order is the argument that no row names a missing file, even after a power cut: write beside (same file system),
fsync the file, rename, fsync the folder, and only then commit the row. A crash leaves at most a file that no row names,
which `sweep` takes away.

The folder may hold other things, and be another database's: only names that are made here are swept, and only by the
database that root/flipbot-owner names. There its mark stands, an id and how often it tidied, as in its own memo: a
database that was restored from an earlier day has a lower count, and does not know of what was made since.
"""

import asyncio
import errno
import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import uuid4

from sqlalchemy import select

from db import inbox
from db.config import MediaConfig
from db.connect import Database, reads
from db.errors import CONFIGURATION, ConfigError, DiskFailed, DiskFull, MachineShort, OtherStore
from db.models import Memo
from db.query import SHAS, unreferenced
from db.said import of_system, said
from db.trouble import TROUBLE, is_short

P = ParamSpec("P")
T = TypeVar("T")

OWNER = "flipbot-owner"  # the file that says whose a folder is, and the memo of who one is
STORE = "flipbot-store"  # the memo of what the front put into its store, for workers to find in theirs

log = logging.getLogger("flipbot.media")

NAME = re.compile("[0-9a-f]{64}")  # of a file

_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_FAILED = {errno.EIO, errno.EROFS, errno.ENXIO, errno.ENODEV}
_PREFIX = "flipbot-"
_WORK = re.compile(f"{_PREFIX}[a-z0-9_]+")  # as tempfile makes them


class Disk:
    """The four steps on which durability rests. A test gives one that notes them, cuts the power or fails."""

    def mkdir(self, folder: Path) -> None:
        """Make one folder, whose parent is there."""
        folder.mkdir(exist_ok=True)

    def sync(self, path: Path) -> None:
        """Bring a file's content to the disk."""
        with path.open("r+b") as file:
            os.fsync(file.fileno())

    def rename(self, path: Path, target: Path) -> None:
        """Give a file its name, over an earlier one."""
        path.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Bring the names in a folder to the disk."""
        if os.name == "nt":  # Windows opens no folders; NTFS journals the rename itself
            return
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def free_bytes(self, folder: Path) -> int:
        """Room left."""
        return shutil.disk_usage(folder).free


class Media:
    """A folder of content-addressed files. Every method blocks; call it `in_thread`."""

    threads: Executor | None = None  # to call it in; none: everybody's
    least_free: int = 0  # bytes of the disk below which less is kept here, where there is another place for it

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        """Nothing is made until something is put in. disk: None is the system's own."""
        self.root = root
        self.disk = disk or Disk()
        self._folders: set[str] = set()  # whose names this process knows to be on the disk
        self._at_work: set[str] = set()  # work folders of this process: what grows in them makes them no younger

    def put(self, content: bytes) -> str:
        """Keep these bytes, durably; returns their name. raises DiskFull, DiskFailed."""
        with self._making() as path:
            path.write_bytes(content)
            return self._keep(path, hashlib.sha256(content).hexdigest())

    def adopt(self, path: Path) -> str:
        """Take a file in, durably; returns its name. Best from a `workdir`, then nothing is copied.

        raises: DiskFull, DiskFailed
        """
        with on_disk(path):
            with path.open("rb") as file:
                sha = hashlib.file_digest(file, "sha256").hexdigest()
            if path.stat().st_dev == self._folder("tmp").stat().st_dev:
                return self._keep(path, sha)
        with self._making() as copy:
            shutil.copyfile(path, copy)
            self._keep(copy, sha)
        path.unlink()
        return sha

    def path(self, sha: str) -> Path:
        """Where the file of that name is, or would be. raises ValueError where it is no name."""
        if not NAME.fullmatch(sha):
            raise ValueError(f"not the name of a file: {sha!r}")
        return self.root / sha[:2] / sha

    def place(self, name: str = "") -> str:
        """Where all this is, or what is called so in it, as people are told."""
        return str(self.root / name)

    def fetch(self, sha: str) -> Path:
        """The file, here on this disk; it stays there for long enough to be used.

        raises: FileNotFoundError; of a bucket MediaAway, and of the disk it is brought to DiskFull, DiskFailed
        """
        path = self.here(sha)
        if path is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path(sha)))
        return path

    def here(self, sha: str) -> Path | None:
        """As `fetch`, without asking any other machine; None where the file is not here."""
        path = self.path(sha)
        return path if path.is_file() else None

    def read(self, sha: str) -> bytes:
        """The file's content. raises as `fetch`."""
        return self.fetch(sha).read_bytes()

    def exists(self, sha: str) -> bool:
        """Whether the file is there; `verify` says whether it is whole."""
        return self.path(sha).is_file()

    def verify(self, sha: str) -> bool:
        """Whether the file is there and its content is what its name says."""
        try:
            with self.path(sha).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha
        except OSError:  # gone, or the disk does not give it any more
            return False

    def drop(self, sha: str) -> bool:
        """Remove the file. False where it was not there, or is open and the system keeps such files: `sweep` will."""
        try:
            self.path(sha).unlink()
        except OSError:
            return False
        return True

    def drop_all(self, shas: Iterable[str]) -> None:
        """Remove the files, as `drop`."""
        for sha in shas:
            self.drop(sha)

    def workdir(self) -> Path:
        """A fresh folder on the same file system, for files to be adopted. Its maker removes it.

        raises: DiskFull, DiskFailed
        """
        with on_disk(self.root):
            made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._folder("tmp")))
        self._at_work.add(made.name)
        return made

    def sweep(self, keep: set[str], older_than_s: float) -> int:
        """Remove the files that are not in `keep`, and what was left in work folders; returns how many entries.

        What has no name of ours stays, whatever it is.
        older_than_s: younger ones stay, for their row may be about to be committed
        """
        limit = time.time() - older_than_s
        files = [path for path in self._files() if path.name not in keep and _touched(path) < limit]
        return sum(map(_remove, files)) + self._clear(older_than_s)

    def sweep_here(self, keep: set[str], older_than_s: float) -> int:
        """As `sweep`, of what this machine keeps of a store that others use, too, and nothing in that store.

        So what was forgotten is gone from every machine, whichever of them sweeps the store. Of a folder: only what was
        left in work folders.
        """
        return self._clear(older_than_s)

    def _clear(self, older_than_s: float) -> int:
        """Remove what was left in work folders by a process that died; returns how many entries."""
        limit = time.time() - older_than_s
        self._at_work -= {name for name in list(self._at_work) if not (self.root / "tmp" / name).exists()}
        left = [path for path in self.root.glob("tmp/*") if _WORK.fullmatch(path.name)]
        left = [path for path in left if path.name not in self._at_work]
        return sum(_remove(path) for path in left if _touched(path) < limit)

    def owner(self) -> str | None:
        """The mark of the database whose files these are; None where it was not written down."""
        try:
            with on_disk(self.root):
                return (self.root / OWNER).read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            return None

    def mark(self, owner: str) -> None:
        """Write down whose files these are, durably. raises DiskFull, DiskFailed."""
        with self._making() as path:
            path.write_text(owner, "utf-8")
            self.disk.sync(path)
            self.disk.rename(path, self.root / OWNER)
            self.disk.sync_folder(self.root)

    def strange(self, keep: set[str], older_than_s: float, besides: str = "") -> bool:
        """Whether old files are here, and none that is in `keep`: then they are another database's.

        besides: the name of one that says nothing of the others
        """
        limit, files = time.time() - older_than_s, [path for path in self._files() if path.name != besides]
        return any(_touched(path) < limit for path in files) and all(path.name not in keep for path in files)

    def probe(self) -> str | None:
        """What the doctor says of the store after trying it; None of a folder. raises MediaAway."""
        return None

    def free_bytes(self) -> int:
        """Room left on the disk. raises DiskFull, DiskFailed."""
        with on_disk(self.root):
            return self.disk.free_bytes(self._folder(""))

    def _files(self) -> Iterator[Path]:
        """What stands where a file of ours would, under a name as ours have."""
        for path in self.root.glob("[0-9a-f][0-9a-f]/*"):
            if NAME.fullmatch(path.name) and path.name.startswith(path.parent.name) and path.is_file():
                yield path

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        if name not in self._folders or not folder.is_dir():
            with on_disk(folder):
                for made in reversed([each for each in (folder, *folder.parents) if not each.is_dir()]):
                    self.disk.mkdir(made)
                    self.disk.sync_folder(made.parent)
                self.disk.sync_folder(folder.parent)  # a process that died may have made it and come no further
            self._folders.add(name)
        return folder

    @contextmanager
    def _making(self) -> Iterator[Path]:
        """A path to write to, which is gone afterwards unless it was kept."""
        folder = self._folder("tmp")
        with on_disk(self.root):
            fd, name = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
            os.close(fd)
            try:
                yield Path(name)
            finally:
                Path(name).unlink(missing_ok=True)

    def _keep(self, path: Path, sha: str) -> str:
        self.disk.sync(path)
        folder = self._folder(sha[:2])
        path.touch()  # to `sweep` it is young, even when it was kept before
        try:
            self.disk.rename(path, folder / sha)  # over an earlier one too: it may be damaged
        except PermissionError:
            if not self.exists(sha):
                raise
            path.unlink()  # Windows replaces no file that is open; it has the same content
        self.disk.sync_folder(folder)
        return sha


def open_media(config: MediaConfig, data_dir: Path) -> Media:
    """The media as they are configured; nothing is made or asked yet. raises ConfigError."""
    where = config.bucket()
    if where is None:
        return Media(config.folder(data_dir))
    try:
        from db.bucket import Bucket
    except ModuleNotFoundError:
        missing = said(
            'a bucket needs the library obstore: pip install "flipbot[s3]" (or obstore), or set a "file:///" url'
        )
        raise ConfigError(CONFIGURATION, "media.url", missing) from None
    try:
        return Bucket(
            data_dir / "media-cache",
            *where,
            endpoint=config.endpoint,
            region=config.region,
            cache_bytes=config.cache_gib << 30,
            least_free=2 * config.min_free_mib << 20,
        )
    except ValueError:  # without its words, which may hold a secret
        refused = said("the bucket cannot be used like that: see to region, endpoint and the AWS_… of the environment")
        raise ConfigError(CONFIGURATION, "media.url", refused) from None


async def in_thread(media: Media, f: Callable[P, T], *args: P.args, **kw: P.kwargs) -> T:
    """Call f, which uses the media, in a thread: whoever waits for a store that is away holds up nothing else."""
    return await asyncio.get_running_loop().run_in_executor(media.threads, partial(f, *args, **kw))


async def fetched(media: Media, sha: str) -> Path:
    """As `Media.fetch`. A file that is here waits for none that is not. raises as it does."""
    here = await asyncio.to_thread(media.here, sha)
    return here if here is not None else await in_thread(media, media.fetch, sha)


@contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """What the disk refuses, as one of our errors."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(path) from error
        if error.errno in _FAILED:
            raise DiskFailed(path, of_system(error)) from error
        if is_short(error):
            raise MachineShort(of_system(error)) from error
        raise


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # somebody else removed it
        return float("inf")


def _remove(path: Path) -> int:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        return 1
    return 0


@reads
def media_keep(db: Database) -> set[str]:
    """The names of all files that any row names: what a sweep has to keep."""
    with db.reading() as tx:
        keep = {_named(marked) for marked in tx.scalars(select(Memo.value).where(Memo.name == STORE))}
        for column in SHAS:
            keep.update(sha for sha in tx.scalars(select(column).distinct()) if sha)
    return keep


@reads
def media_unreferenced(db: Database, shas: Collection[str]) -> tuple[str, ...]:
    """Those of the files that no row names: what may be dropped."""
    with db.reading() as tx:
        return unreferenced(tx, shas)


async def media_foreign(db: Database, media: Media) -> str | None:
    """The sentence for whoever runs the service where the folder is marked as another database's; else None."""
    owner = await in_thread(media, media.owner)
    if owner is None or _holds(await _mark(db), owner):
        return None
    return said(
        "Nothing in {place} is tidied away: {marker} says that it belongs to another database, or "
        "to this one at a later time (was a backup restored?). Give each database its own place ([media] url); or, "
        'where only this one uses it and what it does not know may go, put "{mark}" there.',
        place=media.place(),
        marker=media.place(OWNER),
        mark=await _mark(db),
    )


async def media_tidy(db: Database, media: Media, older_than_s: float) -> int | None:
    """Sweep the folder as `Media.sweep`, where its files are this database's; else None, and nothing is removed.

    A folder without a mark is taken over, unless it is strange: then it is marked as nobody's.
    raises: DatabaseBusy, DiskFull, DiskFailed
    """
    began = time.time()
    keep, owner = await media_keep(db), await in_thread(media, media.owner)
    mark = await _mark(db)  # after the owner: of several that tidy one bucket another one may just have raised both
    marker = _named(await inbox.memo(db, STORE) or "")
    if owner is None and await in_thread(media, media.strange, keep, older_than_s, marker):
        owner = uuid4().hex
        await in_thread(media, media.mark, owner)
    if owner is not None and not _holds(mark, owner):
        return None
    # This machine may have slept since, and others have made what `keep` does not name.
    swept = await in_thread(media, media.sweep, keep, older_than_s + max(0.0, time.time() - began))
    with suppress(*TROUBLE):  # the next time will do
        name, count = (await _mark(db)).split()
        await inbox.remember(db, OWNER, f"{name} {int(count) + 1}")  # before the folder: a crash must not part them
        await in_thread(media, media.mark, f"{name} {int(count) + 1}")
    return swept


async def settle_store(db: Database, media: Media, *, anew: bool = False) -> None:
    """See that all processes of a shared database have one store: one goes on with files that others made.

    The first one puts something there that is looked for ever after. anew: nobody else is there, so that it may be
    another store than before
    raises: OtherStore, TROUBLE
    """
    if not db.shared:
        return
    known, fresh = await inbox.memo(db, STORE), uuid4().hex
    if known is None:
        await in_thread(media, media.put, fresh.encode())
        known = await inbox.first(db, STORE, fresh)
    if await in_thread(media, media.exists, _named(known)):
        await in_thread(media, media.put, known.encode())  # to a sweep it is young again
        return
    if not anew:
        raise OtherStore(media.place())
    await in_thread(media, media.put, fresh.encode())
    await inbox.remember(db, STORE, fresh)
    if len(await media_keep(db)) > 1:
        log.warning(
            "another store than before in=%s; films go on only if their files were brought there", media.place()
        )


def _named(text: str) -> str:
    """The name of the file with that content."""
    return hashlib.sha256(text.encode()).hexdigest()


async def _mark(db: Database) -> str:
    """The mark of this database, made when it is first asked for."""
    return await inbox.memo(db, OWNER) or await inbox.first(db, OWNER, f"{uuid4().hex} 0")


def _holds(mark: str, owner: str) -> bool:
    """Whether what stands in a folder was written by the database with that mark, and not at a later day."""
    (name, count), (named, _, at) = mark.split(), owner.partition(" ")
    return name == named and at.isdecimal() and int(at) <= int(count)
