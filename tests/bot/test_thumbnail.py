"""A finished film gets a thumbnail where the chat wants one, and does not wait for it for long."""

from pathlib import Path

from test_canvas import a_job, some_sections

from bot.canvas import view
from bot.chat import ChatMessage, Now, Terms, Wanted, compose
from bot.discord_sender import STYLE
from bot.film import POSTER_MS, film_of
from db import renditions, requests
from db.connect import Database
from db.media import Media
from db.models import Platform, State
from db.renditions import Rendered
from db.requests import Ask, Limits
from tests.ready import ready


def message(sha: str) -> ChatMessage:
    return ChatMessage(
        job=1, revision=1, lines=("ready",), quoted=None, buttons=(), seed=None,
        film=Wanted(kind="final", sha=sha, seconds=1.2), alt="", terminal=True, result=True, place=None, answers=False,
        locale="en", dropped=False,
    )  # fmt: skip


async def test_a_film_is_as_long_as_what_is_ready_of_it(tmp_path: Path) -> None:
    async with Database.open(data_dir=ready(tmp_path)) as db:
        media = Media(tmp_path / "media")
        film = media.put(b"a film")
        for state in (State.RUNNING, State.STOPPED):
            job = a_job(film=film, state=state, done=2)  # of four sections
            shown = compose(job, view(job, some_sections(2), None, None, None), STYLE, Terms(), Now(ms=0))
            made = await film_of(db, media, job, shown, 1 << 20)
            assert made is not None and made.duration_ms == 2400


async def test_telegram_gets_one_and_waits_no_longer_than_a_moment(tmp_path: Path) -> None:
    now = [1_000_000]
    async with Database.open(data_dir=ready(tmp_path), clock=lambda: now[0]) as db:
        media = Media(tmp_path / "media")
        film, picture = media.put(b"a film"), media.put(b"a picture")
        asked = Ask(
            key="k", platform=Platform.TELEGRAM, user_id="1", chat_id="1", locale="en", picture=picture, prompt="",
            settings={"fps": 30, "frames": 37}, plan={"model": "m", "width": 64, "height": 48, "steps": 1}, sections=1,
        )  # fmt: skip
        row = await requests.submit(db, asked, Limits(queued_per_user=9, queued_per_chat=9, queued_in_all=9))
        job = a_job(id=row.id, platform=Platform.TELEGRAM, film=film, state=State.DONE, plan=dict(asked.plan))
        assert await film_of(db, media, job, message(film), 1 << 20) is None
        now[0] += POSTER_MS
        late = await film_of(db, media, job, message(film), 1 << 20)
        assert late is not None and late.poster is None
        wanted = await renditions.next_wanted(db)
        assert wanted is not None and wanted.kind == "poster" and wanted.limit_bytes < 200_000
        await renditions.ready(db, wanted.id, Rendered(sha=picture, bytes=9, width=64, height=48, duration_ms=0))
        shown = await film_of(db, media, job, message(film), 1 << 20)
        assert shown is not None and shown.poster == media.path(picture)
        elsewhere = await film_of(db, media, a_job(film=film, state=State.DONE), message(film), 1 << 20)
        assert elsewhere is not None and elsewhere.poster is None
