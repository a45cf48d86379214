"""Every configured chat, the poster, and what takes messages away again: tasks of one event loop."""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.config import DiscordConfig, SafetyConfig, TelegramConfig
from bot.discord_server import of_server, terms_of
from bot.film import film_of
from bot.intake import Intake
from bot.poster import FilmOf, Hooks, Poster
from bot.remover import Remover
from bot.sender import Sender
from db import people, requests
from db.connect import Database
from db.media import Media
from db.models import Platform
from db.rows import Canvas, Job, Notify

if TYPE_CHECKING:  # the chats' libraries take a second to import: only for those who have a token
    from bot.discord_bot import DiscordBot
    from bot.telegram_bot import TelegramBot


@dataclass
class Front:
    """What the chats have in common. Add those that are configured, then run `tasks()`; with none there are none."""

    intake: Intake
    db: Database
    media: Media
    safety: SafetyConfig
    senders: list[Sender] = field(default_factory=list)
    bots: "list[DiscordBot | TelegramBot]" = field(default_factory=list)

    @property
    def film_of(self) -> FilmOf:
        """What finds the film of a message."""
        return partial(film_of, self.db, self.media)

    def discord(self, config: DiscordConfig) -> None:
        """Add Discord, where a token is configured. raises: ConfigError."""
        if token := config.secret():
            from bot.discord_bot import DiscordBot

            bot = DiscordBot(config, self.safety, self.intake, self.db, self.media, token)
            self.senders.append(bot.sender)
            self.bots.append(bot)

    def telegram(self, config: TelegramConfig) -> None:
        """Add Telegram, where a token is configured. raises: ConfigError."""
        if token := config.secret():
            from bot.telegram_bot import TelegramBot

            bot = TelegramBot(config, self.safety, self.intake, self.db, self.media, token, film_of=self.film_of)
            self.senders.append(bot.sender)
            self.bots.append(bot)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run."""
        if not self.senders:
            return []
        terms = partial(terms_of, self.db, self.intake.rules.longest_seconds)
        hooks = hooks_of(self.db, self.intake)
        poster = Poster(self.db, self.senders, self.film_of, terms=terms, hooks=hooks)
        return [*(bot.run() for bot in self.bots), poster.run(), Remover(self.db, self.senders).run()]


def hooks_of(db: Database, intake: Intake) -> Hooks:
    """What the poster asks of the other parts."""
    known: dict[int, str | None] = {}

    async def notify(job: Job) -> Notify:
        return (await people.get(db, job.platform, job.user_id)).notify

    async def gone(job: Job) -> None:
        """Whoever deletes the message wants no film, on servers that say so."""
        if (await of_server(db, job.server_id)).delete_cancels:
            await requests.wish(db, job.id, "cancel", "")

    async def shut(job: Job, canvas: Canvas) -> None:
        """Direct messages are closed: the second time, nobody waits there. Telegram's sender sees to its own."""
        if job.platform == Platform.DISCORD and not canvas.server_id:
            await people.shut_out(db, job.platform, job.user_id, canvas.chat_id)

    async def link(job: Job) -> str | None:
        if job.id not in known:  # the same one each time, else the message would seem to have changed
            known[job.id] = await intake.link(job.id)
        return known[job.id]

    return Hooks(notify=notify, gone=gone, shut=shut, link=link)
