"""The power is cut between any two steps: what was answered is there, and every file that a row names is whole.

A disk may forget what it was not told to keep. So each step that matters is noted, and after each one the worst that
may be left is built beside: of a file the content that was synced, of a folder the names that were synced. The database
is as it stands, since SQLite syncs its log before a commit returns; what a cut in that log does is tested on its own.
"""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from makers import LEASE_MS, PLENTY, ask

from db import jobs, requests, sections
from db.connect import Database
from db.media import Disk, Media
from db.query import SHAS
from db.sections import Made

FRAME = 24 + 4096  # bytes of one page in SQLite's write-ahead log, after a header of 32


@dataclass
class Answered:
    """What somebody was told is done."""

    jobs: list[int] = field(default_factory=list)
    sections: list[tuple[int, int]] = field(default_factory=list)

    def copy(self) -> "Answered":
        return Answered(list(self.jobs), list(self.sections))


class Forgetful(Disk):
    """Keeps beside what a disk would still have after a cut, at every step."""

    def __init__(self, root: Path, cuts: Path) -> None:
        self.root, self.cuts = root, cuts
        self.answered = Answered()
        self.content: dict[int, bytes] = {}  # by inode: as it was synced
        self.names: dict[Path, dict[str, int | None]] = {root: {}}  # by folder: as it was synced; None is a folder
        self.taken: list[Answered] = []

    def mkdir(self, folder: Path) -> None:
        super().mkdir(folder)
        self.cut()

    def sync(self, path: Path) -> None:
        self.cut()
        super().sync(path)
        self.content[path.stat().st_ino] = path.read_bytes()
        self.cut()

    def rename(self, path: Path, target: Path) -> None:
        super().rename(path, target)
        self.cut()

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self.names[folder] = self.listed(folder)
        self.cut()

    def listed(self, folder: Path) -> dict[str, int | None]:
        return {each.name: None if each.is_dir() else each.stat().st_ino for each in folder.iterdir()}

    def cut(self) -> None:
        """Keep what is left if the power goes now: once with the names that were synced, once with all of them."""
        number = len(self.taken) // 2
        for kind in ("synced", "all"):
            data_dir = self.cuts / f"{number:03}-{kind}"
            data_dir.mkdir(parents=True)
            for name in ("flipbot.db", "flipbot.db-wal"):
                if (self.root / name).exists():
                    shutil.copyfile(self.root / name, data_dir / name)
            self.keep(self.root, data_dir, kind)
            self.taken.append(self.answered.copy())

    def keep(self, folder: Path, target: Path, kind: str) -> None:
        for name, inode in (self.names.get(folder, {}) if kind == "synced" else self.listed(folder)).items():
            if name.startswith("flipbot.db"):
                continue
            if inode is None:
                (target / name).mkdir()
                self.keep(folder / name, target / name, kind)
            else:
                (target / name).write_bytes(self.content.get(inode, b""))


async def a_film(data_dir: Path, disk: Forgetful) -> None:
    """A picture comes in, a film of three sections is made, another one is cancelled: as the service does it."""
    async with Database.open(data_dir=data_dir) as db:
        media = Media(data_dir / "media", disk)
        picture = media.put(b"picture")
        for key in ("film", "other"):
            job = await requests.submit(db, ask(key, picture=picture), PLENTY)
            disk.answered.jobs.append(job.id)
        await requests.wish(db, job.id, "cancel", "ann")
        for n in range(3):
            claim = await jobs.claim(db, "w", LEASE_MS)
            assert claim
            out = media.workdir()
            names = {}
            for kind in ("latents", "clip", "tail", "film", *(["conditioning"] if n == 0 else [])):
                (out / kind).write_bytes(f"{kind} {n}".encode() * 50)
                names[kind] = media.adopt(out / kind)
            times = {"sampling_ms": 1, "decode_ms": 1, "encode_ms": 1}
            recorded = await sections.record(db, claim, Made(n=n, frames=36 * n + 37, **names, **times))
            disk.answered.sections.append((claim.job.id, n))
            for gone in recorded.unreferenced:
                media.drop(gone)
            shutil.rmtree(out)
        disk.cut()


async def test_after_a_cut_at_any_step_what_was_answered_is_there_and_every_file_is_whole(tmp_path: Path) -> None:
    data_dir, cuts = tmp_path / "data", tmp_path / "cuts"
    data_dir.mkdir()
    disk = Forgetful(data_dir, cuts)
    await a_film(data_dir, disk)
    found = sorted(cuts.iterdir())
    assert len(found) == len(disk.taken) > 100
    for left, answered in zip(found, disk.taken, strict=True):
        media = Media(left / "media")
        with closing(sqlite3.connect(left / "flipbot.db")) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",), left.name
            for column in SHAS:
                for (sha,) in file.execute(f"SELECT {column.key} FROM {column.table.name}"):
                    assert sha is None or media.verify(sha), f"{left.name}: a row names a file that is not whole"
            there = {job_id for (job_id,) in file.execute("SELECT id FROM job")}
            assert there >= set(answered.jobs), f"{left.name}: a job that was answered is gone"
            made = set(file.execute("SELECT job_id, n FROM section"))
            assert made >= set(answered.sections), f"{left.name}: a section that was shown is gone"
    async with Database.open(data_dir=found[len(found) // 2]) as db:  # and the service goes on from there
        await jobs.recover(db)
        assert await jobs.claim(db, "w", LEASE_MS) is not None


def test_whose_a_folder_is_stands_there_whole_after_a_cut_at_any_step(tmp_path: Path) -> None:
    data_dir, cuts = tmp_path / "data", tmp_path / "cuts"
    data_dir.mkdir()
    disk = Forgetful(data_dir, cuts)
    media = Media(data_dir / "media", disk)
    owners = [None, "ours 1", "ours 2"]
    for owner in owners[1:]:
        media.mark(str(owner))
    found = [Media(left / "media").owner() for left in sorted(cuts.iterdir())]
    assert set(found) == set(owners) and found[-2:] == ["ours 2", "ours 2"]


async def log_of_some_commits(data_dir: Path) -> tuple[list[int], bytes]:
    """The size of the write-ahead log after each answer, and the log."""
    sizes = []
    async with Database.open(data_dir=data_dir) as db:
        log = db.path.with_name("flipbot.db-wal")
        for n in range(6):
            await requests.submit(db, ask(f"{n}"), PLENTY)
            sizes.append(log.stat().st_size)
        shutil.copyfile(db.path, data_dir / "kept.db")
        return sizes, log.read_bytes()


@pytest.mark.parametrize("torn", [False, True], ids=["cut", "torn"])
async def test_a_log_cut_anywhere_after_an_answer_still_has_it(tmp_path: Path, torn: bool) -> None:
    """What comes after the last synced commit may be there, in part or as garbage: nothing of it counts."""
    sizes, log = await log_of_some_commits(tmp_path)
    assert sizes == sorted(set(sizes)) and len(log) == sizes[-1], "each answer had its commit in the log"
    for end in range(sizes[0], len(log) + 1, FRAME // 2):
        target = tmp_path / f"cut-{end}"
        target.mkdir()
        shutil.copyfile(tmp_path / "kept.db", target / "flipbot.db")
        rest = b"\xa5" * (len(log) - end) if torn else b""
        (target / "flipbot.db-wal").write_bytes(log[:end] + rest)
        answered = sum(size <= end for size in sizes)
        with closing(sqlite3.connect(target / "flipbot.db")) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert file.execute("SELECT count(*) FROM job").fetchone() == (answered,)
