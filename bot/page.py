"""The page: drop a picture, see your place in line, watch the film grow, go on with it, find it again.

This is its server, and what a visitor does with films of their own; page_watch shows a film to who has its link,
page_admin is the owner's window, page_guard judges every request first.
"""

import asyncio
import errno
import hashlib
import json
import logging
import re
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from bot import page_html as html
from bot.canvas import View, absence, look
from bot.errors import Refused
from bot.held_up import held_up
from bot.intake import Asked, By, Example, Intake, ModelFacts, seconds_of
from bot.once import Once
from bot.page_admin import Admin
from bot.page_door import MOST, Door
from bot.page_guard import TOKEN, TOKEN_HEADER, Guard, locale_of, machine_names
from bot.page_watch import Watch
from bot.upload import BROKEN, read_form
from bot.words import LANGUAGES, clean, duration, say
from db import inbox, jobs, links, operators, people, progress, renditions, sections
from db.connect import Database
from db.errors import NoSuchJob
from db.media import Media, fetched
from db.models import Platform
from db.rows import Job, Wish
from db.trouble import TROUBLE, is_short, patiently

log = logging.getLogger(__name__)

FORM_BYTES: Final = 1 << 17  # of a form without a picture
FORM_S: Final = 30.0  # until such a form is there whole
STREAMS_OF_ONE: Final = 20  # at once, of one visitor; of a link, a quarter of all
CHECK_S: Final = 15.0  # between two looks whether a stream may still be seen
OTHERS_S: Final = 5.0  # until it is noticed that another front signed everybody out
FRAGMENTS_BYTES: Final = 16 << 20  # of films that are watched just now, kept in memory
UPLOADS: Final = 8  # at once
STILL_HERE_S: Final = 15.0  # between two signs of life of a stream
BREATH_S: Final = 0.1  # between two looks at a job that changes all the time
SHOWN_FILMS: Final = 8
GALLERY: Final = 48  # films of one page of it
GALLERY_MOST: Final = 2000
POSTER_BYTES: Final = 200_000
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
WORDED: Final = ("text/html", "application/json")  # the same answer, for a person or for a script: see wants_html
STATUS: Final = {  # of refusals; all others are 422
    "refused.upload_too_big": 413,
    "refused.field_too_big": 413,
    "refused.picture_too_big": 413,
    "refused.upload_broken": 400,
    "refused.request": 400,
    "refused.person": 400,
    "refused.wrong_host": 421,
    "refused.wrong_origin": 403,
    "refused.form_expired": 403,
    "refused.wrong_password": 403,
    "refused.no_password": 403,
    "refused.owner_only": 403,
    "refused.sign_in": 401,
    "refused.too_often": 429,
    "refused.streams_yours": 429,
    "refused.streams_full": 503,
    "refused.not_yours": 404,
    "refused.link_over": 404,
    "refused.no_such_page": 404,
    "refused.no_such_job": 404,
    "refused.no_film_yet": 404,
    "refused.film_gone": 404,
    "refused.method": 405,
    "refused.queue_full": 429,
    "refused.queue_full_user": 429,
    "refused.queue_full_chat": 429,
    "refused.too_soon": 429,
    "refused.day_used": 429,
    "refused.too_busy": 503,
    "refused.disk_full": 507,
    "refused.held_up": 503,
    "refused.media_away": 503,
    "refused.trouble": 500,
}
CLOSED: Final = {  # what somebody reads who may want a film: without a reason, and with one
    "paused": ("page.paused", "page.paused_because"),
    "draining": ("refused.draining", "refused.draining_because"),
    "shut": ("page.shut", "page.shut_because"),
}
AWAY: Final = {"resting": "page.resting", "in_use": "page.in_use"}  # where nobody makes films now
MEANT: Final = {404: "refused.no_such_page", 405: "refused.method", 413: "refused.field_too_big"}

