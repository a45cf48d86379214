"""The operator's socket: how a terminal reaches the service that runs on a data directory.

HTTP over a Unix socket that only its owner can open, or, where there are none (Windows, a path too long), over a
loopback port whose number and secret stand in a file that only its owner can read.
"""

import asyncio
import hmac
import json
import logging
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol

from aiohttp import ClientError, ClientSession, ClientTimeout, FormData, UnixConnector, web

from bot.errors import Gone, Refused, Silent
from bot.held_up import held_up
from bot.intake import Asked, By, Intake, seconds_of
from bot.operate import Order, closed, facts, operate
from db import jobs, operators, requests, sections, workers
from db.connect import Database, owner_of
from db.errors import NoSuchJob
from db.media import Media, fetched
from db.models import Platform
from db.rows import Job
from db.said import packed, unpacked
from db.trouble import TROUBLE

NO_WORKER = "terminal.no_worker"  # the sentence that nobody makes films now
SOCKET = "control.sock"
PORT_FILE = "control.json"
SOCKET_PATH_MAX = 100  # bytes; the kernel's limit is 104 to 108
POLL_S = 10.0
PATIENCE_S = 5.0  # with what is answered at once, by a service that is well
SHOWN = 30  # jobs of a table
RECENT_JOBS = 5  # whose sections say how fast the engine is

log = logging.getLogger("flipbot.control")


class Hello(Protocol):
    """What the service says of itself now (version, model)."""

    def __call__(self) -> dict[str, Any]: ...


INTAKE = web.AppKey("intake", Intake)
DB = web.AppKey("db", Database)
MEDIA = web.AppKey("media", Media)
HELLO = web.AppKey("hello", Hello)


def use_socket(data_dir: Path) -> bool:
    """Whether this machine and this path allow a Unix socket."""
    return hasattr(socket, "AF_UNIX") and os.name == "posix" and len(os.fsencode(data_dir / SOCKET)) < SOCKET_PATH_MAX


