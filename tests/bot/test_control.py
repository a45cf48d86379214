"""The control socket with a real server and client: a Unix socket where there can be one, else a port with a secret."""

import asyncio
import io
import json
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from bot import control
from bot.errors import Gone, Refused, Silent
from bot.intake import Intake, ModelFacts, Planned, Rules
from bot.words import say, why
from db import jobs, requests, sections
from db.connect import Database
from db.media import Media
from db.models import State
from db.requests import Limits
from db.said import said
from db.sections import Made
from gen.errors import SizeNotSupported
from tests.ready import ready

pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")  # aiohttp's own, on posted forms

RULES = Rules(
    queue=Limits(queued_per_user=2, queued_per_chat=2, queued_in_all=2),
    longest_seconds=60,
    default_seconds=5,
    qualities=("standard",),
    min_free=0,
)
ASKED = {
    "user_id": "terminal", "chat_id": "terminal", "locale": "en", "prompt": "fog", "seconds": "2", "seed": "1",
    "quality": None, "key": "k1",
}  # fmt: skip


UNSUITED_S = 13


def png(width: int, height: int) -> bytes:
    with io.BytesIO() as file:
        Image.new("RGB", (width, height), "teal").save(file, "PNG")
        return file.getvalue()


def planner(**asked: object) -> Planned:
    if asked["seconds"] == UNSUITED_S:
        raise Refused("refused.unsuited", why=SizeNotSupported(asked="77", known="96").said())
    return Planned(plan={"model": "test", "fps": 30, "seed": asked["seed"]}, sections=2, frames=73, fps=30)


def replanner(plan: Mapping[str, Any], *, sections: int, seconds: float = 0.0, **changed: Any) -> Planned:
    total = sections + round(seconds / 1.2)
    prompts = [list(prompt) for prompt in changed.get("prompts", ())]
    return Planned(plan={**plan, "prompts": prompts}, sections=total, frames=36 * total + 1, fps=30)


@asynccontextmanager
async def serving(data_dir: Path, *, takes: bool = True) -> AsyncIterator[Database]:
    data_dir.mkdir(parents=True, exist_ok=True)
    async with Database.open("", data_dir=ready(data_dir)) as db:
        media = Media(data_dir / "media")
        model = ModelFacts(name="test", trained=True)
        intake = Intake(db, media, planner, RULES, model, replanner=replanner) if takes else None
        server = control.Control(intake, db, media, data_dir, lambda: {"model": "test"})
        await server.start()
        try:
            yield db
        finally:
            await server.stop()


def short(tmp_path: Path) -> Path:
    return tmp_path / "d"


def long(tmp_path: Path) -> Path:
    """Longer than a socket's path may be."""
    return tmp_path / ("d" * 120)


@pytest.fixture(params=[short, long], ids=["socket", "port"])
def data_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    place: Callable[[Path], Path] = request.param
    return place(tmp_path)


async def test_why_a_film_failed_comes_in_every_language(tmp_path: Path) -> None:
    async with serving(tmp_path / "d") as db, control.connect(tmp_path / "d") as remote:
        assert remote is not None
        id = await remote.submit(png(64, 64), ASKED)
        claim = await jobs.claim(db, "w", 60_000)
        assert claim is not None
        await jobs.fail(db, claim, "attention_missing", {"name": "sage", "why": said("it needs Ampere or newer")})
        state = await anext(remote.watch(id))
        assert "：它需要 Ampere 或更新的显卡。" in why("zh", state["reason"], state["reason_facts"])


async def test_a_job_goes_in_and_is_watched_to_its_end(data_dir: Path) -> None:
    async with serving(data_dir) as db, control.connect(data_dir) as remote:
        assert remote is not None
        assert (await remote.hello())["model"] == "test"
        id = await remote.submit(png(64, 64), ASKED)
        assert await remote.submit(png(64, 64), ASKED) == id, "the same key is the same job"
        assert [job["job"] for job in (await remote.queue())["jobs"]] == [id]
        states = []
        async for state in remote.watch(id):
            states.append(State(state["state"]))
            if states == [State.QUEUED]:
                assert await remote.wish(id, "cancel") == State.CANCELLED
            if states[-1].terminal:
                break
        assert states == [State.QUEUED, State.CANCELLED]
        assert (await jobs.get(db, id)).wish_by == "terminal"


