"""A request from any front-end: check it, keep its picture, put it in line. What is refused leaves nothing behind."""

import asyncio
import hashlib
import logging
import math
import re
import secrets
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol
from weakref import WeakValueDictionary

from bot.config import Role
from bot.decoder import DECODER
from bot.errors import Refused
from bot.held_up import held_up
from bot.limits import Allowance, allowance
from bot.picture import PNG_BYTES, Picture, content_of, size_of
from bot.words import clean, duration, say
from db import jobs, links, operators, people, requests
from db.connect import Database
from db.errors import (
    Banned,
    DatabaseAway,
    DayUsed,
    DbError,
    DiskFull,
    Draining,
    Duplicate,
    LatentsGone,
    NoSuchJob,
    NotFinished,
    QueueFull,
    TooSoon,
)
from db.media import Media, in_thread, media_unreferenced
from db.models import Platform, State
from db.operators import OwnLimits
from db.rows import At, Job, QueueState
from db.rows import Wish as Wished
from db.trouble import TROUBLE

log = logging.getLogger("flipbot.intake")

PROMPT_LIMIT: Final = 4000  # characters; what the text encoders read is far shorter
SEED_LIMIT: Final = 2**32 - 1
SHOWN_LIMIT: Final = 40  # characters of a wrong value that are said back
UNMADE_SHOWN: Final = 3  # texts, when some are lost
BACKWARDS: Final = "inverted"  # a plan's sampling, of a film that is made from its end
MIB: Final = 2**20
NO_LIMITS: Final = OwnLimits(server={})

Prompts = tuple[tuple[float, str], ...]  # (second it starts at, text), the first at 0.0, rising
RISING: Final = ("draft", "standard", "best")
Keep = int | Literal["all", "all_but_last"]  # how many of a film's finished sections stay

