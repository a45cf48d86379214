"""The Discord bot, through real discord.py, against a server that checks every request."""

import asyncio
import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest
from discord_stage import Stage, png, stage

from bot.config import DiscordConfig
from bot.discord_bot import DiscordBot
from bot.discord_commands import OPTIONS
from bot.discord_sender import STYLE, DiscordSender
from bot.errors import Refused
from bot.remover import Remover
from bot.sender import Blocked, Closed, Failed, Gone, PutOff, SendError, Spot, TooBig, Unknown, Unreachable
from bot.words import say
from db import absences, canvases, chats, inbox, jobs, operators, people, removals, renditions, requests
from db.models import Platform, State
from tests.fakes.discord import ADULT, CHANNEL, DM, GUILD, ROLE, THREAD, Sent
from tests.ready import count_on_from

HERE = Platform.DISCORD
MANAGER = str(discord.Permissions(manage_guild=True).value)


async def test_a_command_becomes_a_film_that_grows_in_its_message(tmp_path: Path) -> None:
    async with stage(tmp_path, slow=True) as s:
        asked = await s.animate("fog rolls in | 2s: night falls")
        first = await s.there.answer(asked)
        message = first["message"]
        assert message.content == "Checking your picture…"
        await s.there.until(lambda: "Next in line" in message.content)
        assert "`fog rolls in | 2s: night falls`" in message.content
        assert list(message.buttons()) == ["Cancel"]
        await s.work()
        await s.there.until(lambda: message.attachments)
        assert "1.2 of 3.6 s are ready" in message.content
        assert "· 3.6 s ·" in message.content and " 4 s" not in message.content
        assert "left out" not in message.content
        assert list(message.buttons()) == ["Stop here", "Change what happens next", "Cancel"]
        while await s.work():
            pass
        await s.there.until(lambda: "Your film is ready: 3.6 s" in message.content)
        assert len(message.attachments) == 1
        assert s.there.files[message.attachments[0]["id"]] == b"film of job 1 up to 2" * 50
        assert list(message.buttons()) == ["New seed", "Edit prompt", "Extend +5 s", "Details"]
        assert "AI-animated" in message.content
        assert len(s.there.in_channel()) == 1


async def test_nothing_is_said_of_voice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = True
    async with stage(tmp_path):
        assert "voice" not in caplog.text