async def test_refusals_arrive_with_their_facts(data_dir: Path) -> None:
    async with serving(data_dir), control.connect(data_dir) as remote:
        assert remote is not None
        with pytest.raises(Refused) as refused:
            await remote.submit(b"no picture", ASKED)
        assert refused.value.key == "refused.picture_unknown"
        with pytest.raises(Refused) as refused:
            await remote.submit(png(64, 64), ASKED | {"seconds": f"{UNSUITED_S}", "key": "k0"})
        assert "没有尺寸 77" in say("zh", refused.value.key, **refused.value.facts), (
            "a sentence can still be translated"
        )
        await remote.submit(png(64, 64), ASKED)
        await remote.submit(png(64, 64), ASKED | {"key": "k2"})
        with pytest.raises(Refused) as refused:
            await remote.submit(png(64, 64), ASKED | {"key": "k3"})
        assert refused.value.facts["limit"] == 2
        for wrong in (remote.wish(99, "cancel"), remote.film(99, data_dir / "x.mp4")):
            with pytest.raises(Refused) as refused:
                await wrong
            assert refused.value.key == "terminal.no_such_job"
        with pytest.raises(Refused) as refused:
            await remote.film(1, data_dir / "x.mp4")
        assert refused.value.key == "refused.no_film_yet"
        assert not list(data_dir.glob("x.mp4*"))


async def test_a_job_that_is_over_cannot_be_cancelled(data_dir: Path) -> None:
    async with serving(data_dir), control.connect(data_dir) as remote:
        assert remote is not None
        id = await remote.submit(png(64, 64), ASKED)
        await remote.wish(id, "cancel")
        with pytest.raises(Refused) as refused:
            await remote.wish(id, "cancel")
        assert refused.value.key == "refused.job_over"


