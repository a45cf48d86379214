import asyncio
import errno
import hashlib
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from makers import LEASE_MS, PLENTY, ask, made, sha

from db import inbox, jobs, requests, sections
from db.bucket import Bucket
from db.connect import Database
from db.errors import DiskFailed, DiskFull, MachineShort, OtherStore
from db.media import (
    STORE,
    Disk,
    Media,
    media_foreign,
    media_keep,
    media_tidy,
    media_unreferenced,
    settle_store,
)
from tests.ready import ready


@pytest.fixture
def folder(tmp_path: Path) -> Media:
    return Media(tmp_path / "media")


@pytest.fixture(params=["folder", "bucket"])
def media(request: pytest.FixtureRequest, tmp_path: Path) -> Media:
    """Either store: a folder, or a bucket with a folder of what was used last."""
    if request.param == "folder":
        return Media(tmp_path / "media")
    bucket: Media = request.getfixturevalue("s3").machine(tmp_path / "media")
    return bucket


def files(media: Media) -> list[str]:
    return sorted(str(path.relative_to(media.root)) for path in media.root.rglob("*") if path.is_file())


def age(path: Path, seconds: float) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


@pytest.fixture
def grow_old(request: pytest.FixtureRequest, media: Media) -> Callable[[str], None]:
    """Makes a file older than any sweep spares."""

    def old(name: str) -> None:
        age(media.path(name), 9000)
        if isinstance(media, Bucket):
            request.getfixturevalue("s3").age(name, 9000)

    return old


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=2000))
def test_what_is_put_in_comes_out_under_the_hash_of_its_content(media: Media, content: bytes) -> None:
    name = media.put(content)
    assert name == hashlib.sha256(content).hexdigest()
    assert media.read(name) == content
    assert media.exists(name) and media.verify(name)
    assert media.path(name) == media.root / name[:2] / name


def test_nothing_is_made_until_something_is_put_in(media: Media) -> None:
    assert not media.exists(sha("x")) and not media.verify(sha("x"))
    assert not media.root.exists()


def test_the_same_content_is_one_file(media: Media) -> None:
    assert media.put(b"same") == media.put(b"same")
    assert len(files(media)) == 1


def test_an_adopted_file_is_moved_not_copied(media: Media) -> None:
    path = media.workdir() / "film.mp4"
    path.write_bytes(b"film")
    inode = path.stat().st_ino
    name = media.adopt(path)
    assert not path.exists()
    assert media.path(name).stat().st_ino == inode and media.read(name) == b"film"


def test_a_file_of_another_file_system_is_adopted_too(media: Media) -> None:
    here = media.root.parent.stat().st_dev
    places = [Path(place) for place in ("/dev/shm", tempfile.gettempdir(), "/var/tmp") if Path(place).is_dir()]
    others = [place for place in places if place.stat().st_dev != here]
    if not others:
        pytest.skip("there is one file system only")
    elsewhere = others[0] / f"flipbot-test-{os.getpid()}"
    elsewhere.write_bytes(b"film")
    name = media.adopt(elsewhere)
    assert not elsewhere.exists() and files(media) == [f"{name[:2]}/{name}"]


def test_adopting_mends_a_damaged_file(folder: Media) -> None:
    name = folder.put(b"film")
    folder.path(name).write_bytes(b"fi")
    assert folder.exists(name) and not folder.verify(name)
    folder.put(b"film")
    assert folder.verify(name)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n"])
