"""The owner's window on the service: /admin, behind the password."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
from aiohttp import web

from bot import operate
from bot import page_html as html
from bot import page_plot as plot
from bot.canvas import when
from bot.errors import Refused
from bot.intake import moment
from bot.page_guard import locale_of
from bot.words import clean, duration, say, why
from db import engines, jobs, operators, stats
from db.flows import ALL
from db.models import Platform, State
from db.rows import Engine, Job

if TYPE_CHECKING:
    from bot.page import Page

BY: Final = "page"  # who an operator's deed on this page is by: the owner, who alone knows the password
MOST: Final = 100  # rows of a table
SECTIONS: Final = 200
COUNTED_S: Final = 120.0  # how long a count of the files' sizes is good
DAY_MS: Final = 24 * 3600 * 1000
BAN_DAYS: Final = {"1": 1, "7": 7, "30": 30}  # any other: for ever


class Admin:
    """The addresses under /admin."""

    def __init__(self, page: "Page", doctor: Callable[[str], Awaitable[str]] | None, chats: Sequence[Platform]) -> None:
        """doctor: says what works on this machine, in lines, in a language; it may take a while.

        chats: where somebody may have to be banned, beside the page
        """
        self.page, self.doctor, self.chats = page, doctor, chats
        self.examined = ""  # what the doctor said last
        self._counted = (float("-inf"), 0)  # when the files were counted, and their bytes

    def routes(self) -> list[web.RouteDef]:
        """All but the first change something."""
        return [
            web.get("/admin", self._own(self._show)),
            web.post("/admin/{gate:pause|resume|drain}", self._own(self._gate)),
            web.post("/admin/cancel", self._own(self._cancel)),
            web.post("/admin/first", self._own(self._first)),
            web.post("/admin/ban", self._own(self._ban)),
            web.post("/admin/unban", self._own(self._unban)),
            web.post("/admin/doctor", self._own(self._doctor)),
        ]

    def _own(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self.page.guard.password:
                raise Refused("refused.no_password")
            if not self.page.guard.is_owner(request):
                raise Refused("refused.owner_only" if self.page.guard.role(request) else "refused.sign_in")
            return await handler(request)

        return guarded

    async def _show(self, request: web.Request) -> web.Response:
        locale = locale_of(request)
        body = html.admin(
            locale, self.page.guard.token(request), await self.facts(locale, self.page.guard.visitor(request))
        )
        return self.page.html(request, say(locale, "admin.title"), body)

    async def facts(self, locale: str, visitor: str) -> dict[str, Any]:
        """Everything that the window shows, in words and numbers. visitor: who looks at it"""
        db, now = self.page.db, self.page.db.now()
        waiting = await jobs.open_jobs(db)
        took = await stats.took(db, SECTIONS)
        parts = [
            (say(locale, f"admin.{part}"), [getattr(one, f"{part}_ms") / 1000 for one in took])
            for part in ("sampling", "decode", "encode")
        ]
        line = await stats.in_line(db, now - DAY_MS, 96)
        ends = (moment(took[0].at_ms), moment(took[-1].at_ms)) if took else ("", "")
        gate = await operators.state(db)
        return {
            "gate": gate,
            "away": operate.away_lines(asdict(gate)["away"], locale),
            "busy": any(job.state == State.RUNNING for job in waiting),
            "servers": await operators.gates(db, MOST),
            "queue": await self._queue(locale, waiting[:MOST], visitor),
            "open": len(waiting),
            "sections": plot.stacked(say(locale, "admin.section_s"), "s", parts, ends),
            "legend": [name for name, _ in parts],
            "line": plot.steps(
                say(locale, "admin.in_line"), [count for _, count in line], (moment(line[0][0]), moment(now))
            ),
            "failures": [
                (job.id, moment(job.finished_ms or job.created_ms), why(locale, job.reason, job.facts))
                for job in await stats.failed(db, 10)
            ],
            "platforms": [*self.chats, Platform.PAGE],
            "bans": await operators.bans(db),
            "audit": [
                (moment(deed.at_ms), deed.by, operate.done(locale, deed.action), deed.target, deed.reason)
                for deed in await operators.audit(db, 20)
            ],
            "engines": [_engine(locale, each) for each in await engines.all_of(db)],
            "machine": await asyncio.to_thread(self._machine, locale),
            "counts": await stats.counts(db),
            "doctor": self.examined,
            "can_examine": self.doctor is not None,
        }

    async def _queue(self, locale: str, waiting: list[Job], visitor: str) -> list[dict[str, Any]]:
        """The jobs in the order in which their next sections will be made, as far as that can be foretold."""
        seen = [(job, await self.page.view(job)) for job in waiting]
        seen.sort(key=lambda pair: (pair[0].state != "running", pair[1].place or 0, pair[0].id))
        return [
            {
                "job": job.id,
                "who": f"{job.platform}: {job.user_id}",
                "own": (job.platform, job.user_id) == (Platform.PAGE, visitor),
                "platform": job.platform,
                "user_id": job.user_id,
                "prompt": clean(job.prompt, 80) or say(locale, "page.no_prompt"),
                "done": f"{view.done} / {view.sections}",
                "state": say(locale, view.headline, **view.facts),
                "left": when(locale, view),
            }
            for job, view in seen
        ]

    def _machine(self, locale: str) -> list[tuple[str, str]]:
        """What this machine has left, and what this service takes of it."""
        me = psutil.Process()
        ours = [me, *me.children(recursive=True)]
        memory = 0
        for process in ours:
            try:
                memory += process.memory_info().rss
            except psutil.Error:  # it ended meanwhile
                continue
        kept = self._kept()
        ram, disk = psutil.virtual_memory(), self.page.media.free_bytes()
        since = (datetime.now(UTC) - datetime.fromtimestamp(me.create_time(), UTC)).total_seconds()
        return [
            (say(locale, "admin.model"), self.page.model.name),
            (say(locale, "admin.memory"), say(locale, "admin.memory_of", got=_gib(memory), free=_gib(ram.available))),
            (say(locale, "admin.disk"), say(locale, "admin.disk_of", got=_gib(kept), free=_gib(disk))),
            (say(locale, "admin.uptime"), duration(locale, since)),
        ]

    def _kept(self) -> int:
        """Bytes of all files, counted now and then: a large store has very many."""
        at, size = self._counted
        if time.monotonic() - at > COUNTED_S:
            size = sum(_sizes(self.page.media.root))
            self._counted = (time.monotonic(), size)
        return size

    # What the owner does.

    async def _gate(self, request: web.Request) -> web.Response:
        form, db = await request.post(), self.page.db
        reason, scope = clean(str(form.get("reason", "")), 200), operate.scope_of(form)
        match request.match_info["gate"]:
            case "pause":
                await operators.pause(db, BY, reason, scope, at_once="now" in form)
            case "drain":
                await operators.drain(db, BY, reason, scope)
            case _:
                await operators.resume(db, BY, scope)
        return self.page.went(request, "/admin")

    async def _cancel(self, request: web.Request) -> web.Response:
        await operate.cancel(self.page.db, BY, _number(await request.post()))
        return self.page.went(request, "/admin")

    async def _first(self, request: web.Request) -> web.Response:
        await operate.first(self.page.db, BY, _number(await request.post()))
        return self.page.went(request, "/admin")

    async def _ban(self, request: web.Request) -> web.Response:
        form = await request.post()
        platform, user_id = operate.person(_who(form))
        days = BAN_DAYS.get(str(form.get("days", "")))
        until = None if days is None else self.page.db.now() + days * DAY_MS
        reason = clean(str(form.get("reason", "")), 200)
        await operators.ban(self.page.db, BY, platform, user_id, until, reason)
        return self.page.went(request, "/admin")

    async def _unban(self, request: web.Request) -> web.Response:
        form = await request.post()
        await operate.unban(self.page.db, BY, _who(form), str(form.get("scope", ALL))[:100])
        return self.page.went(request, "/admin")

    async def _doctor(self, request: web.Request) -> web.Response:
        if self.doctor is None:
            raise Refused("refused.no_such_page")
        self.examined = await self.doctor(locale_of(request))
        return self.page.went(request, "/admin#doctor")


def _engine(locale: str, engine: Engine) -> dict[str, Any]:
    """What computes, in words: title, lines of (what, how much), and the parts of its plan as (name, GiB, share)."""
    plan = engine.plan
    stays = "admin.all_blocks" if plan["resident"] == plan["blocks"] else "admin.some_blocks"
    gib = {name: _gib(plan[name]) for name in ("vram", "vram_limit", "ram", "ram_limit", "streamed")}
    lines = [
        (say(locale, "admin.model"), engine.model),
        (say(locale, "admin.precision"), plan["precision"]),
        (say(locale, "admin.blocks"), say(locale, stays, **{**plan, **gib})),
    ]
    kinds = ("vram", "ram") if plan["gpu"] else ("ram",)
    for kind in kinds:
        seen = {"vram": engine.vram, "ram": engine.ram}[kind]
        facts = {"planned": gib[kind], "limit": gib[f"{kind}_limit"], "seen": _gib(seen)}
        lines.append((say(locale, f"admin.{kind}"), say(locale, "admin.planned" if seen else "admin.to_come", **facts)))
    lines.append((say(locale, "admin.loaded"), moment(engine.loaded_ms)))
    if engine.freed_ms is not None:
        lines.append((say(locale, "admin.freed"), moment(engine.freed_ms)))
    most = max(1, *plan["parts"].values())
    parts = [
        (say(locale, f"admin.part.{name}"), f"{size / 2**30:.2f} GiB", size / most)
        for name, size in plan["parts"].items()
        if size
    ]
    device = plan["device"] if plan["gpu"] else say(locale, "admin.no_gpu")
    machine, _, which = engine.name.partition(" ")
    of_several = f" ({which})" if which not in ("cuda", "cpu", "mps") else ""
    return {"title": f"{machine}: {device}{of_several}", "lines": lines, "parts": parts}


def _number(form: Any) -> int:
    told = str(form.get("job", ""))
    if not (told.isascii() and told.isdigit() and len(told) <= 15):
        raise Refused("refused.no_such_job")
    return int(told)


def _who(form: Any) -> str:
    return f"{form.get('platform', '')}:{form.get('user_id', '')}"


def _sizes(root: Path) -> list[int]:
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                found.append((Path(folder) / name).stat().st_size)
            except OSError:  # dropped meanwhile
                continue
    return found


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f}"