async def test_a_service_that_stops_while_it_is_asked_is_said_in_one_sentence(data_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        async with serving(data_dir):
            remote = await stack.enter_async_context(control.connect(data_dir))
            assert remote is not None
            await remote.queue()
        for ask in (remote.queue(), remote.operate({"action": "state"})):
            with pytest.raises(Gone) as gone:
                await ask
            assert gone.value.key == "terminal.service_stopped"


@asynccontextmanager
async def mute(data_dir: Path) -> AsyncIterator[None]:
    """A service that is stopped: the system takes what it is asked, and nobody reads it."""
    data_dir.mkdir()
    (data_dir / "flipbot.db.lock").write_text("4321")

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.read()

    if control.use_socket(data_dir):
        server = await asyncio.start_unix_server(silent, data_dir / control.SOCKET)
    else:
        server = await asyncio.start_server(silent, "127.0.0.1")
        known = {"port": server.sockets[0].getsockname()[1], "token": "x"}
        (data_dir / control.PORT_FILE).write_text(json.dumps(known))
    async with server:
        yield


async def test_a_service_that_says_nothing_is_waited_for_for_a_moment(data_dir: Path) -> None:
    async with mute(data_dir):
        with pytest.raises(Silent) as silent:
            async with control.connect(data_dir, patience_s=0.05):
                pass
        assert (silent.value.key, silent.value.facts) == ("terminal.process_silent", {"process": 4321})
        (data_dir / "flipbot.db.lock").unlink()
        with pytest.raises(Silent) as silent:
            async with control.connect(data_dir, patience_s=0.05):
                pass
        assert silent.value.key == "terminal.service_silent"


async def test_whoever_watches_a_film_is_as_patient_as_it_takes(data_dir: Path) -> None:
    async with serving(data_dir) as db, control.connect(data_dir) as remote:
        assert remote is not None
        id = await remote.submit(png(64, 64), ASKED)
        remote.patience_s = 0.0
        watched = remote.watch(id)
        assert (await anext(watched))["state"] == State.QUEUED
        growing = asyncio.create_task(anext(watched))  # type: ignore[arg-type]
        await asyncio.sleep(0.3)
        assert not growing.done()
        await requests.wish(db, id, "cancel", by="terminal")
        assert (await growing)["state"] == State.CANCELLED
        with pytest.raises(Silent):
            await remote.queue()


async def test_a_process_that_only_works_takes_nothing_in(data_dir: Path) -> None:
    async with serving(data_dir, takes=False), control.connect(data_dir) as remote:
        assert remote is not None
        with pytest.raises(Refused) as refused:
            await remote.submit(png(64, 64), ASKED)
        assert refused.value.key == "refused.takes_no_jobs"


async def test_nobody_answers_where_nothing_runs(data_dir: Path) -> None:
    async with control.connect(data_dir) as remote:
        assert remote is None
    async with serving(data_dir):
        pass
    async with control.connect(data_dir) as remote:
        assert remote is None


async def test_what_a_killed_service_left_is_no_service(tmp_path: Path) -> None:
    (tmp_path / control.PORT_FILE).write_text(json.dumps({"port": 1, "token": "x"}))
    async with control.connect(tmp_path) as remote:
        assert remote is None
    (tmp_path / control.PORT_FILE).write_text("{torn")
    async with control.connect(tmp_path) as remote:
        assert remote is None


async def test_only_the_owner_can_open_the_socket(tmp_path: Path) -> None:
    async with serving(short(tmp_path)):
        assert stat.S_IMODE((short(tmp_path) / control.SOCKET).stat().st_mode) == 0o600
    async with serving(long(tmp_path)):
        file = long(tmp_path) / control.PORT_FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        port = json.loads(file.read_text())["port"]
        async with aiohttp.ClientSession() as stranger:
            for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic x"}):
                async with stranger.get(f"http://127.0.0.1:{port}/queue", headers=headers) as response:
                    assert response.status == 401


async def test_a_film_is_handed_out_with_a_service_and_without(tmp_path: Path) -> None:
    media, wanted, target = Media(tmp_path / "media"), {"action": "film", "job": None}, tmp_path / "film.mp4"
    async with serving(tmp_path) as db, control.connect(tmp_path) as remote:
        assert remote is not None
        for there in (remote, control.Here(db, media)):
            with pytest.raises(Refused) as refused:
                await there.operate(wanted)
            assert refused.value.key == "terminal.no_films"
        id = await remote.submit(png(96, 64), ASKED)
        claim = await jobs.claim(db, "w", 60_000)
        assert claim is not None
        times = {"sampling_ms": 1, "decode_ms": 1, "encode_ms": 1}
        sha = media.put(b"a film")
        await sections.record(
            db, claim, Made(n=0, latents="0" * 64, clip=None, tail=None, film=sha, frames=37, **times)
        )
        for there in (remote, control.Here(db, media)):
            for asked in (wanted, wanted | {"job": id}):
                found = await there.operate(asked)
                assert (found["job"], found["seed"], found["has_film"], found["can_extend"]) == (id, 1, True, True)
            target.unlink(missing_ok=True)
            await there.film(id, target)
            assert target.read_bytes() == b"a film"
        media.drop(sha)
        for there in (remote, control.Here(db, media)):
            with pytest.raises(Refused) as refused:
                await there.film(id, target)
            assert refused.value.key == "terminal.film_lost"
        assert target.read_bytes() == b"a film" and not list(tmp_path.glob("*.part"))


async def test_a_film_is_steered_and_goes_on_over_the_socket(tmp_path: Path) -> None:
    async with serving(tmp_path) as db, control.connect(tmp_path) as remote:
        assert remote is not None
        first = await remote.submit(png(96, 64), ASKED)
        await remote.steer(first, "en", "night falls")
        assert (await jobs.get(db, first)).prompt == "night falls"
        with pytest.raises(Refused) as refused:
            await remote.extend(first, "k2", "en", "2.4", "fog")
        assert refused.value.key == "refused.still_growing"
        claim = await jobs.claim(db, "w", 60_000)
        assert claim is not None
        sha, times = "0" * 64, {"sampling_ms": 1, "decode_ms": 1, "encode_ms": 1}
        made = Made(n=0, latents=sha, clip=None, tail=None, film=sha, frames=37, **times)
        await sections.record(db, claim, made)
        await remote.wish(first, "stop")
        longer = await remote.extend(first, "k2", "en", "2.4", "fog")
        job = await jobs.get(db, longer)
        assert (job.parent_id, job.done, job.sections, job.prompt) == (first, 1, 3, "night falls | 1.2s: fog")
        assert await remote.extend(first, "k2", "en", "2.4", "fog") == longer
        with pytest.raises(Refused):
            await remote.steer(99, "en", "fog")