def test_only_names_have_paths(media: Media, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a file"):
        media.path(name)


def test_what_is_dropped_is_gone_and_dropping_again_harms_nothing(media: Media) -> None:
    name = media.put(b"x")
    assert media.drop(name) and not media.exists(name)
    assert not media.drop(name)


def test_a_file_being_read_may_be_dropped(media: Media) -> None:
    name = media.put(b"x" * 100)
    with media.path(name).open("rb") as viewer:
        media.drop(name)
        assert viewer.read() == b"x" * 100


def test_a_sweep_takes_old_files_that_no_row_names_and_nothing_else(
    media: Media, grow_old: Callable[[str], None]
) -> None:
    kept, old, young = media.put(b"kept"), media.put(b"old"), media.put(b"young")
    left, at_work = Media(media.root).workdir(), media.workdir()
    (left / "half.mp4").write_bytes(b"half")
    grow_old(kept)
    grow_old(old)
    age(left, 4000)
    assert media.sweep({kept}, 3600) == 2
    assert [media.exists(name) for name in (kept, old, young)] == [True, False, True]
    assert at_work.is_dir() and not left.exists()


def test_a_work_folder_is_spared_however_long_its_section_takes(media: Media) -> None:
    at_work, done = media.workdir(), media.workdir()
    for path in (at_work, done):
        age(path, 9 * 3600)
    done.rmdir()
    assert media.sweep(set(), 3600) == 0 and at_work.is_dir()
    done.mkdir()  # not by this process: its maker is done with it
    age(done, 9 * 3600)
    assert media.sweep(set(), 3600) == 1 and not done.exists()


PRECIOUS = (
    *("go/src/main.go", "tv/show.mkv", "js/app.js", "documents/letter.txt", "ab/abba.ogg", "tmp/mine/letter.txt"),
    *("tmp/notes.txt", "tmp/flipbot-IDEAS.txt", f"cd/{'ab' * 32}", f"{'ab' * 32}", f"ab/{'ab' * 32}/thesis.tex"),
)


def test_a_sweep_touches_nothing_that_has_no_name_of_ours(media: Media, grow_old: Callable[[str], None]) -> None:
    for name in PRECIOUS:
        path = media.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")
    for path in media.root.rglob("*"):
        age(path, 9000)
    gone = media.put(b"no row names it")
    grow_old(gone)
    assert media.sweep(set(), 3600) == 1
    assert files(media) == sorted(PRECIOUS)


OldFilm = Callable[..., str]


@pytest.fixture
def old_film(media: Media, grow_old: Callable[[str], None]) -> OldFilm:
    """Puts one in that is older than any sweep spares."""

    def one(content: bytes = b"a film") -> str:
        grow_old(name := media.put(content))
        return name

    return one


async def test_a_new_database_sweeps_no_place_that_holds_anothers_films(
    tmp_path: Path, media: Media, old_film: OldFilm
) -> None:
    film = old_film()
    async with Database.open(data_dir=ready(tmp_path / "new")) as db:
        assert await media_tidy(db, media, 3600) is None
        said = await media_foreign(db, media)
        assert said is not None and media.place("flipbot-owner") in said
        mine = media.put(b"mine")
        await requests.submit(db, ask(picture=mine), PLENTY)
        assert await media_tidy(db, media, 3600) is None  # though it has a film of its own there by now
        assert media.exists(film)
        media.mark(said.split('"')[1])
        assert await media_tidy(db, media, 3600) == 1
        assert not media.exists(film) and media.exists(mine) and await media_foreign(db, media) is None


async def test_a_folder_of_before_there_were_marks_goes_to_the_database_that_names_its_films(
    tmp_path: Path, media: Media, old_film: OldFilm
) -> None:
    film, orphan = old_film(), old_film(b"an orphan")
    async with Database.open(data_dir=ready(tmp_path / "a")) as a, Database.open(data_dir=ready(tmp_path / "b")) as b:
        await requests.submit(a, ask(picture=film), PLENTY)
        assert await media_tidy(a, media, 3600) == 1 and not media.exists(orphan)
        assert await media_tidy(b, media, 3600) is None and media.exists(film)
        assert await media_tidy(a, media, 3600) == 0 and await media_foreign(a, media) is None


async def test_a_restored_database_does_not_sweep_the_films_it_has_not_heard_of(
    tmp_path: Path, media: Media, old_film: OldFilm
) -> None:
    now, backup = ready(tmp_path / "now"), tmp_path / "backup"
    async with Database.open(data_dir=now) as db:
        assert await media_tidy(db, media, 3600) == 0
    shutil.copytree(now, backup)
    async with Database.open(data_dir=now) as db:
        film = old_film()
        await requests.submit(db, ask(picture=film), PLENTY)
        assert await media_tidy(db, media, 3600) == 0
    async with Database.open(data_dir=backup) as db:
        assert await media_tidy(db, media, 3600) is None
        assert await media_foreign(db, media) and media.exists(film)


class Asleep(Media):
    """Of a machine that sleeps while it tidies; another one makes a film meanwhile."""

    film = ""

    def owner(self) -> str | None:
        self.film = Media(self.root).put(b"a new film")
        time.sleep(0.2)
        return super().owner()


async def test_a_machine_that_slept_while_it_tidied_takes_nothing_that_was_made_meanwhile(
    db: Database, folder: Media
) -> None:
    await media_tidy(db, folder, 3600)
    orphan = folder.put(b"an orphan")
    age(folder.path(orphan), 60)
    media = Asleep(folder.root)
    assert await media_tidy(db, media, 0.1) == 1
    assert media.exists(media.film) and not media.exists(orphan)


async def test_a_crash_between_the_memo_and_the_mark_parts_no_database_from_its_folder(
    db: Database, folder: Media
) -> None:
    media = folder
    for _ in range(2):
        await media_tidy(db, media, 3600)
    before = media.owner()
    await media_tidy(db, media, 3600)
    assert before is not None
    media.mark(before)
    assert await media_tidy(db, media, 3600) == 0
    (media.root / "flipbot-owner").unlink()
    assert await media_tidy(db, media, 3600) == 0


def test_a_file_put_in_again_is_young_again(media: Media, grow_old: Callable[[str], None]) -> None:
    grow_old(name := media.put(b"x"))
    media.put(b"x")
    assert media.sweep(set(), 3600) == 0 and media.exists(name)


def test_a_full_disk_is_said_and_nothing_half_written_stays(folder: Media) -> None:
    folder.put(b"small")
    before = files(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a full disk: a write stops in the middle
    try:
        with pytest.raises(DiskFull, match="No room is left on the disk of") as full:
            folder.put(b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (full.value.reason, list(full.value.facts)) == ("disk_full", ["path"])
    assert files(folder) == before
    folder.put(b"x" * 5000)


class Noting(Disk):
    """Notes what was brought to the disk, in order."""

    def __init__(self, root: Path) -> None:
        self.root, self.done = root, list[tuple[str, str]]()

    def sync(self, path: Path) -> None:
        assert path.read_bytes() == b"film", "written before it is synced"
        self.done.append(("sync", path.relative_to(self.root).parts[0]))
        super().sync(path)

    def rename(self, path: Path, target: Path) -> None:
        self.done.append(("rename", str(target.relative_to(self.root))))
        super().rename(path, target)

    def sync_folder(self, folder: Path) -> None:
        self.done.append(("sync_folder", str(folder.relative_to(self.root))))
        super().sync_folder(folder)


def test_the_order_is_write_sync_rename_sync_of_the_folder(tmp_path: Path) -> None:
    """A row may be committed once put() returns: by then content and name are both on the disk."""
    media = Media(tmp_path, Noting(tmp_path))
    name = media.put(b"film")
    assert isinstance(media.disk, Noting)
    steps = [step for step in media.disk.done if step != ("sync_folder", ".")]
    assert steps == [("sync", "tmp"), ("rename", f"{name[:2]}/{name}"), ("sync_folder", name[:2])]
    assert media.disk.done.index(("sync_folder", ".")) == 0, "and the folder's own name"


def test_the_systems_own_disk_really_syncs_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: done.append(os.fstat(fd).st_ino))
    (tmp_path / "file").write_bytes(b"film")
    Disk().sync(tmp_path / "file")
    Disk().sync_folder(tmp_path)
    folders = [] if os.name == "nt" else [tmp_path.stat().st_ino]
    assert done == [(tmp_path / "file").stat().st_ino, *folders]


class Failing(Disk):
    """A device that fails at one kind of step."""

    def __init__(self, step: str, number: int) -> None:
        self.step, self.number = step, number

    def sync(self, path: Path) -> None:
        if self.step == "sync":
            raise OSError(self.number, os.strerror(self.number))
        super().sync(path)

    def rename(self, path: Path, target: Path) -> None:
        if self.step == "rename":
            raise OSError(self.number, os.strerror(self.number))
        super().rename(path, target)


@pytest.mark.parametrize("step", ["sync", "rename"])
@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.EIO, DiskFailed), (errno.EROFS, DiskFailed), (errno.ENOSPC, DiskFull), (errno.EMFILE, MachineShort)],
)
def test_a_disk_that_fails_has_a_name_and_leaves_nothing(
    tmp_path: Path, step: str, number: int, error: type[Exception]
) -> None:
    media = Media(tmp_path, Failing(step, number))
    with pytest.raises(error):
        media.put(b"film")
    assert files(media) == []


