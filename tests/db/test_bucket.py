"""Media in a bucket, on moto's S3 server: machines that share it, a wire that is cut, a server that refuses."""

import asyncio
import hashlib
import logging
import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from makers import PLENTY, ask, sha
from obstore.exceptions import BaseError

from db import bucket, requests
from db.bucket import Bucket
from db.config import MediaConfig
from db.connect import Database
from db.doctor import examine_media, examine_store
from db.errors import ConfigError, MediaAway
from db.media import Media, fetched, in_thread, media_foreign, media_tidy, open_media
from db.threads import Threads
from db.trouble import TROUBLE
from tests.fakes.s3 import refusal
from tests.ready import ready

if TYPE_CHECKING:
    from tests.fakes.s3 import S3

BIG = bytes(range(256)) * (9 << 12)  # 9 MiB: two parts


@pytest.fixture
def ours(s3: "S3", tmp_path: Path) -> Bucket:
    return s3.machine(tmp_path / "a")


@pytest.fixture
def theirs(s3: "S3", tmp_path: Path) -> Bucket:
    """The same bucket on another machine."""
    return s3.machine(tmp_path / "b")


def here(media: Bucket) -> list[str]:
    """Names of the files on a machine, and of what was left in its work folders."""
    return sorted(path.name for path in media.root.rglob("*") if path.is_file())


def last_used(media: Bucket, name: str, ago_s: float) -> None:
    then = time.time() - ago_s
    os.utime(media.path(name), (then, then))


@pytest.mark.parametrize("content", [b"", b"a film", BIG], ids=["nothing", "little", "in parts"])
def test_what_one_machine_puts_in_another_one_reads(s3: "S3", ours: Bucket, theirs: Bucket, content: bytes) -> None:
    name = ours.put(content)
    assert name == hashlib.sha256(content).hexdigest()
    assert s3.keys == [f"studio/media/{name[:2]}/{name}"] and s3.object(name).value == content
    assert theirs.exists(name) and here(theirs) == []
    path = theirs.fetch(name)
    assert path == theirs.path(name) and path.read_bytes() == content
    assert theirs.verify(name) and here(theirs) == [name]


def test_a_file_is_adopted_by_being_moved(ours: Bucket, theirs: Bucket) -> None:
    made = ours.workdir() / "film.mp4"
    made.write_bytes(b"film")
    name = ours.adopt(made)
    assert not made.exists() and theirs.read(name) == b"film"


def test_what_is_nowhere_is_not_found(ours: Bucket) -> None:
    with pytest.raises(FileNotFoundError):
        ours.fetch(sha("x"))
    assert not ours.exists(sha("x")) and not ours.verify(sha("x")) and not ours.drop(sha("x"))
    assert not ours.root.exists()
    with pytest.raises(ValueError, match="not the name of a file"):
        ours.fetch("../../etc/passwd")


def test_a_fetched_file_is_used_from_here_and_fetched_once(s3: "S3", ours: Bucket, theirs: Bucket) -> None:
    name = ours.put(b"film")
    theirs.fetch(name)
    s3.wire.cut()
    assert theirs.read(name) == b"film"


def test_what_is_only_in_the_bucket_is_brought_here_and_looked_at(ours: Bucket, theirs: Bucket) -> None:
    name = ours.put(b"film")
    assert theirs.verify(name) and here(theirs) == [name]


def test_what_is_damaged_here_is_brought_anew(s3: "S3", ours: Bucket, tmp_path: Path) -> None:
    name = ours.put(b"a film")
    ours.path(name).write_bytes(b"a f")
    assert ours.read(name) == b"a film", "seen by its size and age"
    then = ours.path(name).stat()
    ours.path(name).write_bytes(b"a f1lm")
    os.utime(ours.path(name), ns=(then.st_atime_ns, then.st_mtime_ns))
    again = s3.machine(tmp_path / "a")
    assert again.read(name) == b"a film", "a process looks at each file once, as after a power cut"
    assert ours.verify(name)