async def test_buttons_make_new_films_with_messages_of_their_own(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        first = (await s.there.answer(await s.animate()))["message"]
        await s.job(1)
        while await s.work():
            pass
        await s.there.until(lambda: "New seed" in first.buttons())
        seeded = (await s.there.answer(await s.there.press(first, "New seed")))["message"]
        assert "Next in line" in seeded.content
        assert (await s.job(2)).parent_id == 1
        await s.there.answer(await s.there.press(first, "Extend +5 s"))
        longer = await s.job(3)
        assert (longer.parent_id, longer.done, longer.sections) == (1, 3, 7)
        limit = s.intake.rules.longest_seconds
        s.intake.rules = dataclasses.replace(s.intake.rules, longest_seconds=3.9)  # its owner thought better of it
        pressed = await s.there.press(first, "Extend +5 s")
        await s.there.answer(pressed)
        assert "This film has 3.6 s, and the limit is 3.9 s" in s.there.said_to(pressed)[0].content
        s.intake.rules = dataclasses.replace(s.intake.rules, longest_seconds=limit)
        opened = await s.there.press(first, "Edit prompt")
        assert (await s.there.answer(opened))["type"] == 9
        custom_id = s.there.modals[-1]["custom_id"]
        await s.there.answer(await s.there.submit(custom_id, {"prompt": "the sun rises"}))
        edited = await s.job(4)
        assert (edited.prompt, edited.parent_id) == ("the sun rises", 1)


async def test_stop_here_keeps_the_film_and_cancel_asks_twice(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        first = (await s.there.answer(await s.animate()))["message"]
        await s.job(1)
        second = (await s.there.answer(await s.animate("rain")))["message"]
        await s.job(2)
        for _ in range(2):
            await s.work()
        await s.there.until(lambda: "Stop here" in first.buttons() and "Stop here" in second.buttons())
        await s.there.press(first, "Stop here")
        await s.there.until(lambda: "Stopped at 1.2 s" in first.content)
        assert "<@7000>" in first.content
        asked = await s.there.press(second, "Cancel")
        await s.there.answer(asked)
        (sure,) = s.there.said_to(asked)
        assert sure.ephemeral and sure.content == "Cancel film 2? 1.2 s of it are ready."
        assert list(sure.buttons()) == ["Cancel, keep the 1.2 s", "Cancel and delete", "Don't cancel"]
        instead = (await s.there.answer(await s.there.press(sure, "Don't cancel")))["data"]
        assert (instead["content"], instead["components"]) == ("Film 2 is not cancelled.", [])
        assert (await jobs.get(s.db, 2)).state == State.QUEUED
        asked = await s.there.press(second, "Cancel")
        await s.there.answer(asked)
        (sure,) = s.there.said_to(asked)
        await s.there.press(sure, "Cancel, keep the 1.2 s")
        await s.there.until(lambda: "Cancelled" in second.content)
        assert second.attachments


async def test_cancelled_and_deleted_nothing_of_it_is_left(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.job(1)
        await s.work()
        await s.there.until(lambda: "Stop here" in message.buttons())
        film = (await jobs.get(s.db, 1)).film
        assert film and s.media.exists(film)
        asked = await s.there.press(message, "Cancel")
        await s.there.answer(asked)
        (sure,) = s.there.said_to(asked)
        for button in ("Cancel and delete", "Cancel, keep the 1.2 s"):
            made_up = await s.there.press(sure, button, user="8000")
            await s.there.answer(made_up)
            assert s.there.said_to(made_up)[0].content.startswith("Only the person who asked")
        assert (await jobs.get(s.db, 1)).state == State.QUEUED
        instead = (await s.there.answer(await s.there.press(sure, "Cancel and delete")))["data"]
        assert (instead["content"], instead["components"]) == ("The film is deleted.", [])
        assert await jobs.recent(s.db, 5) == []
        assert not s.media.exists(film)
        assert [(each.chat_id, each.message_id) for each in await removals.due(s.db, HERE, 10)] == [
            (message.channel, message.id)
        ]


async def test_a_film_that_became_ready_meanwhile_is_not_deleted_by_an_old_question(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.there.answer(await s.animate())
        await s.job(1)
        await s.work()
        typed = await s.there.command("cancel", {"job": "1"})  # asks as the button does
        await s.there.answer(typed)
        (sure,) = s.there.said_to(typed)
        while (await jobs.get(s.db, 1)).state != State.DONE:
            await s.work()
        ended = {"Cancel and delete": "nothing was deleted", "Cancel, keep the 1.2 s": "already ended"}
        for button, said in ended.items():
            pressed = await s.there.press(sure, button)
            await s.there.answer(pressed)
            assert said in s.there.said_to(pressed)[0].content
        assert (await jobs.get(s.db, 1)).state == State.DONE


async def test_while_it_grows_the_rest_can_be_told_something_else(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.job(1)
        await s.work()
        await s.there.until(lambda: "Change what happens next" in message.buttons())
        await s.there.answer(await s.there.press(message, "Change what happens next"))
        sent = await s.there.submit(s.there.modals[-1]["custom_id"], {"prompt": "it snows"})
        await s.there.answer(sent)
        assert "it snows" in (await jobs.get(s.db, 1)).prompt
        assert (await jobs.get(s.db, 1)).plan["prompts"][-1] == "it snows"
        assert "left out" not in message.content


async def test_only_owners_and_moderators_press(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.there.until(lambda: "Cancel" in message.buttons())
        asked = await s.there.press(message, "Cancel", user="8000")
        await s.there.answer(asked)
        (said,) = s.there.said_to(asked)
        assert said.ephemeral
        assert said.content == "Only the person who asked for this film, or a moderator here, can do that."
        assert (await jobs.get(s.db, 1)).state == State.QUEUED
        await s.there.press(message, "Cancel", user="8000", permissions=str(1 << 13))
        await s.there.until(lambda: "Cancelled" in message.content)


async def test_buttons_and_open_modals_outlive_the_process(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.job(1)
        while await s.work():
            pass
        await s.there.until(lambda: "Edit prompt" in message.buttons())
        await s.there.answer(await s.there.press(message, "Edit prompt"))
        custom_id = s.there.modals[-1]["custom_id"]
        await s.stop()
        await s.start()
        await s.there.answer(await s.there.submit(custom_id, {"prompt": "after the restart"}))
        assert (await s.job(2)).prompt == "after the restart"
        await s.there.answer(await s.there.press(message, "New seed"))
        assert (await s.job(3)).parent_id == 1
        assert s.there.syncs == 1, "the commands are registered once"


async def test_the_same_interaction_twice_is_one_job(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await s.animate()
        await s.there.answer(asked)
        await s.job(1)
        options = {"image": s.there.upload(b"x"), "prompt": "again"}
        await s.there.command("animate", options, again=asked)
        await s.animate("another one")
        await s.job(2)
        assert len(await jobs.recent(s.db, 10)) == 2


async def test_refusals_reach_only_the_one_who_asked(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        asked = await s.animate(app_permissions=str(1 << 10))
        await s.there.answer(asked)
        (said,) = s.there.said_to(asked)
        assert said.ephemeral
        assert "Send Messages, Attach Files, Read Message History" in said.content and f"<#{CHANNEL}>" in said.content
        big = s.there.upload(b"x") | {"size": 30 * 2**20}
        asked = await s.there.command("animate", {"image": big})
        await s.there.answer(asked)
        assert "30 MiB, and the limit is 20 MiB" in s.there.said_to(asked)[0].content
        text = s.there.upload(b"this is no picture")
        asked = await s.there.command("animate", {"image": text})
        await s.there.until(lambda: len(s.there.said_to(asked)) == 2 and s.there.said_to(asked)[0].deleted)
        assert s.there.said_to(asked)[1].ephemeral
        elsewhere = s.there.upload(b"x") | {"url": "http://169.254.169.254/latest"}
        asked = await s.there.command("animate", {"image": elsewhere})
        await s.there.until(lambda: len(s.there.said_to(asked)) == 2)
        assert "Only pictures uploaded to Discord" in s.there.said_to(asked)[1].content
        assert await jobs.recent(s.db, 10) == []
        async with asyncio.timeout(30):  # the refusal is said first, then the letter is put away
            while await inbox.unhandled(s.db, HERE):  # noqa: ASYNC110  (rows have no event)
                await asyncio.sleep(0.05)


async def test_what_is_known_beforehand_is_refused_at_once_and_seen_by_nobody_else(tmp_path: Path) -> None:
    queue = requests.Limits(queued_per_user=1, queued_per_chat=9, queued_in_all=9)
    async with stage(tmp_path, operators=(1,), rules={"queue": queue, "blocked_words": ("rude",)}) as s:
        wide = s.there.upload(b"x") | {"width": 9000, "height": 100}
        refusals = {
            "more than 8 times the short one": {"image": wide},
            "a word that is not allowed": {"prompt": "something rude"},
            "the film ends at 4 s": {"prompt": "fog | 9s: rain"},
            "1 of your films are in line": {},
        }

        async def first_said(**options: Any) -> str:
            answer = (await s.there.answer(await s.animate(**options)))["message"]
            assert answer.ephemeral
            return str(answer.content)

        await s.animate()
        await s.job(1)
        for sentence, options in refusals.items():
            assert sentence in await first_said(**options)
        await s.there.answer(await s.there.command("drain", group="studio", user="1"))
        assert "No new films are taken in" in await first_said(user="7001")
        banned = {"user": {"id": "7002", "username": "u", "discriminator": "0", "avatar": None}}
        await s.there.answer(await s.there.command("ban", {"user": banned, "reason": "spam"}, group="studio", user="1"))
        assert "You may not ask for films here: spam" in await first_said(user="7002")
        assert len(s.there.in_channel()) == 1


async def test_a_role_of_the_server_may_have_limits_of_its_own(tmp_path: Path) -> None:
    async with stage(tmp_path, operators=(1,)) as s:
        for given in ({"seconds": 2}, {"seconds": 5, "role": {"role": ROLE}}):
            asked = await s.there.command("limits", given, group="studio", user="1")
            await s.there.answer(asked)
        assert s.there.said_to(asked)[0].content == "Limits of <@&2500>: films up to 5 s"
        refused = (await s.there.answer(await s.animate()))["message"]
        assert refused.ephemeral and "up to 2 s long; you asked for 4." in refused.content
        allowed = (await s.there.answer(await s.animate(roles=("2500",))))["message"]
        await s.there.until(lambda: "Next in line" in allowed.content)


async def test_the_language_is_the_clients_unless_another_was_chosen(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.there.answer(await s.there.command("settings", {"language": "zh"}))
        for _ in range(2):
            asked = await s.there.command("history")
            assert (await s.there.answer(asked))["message"].content == say("zh", "discord.no_films")
            await s.stop()
            await s.start()
        asked = await s.there.command("history", user="7001", locale="zh-TW")
        assert (await s.there.answer(asked))["message"].content == say("zh", "discord.no_films")
        asked = await s.there.command("history", user="7002", locale="de")
        assert (await s.there.answer(asked))["message"].content == say("en", "discord.no_films")


async def test_a_long_prompt_is_kept_whole_and_shown_whole_in_the_details(tmp_path: Path) -> None:
    prompt = " ".join(f"wave{n}" for n in range(500))
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate(prompt)))["message"]
        await s.job(1)
        while await s.work():
            pass
        await s.there.until(lambda: "Details" in message.buttons())
        assert len(message.content) < 500
        asked = await s.there.press(message, "Details")
        await s.there.answer(asked)
        (details,) = s.there.said_to(asked)
        assert details.ephemeral and "wave100" in details.content
        assert s.there.files[details.attachments[0]["id"]].decode() == prompt


@pytest.mark.parametrize("ends", [True, False])
async def test_an_end_picture_can_be_given_where_the_model_can_end_on_one(tmp_path: Path, ends: bool) -> None:
    async with stage(tmp_path, ends=ends) as s:
        animate = next(each for each in s.there.commands if each["name"] == "animate")
        options = [option["name"] for option in animate["options"]]
        assert options == ["image", *OPTIONS[1:5], *(["end_image"] if ends else []), *OPTIONS[6:]]
        if ends:
            message = (await s.there.answer(await s.animate(end_image=s.there.upload(png("red")))))["message"]
            await s.there.until(lambda: "Made from its end" in message.content)
            assert (await s.job(1)).plan["sampling"] == "inverted"


async def test_by_direct_message_the_film_comes_there_and_a_closed_door_is_noticed(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        first = await s.there.answer(await s.animate(deliver="dm"))
        assert first["message"].ephemeral and "direct message" in first["message"].content
        (canvas,) = await s.there.until(lambda: s.there.in_channel(DM))
        while await s.work():
            pass
        await s.there.until(lambda: "Your film is ready" in canvas.content and canvas.attachments)
        s.there.fail("POST", f"/channels/{DM}/messages", (403, 50007), times=9)
        for n in (2, 3, 4):
            await s.animate(f"film {n}", deliver="dm")
            await s.job(n)

        async def dropped() -> bool:
            return sorted(job.state for job in await jobs.recent(s.db, 3))[0] == State.CANCELLED

        async with asyncio.timeout(30):
            while not await dropped():
                await chats.reachable(s.db, HERE, DM)
                await asyncio.sleep(0.1)
        assert (await people.get(s.db, HERE, "7000")).shut >= 2
        s.there.faults.clear()
        await s.animate("there again", channel=DM)
        async with asyncio.timeout(30):
            while (await people.get(s.db, HERE, "7000")).shut:  # noqa: ASYNC110  (rows have no event)
                await asyncio.sleep(0.05)


async def test_direct_messages_that_were_opened_again_are_used_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.there.fail("POST", f"/channels/{DM}/messages", (403, 50007))
        await s.animate(deliver="dm")
        async with asyncio.timeout(30):
            while (await chats.get(s.db, HERE, DM)).unreachable is None:  # noqa: ASYNC110  (rows have no event)
                await asyncio.sleep(0.05)
        await s.animate("rain", deliver="dm")
        await s.there.until(lambda: any("rain" in m.content for m in s.there.in_channel(DM)))


@pytest.mark.parametrize("keep", [True, False])
async def test_a_server_decides_whether_a_cancelled_films_part_stays(tmp_path: Path, keep: bool) -> None:
    async with stage(tmp_path, operators=(1,)) as s:
        asked = await s.there.command("config", {"keep_cancelled": keep}, group="studio", user="1")
        await s.there.answer(asked)
        message = (await s.there.answer(await s.animate()))["message"]
        await s.job(1)
        await s.work()
        await s.there.until(lambda: message.attachments)
        asked = await s.there.press(message, "Cancel")
        await s.there.answer(asked)
        (sure,) = s.there.said_to(asked)
        assert ("go out of the message" in sure.content) != keep
        assert list(sure.buttons()) == (
            ["Cancel, keep the 1.2 s", "Cancel and delete", "Don't cancel"]
            if keep
            else ["Cancel the film", "Cancel and delete", "Don't cancel"]
        )
        await s.there.press(sure, next(iter(sure.buttons())))
        await s.there.until(lambda: "Cancelled" in message.content)
        assert len(message.attachments) == keep
        assert list(message.buttons()) == ["Run again", "Edit prompt", "Details"]
        again = (await s.there.answer(await s.there.press(message, "Run again")))["message"]
        assert "made from film 1" in again.content
        await s.job(2)
        await s.work()
        says = "stay in its message" if keep else "go out of its message and are kept"
        for told in (f"Film 2 is cancelled. The 1.2 s that were ready {says}; you can", "This film has already ended"):
            asked = await s.there.command("cancel", {"job": "2"}, group="studio", user="1")
            await s.there.answer(asked)
            assert s.there.said_to(asked)[0].content.startswith(told)
        assert [deed.action for deed in await operators.audit(s.db, 5)] == ["cancel"]


async def test_when_roles_change_what_could_not_be_said_is_tried_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.there.until(lambda: "Next in line" in message.content)
        s.there.fail("PATCH", "/channels/", (403, 50013))
        await s.work()
        await s.there.until(lambda: not s.there.faults[-1].times)
        async with asyncio.timeout(30):
            while (await chats.get(s.db, HERE, CHANNEL)).unreachable is None:  # noqa: ASYNC110  (rows have no event)
                await asyncio.sleep(0.05)
        assert "1.2 of" not in message.content
        await s.there.dispatch("GUILD_ROLE_UPDATE", {"guild_id": GUILD, "role": ROLE})
        await s.there.until(lambda: "1.2 of 3.6 s" in message.content and message.attachments)


async def test_a_server_with_new_boosts_gets_larger_films_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.animate()
        await s.job(1)
        await chats.change(s.db, HERE, CHANNEL, limit_bytes=1000)
        boosted = {"id": GUILD, "name": "Studio", "roles": [ROLE], "premium_tier": 2, "features": []}
        await s.there.dispatch("GUILD_UPDATE", boosted)
        async with asyncio.timeout(30):
            while (await chats.get(s.db, HERE, CHANNEL)).limit_bytes:  # noqa: ASYNC110  (rows have no event)
                await asyncio.sleep(0.05)


async def test_moderators_take_a_reported_film_away(tmp_path: Path) -> None:
    async with stage(tmp_path, report_channel=int(ADULT)) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.job(1)
        while await s.work():
            pass
        film = await s.job(1)
        assert film.film and s.media.exists(film.film)
        await s.there.until(lambda: "Details" in message.buttons())
        await s.there.answer(await s.there.menu("Report film", s.there._json(message), user="8000"))
        reason = {"reason": "`that is` @everyone me"}
        await s.there.answer(await s.there.submit(s.there.modals[-1]["custom_id"], reason, user="8000"))
        (told,) = await s.there.until(lambda: s.there.in_channel(ADULT))
        assert f"/{CHANNEL}/{message.id}" in told.content and "`ˋthat isˋ @everyone me`" in told.content
        await s.there.answer(await s.there.press(told, "Delete this film", channel=ADULT, user="9000"))
        assert await jobs.recent(s.db, 5) == []
        assert not any(s.media.exists(sha) for sha in (film.film, film.picture))


async def test_a_ping_may_come_without_a_sound(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        assert s.bot is not None
        for silent in (True, False):
            spot = Spot(chat_id=CHANNEL, message_id="1")
            await s.bot.sender.notify(spot, "<@7000>, your film is ready.", "7000", f"n{silent}", silent=silent)
        loud, quiet = s.there.in_channel()[::-1]
        assert (quiet.silent, loud.silent) == (True, False)
        assert quiet.mentions == {"parse": [], "users": [7000], "replied_user": False}


async def test_the_terms_are_asked_once(tmp_path: Path) -> None:
    async with stage(tmp_path, consent=True) as s:
        asked = await s.animate()
        await s.there.answer(asked)
        (terms,) = s.there.said_to(asked)
        assert terms.ephemeral
        accepted = await s.there.press(terms, "I agree")
        await s.there.answer(accepted)
        assert (await s.job(1)).prompt == "fog rolls in"
        assert (await people.get(s.db, HERE, "7000")).consent == 1
        await s.animate("a second one")
        assert (await s.job(2)).prompt == "a second one"


async def test_hostile_text_pings_nobody_and_formats_nothing(tmp_path: Path) -> None:
    hostile = "`@everyone` <@7000> **bold** [x](http://e.vil) ||s|| <t:1:R>\u202eevil\u200b </x:1> ```"
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate(hostile)))["message"]
        await s.there.until(lambda: "in line" in message.content)
        line = next(each for each in message.content.split("\n") if "everyone" in each)
        span = line[: line.rindex("`") + 1]
        assert span.startswith("`")
        assert span.count("`") == 2
        assert "\u202e" not in span
        assert "\u200b" not in span
        assert STYLE.escape("@everyone **x** <@1>") == "@\u2060everyone \\*\\*x\\*\\* <\u2060@\u20601>\u2060"


@pytest.mark.parametrize("how", ["socket", "op 7", "4000"])
async def test_a_lost_gateway_is_resumed(how: str, tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        match how:
            case "socket":
                await s.there.drop()
            case "op 7":
                await s.there.order(7)
            case _:
                await s.there.drop(4000)
        await s.there.until(lambda: s.there.resumed == 1)
        await s.there.answer(await s.animate())
        assert (await s.job(1)).prompt == "fog rolls in"
        assert s.there.identified == 1


@pytest.mark.slow
async def test_a_session_that_ended_begins_anew(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.there.order(9, False)
        await s.there.until(lambda: s.there.identified == 2)
        await s.there.answer(await s.animate())
        await s.job(1)


@pytest.mark.parametrize("kind", ["429", "global", "old", 500, "lost", 403, (403, 40333)])
async def test_trouble_with_edits_ends_in_the_newest_state(kind: str | int | tuple[int, int], tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.there.until(lambda: "Next in line" in message.content)
        s.there.fail("PATCH", "/channels/", kind)
        while await s.work():
            pass
        await s.there.until(lambda: "Your film is ready" in message.content)
        await asyncio.sleep(0.5)
        assert "Your film is ready" in message.content
        assert len(message.attachments) == 1


async def test_a_film_over_the_limit_is_made_to_fit(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.there.limit_bytes = 200
        asked = await s.animate()
        message = (await s.there.answer(asked))["message"]
        await s.job(1)
        while await s.work():
            pass
        wanted = None
        while wanted is None:
            await asyncio.sleep(0.1)
            wanted = await renditions.next_wanted(s.db)
        while wanted is not None:  # the chat says only that it was too large, so it is tried smaller and smaller
            assert wanted.limit_bytes <= 1000
            size = min(wanted.limit_bytes, 150)
            small = await asyncio.to_thread(s.media.put, b"x" * size)
            made = renditions.Rendered(sha=small, bytes=size, width=8, height=8, duration_ms=100)
            await renditions.ready(s.db, wanted.id, made)
            await asyncio.sleep(0.5)
            wanted = await renditions.next_wanted(s.db)
        await s.there.until(lambda: "Your film is ready" in message.content and message.attachments)
        assert s.there.files[message.attachments[0]["id"]] == b"x" * 150


async def test_two_people_in_a_slow_channel_both_get_their_films(tmp_path: Path) -> None:
    async with stage(tmp_path, slow=True) as s:
        s.there.bucket = (2, 3.0)
        first = (await s.there.answer(await s.animate("rain", user="7001")))["message"]
        second = (await s.there.answer(await s.animate("snow", user="7002")))["message"]
        await s.job(2)
        while await s.work():
            pass
        await s.there.until(lambda: all("Your film is ready" in each.content for each in (first, second)), within_s=90)
        assert len(first.attachments) == len(second.attachments) == 1
        s.there.broken = [each for each in s.there.broken if not each.startswith("too fast")]


async def test_a_lost_first_answer_is_found_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.there.fail("POST", "/callback", "lost")
        asked = await s.animate()
        message = (await s.there.answer(asked))["message"]
        await s.there.until(lambda: "Next in line" in message.content)
        assert len(s.there.in_channel()) == 1


async def test_too_late_for_the_interaction_the_film_has_a_message_all_the_same(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.there.fail("POST", "/callback", (404, 10062))
        await s.animate()
        await s.there.until(lambda: any("Next in line" in m.content for m in s.there.in_channel()))
        assert len(s.there.in_channel()) == 1


async def test_a_request_that_a_crash_left_is_taken_up(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.there.fail("GET", "never", 500)
        held = s.intake._reading
        await held.acquire()  # its picture is being looked at for a long time
        message = (await s.there.answer(await s.animate()))["message"]
        await asyncio.sleep(0.3)
        await s.stop()
        held.release()
        assert len(await inbox.unhandled(s.db, HERE)) == 1
        await s.start()
        await s.there.until(lambda: "Next in line" in message.content)
        assert len(s.there.in_channel()) == 1
        assert await inbox.unhandled(s.db, HERE) == []


async def test_after_a_long_outage_the_messages_that_answered_are_still_known(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        held = s.intake._reading
        await held.acquire()
        good = (await s.there.answer(await s.animate()))["message"]
        bad = (await s.there.answer(await s.there.command("animate", {"image": s.there.upload(b"no picture")})))[
            "message"
        ]
        async with asyncio.timeout(30):
            while not all('"message"' in each.content for each in await inbox.unhandled(s.db, HERE)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await s.stop()
        held.release()
        s.there.fail("GET", "/webhooks/", (401, 50027), times=9)  # their tokens are too old by now
        await s.start()
        await s.there.until(
            lambda: "Next in line" in good.content and "not a kind of picture I can read" in bad.content
        )
        assert len(s.there.in_channel()) == 2


async def test_however_many_requests_a_crash_left_all_are_taken_up(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.stop()
        asked = {"application": "1000", "token": "", "user": "7000", "chat": CHANNEL, "server": GUILD, "locale": "en",
                 "roles": [], "url": "http://not.discord.example/"}  # fmt: skip
        letters = [(f"discord:{n}", "7000", json.dumps(asked)) for n in range(130)]
        await inbox.receive(s.db, HERE, letters)
        await s.start()
        async with asyncio.timeout(30):
            while await inbox.unhandled(s.db, HERE):  # noqa: ASYNC110  (rows have no event)
                await asyncio.sleep(0.05)


async def test_who_cannot_be_told_since_the_bot_is_being_closed_is_no_error(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        assert s.bot is not None
        await s.bot.close()
        await s.bot._take_back({"locale": "en", "chat": "3000"}, "5001", Refused("refused.trouble"), None)
        assert await s.bot._original({"application": "1000", "token": "token5000"}) is None


async def test_a_deleted_message_comes_back_with_the_film(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.there.until(lambda: "Next in line" in message.content)
        message.deleted = True
        while await s.work():
            pass
        await s.there.until(lambda: any("Your film is ready" in m.content for m in s.there.in_channel()))
        (again,) = s.there.in_channel()
        assert len(again.attachments) == 1


async def test_a_channel_without_rights_gets_no_more_calls(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.there.until(lambda: "Next in line" in message.content)
        s.there.fail("PATCH", "/channels/", (403, 50001), times=100)
        while await s.work():
            pass
        alone = await s.there.until(lambda: s.there.in_channel(DM))  # its owner gets it nevertheless
        assert "Your film is ready" in alone[0].content and len(alone[0].attachments) == 1
        assert sum(method == "PATCH" and "/channels/" in path for _, method, path in s.there.calls) <= 2
        s.there.faults.clear()
        again = (await s.there.answer(await s.animate("a command there")))["message"]
        await s.there.until(lambda: "Next in line" in again.content)
        assert len(s.there.in_channel(DM)) == 1 and "Your film" not in message.content


@pytest.mark.parametrize("lost", [None, (404, 10003)])
async def test_a_film_of_a_locked_thread_comes_above_it_or_to_its_owner(
    lost: tuple[int, int] | None, tmp_path: Path
) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate(channel=THREAD)))["message"]
        await s.there.until(lambda: "Next in line" in message.content)
        await s.there.archive(locked=True)
        if lost:
            s.there.fail("GET", f"/channels/{THREAD}$", lost, times=9)
        while await s.work():
            pass
        (film,) = await s.there.until(lambda: s.there.in_channel(DM if lost else CHANNEL))
        assert "Your film is ready" in film.content and f"asked for in <#{THREAD}>" in film.content
        assert len(film.attachments) == 1
        calls = [path for _, method, path in s.there.calls if method in ("POST", "PATCH") and THREAD in path]
        assert len(calls) <= 4


async def test_an_archived_thread_is_opened_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate(channel=THREAD)))["message"]
        await s.there.until(lambda: "Next in line" in message.content)
        await s.there.archive(locked=False)
        while await s.work():
            pass
        await s.there.until(lambda: "Your film is ready" in message.content and message.attachments)


async def test_a_token_that_is_not_taken_says_nothing_of_a_channel(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = (await s.there.answer(await s.animate()))["message"]
        await s.there.until(lambda: "Next in line" in message.content)
        s.there.fail("PATCH", "/channels/", (401, 0))
        await s.work()
        async with asyncio.timeout(30):
            while (await chats.get(s.db, HERE, "")).frozen_until_ms < s.db.steady():  # noqa: ASYNC110  (no event)
                await asyncio.sleep(0.05)
        assert (await chats.get(s.db, HERE, CHANNEL)).unreachable is None
        canvas = await canvases.get(s.db, 1)
        assert canvas and (canvas.chat_id, canvas.message_id) == (CHANNEL, message.id)


async def test_a_server_has_its_own_prompt_and_may_cancel_what_is_deleted(tmp_path: Path) -> None:
    async with stage(tmp_path, operators=(1,)) as s:
        set_ = {"prompt": "a slow push in", "delete_cancels": True}
        asked = await s.there.command("config", set_, group="studio", user="1")
        await s.there.answer(asked)
        said = s.there.said_to(asked)[0].content
        assert "`a slow push in`" in said and "growing film cancels it" in said
        message = (await s.there.answer(await s.animate(prompt="")))["message"]
        await s.there.until(lambda: "`a slow push in`" in message.content)
        message.deleted = True
        await s.work()
        for _ in range(500):
            if (await jobs.get(s.db, 1)).state == State.CANCELLED:
                break
            await asyncio.sleep(0.05)
        assert (await jobs.get(s.db, 1)).state == State.CANCELLED


async def test_a_film_of_an_age_restricted_channel_stays_in_such(tmp_path: Path) -> None:
    async with stage(tmp_path, public_url="https://films.example/") as s:
        message = (await s.there.answer(await s.animate(channel=ADULT)))["message"]
        await s.job(1)
        while await s.work():
            pass
        await s.there.until(lambda: "New seed" in message.buttons())
        for channel, says in ((CHANNEL, "age-restricted"), (ADULT, "Your film is ready")):
            asked = await s.there.command("history", channel=channel)
            await s.there.answer(asked)
            (menu,) = s.there.said_to(asked)
            shown = await s.there.press(menu, "fphistory", ["1"], channel=channel)
            answer = (await s.there.answer(shown))["message"]
            assert says in answer.content and answer.ephemeral == (channel == CHANNEL)
        asked = await s.there.press(message, "Details", channel=ADULT)
        await s.there.answer(asked)
        assert "https://films.example/w/" in s.there.said_to(asked)[0].content


async def test_a_growing_film_that_is_shown_again_goes_on_there_and_leaves_no_message_behind(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        old = (await s.there.answer(await s.animate()))["message"]
        await s.job(1)
        await s.work()
        await s.there.until(lambda: "Stop here" in old.buttons())
        menu = (await s.there.answer(await s.there.command("history")))["message"]
        new = (await s.there.answer(await s.there.press(menu, "fphistory", ["1"])))["message"]
        removing = asyncio.create_task(Remover(s.db, [s.bot.sender], between_s=0.05).run())
        await s.there.until(lambda: old.deleted)
        removing.cancel()
        while await s.work():
            pass
        await s.there.until(lambda: "New seed" in new.buttons())
        assert (await s.job(1)).state == State.DONE
        assert [message.id for message in s.there.in_channel()] == [new.id]


async def test_a_film_made_anew_belongs_to_the_channel_it_is_made_in(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:

        async def shown(n: int, channel: str) -> Sent:
            menu = (await s.there.answer(await s.there.command("history", channel=channel)))["message"]
            message = (await s.there.answer(await s.there.press(menu, "fphistory", [str(n)], channel=channel)))[
                "message"
            ]
            return await s.there.until(lambda: "New seed" in message.buttons() and message)

        await s.animate(channel=DM)
        await s.job(1)
        while await s.work():
            pass
        tame, adult = await shown(1, CHANNEL), await shown(1, ADULT)
        await operators.limit_server(s.db, "x", GUILD, {"longest_seconds": 2})
        refused = (await s.there.answer(await s.there.press(tame, "New seed")))["message"]
        assert refused.ephemeral and "up to 2 s long; you asked for 4." in refused.content
        await operators.limit_server(s.db, "x", GUILD, {"longest_seconds": 9})
        await s.there.answer(await s.there.press(adult, "New seed", channel=ADULT))
        made = await s.job(2)
        assert (made.server_id, made.settings["adult"]) == (GUILD, True)
        await s.there.answer(await s.there.press(tame, "New seed", channel=DM))
        made = await s.job(3)
        assert (made.server_id, made.settings.get("adult")) == ("", None)


async def typing(s: Stage, typed: str) -> None:
    """Somebody types that much of a number behind /cancel."""
    data = {"id": next(c["id"] for c in s.there.commands if c["name"] == "cancel"), "name": "cancel", "type": 1}
    data["options"] = [{"name": "job", "type": 3, "value": typed, "focused": True}]
    await s.there.answer(await s.there.interaction(4, data))


async def test_what_autocomplete_and_lists_say(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.animate()
        await s.job(1)
        asked = await s.there.command("queue")
        await s.there.answer(asked)
        assert s.there.said_to(asked)[0].content == "**Next in line · film 1 (yours)** · `fog rolls in`"
        asked = await s.there.command("queue", user="5", locale="zh-CN")
        await s.there.answer(asked)
        assert s.there.said_to(asked)[0].content == "排在第 1 位，下一个就开始 · 影片 1"
        await typing(s, "")
        assert s.there.choices == [{"name": "1 · fog rolls in", "value": "1"}]
        for name in ("help", "privacy", "settings", "history"):
            asked = await s.there.command(name, locale="zh-CN")
            answer = await s.there.answer(asked)
            assert answer["message"].ephemeral
            assert any("\u4e00" <= letter <= "\u9fff" for letter in answer["message"].content)
        shown = await s.there.press(answer["message"], "fphistory", ["1"])
        again = (await s.there.answer(shown))["message"]
        assert "Next in line" in again.content
        for _ in range(100):
            canvas = await canvases.get(s.db, 1)
            if canvas and canvas.message_id == again.id:
                break
            await asyncio.sleep(0.05)
        assert canvas and canvas.message_id == again.id
        asked = await s.there.command("cancel", {"job": "1"})
        await s.there.answer(asked)
        assert (await jobs.get(s.db, 1)).state == State.CANCELLED


async def test_a_film_has_one_number_wherever_a_person_reads_or_types_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        count_on_from(s.db, 36)
        message = (await s.there.answer(await s.animate()))["message"]
        await s.job(36)
        await s.work()
        await s.there.until(lambda: "Stop here" in message.buttons())
        asked = await s.there.command("queue")
        await s.there.answer(asked)
        assert s.there.said_to(asked)[0].content.startswith("**1.2 of 3.6 s are ready · ready <t:")
        await typing(s, "#3")
        assert s.there.choices == [{"name": "36 · fog rolls in", "value": "36"}]
        asked = await s.there.command("cancel", {"job": "1o"})
        await s.there.answer(asked)
        assert s.there.said_to(asked)[0].content.startswith("1o is not a film number.")
        sent = await s.there.submit("fp:steer:10", {"prompt": "it snows"})  # a form that an older version opened
        await s.there.answer(sent)
        assert "film 36 follows" in s.there.said_to(sent)[0].content
        assert message.buttons()["Stop here"] == "fp:stop:10", "as the messages of older versions have it"
        await s.there.press(message, "Stop here")
        await s.there.until(lambda: "Details" in message.buttons())
        asked = await s.there.press(message, "Details")
        await s.there.answer(asked)
        (details,) = s.there.said_to(asked)
        assert details.content.startswith("film 36")
        assert details.buttons()["Delete this film"] == "fpsure:delete:10"
        asked = await s.there.command("history")
        listed = (await s.there.answer(asked))["message"]
        (chosen,) = listed.components[0]["components"][0]["options"]
        assert (chosen["label"], chosen["value"]) == ("36 · fog rolls in | 1.2s: it snows", "10")
        again = (await s.there.answer(await s.there.press(listed, "fphistory", ["10"])))["message"]
        assert "Stopped" in again.content
        asked = await s.there.command("cancel", {"job": "#36"})
        await s.there.answer(asked)
        assert "already ended" in s.there.said_to(asked)[0].content


@pytest.mark.parametrize("restarted", [True, False])
async def test_forget_me_deletes_everything(restarted: bool, tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.animate()
        job = await s.job(1)
        asked = await s.there.command("forget-me")
        await s.there.answer(asked)
        (sure,) = s.there.said_to(asked)
        if restarted:
            await s.stop()
            await s.start()
        await s.there.answer(await s.there.press(sure, "Delete everything"))
        assert await jobs.recent(s.db, 10) == []
        assert not s.media.exists(job.picture)


async def test_the_studio_is_for_those_who_run_the_server(tmp_path: Path) -> None:
    async with stage(tmp_path, operators=(1,)) as s:
        asked = await s.there.command("pause", {"reason": "cleaning"}, group="studio")
        await s.there.answer(asked)
        assert s.there.said_to(asked)[0].content == "Only people who manage this server can do that."
        asked = await s.there.command("pause", {"reason": "cleaning"}, group="studio", user="1")
        await s.there.answer(asked)
        assert s.there.said_to(asked)[0].content.startswith("Paused.")
        asked = await s.there.command("pause", {"reason": "a game", "now": True}, group="studio", user="1")
        await s.there.answer(asked)
        assert [deed.action for deed in await operators.audit(s.db)] == ["pause_now", "pause"]
        await absences.goes(s.db, "home:1", "hours", {"opens": "22:00"}, None)
        asked = await s.there.command("status", group="studio", user="1")
        await s.there.answer(asked)
        assert "Waiting for the hours in which films are made" in s.there.said_to(asked)[0].content
        await absences.back(s.db, "home:1")
        await s.animate()
        await s.job(1)
        assert await s.work() is None
        claim = None
        await s.there.answer(await s.there.command("resume", group="studio", user="1"))
        while claim is None:
            claim = await jobs.claim(s.db, "worker", 60_000)
        await jobs.release(s.db, claim, crashed=True, reason="worker_crashed")
        asked = await s.there.command("status", group="studio", user="1")
        await s.there.answer(asked)
        assert "The engine stopped and is started again" in s.there.said_to(asked)[0].content
        for name in ("resume", "limits", "channels", "config"):
            asked = await s.there.command(name, group="studio", user="1")
            assert (await s.there.answer(asked))["message"].ephemeral


async def test_the_studio_says_what_is_closed_and_what_was_done_by_whom_and_why(tmp_path: Path) -> None:
    async def said(name: str, options: dict[str, Any] | None = None) -> list[str]:
        asked = await s.there.command(name, options or {}, group="studio", permissions=MANAGER)
        await s.there.answer(asked)
        return s.there.said_to(asked)[0].content.splitlines()

    async with stage(tmp_path) as s:
        await s.animate()
        await s.job(1)
        await said("drain")
        assert (await said("status"))[0] == "Nothing new is taken in."
        await said("drain", {"reason": "too *hot*"})
        assert (await said("status"))[0] == r"Nothing new is taken in: too \*hot\*"
        whom = {"user": {"id": "7001", "username": "u", "discriminator": "0", "avatar": None}}
        await said("ban", {"user": whom, "reason": "spam"})
        await operators.cancel(s.db, "terminal", 1)
        deeds = [line.split(" · ", 1) for line in (await said("config"))[4:]]
        assert all(re.fullmatch(r"<t:\d+:R>", when) for when, _ in deeds)
        assert [what for _, what in deeds] == [
            "terminal cancelled · film 1",
            "<@7000> banned · <@7001> · spam",
            r"<@7000> drained · too \*hot\*",
            "<@7000> drained",
        ]


@pytest.mark.parametrize(("channel", "also"), [({"id": CHANNEL, "type": 0}, THREAD), ({"id": "3300", "type": 15}, "")])
async def test_films_may_be_asked_for_in_an_allowed_channel_and_its_threads(
    channel: dict[str, Any], also: str, tmp_path: Path
) -> None:
    async with stage(tmp_path, operators=(1,)) as s:
        chosen = {"channel": {"channel": {**channel, "name": "films", "permissions": "0"}}}
        told = (await s.there.answer(await s.there.command("channels", chosen, group="studio", user="1")))["message"]
        assert f"<#{channel['id']}>" in told.content
        for where in (CHANNEL, THREAD, ADULT):
            answer = (await s.there.answer(await s.animate(channel=where)))["message"]
            assert answer.ephemeral == (where not in (channel["id"], also))


async def test_the_film_of_a_covered_picture_is_covered(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        pictures = [s.there.upload(png(colour), name) for colour, name in (("red", "a.png"), ("tan", "SPOILER_b.png"))]
        for n, picture in enumerate(pictures):
            await s.there.command("animate", {"image": picture})
            assert ("spoiler" in (await s.job(n + 1)).settings) == (n == 1)
        posted = s.there._json(s.there._new(CHANNEL, {"content": "look"}, [])) | {"attachments": pictures}
        for n in range(2):
            await s.there.answer(await s.there.menu("Animate image", posted))
            await s.there.answer(await s.there.submit(s.there.modals[-1]["custom_id"], {"which": str(n + 1)}))
            assert ("spoiler" in (await s.job(n + 3)).settings) == (n == 1)


async def test_menus_animate_and_report_what_stands_in_a_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        picture = s.there.upload(png("navy"))
        posted = s.there._json(s.there._new("3000", {"content": "look"}, []))
        posted["attachments"] = [picture]
        await s.there.answer(await s.there.menu("Animate image", posted))
        form = s.there.modals[-1]["custom_id"]
        await s.stop()
        await s.start()
        sent = await s.there.submit(form, {"prompt": "waves", "seconds": "2"})
        message = (await s.there.answer(sent))["message"]
        assert (await s.job(1)).prompt == "waves"
        await s.there.until(lambda: "Next in line" in message.content)
        await s.there.answer(await s.there.menu("Report film", s.there._json(message), user="8000"))
        asked = await s.there.submit(s.there.modals[-1]["custom_id"], {"reason": "not nice"}, user="8000")
        await s.there.answer(asked)
        assert "moderators" in s.there.said_to(asked)[0].content


async def test_commands_are_localized_and_registered_where_they_belong(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        animate = next(each for each in s.there.commands if each["name"] == "animate")
        assert animate["name_localizations"]["zh-CN"] == "动画"
        assert animate["integration_types"] == [0]
        assert animate["contexts"] == [0, 1]
        menu = next(each for each in s.there.commands if each["name"] == "Animate image")
        assert (menu["type"], menu["integration_types"], menu["contexts"]) == (3, [0], [0, 1])
        studio = next(each for each in s.there.commands if each["name"] == "studio")
        assert int(studio["default_member_permissions"]) == 1 << 5
        assert studio["contexts"] == [0]


async def test_commands_that_are_registered_elsewhere_now_go_where_they_were(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        everywhere = s.config
        assert list(s.there.registered) == [""]
        for config, left in (
            (DiscordConfig(api_base=s.there.api, guilds=(int(GUILD), 2001)), {GUILD, "2001"}),
            (DiscordConfig(api_base=s.there.api, guilds=(int(GUILD),)), {GUILD}),
            (everywhere, {""}),
        ):
            await s.stop()
            s.config = config
            if left == {GUILD}:  # the bot was thrown out of the other one
                s.there.fail("PUT", "/guilds/2001/", (403, 50001))
                s.there.registered["2001"] = []
            await s.start()
            assert {scope for scope, names in s.there.registered.items() if names} == left
        syncs = s.there.syncs
        await s.stop()
        await s.start()
        assert s.there.syncs == syncs


async def test_a_server_that_cannot_be_asked_now_loses_its_commands_later(tmp_path: Path) -> None:
    async with stage(tmp_path, guilds=(int(GUILD),)) as s:
        await s.stop()
        s.config = DiscordConfig(api_base=s.there.api)
        s.there.fail("PUT", f"/guilds/{GUILD}/", (400, 0))
        await s.start()
        assert s.there.registered[GUILD] and s.there.registered[""]
        await s.stop()
        await s.start()
        assert s.there.registered[GUILD] == [] and s.there.registered[""]


async def test_a_wrong_token_is_one_sentence_and_the_service_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage(tmp_path) as s:
        await s.stop()
        s.there.token = "another"
        assert s.bot
        bot = DiscordBot(s.config, s.safety, s.intake, s.db, s.media, "wrong")
        task = asyncio.create_task(bot.run())
        await s.there.until(lambda: "does not accept the token" in caplog.text)
        assert not task.done()
        assert "wrong" not in caplog.text
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_discord_that_cannot_be_reached_yet_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage(tmp_path) as s:
        await s.stop()
        s.there.fail("GET", "/users/@me", "break", times=2)
        await s.start()
        assert caplog.text.count("Discord cannot be reached") == 1, "said once"
        await s.animate()
        assert (await s.job()).sections == 3


def http(status: int, code: int = 0, wait: str | None = None) -> discord.HTTPException:
    """What discord.py makes of an answer. wait: what it says of a later try"""
    answer: Any = SimpleNamespace(status=status, reason="", headers={} if wait is None else {"Retry-After": wait})
    kind = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    return kind(answer, {"code": code, "message": "what it says"})


class Broken:
    """A client, and each of its channels: every call of them ends with that. asked: what a channel is found to be"""

    def __init__(self, error: BaseException, asked: Any = None) -> None:
        self.error, self.asked = error, asked

    def get_partial_messageable(self, _: int) -> "Broken":
        return self

    async def send(self, *_: object, **__: object) -> None:
        raise self.error

    async def fetch_channel(self, _: int) -> Any:
        if isinstance(self.asked, Exception):
            raise self.asked
        return self.asked


async def told(client: Any) -> SendError:
    """What the poster hears of it."""
    with pytest.raises(SendError) as caught:
        await DiscordSender(client).revive(Spot(chat_id="7"), "hello")
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (http(404, 10008), Gone),
        (http(400, 50083), Closed),
        (http(400, 200000), Blocked),
        (http(400, 200001), Blocked),
        (http(413), TooBig),
        (http(400, 40005), TooBig),
        (http(400, 400001), TooBig),
        (http(403, 50013), Unreachable),
        (http(403, 99999), Unreachable),
        (http(403), Failed),  # of what stands before Discord
        (http(403, 40333), Failed),
        (http(404, 10003), Unreachable),
        (http(400, 50278), Unreachable),
        (http(400, 50008), Unreachable),
        (http(500), Unknown),
        (http(503), Unknown),
        (http(400, 50035), Failed),
        (aiohttp.ServerDisconnectedError(), Unknown),
        (aiohttp.ClientConnectorError(SimpleNamespace(host="", port=1, ssl=True), OSError(1, "no")), Failed),  # type: ignore[arg-type]
        (TimeoutError(), Unknown),
        (ConnectionResetError(), Unknown),
        (FileNotFoundError(), Failed),  # the film gave way to a longer one
        (ValueError(), Failed),
    ],
    ids=repr,
)
async def test_what_a_call_fails_with_is_said_in_the_posters_words(error: Exception, kind: type[SendError]) -> None:
    assert type(await told(Broken(error))) is kind


@pytest.mark.parametrize(
    ("error", "wait_s", "scope"),
    [
        (http(429, 0, "7.5"), 7.5, "all"),
        (http(429), 60.0, "all"),
        (http(429, 0, "soon"), 60.0, "all"),
        (http(429, 30046, "12"), 12.0, "chat"),  # one old message, which says nothing of others
        (http(429, 30046), 10.0, "chat"),
        (http(401), 60.0, "all"),
        (discord.RateLimited(3.0), 3.0, "chat"),
    ],
    ids=repr,
)
async def test_how_long_discord_wants_to_be_left_alone(error: Exception, wait_s: float, scope: str) -> None:
    put_off = await told(Broken(error))
    assert isinstance(put_off, PutOff) and (put_off.retry_after_s, put_off.scope) == (wait_s, scope)


@pytest.mark.parametrize(
    ("found", "kind", "elsewhere"),
    [
        (SimpleNamespace(parent_id=70), Closed, "70"),
        (SimpleNamespace(), Unreachable, None),
        (http(404, 10003), Unreachable, None),
        (http(403, 50001), Unreachable, None),
        (http(500), Failed, None),
    ],
    ids=repr,
)
async def test_above_a_locked_thread_is_what_discord_says(
    found: object, kind: type[SendError], elsewhere: str | None
) -> None:
    error = await told(Broken(http(400, 160005), found))
    assert type(error) is kind and getattr(error, "elsewhere", None) == elsewhere
