"""Fetching published weights from the Hugging Face hub, or from a folder, into models_dir. No torch until all is there.

    models_dir/OWNER--NAME/…            the repository's files, as far as they are needed
    models_dir/OWNER--NAME/flipbot-files.json   which files belong there, their sizes and hashes, and of which commit
    models_dir/OWNER--NAME/…/.NAME.HASH.part    a file under way: the next attempt goes on at its end
    models_dir/.flipbot-download.lock   held while a download is at work: two would write into the same file under way

A file gets its name only once its hash was right. huggingface_hub speaks to the hub; its own download forgets a file
that was cut off when the process ended, and these are of 5 to 10 GB, so that is remembered here.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from db.said import of_system, said
from gen.card import read_json
from gen.errors import (
    BadEndpoint,
    BadProxy,
    CheckpointCorrupt,
    CommitGone,
    CopyLacks,
    DiskFull,
    DownloadBusy,
    DownloadFailed,
    FileTooLarge,
    GenError,
    HubLacks,
    HubOffline,
    HubRefused,
    HubUnreachable,
    NoHub,
    NoRepository,
    NoRoom,
    NoSuchDownload,
    SocksMissing,
    TokenRefused,
    WrongBytes,
)
from gen.files import MANIFEST, Manifest, faults, part_faults, weight_map_of
from gen.sources import CONFIGS, SOURCES, STEMS, WORDS, Part, home_of, shards

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

T = TypeVar("T")
Checking = Callable[[str], None]
LOCK = ".flipbot-download.lock"  # in models_dir
LOCKLESS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # what a file system without locks answers
CACHES = ("hub", "hf_download/hub", "webui/hf_download/hub")  # in HF_HOME, and in FramePack's program and its package
BLOCK = 4 << 20
RETRIED = (408, 425, 429, 500, 502, 503, 504)
SPARE = 1 << 30  # bytes that a disk keeps free beside the weights: films want some


class Watch(Protocol):
    """Who watches a download."""

    def begin(self, total: int) -> None:
        """So many bytes belong to the model in all."""

    def at(self, done: int, file: str) -> None:
        """So many of them are here; this file is being fetched."""

    def checking(self, file: str) -> None:
        """This file is being read for its hash."""


@dataclass(frozen=True)
class Known:
    """What is known of a file: its size, and the SHA-256 of its content or its git blob id (SHA-1), or neither."""

    size: int
    sha256: str | None = None
    blob: str | None = None

    @property
    def tag(self) -> str:
        """Names the content, for the file under way."""
        return (self.sha256 or self.blob or str(self.size))[:12]


@dataclass(frozen=True)
class Listing:
    """What the hub has of a repository at one commit."""

    commit: str
    files: Mapping[str, Known]


@dataclass(frozen=True)
class File:
    """One file that is needed: where it belongs, and where it comes from."""

    repo: str
    name: str  # in the repository
    target: Path
    known: Known
    source: Path | None = None  # with --from


@dataclass(frozen=True)
class Patience:
    """How often one file is tried without a byte of progress, and how long is waited before the second time."""

    tries: int = 6
    wait_s: float = 1.0


@dataclass
class Fetched:
    """What was done, in bytes.

    unread:   files of which some weights are never read    skipped: files of which all are
    unproven: files that had no hash to go by
    moved:    repositories whose commit is gone, so that the newest was taken
    """

    total: int = 0
    fetched: int = 0
    unread: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def parts_of(model: str) -> Mapping[str, Part]:
    """The parts of a model that can be fetched. raises: NoSuchDownload."""
    if model not in SOURCES:
        raise NoSuchDownload(name=model, known=", ".join(SOURCES))
    return SOURCES[model]


def gib_of(model: str) -> float:
    """GiB that are fetched in all for this model, as far as is known before the hub is asked."""
    return sum(part.gb for part in parts_of(model).values()) * 1e9 / (1 << 30)


def download(
    model: str,
    models_dir: Path,
    watch: Watch,
    *,
    source: Path | None = None,
    endpoint: str | None = None,
    patience: Patience = Patience(),
) -> Fetched:
    """Bring every file that the model needs into models_dir, checked; what is there already is kept.

    source: a folder to take them from instead of the hub
    raises: NoSuchDownload, HubUnreachable, HubRefused, HubLacks, WrongBytes, NoRoom, CopyLacks, DiskFull, DownloadBusy,
            FileTooLarge, CheckpointIncomplete, CheckpointCorrupt
    """
    parts = parts_of(model)
    with writing(models_dir), alone(models_dir):
        origin: Origin = Folder(source) if source else Hub(endpoint, patience)
        fetching = Fetching(origin, models_dir, watch)
        try:
            fetching.bring_all(parts)
        except CheckpointCorrupt as error:
            fetching.drop([error])
            raise
        if found := faults(model, models_dir):
            fetching.drop(found)
            raise [*fetching.lacking, *found][0]
    return fetching.done


class Fetching:
    """One download under way."""

    def __init__(self, origin: Origin, models_dir: Path, watch: Watch) -> None:
        self.origin = origin
        self.models_dir = models_dir
        self.watch = watch
        self.done = Fetched()
        self.here = 0  # bytes of the files that are whole
        self.lacking: list[CopyLacks] = []  # what the copy has not got
        self.unproven: list[File] = []
        self.manifests: dict[str, Manifest] = {}

    def manifest_of(self, repo: str) -> Manifest:
        """What belongs into the folder of a repository."""
        if repo not in self.manifests:
            self.manifests[repo] = Manifest.read(self.models_dir / home_of(repo), repo)
        return self.manifests[repo]

    def bring_all(self, parts: Mapping[str, Part]) -> None:
        """See that every file is there and right, as far as the origin has them."""
        files = [file for name, part in parts.items() for file in self.select_if_there(name, part)]
        self.done.total = self.here + sum(file.known.size for file in files)
        self.watch.begin(self.done.total)
        need_room(self.models_dir, files)
        for file in files:
            self.bring(file)

    def select_if_there(self, name: str, part: Part) -> list[File]:
        """The same as `select`; nothing of a part that a copy has not got, and need not have where it is whole here."""
        if self.origin.partial and not part_faults(name, part, self.models_dir):
            folder = self.models_dir / part.home / part.folder
            self.here += sum(
                path.stat().st_size for path in folder.iterdir() if path.is_file() and path.name != MANIFEST
            )
            return []
        try:
            return self.select(name, part)
        except CopyLacks as error:
            self.lacking.append(error)
            return []

    def select(self, name: str, part: Part) -> list[File]:
        """The files of one part: its config first, then the weights that its index names and somebody reads."""
        manifest = self.manifest_of(part.repo)
        before = manifest.revision
        there = self.origin.files(name, part, manifest)
        if before not in (None, manifest.revision):  # what is here is measured by the hashes of the new one
            manifest.files.clear()
            self.done.moved.append(part.repo)

        def path_of(within: str) -> str:
            return str(PurePosixPath(part.folder, within))

        def file(within: str) -> File:
            if within not in there:
                raise self.origin.lacks(part, path_of(within))
            known, source = there[within]
            path = path_of(within)
            return File(part.repo, path, self.models_dir / part.home / path, known, source)

        def json_of(within: str) -> dict[str, Any]:
            wanted = file(within)
            self.bring(wanted, counts=False)
            return read_json(wanted.target)

        names = [CONFIGS.get(name, "config.json")]
        stem = STEMS.get(name, "model")
        index = f"{stem}.safetensors.index.json"
        if name in CONFIGS:
            names += [within for within in WORDS if within in there]
        elif index not in there:
            names.append(f"{stem}.safetensors")
        else:
            layers = int(json_of("config.json").get("num_hidden_layers", 0))
            weight_map = weight_map_of(json_of(index), self.models_dir / part.home / part.folder / index)
            wanted = shards(name, weight_map, layers)
            self.done.unread |= {shard: count for shard, count in wanted.items() if count}
            self.done.skipped += sorted(set(weight_map.values()) - set(wanted))
            names += [index, *wanted]
        for error in (self.origin.lacks(part, path_of(within)) for within in names if within not in there):
            if not isinstance(error, CopyLacks):
                raise error
            self.lacking.append(error)
        chosen = [file(within) for within in names if within in there]
        manifest.forget(part.folder, keep=map(path_of, names))
        for each in chosen:
            manifest.expect(each.name, each.known.size, each.known.sha256)
        manifest.write(self.models_dir / part.home)
        return chosen

    def bring(self, file: File, *, counts: bool = True) -> None:
        """See that one file is there and right. counts: in what the watcher is told."""
        manifest = self.manifest_of(file.repo)
        name, base = file.target.name, self.here
        if not self.whole(file, manifest):
            at = (lambda n: self.watch.at(base + n, name)) if counts else (lambda _: None)
            sha256 = self.origin.fetch(file, at, self.watch.checking)
            self.done.fetched += file.known.size
            if file.known.sha256 is None and file.known.blob is None:
                self.done.unproven.append(file.name)
                self.unproven.append(file)
            manifest.seen(file.name, file.target, sha256)
            manifest.write(self.models_dir / home_of(file.repo))
        if counts:
            self.here += file.known.size
            self.watch.at(self.here, name)

    def drop(self, errors: Iterable[GenError]) -> None:
        """Take away what no hash stands for and what turned out to be damaged: no better copy is measured by it."""
        damaged = {Path(str(error.facts["file"])) for error in errors if isinstance(error, CheckpointCorrupt)}
        for file in self.unproven:
            if damaged & {file.target, file.target.parent}:
                file.target.unlink(missing_ok=True)
                manifest = self.manifest_of(file.repo)
                manifest.files.pop(file.name, None)
                manifest.write(self.models_dir / home_of(file.repo))

    def whole(self, file: File, manifest: Manifest) -> bool:
        """Whether the file is there and is what it should be; its hash is read where it changed since it last was."""
        if not file.target.is_file() or file.target.stat().st_size != file.known.size:
            return False
        if manifest.unchanged(file.name, file.target):
            return True
        self.watch.checking(file.target.name)
        sha256, blob = hashes(file.target, with_blob=True)
        wanted = file.known.sha256 or manifest.files.get(file.name, {}).get("sha256")
        if not (sha256 == wanted if wanted else blob == file.known.blob):
            return False
        manifest.seen(file.name, file.target, sha256)
        manifest.write(self.models_dir / home_of(file.repo))
        return True


def need_room(models_dir: Path, files: Iterable[File]) -> None:
    """raises: NoRoom, naming what is needed and what is free."""
    needed = sum(missing_bytes(file) for file in files)
    free = shutil.disk_usage(models_dir).free
    if needed and needed + SPARE > free:
        raise NoRoom(needed=(needed + SPARE) / (1 << 30), free=free / (1 << 30), where=str(models_dir))


def missing_bytes(file: File) -> int:
    """What the disk must still take of a file: nothing where it can be linked."""
    if file.target.is_file() and file.target.stat().st_size == file.known.size:
        return 0
    if file.source is not None:
        return 0 if file.source.stat().st_dev == nearest(file.target).stat().st_dev else file.known.size
    under_way = under_way_of(file)
    return file.known.size - (under_way.stat().st_size if under_way.is_file() else 0)


def nearest(path: Path) -> Path:
    """The path, or the folder above it that is there."""
    while not path.exists():
        path = path.parent
    return path


def under_way_of(file: File) -> Path:
    """Where a file grows until it is whole."""
    return file.target.with_name(f".{file.target.name}.{file.known.tag}.part")


def matches(path: Path, known: Known) -> bool:
    """Whether a file is what is known of it."""
    if path.stat().st_size != known.size:
        return False
    sha256, blob = hashes(path, with_blob=known.sha256 is None and known.blob is not None)
    return sha256 == known.sha256 if known.sha256 else blob == known.blob


def hashes(path: Path, *, with_blob: bool = False) -> tuple[str, str | None]:
    """The SHA-256 of a file, and where asked for its git blob id."""
    digest, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
            if with_blob:
                git.update(block)
    return digest.hexdigest(), git.hexdigest() if with_blob else None


@contextmanager
def writing(models_dir: Path) -> Iterator[None]:
    """A disk that is full or takes no such files, or a folder that may not be written to, is said as such."""
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise FileTooLarge(where=str(models_dir)) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(where=str(models_dir)) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise DownloadFailed(
                what=said("{file}: {why}", file=error.filename or models_dir, why=of_system(error))
            ) from error
        raise


@contextmanager
def alone(models_dir: Path) -> Iterator[None]:
    """One download at a time, also of different models, which share files. raises: DownloadBusy."""
    from filelock import FileLock, Timeout

    lock = FileLock(models_dir / LOCK, timeout=0)
    try:
        with warnings.catch_warnings():  # that it takes another kind of lock where there is none of its own
            warnings.simplefilter("ignore")
            lock.acquire()
    except Timeout as error:
        raise DownloadBusy(where=str(models_dir)) from error
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise
    try:
        yield
    finally:
        lock.release()


class Origin(Protocol):
    """Where files come from. partial: whether it may have some parts only."""

    partial: bool

    def files(self, name: str, part: Part, manifest: Manifest) -> dict[str, tuple[Known, Path | None]]:
        """The files of a part by their name in its folder; the manifest hears which commit they are of."""

    def fetch(self, file: File, at: Callable[[int], None], checking: Checking) -> str:
        """Bring one file to its target, checked; returns its SHA-256. at: hears how many bytes of it are there."""

    def lacks(self, part: Part, file: str) -> DownloadFailed:
        """What is said of a file that it has not got."""


def check_way(endpoint: str) -> None:
    """What the environment says of the way to the hub. raises: BadEndpoint, BadProxy, SocksMissing."""
    import httpx2
    from huggingface_hub import get_session

    if not re.match(r"https?://[^/]", endpoint):
        raise BadEndpoint(where=endpoint)
    try:
        get_session()  # reads the proxies
    except ImportError as error:
        raise SocksMissing(where=endpoint) from error
    except (ValueError, httpx2.InvalidURL) as error:
        raise BadProxy(where=endpoint) from error


def usable_token() -> str | None:
    """The token of this machine, unless it cannot be sent: what is public needs none."""
    from huggingface_hub import get_token

    token = get_token()
    return token if token and re.fullmatch(r"[!-~]+", token) else None


class Hub:
    """The Hugging Face hub, or what HF_ENDPOINT names."""

    partial = False

    def __init__(self, endpoint: str | None = None, patience: Patience = Patience()) -> None:
        from huggingface_hub import HfApi

        library = logging.getLogger("huggingface_hub")
        library.setLevel(logging.ERROR)  # what it warns of is tried again here, or becomes a sentence
        self.api = HfApi(endpoint=endpoint)
        check_way(self.api.endpoint)
        self.token = usable_token()
        self.refused = False  # whether a token was not accepted
        self.patience = patience
        self.listed: dict[tuple[str, str | None], Listing] = {}
        self.commits: dict[str, str] = {}

    def lacks(self, part: Part, file: str) -> DownloadFailed:
        """By the repository on its server."""
        return HubLacks(file=file, where=f"{self.api.endpoint}/{part.repo}")

    def files(self, name: str, part: Part, manifest: Manifest) -> dict[str, tuple[Known, Path | None]]:
        """Names, sizes and hashes at one commit: the newest, where the one that was written down is gone."""
        try:
            listing = self.listed_at(part.repo, part.revision or manifest.revision)
        except CommitGone:
            if part.revision or manifest.revision is None:
                raise
            listing = self.listed_at(part.repo, None)
        manifest.revision = self.commits[part.repo] = listing.commit
        self.listed[part.repo, listing.commit] = listing
        return {
            PurePosixPath(name).name: (known, None)
            for name, known in listing.files.items()
            if str(PurePosixPath(name).parent) == (part.folder or ".")
        }

    def listed_at(self, repo: str, revision: str | None) -> Listing:
        """One question per repository and commit."""
        if (repo, revision) not in self.listed:
            self.listed[repo, revision] = self.retried(repo, "", lambda: self.listing(repo, revision))
        return self.listed[repo, revision]

    def listing(self, repo: str, revision: str | None) -> Listing:
        """Ask what a repository has. raises: NoHub, where the answer is none, such as the page of a network's login."""
        try:
            info = self.api.model_info(repo, revision=revision, files_metadata=True, token=self.token or False)
            files = {each.rfilename: known_of(each) for each in info.siblings or ()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoHub(where=self.api.endpoint) from error
        if info.sha is None:
            raise NoHub(where=self.api.endpoint)
        return Listing(info.sha, files)

    def fetch(self, file: File, at: Callable[[int], None], checking: Checking) -> str:
        """Go on where the last attempt ended; a file that came out wrong is fetched anew, once."""
        under_way = under_way_of(file)
        under_way.parent.mkdir(parents=True, exist_ok=True)
        for last in (False, True):
            self.retried(file.repo, file.name, lambda: self.stream(file, under_way, at), under_way)
            checking(file.target.name)
            if matches(under_way, file.known):
                break
            under_way.unlink()
            if last:
                raise WrongBytes(file=file.name, where=file.repo)
        sha256 = file.known.sha256 or hashes(under_way)[0]
        under_way.replace(file.target)
        return sha256

    def stream(self, file: File, under_way: Path, at: Callable[[int], None]) -> None:
        """Ask for what is still missing of a file, at the commit that was listed."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.file_download import http_get

        url = hf_hub_url(file.repo, file.name, revision=self.commits[file.repo], endpoint=self.api.endpoint)
        head = get_hf_file_metadata(url, token=self.token or False, endpoint=self.api.endpoint)
        if head.size is not None and head.size != file.known.size:
            raise WrongBytes(file=file.name, where=file.repo)
        home = netloc_of(head.location) == netloc_of(self.api.endpoint)
        headers = {"Accept-Encoding": "identity"}  # a compressed answer has no length to go on from
        if home and self.token:  # a signed address elsewhere needs none, and should not see it
            headers["Authorization"] = f"Bearer {self.token}"
        with under_way.open("ab") as opened:
            opened.seek(0, os.SEEK_END)
            begun = opened.tell()
            at(begun)
            http_get(
                head.location,
                opened,
                resume_size=begun,
                headers=headers,
                expected_size=file.known.size,
                tqdm_class=bar_of(at),
            )
            opened.flush()
            os.fsync(opened.fileno())

    def retried(self, repo: str, file: str, ask: Callable[[], T], under_way: Path | None = None) -> T:
        """Ask until it is answered; every byte of progress renews the patience."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        tries, size = 0, -1
        while True:
            try:
                return ask()
            except OfflineModeIsEnabled as error:
                raise HubOffline(where=self.api.endpoint) from error
            except HfHubHTTPError as error:
                why = self.answered(error, repo, file, under_way)
            except httpx2.InvalidURL as error:
                raise BadEndpoint(where=self.api.endpoint) from error
            except httpx2.RequestError as error:
                why = type(error).__name__
            except OSError as error:  # http_get: fewer bytes than it was promised
                if error.errno is not None:
                    raise
                why = said("the connection broke off")
            now = under_way.stat().st_size if under_way is not None and under_way.is_file() else 0
            tries, size = (1 if now > size >= 0 else tries + 1), now
            if tries >= self.patience.tries:
                raise HubUnreachable(where=self.api.endpoint, why=why)
            time.sleep(min(30.0, self.patience.wait_s * 2 ** (tries - 1)))

    def answered(self, error: HfHubHTTPError, repo: str, file: str, under_way: Path | None) -> str:
        """What an answer says that is none, in words, where asking once more may help. raises: else what it means."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        status, where = error.response.status_code, f"{self.api.endpoint}/{repo}"
        signed = under_way is not None and netloc_of(str(error.response.url)) != netloc_of(self.api.endpoint)
        if status == 401 and self.token is not None and not isinstance(error, GatedRepoError):
            self.token, self.refused = None, True  # an expired one is refused even where none is needed
            return said("it does not accept the token")
        if status == 401 and self.refused:
            raise TokenRefused(where=self.api.endpoint, repo=repo) from error
        if isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError):
            raise NoRepository(where=self.api.endpoint, repo=repo) from error
        if isinstance(error, RevisionNotFoundError):
            raise CommitGone(file=file or said("the commit"), where=where) from error
        if status == 404:
            raise HubLacks(file=file or said("anything"), where=where) from error
        if isinstance(error, GatedRepoError) or (status in (401, 403) and not signed):
            raise HubRefused(repo=repo, where=where) from error
        if status == 416 and under_way is not None:  # more bytes here than there: begin again
            under_way.unlink(missing_ok=True)
        elif status not in RETRIED and not signed:  # a signed address holds for an hour; the next try asks for another
            raise HubUnreachable(where=self.api.endpoint, why=said("it answered {status}", status=status)) from error
        return said("it answered {status}", status=status)


def netloc_of(address: str) -> str:
    """Host and port."""
    return urlsplit(address).netloc


def known_of(sibling: Any) -> Known:
    """What the hub says of a file: the SHA-256 where it is in LFS, the git blob id where it is not."""
    if sibling.lfs is not None:
        return Known(sibling.lfs.size, sha256=sibling.lfs.sha256)
    return Known(int(sibling.size), blob=sibling.blob_id)


def bar_of(at: Callable[[int], None]) -> Any:
    """What huggingface_hub takes for a progress bar: it tells `at` how many bytes of the file are there."""

    class Bar:
        def __init__(self, *, initial: int = 0, **_: object) -> None:
            self.done = initial

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, n: int) -> None:
            self.done += n
            at(self.done)

    return Bar


class Folder:
    """A copy on this machine: another models_dir, a hub cache, clones of the repositories, a checkpoint's folder, or
    FramePack's program folder, which has a hub cache in it.
    """

    partial = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lacks(self, part: Part, file: str) -> DownloadFailed:
        """By the folder."""
        return CopyLacks(where=str(self.folder), file=file, repo=part.repo)

    def files(self, name: str, part: Part, manifest: Manifest) -> dict[str, tuple[Known, Path | None]]:
        """The files of the part's folder, with the hashes that the copy's own notes have of them."""
        config = CONFIGS.get(name, "config.json")
        place, root = next(
            ((at, root) for at, root in self.places(name, part) if (at / config).is_file()), (None, None)
        )
        if place is None or root is None:
            raise self.lacks(part, f"{name}/{config}")
        theirs = Manifest.read(root, part.repo) if (root / MANIFEST).is_file() else None
        revision = commit_of(root)
        manifest.revision = manifest.revision or (theirs.revision if theirs else revision)
        found: dict[str, tuple[Known, Path | None]] = {}
        for file in sorted(place.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                found[file.name] = noted(file, root, theirs, manifest, str(PurePosixPath(part.folder, file.name))), file
        return found

    def places(self, name: str, part: Part) -> Iterator[tuple[Path, Path]]:
        """Folders where the part may lie, each with the one that its repository's files lie in."""
        for root in (self.folder / part.home, self.folder / part.repo.split("/")[1], self.folder):
            yield root / part.folder, root
        for cache in (self.folder, *(self.folder / within for within in CACHES)):
            snapshots = cache / f"models--{part.home}" / "snapshots"
            newest = sorted(snapshots.glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
            for root in newest:
                yield root / part.folder, root
        yield self.folder / name, self.folder

    def fetch(self, file: File, at: Callable[[int], None], checking: Checking) -> str:
        """Link the copy, or where that cannot be done copy it, and give it its name once it is checked.

        Never under the name of a file under way: a download would go on in it, and a link is the person's own file.
        """
        assert file.source is not None
        source, linked = file.source.resolve(), file.target.with_name(f".{file.target.name}.link")
        file.target.parent.mkdir(parents=True, exist_ok=True)
        linked.unlink(missing_ok=True)
        checking(file.target.name)
        try:
            try:
                os.link(source, linked)
            except OSError:  # another disk, or one without links
                copy(source, linked, at)
            sha256, blob = hashes(linked, with_blob=file.known.blob is not None)
            if (file.known.sha256 or sha256) != sha256 or (file.known.blob or blob) != blob:
                raise WrongBytes(file=str(file.source), where=str(self.folder))
            linked.replace(file.target)
        finally:
            linked.unlink(missing_ok=True)
        return sha256


def copy(source: Path, target: Path, at: Callable[[int], None]) -> None:
    """Copy a file, telling how far it is."""
    done = 0
    with source.open("rb") as reading, target.open("wb") as out:
        while block := reading.read(BLOCK):
            out.write(block)
            done += len(block)
            at(done)
        out.flush()
        os.fsync(out.fileno())


def commit_of(root: Path) -> str | None:
    """The commit of a hub cache's snapshot."""
    return root.name if re.fullmatch(r"[0-9a-f]{40}", root.name) else None


def noted(file: Path, root: Path, theirs: Manifest | None, ours: Manifest, name: str) -> Known:
    """What is known of a copy: from a manifest of either side, a hub cache's blob names, or a download's notes."""
    size = file.stat().st_size
    for manifest in (ours, theirs):
        if manifest is not None and (sha256 := manifest.files.get(name, {}).get("sha256")):
            return Known(int(manifest.files[name]["size"]), sha256=sha256)
    tag = file.resolve().name if file.is_symlink() else etag_of(root, name)
    if re.fullmatch(r"[0-9a-f]{64}", tag):
        return Known(size, sha256=tag)
    return Known(size, blob=tag) if re.fullmatch(r"[0-9a-f]{40}", tag) else Known(size)


def etag_of(root: Path, name: str) -> str:
    """The hash that `hf download --local-dir` wrote down for a file, or nothing."""
    with suppress(OSError, IndexError):
        notes = root / ".cache" / "huggingface" / "download" / f"{name}.metadata"
        return notes.read_text("utf-8").splitlines()[1].strip()
    return ""