def test_an_object_that_is_damaged_is_not_taken_until_it_is_put_in_again(
    s3: "S3", ours: Bucket, theirs: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    name = ours.put(b"a film")
    s3.damage(name)
    with pytest.raises(FileNotFoundError, match="is damaged"):
        theirs.fetch(name)
    assert not theirs.verify(name) and here(theirs) == []
    assert f"sha={name}" in caplog.text
    theirs.put(b"a film")
    assert s3.machine(theirs.root.parent / "c").read(name) == b"a film"


def test_a_download_that_is_cut_leaves_nothing_and_works_later(s3: "S3", ours: Bucket, theirs: Bucket) -> None:
    name = ours.put(BIG)
    s3.wire.most = 1 << 20
    with pytest.raises(MediaAway):
        theirs.fetch(name)
    assert here(theirs) == []
    s3.wire.mend()
    assert theirs.read(name) == BIG


def test_while_the_store_is_away_nothing_is_said_to_be_kept_and_nothing_is_lost(
    s3: "S3", ours: Bucket, theirs: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flipbot.bucket")
    made = ours.workdir() / "film.mp4"
    made.write_bytes(b"film")
    kept = ours.put(b"kept")
    s3.wire.cut()
    with pytest.raises(
        MediaAway, match=r"s3://films-\w+/studio/media cannot be used now \(it does not answer\)"
    ) as away:
        ours.adopt(made)
    assert (away.value.reason, list(away.value.facts)) == ("media_away", ["where", "why"])
    assert isinstance(away.value, TROUBLE) and made.read_bytes() == b"film"
    with pytest.raises(MediaAway):
        theirs.fetch(kept)
    with pytest.raises(MediaAway):
        theirs.exists(kept)
    assert not ours.drop(kept)
    s3.wire.mend()
    assert theirs.read(ours.adopt(made)) == b"film" and theirs.read(kept) == b"kept"
    said = [record.getMessage() for record in caplog.records if str(ours.url) in record.getMessage()]
    assert len([line for line in said if "cannot be used" in line]) == 2, "once for each machine"
    assert len([line for line in said if "answers again" in line]) == 2


async def test_a_store_that_is_silent_holds_up_nothing_that_is_here(
    s3: "S3", ours: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "SILENT", timedelta(seconds=0.4))
    monkeypatch.setitem(bucket.PATIENCE, "max_retries", 0)  # as SILENT is longer than tries go on for
    monkeypatch.setattr(bucket, "RESTS_S", 60.0)
    kept, names = ours.put(b"kept"), [ours.put(f"{n}".encode()) for n in range(3 * bucket.THREADS)]
    away = s3.machine(tmp_path / "b")
    away.fetch(kept)
    s3.wire.silent = True
    started = time.monotonic()
    waiting = [asyncio.create_task(fetched(away, name)) for name in names]
    waiting.append(asyncio.create_task(in_thread(away, away.put, BIG)))
    assert await fetched(away, kept) == away.path(kept) and await asyncio.to_thread(away.free_bytes)
    assert not any(task.done() for task in waiting)
    assert all(isinstance(got, MediaAway) for got in await asyncio.gather(*waiting, return_exceptions=True))
    assert time.monotonic() - started < 1.4, "a large file, too, and those that had to wait for the first"


def test_right_after_a_trouble_nothing_is_asked(
    s3: "S3", ours: Bucket, theirs: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, here = ours.put(b"film"), ours.put(b"here")
    theirs.fetch(here)
    monkeypatch.setattr(bucket, "RESTS_S", 60.0)
    s3.wire.cut()
    with pytest.raises(MediaAway):
        theirs.fetch(name)
    s3.wire.mend()
    for ask_it in (theirs.fetch, theirs.exists, lambda _: theirs.put(b"new")):
        with pytest.raises(MediaAway, match="it does not answer"):
            ask_it(name)
    assert theirs.read(here) == b"here" and not theirs.drop(here) and ours.exists(here)
    theirs._away_until = time.monotonic()
    assert theirs.read(name) == b"film"


def test_a_store_that_is_silent_does_not_hold_up_the_end(ours: Bucket) -> None:
    assert isinstance(ours.threads, Threads)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = [sys.executable, "-c", ENDS, f"http://127.0.0.1:{silent.getsockname()[1]}"]
        subprocess.run(asked, check=True, timeout=10, cwd=Path(bucket.__file__).parent.parent)  # SILENT is more


ENDS = """
import asyncio, sys
import obstore
from db.threads import Threads

async def main():
    store = obstore.store.S3Store("films", config={"endpoint": sys.argv[1]}, client_options={"allow_http": True})
    loop, threads = asyncio.get_running_loop(), Threads(2, "media")
    asked = [loop.run_in_executor(threads, obstore.get, store, f"{n}") for n in range(4)]
    await asyncio.wait(asked, timeout=0.2)
    assert not any(each.done() for each in asked)

asyncio.run(main())
"""


def test_a_line_may_be_slow(s3: "S3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "SILENT", timedelta(seconds=0.3))
    s3.wire.slow_s = 0.7 / (len(BIG) / (1 << 16))
    name = s3.machine(tmp_path / "a").put(BIG)
    assert s3.object(name).value == BIG


def test_a_store_that_is_too_busy_is_asked_again(s3: "S3", ours: Bucket, theirs: Bucket) -> None:
    name = ours.put(b"film")
    s3.wire.answers += [refusal("503 Service Unavailable", "SlowDown")] * 9
    assert theirs.read(name) == b"film" and s3.wire.answers == []
    s3.wire.answers += [refusal("429 Too Many Requests", "TooManyRequests")]
    theirs._forget(name)
    assert theirs.read(name) == b"film"
    theirs._forget(name)
    s3.wire.answers += [refusal("503 Service Unavailable", "SlowDown")] * 12
    with pytest.raises(MediaAway, match="SlowDown"):
        theirs.read(name)


def test_without_leave_to_list_what_is_missing_is_still_missing(
    s3: "S3", ours: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, denied = ours.put(b"film"), refusal("403 Forbidden", "AccessDenied")
    s3.wire.answers.append(denied)
    with pytest.raises(FileNotFoundError):
        ours.fetch(sha("x"))
    s3.wire.answers += [denied, denied]  # of a HEAD and a GET
    assert not ours.exists(sha("x"))
    assert s3.keys == [f"studio/media/{name[:2]}/{name}"], "what it was tried with is gone"
    monkeypatch.setattr(bucket, "RESTS_S", 60.0)
    s3.wire.answers += [denied] * 2  # whoever may not write either
    with pytest.raises(MediaAway, match="it refuses us: AccessDenied"):
        ours.fetch(sha("x"))
    assert ours.exists(name) and ours.put(b"other"), "a refusal is no reason to ask for nothing"


def test_a_file_travels_in_one_piece_unless_it_is_very_large(
    s3: "S3", ours: Bucket, theirs: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ours.put(BIG)
    assert "-" not in s3.object(name).etag
    monkeypatch.setattr(bucket, "WHOLE", len(BIG) - 1)
    assert ours.put(BIG) == name and s3.object(name).etag.endswith('-2"')
    assert theirs.read(name) == BIG


def test_many_are_dropped_at_once_and_not_each_waits_for_a_store_that_is_away(
    s3: "S3", ours: Bucket, theirs: Bucket
) -> None:
    names = [ours.put(f"{n}".encode()) for n in range(12)]
    ours.drop_all(names[:4])
    ours.drop_all([])
    assert len(s3.keys) == 8 and not ours.exists(names[0])
    s3.wire.cut()
    started = time.monotonic()
    ours.drop_all(names[4:])
    for name in names[4:]:
        theirs.drop(name)
    assert time.monotonic() - started < 8, "two machines wait once each"
    assert here(ours) == [] and len(s3.keys) == 8, "a sweep takes them"


def test_wrong_credentials_and_a_bucket_that_is_not_there_are_a_sentence_each(s3: "S3", tmp_path: Path) -> None:
    film, nowhere = sha("film"), s3.machine(tmp_path / "b", name="no-such-bucket")
    with s3.strict():
        (finding,) = examine_store(s3.machine(tmp_path / "a"))
        assert finding.fine is False
        assert "it refuses us: InvalidAccessKeyId): see to AWS_ACCESS_KEY_ID" in finding.sentence
        assert "secret" not in finding.sentence and "\n" not in finding.sentence
    for ask_it in (nowhere.exists, nowhere.fetch, lambda _: nowhere.sweep(set(), 0), lambda _: nowhere.owner()):
        with pytest.raises(
            MediaAway, match=r"\(there is no such bucket\): make it, or mend \[media\] url and endpoint;"
        ):
            ask_it(film)
    with pytest.raises(MediaAway, match="there is no such bucket"):
        nowhere.put(b"film")
    assert here(nowhere) == []


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("PUT http://169.254.169.254/latest/api/token: error sending request", "(no credentials were found): set AWS_"),
        ("status code: 403 Forbidden: <Code>RequestTimeTooSkewed</Code>", "(RequestTimeTooSkewed): set this machine's"),
        (
            "status code: 301 Moved Permanently: <Code>PermanentRedirect</Code>",
            "(PermanentRedirect): set [media] region",
        ),
        ("status code: 503 Service Unavailable: <html>", "(503 Service Unavailable): see to the network"),
        ("error sending request for url (https://key:secret@host)", "(it does not answer): see to the network"),
    ],
)
def test_what_the_store_says_is_shortened_to_what_helps(said: str, sentence: str) -> None:
    away = str(MediaAway("s3://films", *bucket._why(BaseError(said))))
    assert sentence in away and "secret" not in away and away.endswith("; flipbot tries again by itself.")


def test_the_doctor_writes_lists_reads_and_deletes(s3: "S3", ours: Bucket) -> None:
    (finding,) = examine_store(ours)
    assert finding.fine and finding.sentence.startswith(f"{ours.url} can be written, read, listed and deleted in;")
    assert s3.keys == []
    s3.wire.cut()
    (finding,) = examine_store(ours)
    assert finding.fine is False and "see to the network" in finding.sentence


async def test_of_a_store_that_is_away_the_doctor_speaks_once(s3: "S3", ours: Bucket, db: Database) -> None:
    s3.wire.cut()
    assert await examine_media(db, ours) == []


def test_a_sweep_takes_old_objects_that_no_row_names_and_nothing_else(s3: "S3", ours: Bucket, theirs: Bucket) -> None:
    kept, old, young, again = (ours.put(name.encode()) for name in ("kept", "old", "young", "again"))
    theirs.fetch(old)
    for name in (kept, old, again):
        s3.age(name, 9000)
    theirs.put(b"again")
    backend = s3.bucket.keys
    for precious in ("letter.txt", "ab/letter.txt", f"ab/{'cd' * 32}", f"{'ab' * 32}", f"ab/{'ab' * 32}/thesis.tex"):
        theirs.put(b"x")
        backend[f"studio/media/{precious}"] = s3.object(hashlib.sha256(b"x").hexdigest())
    theirs.drop(hashlib.sha256(b"x").hexdigest())
    backend[f"studio/{old[:2]}/{old}"] = s3.object(old)
    before = set(s3.keys)
    assert ours.sweep({kept}, 3600) == 1
    assert before - set(s3.keys) == {f"studio/media/{old[:2]}/{old}"}
    assert here(ours) == sorted((kept, young, again))
    assert old in here(theirs), "that machine's own sweep takes it there"
    last_used(theirs, old, 9000)
    theirs.sweep({kept}, 3600)
    assert old not in here(theirs)


def test_what_no_row_names_goes_from_a_machine_and_stays_in_the_bucket(
    s3: "S3", ours: Bucket, theirs: Bucket, tmp_path: Path
) -> None:
    gone, kept, young = (ours.put(name.encode()) for name in ("gone", "kept", "young"))
    for name in (gone, kept, young):
        theirs.fetch(name)
    for name in (gone, kept):
        last_used(theirs, name, 9000)
    s3.wire.cut()
    assert theirs.sweep_here({kept}, 3600) == 1
    s3.wire.mend()
    assert here(theirs) == sorted((kept, young)) == sorted(theirs._whole)
    assert theirs.read(gone) == b"gone", "the bucket is swept by whoever keeps house"
    folder = Media(tmp_path / "folder")
    plain = folder.put(b"plain")
    os.utime(folder.path(plain), (1, 1))
    assert folder.sweep_here(set(), 3600) == 0 and folder.exists(plain)


async def test_the_films_of_another_database_are_not_swept(s3: "S3", tmp_path: Path, ours: Bucket) -> None:
    film = ours.put(b"a film")
    s3.age(film, 9000)
    async with Database.open(data_dir=ready(tmp_path / "new")) as db:
        assert await media_tidy(db, ours, 3600) is None
        said = await media_foreign(db, ours)
        assert said is not None
        assert f"Nothing in {ours.url} is tidied away: {ours.url}/flipbot-owner says" in said
        await requests.submit(db, ask(picture=ours.put(b"mine")), PLENTY)
        assert await media_tidy(db, ours, 3600) is None
    assert ours.exists(film)


async def test_machines_of_one_database_tidy_in_turn(s3: "S3", db: Database, ours: Bucket, theirs: Bucket) -> None:
    for media in (ours, theirs, ours, theirs):
        assert await media_tidy(db, media, 3600) == 0
    gone = ours.put(b"gone")
    s3.age(gone, 9000)
    assert await asyncio.gather(media_tidy(db, ours, 3600), media_tidy(db, theirs, 3600)) in ([1, 0], [0, 1], [1, 1])
    assert await media_foreign(db, ours) is None


def test_what_was_not_used_for_longest_goes_once_the_folder_is_too_large(
    s3: "S3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "LOOK_S", 0.0)
    small = s3.machine(tmp_path / "small", cache_bytes=10_000)
    names = [small.put(bytes([n]) * 3000) for n in range(3)]
    for n, name in enumerate(names):
        last_used(small, name, 9000 - n)
    small.fetch(names[0])  # that is a use
    names.append(small.put(bytes([3]) * 3000))
    assert here(small) == sorted((names[0], names[2], names[3]))
    names += [small.put(bytes([n]) * 3000) for n in (4, 5)]
    assert here(small) == sorted((names[0], *names[3:])), "what was used within the hour stays, be it too much"
    assert small.read(names[1]) == bytes([1]) * 3000, "the bucket has it all"


def test_what_is_here_makes_room_on_a_disk_that_fills_up(
    s3: "S3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "LOOK_S", 0.0)
    full = s3.machine(tmp_path / "full", least_free=1 << 60)
    old = full.put(b"old")
    last_used(full, old, 9000)
    young = full.put(b"young")
    assert here(full) == [young] and full.read(old) == b"old"


async def test_however_many_want_a_file_it_is_fetched_once(
    ours: Bucket, theirs: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ours.put(BIG)
    times, download = [], Bucket._download

    def counted(self: Bucket, *asked: Any) -> bool:
        times.append(name)
        return download(self, *asked)

    monkeypatch.setattr(Bucket, "_download", counted)
    assert set(await asyncio.gather(*(fetched(theirs, name) for _ in range(20)))) == {theirs.path(name)}
    assert len(times) == 1


def test_the_configuration_says_where_the_media_are(tmp_path: Path) -> None:
    assert open_media(MediaConfig(), tmp_path).root == tmp_path / "media"
    config = MediaConfig(url="s3://films/studio/one/", endpoint="http://127.0.0.1:9", cache_gib=3)
    media = open_media(config, tmp_path)
    assert isinstance(media, Bucket)
    assert (media.url, media.root, media.cache_bytes) == ("s3://films/studio/one", tmp_path / "media-cache", 3 << 30)
    assert isinstance(open_media(MediaConfig(url="s3://films"), tmp_path), Bucket)


@pytest.mark.parametrize(
    "url", ["s3://", "s3://key:secret@films", "s3://films/a/../b", "s3://films?key=secret", "s3:films"]
)
def test_a_url_that_is_no_buckets_is_refused_without_its_secrets(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"^configuration: media\.url: expected ") as refused:
        open_media(MediaConfig(url=url), tmp_path)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("name", ["fi", "Films", "-films", "f" * 64])
def test_a_name_that_no_bucket_has_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected a bucket's name of 3 to 63 small letters") as refused:
        open_media(MediaConfig(url=f"s3://{name}/studio"), tmp_path)
    assert f'got "{name[:40]}' in str(refused.value)


def test_an_endpoint_is_an_address(tmp_path: Path) -> None:
    for endpoint in (
        *(
            "films.example.org",
            "ftp://films",
            "https://key:secret@films",
            "https://films?secret",
            "https://films#secret",
        ),
        *("https://films/x", "https://films:90000", "https://films:0", "https://films:port", "https://my films"),
        *("https://[::1", "https://[secret]", "https://[::::]", "https://999.1.1.1", "https://films:"),
    ):
        with pytest.raises(ConfigError, match=r'media\.endpoint: expected "https://HOST"') as refused:
            open_media(MediaConfig(url="s3://films", endpoint=endpoint), tmp_path)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "endpoint", ["https://films:9/", "http://[::1]:9000", "http://my_store-1:9", "http://10.0.0.1"]
)
def test_a_server_is_called_by_name_or_number(tmp_path: Path, endpoint: str) -> None:
    assert isinstance(open_media(MediaConfig(url="s3://films", endpoint=endpoint), tmp_path), Bucket)


def test_settings_that_no_bucket_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"media\.region: expected a region's name, got"):
        open_media(MediaConfig(url="s3://films", region="eu west"), tmp_path)
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "secret")
    with pytest.raises(ConfigError, match="see to region, endpoint and the AWS_… of the environment") as refused:
        open_media(MediaConfig(url="s3://films"), tmp_path)
    assert "secret" not in str(refused.value)


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "db.bucket")
    for name in [name for name in sys.modules if name.partition(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoObstore(), *sys.meta_path])
    with pytest.raises(
        ConfigError, match=r'media\.url: a bucket needs the library obstore: pip install "flipbot\[s3\]"'
    ):
        open_media(MediaConfig(url="s3://films"), tmp_path)
    assert open_media(MediaConfig(), tmp_path)


class NoObstore:
    """As if it was not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "obstore":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