def test_free_room_is_counted(media: Media) -> None:
    assert 0 < media.free_bytes() < 2**60


async def test_of_however_many_files_those_that_no_row_names_are_told(db: Database) -> None:
    await requests.submit(db, ask(picture=sha("kept")), PLENTY)
    many = [sha(f"{n}") for n in range(40_000)]  # more than SQLite takes values in one query
    assert await media_unreferenced(db, [*many, sha("kept")]) == tuple(sorted(many))


async def test_every_file_that_a_row_names_is_kept(db: Database, media: Media) -> None:
    await requests.submit(db, ask(sections=3), PLENTY)
    named = {sha("picture")}
    for n in range(2):
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim
        await sections.record(db, claim, made(n, conditioning=sha("conditioning")))
    for kind in ("latents", "clip"):
        named |= {getattr(made(n), kind) for n in range(2)}
    named |= {made(1).film, str(made(1).tail), sha("conditioning")}
    assert await media_keep(db) == named
    assert await asyncio.to_thread(media.sweep, named, 0.0) == 0


@pytest.mark.sqlite
async def test_all_processes_have_the_store_of_the_first(
    db: Database, media: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grow_old: Callable[[str], None]
) -> None:
    await settle_store(db, media)
    assert await inbox.memo(db, STORE) is None and not files(media), "of one database that nobody shares"
    monkeypatch.setattr(Database, "shared", True)
    await settle_store(db, media)
    await settle_store(db, media, anew=True)
    (name,) = await media_keep(db)
    assert len([file for file in files(media) if name in file]) == 1
    own = Media(tmp_path / "own")
    with pytest.raises(OtherStore) as refused:
        await settle_store(db, own)
    assert refused.value.where == own.place() and not own.exists(name)
    grow_old(name)
    assert await media_tidy(db, media, 3600) == 0
    await settle_store(db, media)


async def test_of_two_that_come_first_one_has_the_store(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "shared", True)
    came = [settle_store(db, Media(tmp_path / name)) for name in ("one", "other")]
    refused = await asyncio.gather(*came, return_exceptions=True)
    assert sorted(type(each) for each in refused if each) == [OtherStore]


async def test_who_comes_alone_with_another_store_says_so_and_that_one_is_everybodys(
    db: Database, folder: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Database, "shared", True)
    await settle_store(db, Media(tmp_path / "unused"), anew=True)
    await settle_store(db, folder, anew=True)
    assert not caplog.records, "no film was asked for"
    await requests.submit(db, ask("a"), PLENTY)
    moved = Media(tmp_path / "moved")
    await settle_store(db, moved, anew=True)
    assert "another store than before" in caplog.text
    with pytest.raises(OtherStore):
        await settle_store(db, folder)
    await settle_store(db, moved)


async def test_a_marked_store_with_another_databases_files_is_as_strange_as_before(
    db: Database, folder: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "shared", True)
    theirs = folder.put(b"theirs")
    age(folder.path(theirs), 9000)
    await settle_store(db, folder)
    assert await media_tidy(db, folder, 3600) is None
    assert folder.exists(theirs)