# "| 3s:", "| 2.5 seconds :", "｜3秒：", and behind a bar without the colon; what does not look like this stays text
_AMOUNT: Final = r"\d{1,6}(?:\.\d{1,3}|,\d{1,2})?"
_UNIT: Final = r"\s*(?:s|secs?|seconds?|秒)"
_COLON: Final = r"\s*[:：]"
_TEXT: Final = r"(?=\s*[^\s|｜])"
_END: Final = rf"(?:{_COLON}|(?<=秒){_TEXT}|(?=\s){_TEXT})"
_NEXT: Final = re.compile(rf"[|｜](?=\s*{_AMOUNT}{_UNIT}{_END})", re.IGNORECASE | re.ASCII)
_FIRST: Final = re.compile(rf"\s*({_AMOUNT}){_UNIT}{_COLON}", re.IGNORECASE | re.ASCII)
_LATER: Final = re.compile(rf"\s*({_AMOUNT}){_UNIT}{_END}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a planner answers: the plan as JSON, and what the film will have when it is whole."""

    plan: Mapping[str, Any]
    sections: int
    frames: int
    fps: int


class Planner(Protocol):
    """Makes a plan out of what somebody asked for; the room that can make it is not this one.

    size:    (width, height) of the picture, upright
    quality: one of Rules.qualities
    ends:    an end picture is given
    raises:  Refused, where the model cannot make it
    """

    def __call__(
        self, *, size: tuple[int, int], seconds: float, prompts: Prompts, seed: int, quality: str, ends: bool
    ) -> Planned: ...


class Replanner(Protocol):
    """Makes a plan out of another one: what is kept of its film stays, the rest may change.

    kept:     sections that stay
    sections: that the film has without the seconds more
    seconds:  more than that
    prompts:  counted from the end of what is kept; none: as they were, and the last one goes on
    seed:     of what is not kept; None: as it was
    raises:   Refused, where another model made what is kept
    """

    def __call__(
        self,
        plan: Mapping[str, Any],
        *,
        kept: int,
        sections: int,
        seconds: float = 0.0,
        prompts: Prompts = (),
        seed: int | None = None,
    ) -> Planned: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who presses a button, and in which chat.

    server_id: that the chat is of, as in `Asked`
    moderator: may do there what only a film's owner may
    roles:     ids of their roles there
    adult:     the chat is for adults only, and so is what is made there
    """

    platform: Platform
    user_id: str
    chat_id: str
    locale: str
    server_id: str = ""
    moderator: bool = False
    roles: tuple[str, ...] = ()
    adult: bool = False


class Example(NamedTuple):
    """A text that the model understands, in English and Chinese, and a film that it made of it, if there is one."""

    en: str
    zh: str
    film: Path | None = None

    def said(self, locale: str) -> str:
        """The text in a language."""
        return self.zh if locale == "zh" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What people should know of the loaded model.

    default_prompt: what an empty prompt means
    note:           what it is like, by language
    examples:       what it understands
    ends:           whether it can make a film that ends with a given picture
    """

    name: str
    trained: bool
    default_prompt: str = ""
    note: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    ends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may be asked for.

    qualities: their names, the first is the default
    min_free:  bytes that the disk must have left
    blocked_words: that no prompt may hold
    """

    queue: requests.Limits
    longest_seconds: float
    default_seconds: float
    qualities: tuple[str, ...]
    roles: Mapping[str, Role] = field(default_factory=dict)
    max_bytes: int = 20 * MIB
    max_megapixels: float = 40.0
    min_free: int = 200 * MIB
    blocked_words: tuple[str, ...] = ()

    @property
    def listed(self) -> tuple[str, ...]:
        """The qualities as people read them, from the quick one to the careful one; the owner's own behind them."""
        known = [name for name in RISING if name in self.qualities]
        return (*known, *(name for name in self.qualities if name not in known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What can be judged of a request before its picture is there, as in `Asked`."""

    prompt: str = ""
    seconds: float | str | None = None
    usual_seconds: float | None = None
    seed: int | str | None = None
    quality: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came in, nothing of it checked. Numbers may be text, as people type them; None is the default.

    usual_seconds: the length that the person has chosen for films of which they say none; cut where it is too long
    key:         asked twice with the same one, it is one job
    end_picture: what the film shall end with, where the model can
    read_before: what was sent was judged by its bytes, and the pictures may be PNGs made of it, which are larger
    server_id:   Discord's guild; "" elsewhere
    roles:       ids of the person's roles there
    at:          where the message stands that shows it, in a chat
    spoiler:     hide the film there until it is clicked
    adult:       the chat is for adults only, and so is the film
    """

    platform: Platform
    user_id: str
    chat_id: str
    locale: str
    picture: bytes | Path
    prompt: str
    key: str
    end_picture: bytes | Path | None = None
    read_before: bool = False
    seconds: float | str | None = None
    usual_seconds: float | None = None
    seed: int | str | None = None
    quality: str | None = None
    server_id: str = ""
    roles: tuple[str, ...] = ()
    at: At | None = None
    spoiler: bool = False
    adult: bool = False


def new_seed() -> int:
    """A seed that nobody asked for."""
    return secrets.randbelow(SEED_LIMIT + 1)


class Intake:
    """Takes requests in, whatever front-end they come from."""

    def __init__(
        self,
        db: Database,
        media: Media,
        planner: Planner,
        rules: Rules,
        model: ModelFacts,
        seed: Callable[[], int] = new_seed,
        replanner: Replanner | None = None,
        public_url: str = "",
    ) -> None:
        """replanner: needed by again() and steer(). public_url: where the world finds the page, "" where it cannot."""
        self.public_url = public_url.rstrip("/")
        self.replanner = replanner
        self.db, self.media, self.planner, self.rules, self.model, self.seed = db, media, planner, rules, model, seed
        self._reading = asyncio.Semaphore(1)  # one thread decodes; the others stay free for files
        self._keeping: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def submit(self, asked: Asked) -> Job:
        """Check a request and put it in line; once this returns, it is not lost.

        raises: Refused, one sentence; then nothing of the request is kept
        """
        may = await self.allowed(asked.platform, asked.user_id, asked.server_id, asked.roles)
        wish = Wish(
            prompt=asked.prompt, seconds=asked.seconds, usual_seconds=asked.usual_seconds, seed=asked.seed,
            quality=asked.quality,
        )  # fmt: skip
        seconds, seed, quality, prompts = self.judged(wish, may)
        most = max(self.rules.max_bytes, PNG_BYTES if asked.read_before else 0)
        picture = await self._picture(asked.picture, most)
        end = None if asked.end_picture is None else await self._picture(asked.end_picture, most)
        await self._need_room()
        size = (picture.width, picture.height)
        ends = end is not None
        planned = self.planner(size=size, seconds=seconds, prompts=prompts, seed=seed, quality=quality, ends=ends)
        settings = {
            "seconds": seconds, "seed": seed, "quality": quality,
            "frames": planned.frames, "fps": planned.fps,
            "notes": [*picture.notes, *(end.notes if end else ())],
        }  # fmt: skip
        if asked.spoiler:
            settings["spoiler"] = True
        if asked.adult:
            settings["adult"] = True
        return await self._keep(asked, [picture, end] if end else [picture], planned, settings, may)

    def judged(self, wish: Wish, may: Allowance) -> tuple[float, int, str, Prompts]:
        """Length, seed, quality and prompts of what somebody asks for. raises: Refused."""
        seconds = seconds_of(wish.seconds, self.rules, may.longest_seconds, wish.usual_seconds)
        seed = seed_of(wish.seed, self.seed)
        quality = quality_of(wish.quality, self.rules)
        prompts = prompts_of(wish.prompt, seconds, self.model.default_prompt)
        need_decent(wish.prompt, self.rules.blocked_words)
        return seconds, seed, quality, prompts

    async def foresee(self, by: By, wish: Wish, own: OwnLimits, closed: QueueState, queued: int) -> None:
        """Refuse what can be refused by what is known already, so that nobody waits for it.

        own:    of their server
        closed: what operators closed there
        queued: their films in line
        raises: Refused
        """
        rules = self.rules
        may = allowance(rules.queue, rules.longest_seconds, rules.roles, {*by.roles, by.user_id}, own)
        self.judged(wish, may)
        if closed.draining:
            raise await self.refusal(Draining(closed.reason), by)
        if queued >= may.limits.queued_per_user:
            raise await self.refusal(QueueFull(queued, may.limits.queued_per_user, "user"), by)

    async def link(self, job_id: int) -> str | None:
        """A new address where a film can be watched for some days; None without a page that the world can see.

        raises: NoSuchJob
        """
        if not self.public_url:
            return None
        return f"{self.public_url}/w/{await links.make(self.db, job_id, links.TTL_S)}"

    async def allowed(
        self, platform: Platform, user_id: str, server_id: str = "", roles: Collection[str] = ()
    ) -> Allowance:
        """What somebody may ask for, by the configuration, their roles and their server."""
        own = await operators.server_limits(self.db, server_id, tuple(roles)) if server_id else NO_LIMITS
        rules = self.rules
        return allowance(rules.queue, rules.longest_seconds, rules.roles, {*roles, user_id}, own)

    async def again(
        self,
        job_id: int,
        by: By,
        *,
        key: str,
        keep: Keep = 0,
        add_seconds: float = 0.0,
        prompt: str | None = None,
        seed: int | Literal["same", "new"] = "same",
        canvas: bool = False,
        at: At | None = None,
    ) -> Job:
        """A new film out of one that is there: its first sections are kept, the plan for the rest may change.

        extend: keep="all", add_seconds=N · redo the last second: keep="all_but_last", seed="new" · new seed: seed="new"
        · edit the prompt: prompt=… · retry, or finish what was stopped: keep="all"

        keep:   how many of its finished sections; more than there are is all of them
        prompt: of what is new, its times counted from there; None: as it was
        canvas, at: as in Ask
        raises: Refused; once this returns, the film is not lost
        """
        known = await requests.find(self.db, key)
        if known is not None:
            return known
        job = await self._theirs(job_id, by)
        may = await self.allowed(by.platform, by.user_id, by.server_id, by.roles)
        if job.state == State.FAILED and not await requests.repeated(self.db, job.id):  # once, that costs nothing
            may = replace(may, limits=replace(may.limits, cooldown_s=0, gpu_seconds_per_day=0))
        more = seconds_of(add_seconds, self.rules, may.longest_seconds) if add_seconds else 0.0
        kept, total = part_kept(job, keep, longer=more > 0)
        if kept == total and not more:
            raise Refused("refused.film_is_whole")
        if kept and job.plan.get("sampling") == BACKWARDS and (more or prompt is not None or keep == "all_but_last"):
            raise Refused("refused.made_backwards")
        prompts, text = self._prompts(job, kept, total, more, prompt)
        planned = self._replanner()(
            job.plan, kept=kept, sections=total, seconds=more, prompts=prompts, seed=seed_again(seed, self.seed)
        )
        seconds = round(planned.frames / planned.fps, 1)
        if more and seconds > may.longest_seconds:
            raise Refused("refused.too_long_to_extend", got=seconds, longest=may.longest_seconds)
        await self._need_room()
        settings = {**job.settings, "seed": planned.plan.get("seed"), "frames": planned.frames, "fps": planned.fps}
        if planned.sections != job.sections:
            settings["seconds"] = seconds
        if not more and settings["seconds"] > may.longest_seconds:  # it was made where more is allowed
            raise Refused("refused.seconds", got=settings["seconds"], longest=may.longest_seconds)
        if by.adult:
            settings["adult"] = True
        ask = requests.Ask(
            key=key, platform=by.platform, user_id=by.user_id, chat_id=by.chat_id, locale=by.locale,
            picture=job.picture, end_picture=job.end_picture, prompt=text, settings=settings,
            plan=planned.plan, sections=planned.sections, parent_id=job.id, kept=kept, canvas=canvas, at=at,
            server_id=by.server_id, weight=may.weight if by.roles else None,
        )  # fmt: skip
        try:
            return await self._submit(ask, may)
        except (NoSuchJob, NotFinished) as error:  # it was forgotten just now
            raise Refused("refused.no_such_job") from error
        except LatentsGone as error:
            raise Refused("refused.latents_gone") from error

    async def steer(self, job_id: int, by: By, prompt: str) -> Job:
        """Give what is not begun yet of a film another prompt, its times counted from there; the rest stays.

        raises: Refused
        """
        while True:  # until nothing happens to the job in between: it has only so many sections left
            job = await self._theirs(job_id, by)
            begun = job.done + (job.state == State.RUNNING)
            if job.state.terminal or job.wish:
                raise Refused("refused.steer_over")
            if job.plan.get("sampling") == BACKWARDS:
                raise Refused("refused.made_backwards")
            if begun == job.sections:
                raise Refused("refused.steer_too_late")
            prompts, text = self._prompts(job, begun, job.sections, 0.0, prompt)
            planned = self._replanner()(job.plan, kept=begun, sections=job.sections, prompts=prompts)
            steered = await requests.steer(self.db, job, planned.plan, text)
            if steered is not None:
                return steered

    async def wish(self, job: Job, wish: Wished, by: str) -> Job:
        """Stop or cancel a film. job: as it was looked at. raises: Refused, where it had ended by itself by then."""
        wished = job if job.state.terminal else await requests.wish(self.db, job.id, wish, by)
        if job.state.terminal or wished.state in (State.DONE, State.FAILED):
            raise Refused("refused.job_over")
        return wished

    async def scrap(self, job_id: int) -> None:
        """Cancel a film that grows, and delete it. raises: Refused, where it has ended; then nothing is deleted."""
        gone = await people.forget_job(self.db, job_id, growing=True)
        if not gone.jobs:
            raise Refused("refused.ended_meanwhile")
        await self.discard(gone.files)

    async def serve_model(self, model: str) -> None:
        """Films are made by this model from now on: what was planned for another one is planned anew where it can be,
        and else waits until its model runs, or ends where that is an older version.

        model:  the identity, name@version, that plans name now
        raises: MediaAway, where a picture's size cannot be looked up; then nothing is known of those that are left
        """
        await self.renew_plans(model)
        await jobs.run_model(self.db, model, for_good=True)

    async def renew_plans(self, model: str) -> int:
        """Plan films of which nothing is made yet anew, where another version was to make them; returns how many.

        A film that would get another length stays as it is, and so does one whose plan cannot be made.
        model: as in `serve_model`
        """
        renewed, name = 0, model.partition("@")[0]
        for job in await jobs.open_jobs(self.db):
            planned_for = str(job.plan.get("model"))
            older = planned_for != model and planned_for.partition("@")[0] == name
            if job.state == State.QUEUED and job.done == 0 and older:
                plan = await in_thread(self.media, self._plan_anew, job)
                if plan is not None and await requests.replan(self.db, job, plan):
                    renewed += 1
        if renewed:
            log.info("plans renewed jobs=%d model=%s", renewed, model)
        return renewed

    def _plan_anew(self, job: Job) -> Mapping[str, Any] | None:
        """A plan of what was asked for; None where there is none that keeps what was promised."""
        promised = job.settings
        try:
            length = max(promised["seconds"], promised["frames"] / promised["fps"])
            planned = self.planner(
                size=size_of(self.media.fetch(job.picture)),
                seconds=promised["seconds"],
                prompts=prompts_of(job.prompt, length, self.model.default_prompt),
                seed=promised["seed"],
                quality=quality_of(promised["quality"], self.rules),
                ends=job.end_picture is not None,
            )
        except (Refused, KeyError, OSError):
            return None
        same = (planned.sections, planned.frames, planned.fps) == (job.sections, promised["frames"], promised["fps"])
        return planned.plan if same else None

    async def _theirs(self, job_id: int, by: By) -> Job:
        """The job, where it is theirs to change. raises: Refused."""
        try:
            job = await jobs.get(self.db, job_id)
        except NoSuchJob as error:
            raise Refused("refused.no_such_job") from error
        owner = (job.platform, job.user_id) == (by.platform, by.user_id)
        if not owner and not (by.moderator and (job.platform, job.chat_id) == (by.platform, by.chat_id)):
            raise Refused("refused.not_yours")
        return job

    def _prompts(self, job: Job, kept: int, total: int, more: float, prompt: str | None) -> tuple[Prompts, str]:
        """What shall happen after the sections that are kept, and what is said of the whole film. raises: Refused."""
        if prompt is None:
            return (), job.prompt
        need_decent(prompt, self.rules.blocked_words)
        section_s = section_seconds(job)
        said = said_after(job.prompt, kept * section_s, clean(prompt))
        return prompts_of(prompt, (total - kept) * section_s + more, self.model.default_prompt), said

    def _replanner(self) -> Replanner:
        assert self.replanner is not None, "this intake was made without a replanner"
        return self.replanner

    async def _need_room(self) -> None:
        if await asyncio.to_thread(self.media.free_bytes) < self.rules.min_free:
            raise await self._held_up(DiskFull(self.media.root))

    async def _submit(self, ask: requests.Ask, may: Allowance) -> Job:
        """Put it in line. raises: Refused; of the parent NoSuchJob, NotFinished, LatentsGone."""
        try:
            try:
                return await requests.submit(self.db, ask, may.limits)
            except DatabaseAway:  # perhaps after the commit; the same key is the same film
                return await requests.submit(self.db, ask, may.limits)
        except NOT_NOW as error:
            by = By(platform=ask.platform, user_id=ask.user_id, chat_id=ask.chat_id, locale=ask.locale)
            raise await self.refusal(error, by) from error
        except TROUBLE as trouble:
            raise await self._held_up(trouble) from trouble

    async def _picture(self, data: bytes | Path, most: int) -> Picture:
        pixels = self.rules.max_megapixels
        async with self._reading:
            content = await asyncio.to_thread(content_of, data, most)
            return await asyncio.to_thread(DECODER.read, content, max_bytes=most, max_megapixels=pixels)

    async def _keep(
        self, asked: Asked, pictures: list[Picture], planned: Planned, settings: dict[str, Any], may: Allowance
    ) -> Job:
        """Keep the pictures, the first and perhaps the last one of the film, and put the job in line."""
        files = {hashlib.sha256(picture.png).hexdigest(): picture.png for picture in pictures}
        shas = [hashlib.sha256(picture.png).hexdigest() for picture in pictures]
        ask = requests.Ask(
            key=asked.key, platform=asked.platform, user_id=asked.user_id, chat_id=asked.chat_id, locale=asked.locale,
            picture=shas[0], end_picture=shas[1] if len(shas) > 1 else None, prompt=clean(asked.prompt),
            settings=settings, plan=planned.plan, sections=planned.sections, at=asked.at,
            server_id=asked.server_id, weight=may.weight,
            seeded=asked.platform != Platform.TERMINAL and not _empty(asked.seed),  # a terminal wants its file again
        )  # fmt: skip
        # One picture is kept, refused and dropped by one request at a time: else a refused one could take away the file
        # that another one's row is about to name.
        job: Job | None = None
        async with AsyncExitStack() as stack:
            for sha in sorted(files):
                await stack.enter_async_context(self._keeping.setdefault(sha, asyncio.Lock()))
            try:
                for png in files.values():
                    await in_thread(self.media, self.media.put, png)
                job = await self._submit(ask, may)
            except TROUBLE as trouble:
                raise await self._held_up(trouble) from trouble
            finally:
                # Refused, or the same key again with other pictures: what no row names is not kept. Where other
                # processes keep pictures, too, one of theirs may be about to be named: it is tidied away later.
                kept = {job.picture, job.end_picture} if job else set()
                if not self.db.shared and (spare := files.keys() - kept):
                    with suppress(*TROUBLE):
                        gone = await media_unreferenced(self.db, spare)
                        await in_thread(self.media, self.media.drop_all, gone)
        return job

    async def discard(self, files: Iterable[str]) -> None:
        """Remove what no row names any more, unless somebody has asked for a film with it in this moment.

        What is in trouble just now, the hourly sweep takes: the rows have gone, and nobody is told that they have not.
        """
        async with AsyncExitStack() as stack:
            for sha in sorted(set(files)):
                await stack.enter_async_context(self._keeping.setdefault(sha, asyncio.Lock()))
            with suppress(*TROUBLE):
                gone = await media_unreferenced(self.db, list(files))
                await in_thread(self.media, self.media.drop_all, gone)

    async def refusal(self, error: DbError, by: By) -> Refused:
        """Why the queue does not take a film now, as a sentence that says when it will."""
        locale = by.locale
        match error:
            case QueueFull():
                got: dict[str, Any] = {"got": error.got, "limit": error.limit}
                in_ms = await jobs.room_in(self.db, error, by.platform, by.user_id, by.chat_id)
                if in_ms is None:
                    return Refused(QUEUE_FULL[error.of], **got)
                wait = duration(locale, math.ceil(in_ms / 1000))
                return Refused(f"{QUEUE_FULL[error.of]}_until", **got, wait=wait)
            case TooSoon() | DayUsed():
                wait = duration(locale, math.ceil((error.until_ms - self.db.now()) / 1000))
                return Refused(f"refused.{error.reason}", **error.facts, wait=wait)
            case Banned():
                facts = {"reason": error.facts["reason"] or say(locale, "ban.no_reason"), "until_ms": error.until_ms}
                if error.until_ms is None:
                    return Refused("refused.banned", **facts)
                wait = duration(locale, math.ceil((error.until_ms - self.db.now()) / 1000))
                return Refused("refused.banned_until", **facts, wait=wait, until=moment(error.until_ms))
            case Draining():
                why = error.facts["reason"]
                return Refused("refused.draining_because" if why else "refused.draining", reason=why)
            case _:
                return Refused(f"refused.{error.reason}", **error.facts)

    async def _held_up(self, trouble: Exception) -> Refused:
        return await asyncio.to_thread(held_up, self.media, trouble, self.rules.min_free)


NOT_NOW: Final = (QueueFull, TooSoon, DayUsed, Banned, Draining, Duplicate)
QUEUE_FULL: Final = {
    "user": "refused.queue_full_user",
    "chat": "refused.queue_full_chat",
    "all": "refused.queue_full",
}


def moment(ms: int) -> str:
    """A time as everybody can read it, whatever clock they live by."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def seconds_of(
    got: float | str | None, rules: Rules, longest: float | None = None, usual: float | None = None
) -> float:
    """How long the film shall be.

    longest: the person's own limit, where it is not the general one; usual: what they have where they say nothing
    raises:  Refused, unless it is a number, above 0 and not above the longest
    """
    longest = rules.longest_seconds if longest is None else longest
    if got is None or _empty(got):
        return min(usual or rules.default_seconds, longest)
    seconds = _number(got)
    if seconds is None:
        raise Refused("refused.seconds_no_number", got=_said(got), longest=longest)
    if not 0 < seconds <= longest:
        raise Refused("refused.seconds" if seconds > 0 else "refused.seconds_none", got=_said(got), longest=longest)
    return seconds


def _empty(got: object) -> bool:
    return got is None or (isinstance(got, str) and not got.strip())


def seed_of(got: int | str | None, new: Callable[[], int]) -> int:
    """The seed, a new one where none is given. raises: Refused, unless it is a whole number from 0 to 2³² - 1."""
    if got is None or _empty(got):
        return new()
    if isinstance(got, str) and re.fullmatch(r"\d{1,10}", got.strip(), re.ASCII):
        got = int(got)
    if isinstance(got, bool) or not isinstance(got, int) or not 0 <= got <= SEED_LIMIT:
        raise Refused("refused.seed", got=_said(got), limit=SEED_LIMIT)
    return got


def seed_again(got: int | Literal["same", "new"], new: Callable[[], int]) -> int | None:
    """The seed of what is made again; None where it stays. raises: Refused."""
    return None if got == "same" else seed_of(None if got == "new" else got, new)


def quality_of(got: str | None, rules: Rules) -> str:
    """The quality's name, the default where none is given. raises: Refused."""
    if not got:
        return rules.qualities[0]
    if got not in rules.qualities:
        raise Refused("refused.quality", got=_said(got), qualities=rules.listed)
    return got


def prompts_of(text: str, seconds: float, default: str = "") -> Prompts:
    """What shall happen when, in a film of so many seconds. raises: Refused, for too long a text or too late a time."""
    if len(text) > PROMPT_LIMIT:
        raise Refused("refused.prompt_too_long", got=len(text), limit=PROMPT_LIMIT)
    prompts = parse_prompts(clean(text))
    if (last := prompts[-1][0]) >= seconds:
        raise Refused("refused.prompt_too_late", got=last, seconds=seconds)
    return tuple((start, said or default) for start, said in prompts)


def need_decent(text: str, blocked: tuple[str, ...]) -> None:
    """Raise Refused where the text holds a blocked word, whatever its case, width and invisible characters.

    A word of letters that are written with spaces between words has to stand alone: "ass" is not in "grass".
    """
    plain = folded(text)
    for word in map(folded, blocked):
        around = r"\b" if word.isascii() else ""
        if word and re.search(f"{around}{re.escape(word)}{around}", plain):
            raise Refused("refused.blocked_word")


def folded(text: str) -> str:
    """A text as it is compared: one case, one width, nothing invisible."""
    return clean(unicodedata.normalize("NFKC", text)).casefold()


def parse_prompts(text: str) -> Prompts:
    """Read `fog rolls in | 3s: night falls` as ((0.0, "fog rolls in"), (3.0, "night falls")).

    Rising in time, the first at 0.0 (empty where the text begins later); of two at one time the later written counts.
    """
    timed = {0.0: ""}
    for n, part in enumerate(_NEXT.split(text)):
        found = (_LATER if n else _FIRST).match(part)
        start, said = (_number(found[1]) or 0.0, part[found.end() :]) if found else (0.0, part)
        timed[start] = said.strip()
    return tuple(sorted(timed.items()))


def unmade(job: Job) -> list[str]:
    """Texts that no section is made of, the first few: a section is made of the one in force at its middle."""
    made_of = job.plan.get("prompts")
    lost = [said for _, said in parse_prompts(job.prompt) if said and made_of and said not in made_of]
    return [clean(said, SHOWN_LIMIT) for said in lost[:UNMADE_SHOWN]]


def part_kept(job: Job, keep: Keep, *, longer: bool) -> tuple[int, int]:
    """How many sections stay, and how many the film then has, before it gets longer. raises: Refused.

    What ended early gets longer, or its last section anew, from where it stands; else it becomes what it was to be.
    """
    if keep != 0 and not job.state.terminal:
        raise Refused("refused.still_growing")
    wanted = {"all": job.done, "all_but_last": job.done - 1}[keep] if isinstance(keep, str) else keep
    kept = max(0, min(wanted, job.done))
    as_it_is = keep == "all_but_last" or (longer and kept == job.done)
    return kept, job.done if as_it_is and job.done else job.sections


def section_seconds(job: Job) -> float:
    """How long one section of the job lasts; the picture it begins with is a frame of its own."""
    return float((job.settings["frames"] - 1) / job.sections / job.settings["fps"])


def said_after(before: str, kept_s: float, prompt: str) -> str:
    """The prompt of a whole film as one text: what was said of its first seconds, then the new one from there on."""
    old = [(start, said) for start, said in parse_prompts(before) if start < kept_s]
    new = [(kept_s + start, said) for start, said in parse_prompts(prompt)]
    (_, first), *rest = [*old, *new]
    return "".join([first, *(f" | {round(start, 3):g}s: {said}" for start, said in rest)]).strip()


def _number(got: float | str) -> float | None:
    """The number that was meant, be it written 2.5 or 2,5; None for what is none, or is read as two: 1,000."""
    if isinstance(got, str) and re.fullmatch(r"\s*[+-]?\d{0,9},\d{1,2}\s*", got):
        got = got.replace(",", ".")
    try:
        number = float(got)
    except ValueError:
        return None
    except OverflowError:
        return math.inf
    return None if math.isnan(number) else number


def _said(got: object) -> str:
    return clean(str(got), SHOWN_LIMIT)