class Control:
    """Serves the operator's commands while the service runs."""

    def __init__(self, intake: Intake | None, db: Database, media: Media, data_dir: Path, hello: Hello) -> None:
        """intake: None where this process takes no jobs; hello: what the service says of itself."""
        self.data_dir = data_dir
        self.token = "" if use_socket(data_dir) else secrets.token_urlsafe(32)
        self.app = web.Application(client_max_size=256 << 20, middlewares=[self._guard])
        self.app[DB], self.app[MEDIA], self.app[HELLO] = db, media, hello
        if intake is not None:
            self.app[INTAKE] = intake
        self.app.add_routes(
            [
                web.get("/hello", _hello),
                web.get("/queue", _queue),
                web.get("/sections", _sections),
                web.post("/operate", _operate),
                web.post("/jobs", _submit),
                web.get("/jobs/{id:[0-9]+}", _watch),
                web.post("/jobs/{id:[0-9]+}/extend", _extend),
                web.post("/jobs/{id:[0-9]+}/steer", _steer),
                web.get("/jobs/{id:[0-9]+}/film", _film),
                web.post("/jobs/{id:[0-9]+}/{wish:stop|cancel}", _wish),
            ]
        )
        self.runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Open the socket; the lock of the database has made sure that nobody else serves it."""
        await self.runner.setup()
        _forget(self.data_dir)
        if not self.token:
            path = self.data_dir / SOCKET
            await web.UnixSite(self.runner, path).start()
            path.chmod(0o600)
            return
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        port = self.runner.addresses[0][1]
        descriptor = os.open(self.data_dir / PORT_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"port": port, "token": self.token}, file)

    async def stop(self) -> None:
        """Close the socket and take its file away."""
        await self.runner.cleanup()
        _forget(self.data_dir)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.token and not _knows(request, self.token):
            return web.json_response({"refused": "refused.not_allowed", "facts": {}}, status=401)
        try:
            response: web.StreamResponse = await handler(request)
        except Refused as refused:
            return web.json_response({"refused": refused.key, "facts": packed(refused.facts)}, status=422)
        except TROUBLE as trouble:
            log.warning("control path=%s: %s", request.path, trouble)
            return web.json_response({"refused": "refused.held_up", "facts": {}}, status=503)
        except NoSuchJob:
            number = {"job": request.match_info["id"]}
            return web.json_response({"refused": "terminal.no_such_job", "facts": number}, status=404)
        return response


def _knows(request: web.Request, token: str) -> bool:
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), _bearer(token).encode())


def _bearer(token: str) -> str:
    return f"Bearer {token}"


def _forget(data_dir: Path) -> None:
    for name in (SOCKET, PORT_FILE):
        (data_dir / name).unlink(missing_ok=True)


async def _hello(request: web.Request) -> web.Response:
    return web.json_response(request.app[HELLO]())


async def _queue(request: web.Request) -> web.Response:
    return web.json_response(await queue(request.app[DB]))


async def _sections(request: web.Request) -> web.Response:
    return web.json_response({"sections": await recent_sections(request.app[DB])})


def makes_films(hello: Mapping[str, Any]) -> bool:
    """Whether the service that says this of itself has an engine; one from before an upgrade does not say it."""
    return bool(hello.get("works", True))


async def recent_sections(db: Database) -> list[dict[str, Any]]:
    """The sections of the latest films, and what each took: {"plan", "latents", "sampling_ms", "decode_ms"}."""
    return [
        {
            "plan": dict(job.plan),
            "latents": section.latents,
            "sampling_ms": section.sampling_ms,
            "decode_ms": section.decode_ms,
        }
        for job in await jobs.recent(db, RECENT_JOBS)
        for section in await sections.of(db, job.id)
    ]


async def _operate(request: web.Request) -> web.Response:
    return web.json_response(await operate(request.app[DB], await request.json()))


async def queue(db: Database) -> dict[str, Any]:
    """The first of the line in the order of their turns, each as facts for a table; how many more; what is closed."""
    line, more = await jobs.line(db, SHOWN)
    shown = [await facts(db, job) for job in line if not job.state.terminal]
    return {"jobs": shown, "more": more, "state": await closed(db)}


def _intake(request: web.Request) -> Intake:
    """Who takes films in. raises: Refused, where this process does not."""
    intake = request.app.get(INTAKE)
    if intake is None:
        raise Refused("refused.takes_no_jobs")
    return intake


async def _submit(request: web.Request) -> web.Response:
    form, intake = await request.post(), _intake(request)
    picture, end = await _sent(form, "picture"), await _sent(form, "end_picture")
    asked = json.loads(str(form["asked"]))
    asked |= {"platform": Platform.TERMINAL, "read_before": True}  # `flipbot animate` did
    job = await intake.submit(Asked(picture=picture or b"", end_picture=end, **asked))
    return web.json_response({"job": job.id})


async def _extend(request: web.Request) -> web.Response:
    """A film of a terminal's, made longer: {"key", "locale", "seconds", "prompt" (null: it goes on as it was)}."""
    asked = await request.json()
    await jobs.get(request.app[DB], int(request.match_info["id"]))  # raises NoSuchJob: said as of any film here
    more = seconds_of(asked.get("seconds"), _intake(request).rules)
    job = await _intake(request).again(
        int(request.match_info["id"]), _terminal(asked), key=str(asked["key"]), keep="all", add_seconds=more,
        prompt=asked.get("prompt"),
    )  # fmt: skip
    return web.json_response({"job": job.id})


async def _steer(request: web.Request) -> web.Response:
    """What is not begun yet of a film of a terminal's gets another prompt: {"locale", "prompt"}."""
    asked = await request.json()
    await jobs.get(request.app[DB], int(request.match_info["id"]))
    job = await _intake(request).steer(int(request.match_info["id"]), _terminal(asked), str(asked["prompt"]))
    return web.json_response({"job": job.id})


def _terminal(asked: Mapping[str, Any]) -> By:
    """Whoever may open the socket, as the intake knows them."""
    return By(platform=Platform.TERMINAL, user_id="terminal", chat_id="terminal", locale=str(asked["locale"]))


async def _sent(form: Mapping[str, Any], name: str) -> bytes | None:
    part = form.get(name)
    return await asyncio.to_thread(part.file.read) if isinstance(part, web.FileField) else None


