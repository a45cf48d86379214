"""The local page: drop a picture, see your place in line, watch the film grow, download it.

It is made for loopback, where every site that a browser has open could speak to it: so a request must be addressed to
this page by name (against DNS rebinding) and must not come from another site. A visitor is a cookie, and sees only the
films that came with it.
"""

import asyncio
import errno
import hashlib
import ipaddress
import json
import logging
import re
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from bot import page_html as html
from bot.canvas import look
from bot.errors import Refused
from bot.intake import Asked, Intake, ModelFacts
from bot.upload import read_form
from bot.words import pick, say
from db import jobs, progress, requests, sections
from db.connect import Database
from db.errors import NoSuchJob
from db.media import Media
from db.models import Platform
from db.rows import Job, Wish

log = logging.getLogger(__name__)

COOKIE: Final = "flipbot_visitor"
COOKIE_AGE_S: Final = 400 * 24 * 3600  # what browsers allow at most
UPLOADS: Final = 8  # at once
STILL_HERE_S: Final = 15.0  # between two signs of life of a stream
BREATH_S: Final = 0.1  # between two looks at a job that changes all the time
SHOWN_FILMS: Final = 24
FOREVER: Final = "private, max-age=31536000, immutable"
ASSETS: Final = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
STATUS: Final = {  # of refusals; all others are 422
    "refused.upload_too_big": 413,
    "refused.field_too_big": 413,
    "refused.picture_too_big": 413,
    "refused.upload_broken": 400,
    "refused.request": 400,
    "refused.wrong_host": 421,
    "refused.wrong_origin": 403,
    "refused.no_such_page": 404,
    "refused.no_such_job": 404,
    "refused.no_film_yet": 404,
    "refused.method": 405,
    "refused.queue_full": 429,
    "refused.queue_full_user": 429,
    "refused.queue_full_chat": 429,
    "refused.too_busy": 503,
    "refused.disk_full": 507,
    "refused.held_up": 503,
    "refused.trouble": 500,
}
MEANT: Final = {404: "refused.no_such_page", 405: "refused.method", 413: "refused.upload_too_big"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page:
    """Serves the page while the service runs."""

    def __init__(
        self,
        intake: Intake,
        db: Database,
        media: Media,
        *,
        host: str,
        port: int,
        model: ModelFacts | None = None,
        examples: Sequence[tuple[str, str]] | None = None,
        trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        """port:     0 takes a free one
        model:    None takes the intake's
        examples: texts to try, (English, Chinese); None takes the model's
        trouble:  the key of a sentence about the model, asked for each page; None where all is well
        """
        self.intake, self.db, self.media, self.host, self.port = intake, db, media, host, port
        self.model, self.trouble = model or intake.model, trouble
        self.examples = self.model.examples if examples is None else examples
        self.url = ""
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._streams: set[asyncio.Task[Any]] = set()
        app = web.Application(middlewares=[self._answer])
        app.on_response_prepare.append(_protect)
        app.on_shutdown.append(self._end_streams)
        app.add_routes(
            [
                web.get("/", self._home),
                web.post("/jobs", self._submit),
                web.get("/j/{id}", self._film_page),
                web.get("/j/{id}/events", self._events),
                web.get("/j/{id}/film/{name}", self._film),
                web.get("/j/{id}/part/{n:[0-9]{1,4}}", self._part),
                web.get("/j/{id}/end/{name}", self._end),
                web.get("/j/{id}/download", self._film),
                web.get("/j/{id}/picture/{name}", self._picture),
                web.get("/j/{id}/preview/{name}", self._preview),
                web.post("/j/{id}/{wish:stop|cancel}", self._wish),
                web.get("/assets/{name}", self._asset),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> str:
        """Serve from now on; returns the page's address. raises: Refused, where the port is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            key = "refused.port_in_use" if taken else "refused.address"
            raise Refused(key, host=self.host, port=self.port) from error
        self.port = self._runner.addresses[0][1]
        shown = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        self.url = f"http://[{shown}]:{self.port}/" if ":" in shown else f"http://{shown}:{self.port}/"
        return self.url

    async def stop(self) -> None:
        """End what is under way and close the port."""
        await self._runner.cleanup()

    async def _end_streams(self, _: web.Application) -> None:
        for task in self._streams:
            task.cancel()

    # Every request passes here first, and every refusal leaves here last.

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._check_origin(request)
            return await handler(request)
        except Refused as refused:
            return self._refusal(request, refused)
        except NoSuchJob:
            return self._refusal(request, Refused("refused.no_such_job"))
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            refusal = self._refusal(request, Refused(MEANT.get(error.status, "refused.request"), limit_mib=1))
            if "Allow" in error.headers:
                refusal.headers["Allow"] = error.headers["Allow"]
            return refusal
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("page failed method=%s", request.method)
            return self._refusal(request, Refused("refused.trouble"))

    def _check_origin(self, request: web.Request) -> None:
        host = request.headers.get("Host", "")
        if not self._is_ours(host):
            raise Refused("refused.wrong_host", url=self.url)
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if request.method != "GET" and (
            foreign or request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        ):
            raise Refused("refused.wrong_origin", url=self.url)

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this page; a name that a stranger's DNS could point here does not."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name == self.host.lower():
            return True
        address = _address(name)
        bound = _address(self.host)
        if self.host == "localhost" or (bound is not None and bound.is_loopback):
            return address is not None and address.is_loopback
        return address is not None or name in (socket.gethostname().lower(), socket.getfqdn().lower())

    def _refusal(self, request: web.Request, refused: Refused) -> web.Response:
        status = STATUS.get(refused.key, 422)
        sentence = say(_locale(request), refused.key, **refused.facts)
        if not _wants_html(request):
            return web.json_response({"error": sentence}, status=status)
        return self._html(request, sentence, html.trouble(_locale(request), sentence), status=status)

    def _html(self, request: web.Request, title: str, body: html.Html, status: int = 200) -> web.Response:
        text = html.shell(_locale(request), title, body, self.model, self.trouble())
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Language", "Content-Language": _locale(request)}
        return web.Response(text=text, content_type="text/html", charset="utf-8", status=status, headers=headers)

    # What a visitor asks for.

    async def _home(self, request: web.Request) -> web.Response:
        visitor, token = _visitor(request)
        own = await jobs.recent(self.db, SHOWN_FILMS, visitor, Platform.PAGE)
        films = [await look(self.db, job) for job in own]
        locale = _locale(request)
        form = html.home(locale, secrets.token_urlsafe(16), self.intake.rules, self.examples, films, own)
        return _remember(self._html(request, say(locale, "page.title"), form), token)

    async def _submit(self, request: web.Request) -> web.Response:
        visitor, token = _visitor(request)
        if self._uploads.locked():
            raise Refused("refused.too_busy")
        async with self._uploads:
            form, picture = await read_form(request, self.intake.rules.max_bytes)
            asked = Asked(
                platform=Platform.PAGE,
                user_id=visitor,
                chat_id=visitor,
                locale=_locale(request),
                picture=picture,
                prompt=form.get("prompt", ""),
                key=_key(visitor, form, picture),
                seconds=form.get("seconds"),
                seed=form.get("seed"),
                quality=form.get("quality"),
            )
            job = await self.intake.submit(asked)
        url = f"/j/{job.id}"
        if _wants_html(request):
            return _remember(web.Response(status=303, headers={"Location": url}), token)
        return _remember(web.json_response({"job": job.id, "url": url}, status=201), token)

    async def _film_page(self, request: web.Request) -> web.Response:
        job = await self._own(request)
        state = await self._state(job, _locale(request))
        return self._html(request, state["title"], html.film(_locale(request), job, state))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """A stream of the job's states, one whenever it changes, until it has ended."""
        job = await self._own(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            await response.prepare(request)
            with suppress(NoSuchJob, ConnectionError):  # the answer has begun: whatever ends it, it can only end
                async for state in self._states(job.id, _locale(request)):
                    line = f"data: {json.dumps(state)}\n\n" if state else ": still here\n\n"
                    await response.write(line.encode())
        finally:
            self._streams.discard(task)
        return response

    async def _states(self, job_id: int, locale: str) -> AsyncIterator[dict[str, Any] | None]:
        """The job's states as they change; None from time to time, so that a stream that nobody reads is noticed."""
        seen: dict[str, Any] | None = None
        loop = asyncio.get_running_loop()
        told = loop.time()
        while True:
            commits = self.db.commits
            state = await self._state(await jobs.get(self.db, job_id), locale)
            if state != seen:
                seen, told = state, loop.time()
                yield state
                if state["over"]:
                    return
            elif loop.time() - told >= STILL_HERE_S:
                told = loop.time()
                yield None
            await asyncio.sleep(BREATH_S)
            await self.db.changed(commits, STILL_HERE_S)

    async def _wish(self, request: web.Request) -> web.Response:
        job = await self._own(request)
        if job.state.terminal:
            raise Refused("refused.job_over")
        wish: Wish = "stop" if request.match_info["wish"] == "stop" else "cancel"
        job = await requests.wish(self.db, job.id, wish, by=job.user_id)
        if _wants_html(request):
            return web.Response(status=303, headers={"Location": f"/j/{job.id}"})
        return web.json_response(await self._state(job, _locale(request)))

    async def _film(self, request: web.Request) -> web.StreamResponse:
        job = await self._own(request)
        name = request.match_info.get("name")
        if job.film is None or name not in (None, f"{job.film[:16]}.mp4"):
            raise Refused("refused.no_film_yet")
        headers = {"Content-Type": "video/mp4", "Cache-Control": FOREVER}
        if name is None:
            saved = f'attachment; filename="flipbot-{job.id}.mp4"'
            headers |= {"Content-Disposition": saved, "Cache-Control": "no-store"}
        return web.FileResponse(self.media.path(job.film), headers=headers)

    async def _part(self, request: web.Request) -> web.StreamResponse:
        """The fragment of one section's final frames; nothing where a section made none final."""
        job = await self._own(request)
        made = await sections.of(self.db, job.id)
        n = int(request.match_info["n"])
        if n >= len(made):
            raise Refused("refused.no_film_yet")
        sha = made[n].fragment
        return web.Response(status=204) if sha is None else self._fragment(sha)

    async def _end(self, request: web.Request) -> web.StreamResponse:
        """The fragment of the provisional frames, as long as they are the newest."""
        job = await self._own(request)
        if job.fragment_end is None or request.match_info["name"] != f"{job.fragment_end[:16]}.m4s":
            raise Refused("refused.no_film_yet")
        return self._fragment(job.fragment_end)

    def _fragment(self, sha: str) -> web.StreamResponse:
        return web.FileResponse(self.media.path(sha), headers={"Content-Type": "video/mp4", "Cache-Control": FOREVER})

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        job = await self._own(request)
        if request.match_info["name"] != f"{job.picture[:16]}.png":
            raise Refused("refused.no_such_page")
        headers = {"Content-Type": "image/png", "Cache-Control": FOREVER}
        return web.FileResponse(self.media.path(job.picture), headers=headers)

    async def _preview(self, request: web.Request) -> web.Response:
        job = await self._own(request)
        under_way = await progress.of(self.db, job.id)
        if under_way is None or under_way.preview is None:  # the section was recorded meanwhile
            return web.Response(status=204, headers={"Cache-Control": "no-store"})
        return web.Response(body=under_way.preview, content_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in ASSETS:
            raise Refused("refused.no_such_page")
        return web.Response(
            body=html.asset(name),
            headers={"Content-Type": f"{ASSETS[name]}; charset=utf-8", "Cache-Control": "no-cache"},
        )

    async def _own(self, request: web.Request) -> Job:
        """The visitor's job of that number; somebody else's is as if it were not there."""
        visitor, new = _visitor(request)
        number = request.match_info["id"]
        if new is not None or not re.fullmatch(r"[0-9]{1,15}", number, re.ASCII):
            raise Refused("refused.no_such_job")
        job = await jobs.get(self.db, int(number))
        if (job.platform, job.user_id) != (Platform.PAGE, visitor):
            raise Refused("refused.no_such_job")
        return job

    async def _state(self, job: Job, locale: str) -> dict[str, Any]:
        made = await sections.of(self.db, job.id)
        return html.state(locale, job, await look(self.db, job), await progress.of(self.db, job.id), made)


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _locale(request: web.Request) -> str:
    return pick(request.headers.get("Accept-Language", "")[:500])


def _wants_html(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _visitor(request: web.Request) -> tuple[str, str | None]:
    """Who asks, and the token of a cookie to be set where there is none yet.

    The rows keep only the token's hash: who reads them cannot pass for a visitor.
    """
    token = request.cookies.get(COOKIE, "")
    new = None if re.fullmatch(r"[A-Za-z0-9_-]{32}", token) else secrets.token_urlsafe(24)
    return hashlib.sha256((new or token).encode()).hexdigest()[:32], new


def _remember(response: web.Response, token: str | None) -> web.Response:
    # Lax, not Strict: a link from elsewhere must find the same visitor. Posts from there are refused by their origin.
    if token is not None:
        response.set_cookie(COOKIE, token, max_age=COOKIE_AGE_S, httponly=True, samesite="Lax", path="/")
    return response


def _key(visitor: str, form: dict[str, str], picture: bytes) -> str:
    """The same form sent twice is one film; the form of a page that was gone back to, changed, is another."""
    sent = json.dumps([visitor, sorted(form.items()), hashlib.sha256(picture).hexdigest()])
    return f"page:{hashlib.sha256(sent.encode()).hexdigest()}"