AGAIN: Final[dict[str, dict[str, Any]]] = {  # what a button says, as Intake.again takes it
    "extend": {"keep": "all", "add_seconds": 0.0},
    "redo": {"keep": "all_but_last", "seed": "new"},
    "seed": {"seed": "new"},
    "edit": {"prompt": ""},
    "finish": {"keep": "all"},
}
GENERATION: Final = "sessions"  # the memo of the guard's
UPLOAD: Final = "/jobs"  # the only address that reads its form itself: a picture is larger than FORM_BYTES

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
        examples: Sequence[Example] | None = None,
        trouble: Callable[[], Refused | None] = lambda: None,
        password: str = "",
        guest_password: str = "",
        public_url: str = "",
        key: bytes = b"",
        doctor: Callable[[str], Awaitable[str]] | None = None,
        chats: Sequence[Platform] = (Platform.DISCORD, Platform.TELEGRAM),
        connections: int = MOST,
    ) -> None:
        """port:     0 takes a free one
        model:    None takes the intake's
        examples: texts to try; None takes the model's
        trouble:  what is wrong with the service, asked for each page; None where all is well
        password: the owner's; needed where others than this machine can reach the page
        guest_password: of those who make films and see their own; empty: there are none
        public_url: where the world finds the page; empty: films have no links
        key:      signs cookies (page_guard.read_key)
        doctor:   says what works on this machine, in lines, in a language
        chats:    that are served here beside the page
        connections: at once; half as many may be streams
        """
        self.intake, self.db, self.media, self.host, self.port = intake, db, media, host, port
        self.model, self.trouble = model or intake.model, trouble
        self.examples = self.model.examples if examples is None else examples
        self.url = ""
        self.public_url = public_url.rstrip("/")
        self.guard = Guard(host, password, public_url, key, guest_password)
        self._uploads = asyncio.Semaphore(UPLOADS)
        self.once = Once(db)
        self._fragments: OrderedDict[str, bytes] = OrderedDict()
        self.door, self.check_s = Door(min(connections, MOST)), CHECK_S
        self._streams: dict[asyncio.Task[Any], tuple[str, ...]] = {}  # and whose they are
        self._signed_out = 0  # how often somebody was
        self._server: asyncio.Server | None = None
        self._following: asyncio.Task[None] | None = None
        app = web.Application(middlewares=[self._answer], client_max_size=FORM_BYTES)
        app.on_response_prepare.append(_protect)
        app.on_shutdown.append(self._end_streams)
        app.add_routes(
            [
                web.get("/", self._home),
                web.get("/login", self._login_page),
                web.post("/login", self._login),
                web.post("/logout", self._logout),
                web.get("/language/{language}", self._language),
                web.get("/gallery", self._gallery),
                web.get("/examples/{n:[0-9]{1,3}}/{name}", self._example),
                web.post(UPLOAD, self._submit),
                web.get("/j/{id}", self._film_page),
                web.get("/j/{id}/events", self._events),
                web.get("/j/{id}/film/{name}", self._film),
                web.get("/j/{id}/download", self._film),
                web.get("/j/{id}/part/{n:[0-9]{1,4}}", self._part),
                web.get("/j/{id}/end/{name}", self._end),
                web.get("/j/{id}/picture/{name}", self._picture),
                web.get("/j/{id}/poster/{name}", self._poster),
                web.get("/j/{id}/preview/{name}", self._preview),
                web.post("/j/{id}/{wish:stop|cancel}", self._wish),
                web.post("/j/{id}/again", self._again),
                web.post("/j/{id}/steer", self._steer),
                web.post("/j/{id}/link", self._link),
                web.post("/j/{id}/delete", self._delete),
                *Watch(self).routes(),
                *Admin(self, doctor, chats).routes(),
                web.get("/assets/{name}", self._asset),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> str:
        """Serve from now on; returns the page's address.

        raises: Refused, where the port is taken, or a password is missing
        """
        self.guard.check()
        self.guard.generation = await self._generation()
        if not self.guard.is_local:
            await asyncio.to_thread(machine_names)
        await self._runner.setup()
        try:
            self._server = await self.door.open(self._runner, self.host, self.port)
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            raise _not_there(error, self.host, self.port) from error
        self.port = self._server.sockets[0].getsockname()[1]
        if self.guard.password:
            self._following = asyncio.create_task(self._follow())
        shown = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        self.url = f"http://[{shown}]:{self.port}/" if ":" in shown else f"http://{shown}:{self.port}/"
        return self.url

    async def stop(self) -> None:
        """End what is under way and close the port."""
        if self._following is not None:
            self._following.cancel()
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    async def _generation(self) -> int:
        return int(await inbox.memo(self.db, GENERATION) or 0)

    async def _follow(self) -> None:
        """Notice that another front signed everybody out."""
        while True:
            seen = self.db.commits
            generation = await patiently(self._generation, "the page")
            if generation > self.guard.generation:
                self.guard.generation = generation
                self._signed_out += 1
                self.db.notify()  # streams look whose they are; the commit has woken them too early
            await asyncio.sleep(2 * BREATH_S)
            await self.db.changed(seen, OTHERS_S)

    async def _end_streams(self, _: web.Application) -> None:
        for task in self._streams:
            task.cancel()

    # Every request passes here first, and every refusal leaves here last.

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.door.asks(request)
        try:
            self.guard.check_origin(request, self.url)
            self.guard.check_role(request)
            if request.method == "POST":
                await self._check_post(request)
            return await handler(request)
        except Refused as refused:
            return self._refusal(request, refused)
        except NoSuchJob:
            return self._refusal(request, Refused("refused.no_such_job"))
        except TROUBLE as trouble:  # those who watch over it say so, once
            least = self.intake.rules.min_free
            return self._refusal(request, await asyncio.to_thread(held_up, self.media, trouble, least))
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            refusal = self._refusal(request, Refused(MEANT.get(error.status, "refused.request"), limit_mib=1))
            if "Allow" in error.headers:
                refusal.headers["Allow"] = error.headers["Allow"]
            return refusal
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            if is_short(error):
                return self._refusal(request, Refused("refused.held_up"))
            log.exception("page failed method=%s", request.method)
            return self._refusal(request, Refused("refused.trouble"))

    async def _check_post(self, request: web.Request) -> None:
        """Whether what changes something comes from a form of ours; one with pictures is judged once it was read."""
        self.guard.slow_down("change", request)
        given = request.headers.get(TOKEN_HEADER)
        if (request.path, request.content_type) != (UPLOAD, "multipart/form-data"):
            try:
                async with asyncio.timeout(FORM_S):
                    form = await request.post()  # kept: handlers read it again
            except BROKEN as error:
                raise Refused("refused.upload_broken") from error
            given = given or str(form.get(TOKEN, ""))
        if given is not None:
            self.guard.check_token(request, given)

    def _refusal(self, request: web.Request, refused: Refused) -> web.Response:
        status = STATUS.get(refused.key.removesuffix("_until"), 422)
        sentence = say(locale_of(request), refused.key, **refused.facts)
        if not wants_html(request):
            return web.json_response({"error": sentence}, status=status)
        if refused.key == "refused.sign_in" and request.method == "GET":
            return web.Response(status=303, headers={"Location": f"/login?to={quote(request.path_qs, safe='')}"})
        return self.html(request, sentence, html.trouble(locale_of(request), sentence), status=status)

    def html(
        self, request: web.Request, title: str, body: html.Html, status: int = 200, head: str = "", notice: str = ""
    ) -> web.Response:
        """A whole page around the body. head: what else stands in its head; notice: what to know before all else."""
        where = html.Where(
            token=self.guard.token(request),
            role=self.guard.role(request),
            path=request.path,
            here=request.path_qs if request.method == "GET" else "/",
            head=html.Html(head),
            notice=notice,
        )
        text = html.shell(locale_of(request), title, body, self.model, self.trouble(), where)
        headers = {"Content-Language": locale_of(request)}
        response = web.Response(text=text, content_type="text/html", charset="utf-8", status=status, headers=headers)
        self.guard.remember(request, response)
        return response

    def went(self, request: web.Request, url: str, status: int = 200, **told: Any) -> web.Response:
        """What a form did: a browser goes on to url, a script is told."""
        if wants_html(request):
            response = web.Response(status=303, headers={"Location": url})
        else:
            response = web.json_response({"url": url, **told}, status=status)
        self.guard.remember(request, response)
        return response

    # The password.

    async def _language(self, request: web.Request) -> web.Response:
        """Another language, by a link: it changes nothing but how this browser is spoken to."""
        language = request.match_info["language"]
        if language not in LANGUAGES:
            raise Refused("refused.no_such_page")
        answer = web.Response(status=303, headers={"Location": _inside(request.query.get("to", ""))})
        self.guard.speak(request, answer, language)
        return answer

    async def _login_page(self, request: web.Request) -> web.Response:
        locale = locale_of(request)
        to = _inside(request.query.get("to", ""))
        body = html.login(locale, self.guard.token(request), to, signed_out="out" in request.query)
        return self.html(request, say(locale, "page.sign_in"), body)

    async def _login(self, request: web.Request) -> web.Response:
        form = await request.post()
        to = _inside(str(form.get("to", "")))
        answer = web.Response(status=303, headers={"Location": to})
        if not self.guard.password:
            raise Refused("refused.no_password")
        try:
            self.guard.sign_in(request, str(form.get("password", "")), answer)
        except Refused as refused:
            if not wants_html(request):
                raise
            locale = locale_of(request)
            body = html.login(locale, self.guard.token(request), to, say(locale, refused.key, **refused.facts))
            return self.html(request, say(locale, "page.sign_in"), body, status=STATUS[refused.key])
        return answer

    async def _logout(self, request: web.Request) -> web.Response:
        """End the session of this browser; the owner may end every session, wherever the cookie may have got to."""
        to = "/login?out" if self.guard.role(request) else "/"
        answer = web.Response(status=303, headers={"Location": to, "Clear-Site-Data": '"cache"'})
        form = await request.post()
        if "everywhere" in form and self.guard.is_owner(request):
            following = max(self.guard.generation, await self._generation()) + 1
            await inbox.remember(self.db, GENERATION, str(following))  # first: a restart must not forget it
            self.guard.generation = following
        self.guard.sign_out(request, answer)
        self._signed_out += 1
        self.db.notify()  # streams look whose they are
        return answer

    # What a visitor asks for.

    async def _home(self, request: web.Request) -> web.Response:
        own = await self._recent(request, SHOWN_FILMS)
        films = [await self.view(job) for job in own]
        locale = locale_of(request)
        before = await self._own(request, request.query["from"]) if "from" in request.query else None
        form = html.home(
            locale, self.guard.token(request), self.intake.rules, self.model, self.examples, films, own, before
        )
        return self.html(request, say(locale, "page.title"), form, notice=await self._closed(locale))

    async def _closed(self, locale: str) -> str:
        """What somebody should know who is about to ask for a film: that an operator paused, or takes nothing in."""
        gate = await self.once.ask("gate", lambda: operators.state(self.db))
        if gate.kind == "open":
            if gate.away is None:
                return ""
            wait = duration(locale, max(0, (gate.away.opens_ms or 0) - self.db.now()) / 1000)
            return say(locale, AWAY[absence(gate.away.reason)], wait=wait)
        return say(locale, CLOSED[gate.kind][bool(gate.reason)], reason=gate.reason)

    async def _submit(self, request: web.Request) -> web.Response:
        visitor = self.guard.visitor(request)
        self.guard.slow_down("submit", request)
        if self._uploads.locked():
            raise Refused("refused.too_busy")
        async with self._uploads:
            form, pictures = await read_form(request, self.intake.rules.max_bytes)
            if TOKEN_HEADER not in request.headers:
                self.guard.check_token(request, form.pop(TOKEN, ""))
            form.pop(TOKEN, "")
            picture, end = pictures.get("picture"), pictures.get("end_picture")
            keeps_end = end is None and "keep_end" in form
            if form.get("from") and (picture is None or keeps_end):
                before = await self._own(request, form["from"])
                picture = await self._once_more(before.picture) if picture is None else picture
                end = await self._once_more(before.end_picture) if keeps_end and before.end_picture else end
            if picture is None:
                raise Refused("refused.picture_none")
            asked = Asked(
                platform=Platform.PAGE,
                user_id=visitor,
                chat_id=visitor,
                locale=locale_of(request),
                picture=picture,
                end_picture=end,
                read_before=True,
                prompt=form.get("prompt", ""),
                key=_key(visitor, form, *pictures.values()),
                seconds=form.get("seconds"),
                seed=form.get("seed"),
                quality=form.get("quality"),
            )
            job = await self._taken(self.intake.submit(asked))
        return self.went(request, f"/j/{job.id}", 201, job=job.id)

    async def _taken(self, submitting: Coroutine[Any, Any, Job]) -> Job:
        """The job that was submitted, or the very same one of a moment ago: who asks twice is led there."""
        try:
            return await submitting
        except Refused as refused:
            if refused.key != "refused.duplicate":
                raise
            return await jobs.get(self.db, int(str(refused.facts["job"])))

    async def _again(self, request: web.Request) -> web.Response:
        """A film out of this one: longer, with another seed or text, or the rest of one that was not finished."""
        job = await self._own(request)
        self.guard.slow_down("submit", request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        how = AGAIN.get(form.get("what", ""))
        if how is None:
            raise Refused("refused.request")
        told: dict[str, Any] = dict(how)
        if "add_seconds" in told:
            told["add_seconds"] = seconds_of(form.get("seconds"), self.intake.rules)
            if clean(form.get("prompt", "")):  # else it goes on as it was
                told["prompt"] = form["prompt"]
        elif "prompt" in told:
            told["prompt"] = form.get("prompt", "")
        key = _key(job.user_id, {**form, TOKEN: "", "again": str(job.id)})
        made = await self._taken(self.intake.again(job.id, self._by(request), key=key, **told))
        return self.went(request, f"/j/{made.id}", 201, job=made.id)

    async def _steer(self, request: web.Request) -> web.Response:
        job = await self._own(request)
        form = await request.post()
        await self.intake.steer(job.id, self._by(request), str(form.get("prompt", "")))
        return self.went(request, f"/j/{job.id}")

    def _by(self, request: web.Request) -> By:
        visitor = self.guard.visitor(request)
        return By(platform=Platform.PAGE, user_id=visitor, chat_id=visitor, locale=locale_of(request))

    async def _link(self, request: web.Request) -> web.Response:
        """A link to the film for whoever has it."""
        job = await self._own(request)
        if not self.public_url:
            raise Refused("refused.no_public_url")
        url = f"{self.public_url}/w/{await links.make(self.db, job.id, links.TTL_S)}"
        if not wants_html(request):
            return web.json_response({"url": url})
        locale = locale_of(request)
        return self.html(request, say(locale, "page.link"), html.link(locale, url, job))

    async def _delete(self, request: web.Request) -> web.Response:
        """Delete the film with all that belongs to it, for good; what was made out of it keeps what it needs."""
        job = await self._own(request)
        gone = await people.forget_job(self.db, job.id)
        await self.intake.discard(gone.files)
        log.info("deleted job=%d files=%d", job.id, len(gone.files))
        return self.went(request, "/gallery")

    async def _gallery(self, request: web.Request) -> web.Response:
        locale, asked = locale_of(request), clean(request.query.get("q", ""), 200)
        own = await self._recent(request, GALLERY_MOST)
        found = [job for job in own if asked.casefold() in job.prompt.casefold()]
        page = int(n) if re.fullmatch(r"[0-9]{1,4}", n := request.query.get("page", "0"), re.ASCII) else 0
        shown = found[page * GALLERY : (page + 1) * GALLERY]
        films = [await self.view(job) for job in shown]
        more = page + 1 if len(found) > (page + 1) * GALLERY else None
        body = html.gallery(locale, self.guard.token(request), asked, shown, films, more)
        return self.html(request, say(locale, "page.gallery"), body)

    async def _recent(self, request: web.Request, newest: int) -> list[Job]:
        """The visitor's newest films; a new visitor has none."""
        if self.guard.is_new(request):
            return []
        visitor = self.guard.visitor(request)
        asked = ("recent", visitor, newest)
        return await self.once.ask(asked, lambda: jobs.recent(self.db, newest, visitor, Platform.PAGE))

    async def _poster(self, request: web.Request) -> web.StreamResponse:
        """A small picture of the film; until there is one, the picture it began with."""
        job = await self._own(request)
        made = None
        if job.film is not None:
            made = await renditions.get(self.db, job.id, job.film, "poster", POSTER_BYTES)
            made = made or await renditions.want(self.db, job.id, job.film, "poster", POSTER_BYTES)
        if made is None or made.state != "ready" or made.sha is None:
            headers = {"Content-Type": "image/png", "Cache-Control": "no-store"}
            return await self.file(job.picture, headers)
        headers = {"Content-Type": "image/jpeg", "Cache-Control": FOREVER}
        return await self.file(made.sha, headers)

    async def _once_more(self, sha: str) -> bytes:
        """A picture that a film was made of: read now, for the film may be deleted any moment. raises: Refused."""
        try:
            return await self._read(sha)
        except FileNotFoundError:
            raise Refused("refused.picture_gone") from None

    async def file(self, sha: str, headers: Mapping[str, str]) -> web.FileResponse:
        """The file as an answer, with ranges. raises: Refused"""
        try:
            return web.FileResponse(await fetched(self.media, sha), headers=headers)
        except FileNotFoundError:
            raise Refused("refused.film_gone") from None

    async def _film_page(self, request: web.Request) -> web.Response:
        job, locale = await self._own(request), locale_of(request)
        state = await self.state(job, locale)
        body = html.film(locale, job, state, self.guard.token(request), self.intake.rules, bool(self.public_url))
        return self.html(request, state["title"], body)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self.stream(request, self._own)

    async def stream(
        self, request: web.Request, find: Callable[[web.Request], Awaitable[Job]], link: str = ""
    ) -> web.StreamResponse:
        """A stream of a job's states, one whenever it changes, until it has ended or may not be seen any more.

        find: the job, for who asks. raises: Refused; link: the token by which they ask, where they do
        """
        job, base = await find(request), f"/w/{link}" if link else None
        whose = (self.guard.visitor(request), *([link] if link else []))
        self._room(whose)
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)  # the last for nginx, which would keep what comes to itself
        task = asyncio.current_task()
        assert task is not None
        self._streams[task] = whose
        may = partial(self._may_watch, request, find)
        try:
            # Who asked may be gone before the answer begins; once it has, whatever ends it, it can only end, and the
            # browser asks anew
            with suppress(NoSuchJob, Refused, ConnectionError, *TROUBLE):
                await response.prepare(request)
                async for line in self._lines(job.id, locale_of(request), base, may):
                    await response.write(line)
        finally:
            self._streams.pop(task, None)
        return response

    def _room(self, whose: tuple[str, ...]) -> None:
        """Whether one more stream may begin, of this visitor, and by this link. raises: Refused"""
        most, taken = self.door.most // 2, Counter(each for some in self._streams.values() for each in some)
        if taken[whose[0]] >= STREAMS_OF_ONE:
            raise Refused("refused.streams_yours", limit=STREAMS_OF_ONE)
        if len(self._streams) >= most or any(taken[link] >= max(1, most // 4) for link in whose[1:]):
            raise Refused("refused.streams_full")

    async def _may_watch(self, request: web.Request, find: Callable[[web.Request], Awaitable[Job]]) -> None:
        """Whether what was open to them is so still. raises: Refused, NoSuchJob"""
        self.guard.check_role(request)
        await find(request)

    async def _lines(
        self, job_id: int, locale: str, base: str | None, may: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[bytes]:
        """The job's states as they change; a comment from time to time, so that a stream nobody reads is noticed."""
        seen = b""
        loop = asyncio.get_running_loop()
        told = checked = loop.time()
        signed_out = self._signed_out
        while True:
            commits = self.db.commits
            if signed_out != self._signed_out or loop.time() - checked >= self.check_s:
                signed_out, checked = self._signed_out, loop.time()
                await may()
            line, over = await self.once.ask(("line", job_id, locale, base), lambda: self._line(job_id, locale, base))
            if line != seen:
                seen, told = line, loop.time()
                yield line
                if over:
                    return
            elif loop.time() - told >= STILL_HERE_S:
                told = loop.time()
                yield b": still here\n\n"
            await asyncio.sleep(BREATH_S)
            await self.db.changed(commits, STILL_HERE_S)

    async def _wish(self, request: web.Request) -> web.Response:
        job = await self._own(request)
        wish: Wish = "stop" if request.match_info["wish"] == "stop" else "cancel"
        job = await self.intake.wish(job, wish, job.user_id)
        return self.went(request, f"/j/{job.id}", **await self.state(job, locale_of(request)))

    async def _film(self, request: web.Request) -> web.StreamResponse:
        return await self.film(request, await self._own(request))

    async def film(self, request: web.Request, job: Job) -> web.StreamResponse:
        """The film as it is now, with ranges; as a download where the address names none."""
        name = request.match_info.get("name")
        if job.film is None or name not in (None, f"{job.film[:16]}.mp4"):
            raise Refused("refused.no_film_yet")
        headers = {"Content-Type": "video/mp4", "Cache-Control": FOREVER}
        if name is None:
            saved = f'attachment; filename="flipbot-{job.id}.mp4"'
            headers |= {"Content-Disposition": saved, "Cache-Control": "no-store"}
        return await self.file(job.film, headers)

    async def _part(self, request: web.Request) -> web.StreamResponse:
        """The fragment of one section's final frames; nothing where a section made none final."""
        return await self.part(request, await self._own(request))

    async def part(self, request: web.Request, job: Job) -> web.StreamResponse:
        """As _part, of a job that may be seen."""
        made = await self.once.ask(("sections", job.id), lambda: sections.of(self.db, job.id))
        n = int(request.match_info["n"])
        if n >= len(made):
            raise Refused("refused.no_film_yet")
        sha = made[n].fragment
        return web.Response(status=204) if sha is None else await self._fragment(request, sha)

    async def _end(self, request: web.Request) -> web.StreamResponse:
        """The fragment of the provisional frames, as long as they are the newest."""
        return await self.end(request, await self._own(request))

    async def end(self, request: web.Request, job: Job) -> web.StreamResponse:
        """As _end, of a job that may be seen."""
        if job.fragment_end is None or request.match_info["name"] != f"{job.fragment_end[:16]}.m4s":
            raise Refused("refused.no_film_yet")
        return await self._fragment(request, job.fragment_end)

    async def _fragment(self, request: web.Request, sha: str) -> web.StreamResponse:
        """A fragment, from memory where others asked for it just now: all who watch want it in the same instant."""
        if (body := self._fragments.pop(sha, None)) is None:
            try:
                body = await self.once.ask(("file", sha), lambda: self._read(sha))
            except FileNotFoundError:
                raise Refused("refused.no_film_yet") from None
        self._fragments[sha] = body
        while sum(map(len, self._fragments.values())) > FRAGMENTS_BYTES and len(self._fragments) > 1:
            self._fragments.popitem(last=False)
        response = web.Response(body=body, headers={"Content-Type": "video/mp4", "Cache-Control": FOREVER})
        response.etag = sha[:16]
        asked = request.if_none_match or ()
        if any(tag.value in (sha[:16], "*") for tag in asked):
            return web.Response(status=304, headers={"ETag": response.headers["ETag"], "Cache-Control": FOREVER})
        return response

    async def _read(self, sha: str) -> bytes:
        return await asyncio.to_thread((await fetched(self.media, sha)).read_bytes)

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        return await self.picture(request, await self._own(request))

    async def picture(self, request: web.Request, job: Job) -> web.StreamResponse:
        """The picture that the film began with."""
        if request.match_info["name"] != f"{job.picture[:16]}.png":
            raise Refused("refused.no_such_page")
        headers = {"Content-Type": "image/png", "Cache-Control": FOREVER}
        return await self.file(job.picture, headers)

    async def _preview(self, request: web.Request) -> web.Response:
        return await self.preview(await self._own(request))

    async def preview(self, job: Job) -> web.Response:
        """The section under way as it looks now."""
        under_way = await progress.of(self.db, job.id)
        if under_way is None or under_way.preview is None:  # the section was recorded meanwhile
            return web.Response(status=204, headers={"Cache-Control": "no-store"})
        return web.Response(body=under_way.preview, content_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def _example(self, request: web.Request) -> web.StreamResponse:
        """A film that the model made of one of the texts to try."""
        n = int(request.match_info["n"])
        film = self.examples[n].film if n < len(self.examples) else None
        if film is None or not film.is_file():
            raise Refused("refused.no_such_page")
        return web.FileResponse(film, headers={"Content-Type": "video/mp4", "Cache-Control": "no-cache"})

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in ASSETS:
            raise Refused("refused.no_such_page")
        return web.Response(
            body=html.asset(name),
            headers={"Content-Type": f"{ASSETS[name]}; charset=utf-8", "Cache-Control": "no-cache"},
        )

    async def _own(self, request: web.Request, number: str | None = None) -> Job:
        """The visitor's job of that number, the address's if none is given; another's is as if it were not there."""
        visitor = self.guard.visitor(request)
        number = request.match_info["id"] if number is None else number
        if self.guard.is_new(request) or not re.fullmatch(r"[0-9]{1,15}", number, re.ASCII):
            raise Refused("refused.no_such_job")
        job = await self.job(int(number))
        if (job.platform, job.user_id) != (Platform.PAGE, visitor):
            raise Refused("refused.no_such_job")
        return job

    async def job(self, number: int) -> Job:
        """The job of that number, whoever asks. raises: NoSuchJob."""
        return await self.once.ask(("job", number), lambda: jobs.get(self.db, number))

    async def view(self, job: Job) -> View:
        """What to show of a job."""
        return await self.once.ask(("view", job.id, job.revision), lambda: look(self.db, job))

    async def state(self, job: Job, locale: str, base: str | None = None) -> dict[str, Any]:
        """What a film's page shows now. base: where its addresses begin, /j/ID if none is given."""
        made = await self.once.ask(("sections", job.id), lambda: sections.of(self.db, job.id))
        told = html.state(locale, job, await self.view(job), await progress.of(self.db, job.id), made)
        return html.moved(told, job.id, base)

    async def _line(self, job_id: int, locale: str, base: str | None) -> tuple[bytes, bool]:
        """The job's state as a line of its stream, and whether it is the last one. raises: NoSuchJob."""
        state = await self.state(await self.job(job_id), locale, base)
        return f"data: {json.dumps(state)}\n\n".encode(), state["over"]


async def check_address(host: str, port: int) -> None:
    """Whether the page could open there; it does not. raises: Refused."""
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    except (OSError, OverflowError) as error:
        raise _not_there(error, host, port) from error
    server.close()


def _not_there(error: Exception, host: str, port: int) -> Refused:
    taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    return Refused("refused.port_in_use" if taken else "refused.address", host=host, port=port)


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    if response.status >= 400:  # also of a file that went while it was being sent
        response.headers["Cache-Control"] = "no-store"
    if response.content_type in WORDED or response.status == web.HTTPSeeOther.status_code:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Vary"] = "Accept, Accept-Language, Cookie"
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)  # a page may be stricter than the others


def wants_html(request: web.Request) -> bool:
    """Whether a person reads the answer, not a script."""
    return "text/html" in request.headers.get("Accept", "")


def _inside(to: str) -> str:
    """An address of this page and no other."""
    return to if re.fullmatch(r"/(?!/)[\x21-\x5b\x5d-\x7e]{0,300}", to) else "/"


def _key(visitor: str, form: dict[str, str], *pictures: bytes) -> str:
    """The same form sent twice is one film; the form of a page that was gone back to, changed, is another."""
    sent = json.dumps([visitor, sorted(form.items()), *(hashlib.sha256(each).hexdigest() for each in pictures)])
    return f"page:{hashlib.sha256(sent.encode()).hexdigest()}"