async def _watch(request: web.Request) -> web.Response:
    """The job's state; with ?seen=R it waits a while for another one than R."""
    db, id = request.app[DB], int(request.match_info["id"])
    seen = request.query.get("seen")
    loop = asyncio.get_running_loop()
    until = loop.time() + POLL_S
    while True:
        commits = db.commits
        state = packed(await facts(db, await jobs.get(db, id)))
        stamp = json.dumps(state, sort_keys=True)
        if seen is None or str(hash(stamp)) != seen or loop.time() >= until:
            return web.json_response({**state, "stamp": str(hash(stamp))})
        await db.changed(commits, 1.0)


async def _film(request: web.Request) -> web.StreamResponse:
    path = await ready(request.app[DB], request.app[MEDIA], int(request.match_info["id"]))
    return web.FileResponse(path, headers={"Content-Type": "video/mp4"})


async def ready(db: Database, media: Media, id: int) -> Path:
    """The file of a film, as far as it is ready. raises: Refused, NoSuchJob."""
    film = (await jobs.get(db, id)).film
    if film is None:
        raise Refused("refused.no_film_yet")
    try:
        return await fetched(media, film)
    except FileNotFoundError as error:
        raise Refused("terminal.film_lost", job=id) from error
    except TROUBLE as trouble:
        raise await asyncio.to_thread(held_up, media, trouble, media.least_free) from trouble


async def _wish(request: web.Request) -> web.Response:
    job = await wish(request.app[DB], int(request.match_info["id"]), request.match_info["wish"])
    return web.json_response({"state": job.state})


async def wish(db: Database, id: int, wished: str) -> Job:
    """Stop or cancel a job from a terminal. raises: Refused, where it is not there or has ended."""
    try:
        before = await jobs.get(db, id)
    except NoSuchJob as error:
        raise Refused("terminal.no_such_job", job=id) from error
    if before.state.terminal:
        raise Refused("refused.job_over")
    if wished == "stop":
        return await requests.wish(db, id, "stop", by="terminal")
    return await operators.cancel(db, "terminal", id)


class Remote:
    """A running service, asked from a terminal.

    What only looks something up, or writes it down, has to be answered within patience_s. raises: Silent
    """

    def __init__(self, session: ClientSession, data_dir: Path, url: str, patience_s: float | None) -> None:
        """url: of its database, beside which stands who serves it; patience_s: None waits for ever."""
        self.session, self.data_dir, self.url, self.patience_s = session, data_dir, url, patience_s

    async def hello(self) -> dict[str, Any]:
        """What the service says of itself."""
        return await self._soon("GET", "/hello")

    async def queue(self) -> dict[str, Any]:
        """As `queue`."""
        return await self._soon("GET", "/queue")

    async def sections(self) -> list[dict[str, Any]]:
        """As `recent_sections`."""
        found: list[dict[str, Any]] = (await self._soon("GET", "/sections"))["sections"]
        return found

    async def operate(self, order: Order) -> dict[str, Any]:
        """As `operate.operate`. raises: Refused"""
        return await self._soon("POST", "/operate", json=dict(order))

    async def submit(self, picture: bytes, asked: dict[str, Any], end: bytes | None = None) -> int:
        """Hand in a job; asked: the fields of bot.intake.Asked but for platform and pictures. raises: Refused.

        end: the picture that the film shall end with
        """
        form = FormData({"asked": json.dumps(asked)})
        for name, content in (("picture", picture), ("end_picture", end)):
            if content is not None:
                form.add_field(name, content, filename=name, content_type="application/octet-stream")
        id: int = (await self._answer("POST", "/jobs", data=form))["job"]
        return id

    async def extend(self, job: int, key: str, locale: str, seconds: str | None, prompt: str | None) -> int:
        """A longer film out of one that has ended; prompt: of what is new, None as it was. raises: Refused."""
        asked = {"key": key, "locale": locale, "seconds": seconds, "prompt": prompt}
        id: int = (await self._answer("POST", f"/jobs/{job}/extend", json=asked))["job"]
        return id

    async def steer(self, job: int, locale: str, prompt: str) -> None:
        """Another prompt for what is not begun yet of a film. raises: Refused."""
        await self._answer("POST", f"/jobs/{job}/steer", json={"locale": locale, "prompt": prompt})

    async def watch(self, job: int) -> AsyncIterator[dict[str, Any]]:
        """The job's states as they change, for ever."""
        stamp = ""
        while True:
            state = await self._answer("GET", f"/jobs/{job}", params={"seen": stamp} if stamp else {})
            stamp = state["stamp"]
            yield unpacked(state)

    async def wish(self, job: int, wish: str) -> str:
        """Ask for `stop` or `cancel`; returns the job's state. raises: Refused (no_such_job)."""
        state: str = (await self._answer("POST", f"/jobs/{job}/{wish}"))["state"]
        return state

    async def film(self, job: int, target: Path) -> None:
        """Write the job's film to target, whole or not at all. raises: Refused"""
        with _whole(target) as part:
            try:
                async with self.session.get(f"/jobs/{job}/film") as response:
                    if response.status != web.HTTPOk.status_code:
                        _refuse(await response.json())
                    with part.open("wb") as file:
                        async for chunk in response.content.iter_chunked(1 << 20):
                            await asyncio.to_thread(file.write, chunk)
            except ClientError as error:
                raise Gone("terminal.service_stopped") from error

    async def _soon(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.patience_s):
                return await self._answer(method, path, **how)
        except TimeoutError as error:
            raise self._silent() from error

    async def _answer(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        try:
            async with self.session.request(method, path, **how) as response:
                answer: dict[str, Any] = await response.json()
        except TimeoutError as error:  # so many wait for it that the system lets nobody in
            raise self._silent() from error
        except ClientError as error:
            raise Gone("terminal.service_stopped") from error
        if "refused" in answer:
            _refuse(answer)
        return answer

    def _silent(self) -> Silent:
        process = owner_of(self.url, self.data_dir)
        return Silent("terminal.service_silent" if process is None else "terminal.process_silent", process=process)


class Here:
    """A data folder on which no service runs, asked in the same words."""

    def __init__(self, db: Database, media: Media) -> None:
        self.db, self.media = db, media

    async def operate(self, order: Order) -> dict[str, Any]:
        """As `operate.operate`. raises: Refused"""
        return await operate(self.db, order)

    async def made(self) -> bool:
        """Whether somebody makes films on it all the same: a database that is shared."""
        return bool(await workers.working(self.db))

    async def film(self, job: int, target: Path) -> None:
        """As `Remote.film`."""
        with _whole(target) as part:
            await asyncio.to_thread(shutil.copyfile, await ready(self.db, self.media, job), part)


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Where to write what stands in target once it is whole."""
    part = target.with_name(target.name + ".part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _refuse(answer: Any) -> NoReturn:
    raise Refused(answer["refused"], **unpacked(answer["facts"]))


@asynccontextmanager
async def connect(data_dir: Path, url: str = "", patience_s: float | None = PATIENCE_S) -> AsyncIterator[Remote | None]:
    """The service that runs on data_dir, or None where none does. raises: Silent

    url: of its database, where one is configured; patience_s: see Remote
    """
    session = _session(data_dir)
    if session is None:
        yield None
        return
    async with session:
        yield await _answering(Remote(session, data_dir, url, patience_s))


async def _answering(remote: Remote) -> Remote | None:
    """The service itself, or None where nobody is there. raises: Silent"""
    try:
        await remote.hello()
    except Silent:
        raise
    except Gone:  # what a killed service left behind
        return None
    return remote


def _session(data_dir: Path) -> ClientSession | None:
    timeout = ClientTimeout(total=None, sock_connect=PATIENCE_S)
    if (data_dir / SOCKET).exists():
        return ClientSession("http://flipbot", connector=UnixConnector(str(data_dir / SOCKET)), timeout=timeout)
    try:
        known = json.loads((data_dir / PORT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    headers = {"Authorization": _bearer(known["token"])}
    return ClientSession(f"http://127.0.0.1:{known['port']}", headers=headers, timeout=timeout)
