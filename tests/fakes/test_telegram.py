"""The Bot API server that the other tests lean on refuses what the real one refuses; the real library says so."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from telegram import Bot, BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, InputMediaVideo
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter

from tests.fakes.telegram import Chat, Fault, Telegram, a_picture, person

ANN = person(1)
MP4 = b"\0\0\0\x18ftypmp42" + bytes(64)


@pytest.fixture
async def server() -> AsyncIterator[Telegram]:
    server = Telegram()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(autouse=True)
def durations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library warns where it is not told which type a wait shall have."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def bot(server: Telegram) -> AsyncIterator[Bot]:
    async with Bot(server.token, f"{server.url}/bot", f"{server.url}/file/bot") as bot:
        yield bot


@pytest.fixture
def chat(server: Telegram) -> Chat:
    return server.private(ANN)


async def test_updates_come_until_they_are_confirmed(server: Telegram, bot: Bot, chat: Chat) -> None:
    server.says(ANN, chat, "one")
    server.says(ANN, chat, "two")
    first, second = await bot.get_updates(timeout=0)
    assert [first.message and first.message.text, second.message and second.message.text] == ["one", "two"]
    assert len(await bot.get_updates(timeout=0)) == 2
    assert await bot.get_updates(offset=first.update_id + 1, timeout=0) == (second,)
    assert server.confirmed == first.update_id and len(server.updates) == 1
    waiting = asyncio.create_task(bot.get_updates(offset=second.update_id + 1, timeout=20))
    await server.until(lambda: not server.updates)
    server.says(ANN, chat, "three")
    assert len(await waiting) == 1


async def test_a_second_poller_ends_the_first(server: Telegram, bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=20))
    await server.until(lambda: len(server.called("getUpdates")) == 1)
    async with Bot(server.token, f"{server.url}/bot") as other:
        second = asyncio.create_task(other.get_updates(timeout=20))
        with pytest.raises(Conflict):
            await first
        server.says(ANN, server.private(ANN), "hello")
        assert len(await second) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<b>open", "Can't find end tag"),
        ("<script>x</script>", "Unsupported start tag"),
        ("<b>x</i>", "Unexpected end tag"),
        ("a &nbsp; b", "does not know"),
        ("🎬" * 2049, "too long: 4098 of 4096"),
        ("<b> </b>", "text is empty"),
    ],
)
async def test_a_text_that_breaks_a_rule_is_refused(
    server: Telegram, bot: Bot, chat: Chat, text: str, problem: str
) -> None:
    with pytest.raises(BadRequest, match=f"(?i){problem}"):
        await bot.send_message(chat.id, text, parse_mode="HTML")
    assert problem in server.problems[0]


async def test_what_the_specification_does_not_know_is_a_problem(server: Telegram, bot: Bot, chat: Chat) -> None:
    with pytest.raises(BadRequest, match=r"(?i)has no parameter colour"):
        await bot.send_message(chat.id, "x", api_kwargs={"colour": "red"})
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("x", callback_data="y" * 65)]])
    with pytest.raises(BadRequest, match="1 to 64 bytes"):
        await bot.send_message(chat.id, "x", reply_markup=keyboard)
    with pytest.raises(BadRequest, match=r"(?i)BOT_COMMAND_INVALID"):
        await bot.set_my_commands([BotCommand("Big", "x")])
    with pytest.raises(BadRequest, match=r"media\.dat"):
        await bot.send_video(chat.id, InputFile(MP4, filename="film"))  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match=r"(?i)no mp4"):
        await bot.send_video(chat.id, InputFile(b"film", filename="film.mp4"))  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match=r"(?i)a thumbnail"):
        big = InputFile(a_picture(400, 300), filename="p.jpg")
        await bot.send_video(chat.id, InputFile(MP4, filename="film.mp4"), thumbnail=big)  # type: ignore[arg-type]
    assert len(server.problems) == 6


async def test_an_edit_has_to_change_something_and_media_never_becomes_text(
    server: Telegram, bot: Bot, chat: Chat
) -> None:
    sent = await bot.send_message(chat.id, "<b>x</b>", parse_mode="HTML")
    with pytest.raises(BadRequest, match=r"(?i)not modified"):
        await bot.edit_message_text("<b>x</b>", chat.id, sent.message_id, parse_mode="HTML")
    film = InputMediaVideo(InputFile(MP4, filename="a.mp4", attach=True), caption="film")  # type: ignore[arg-type]
    edited = await bot.edit_message_media(film, chat.id, sent.message_id)
    assert not isinstance(edited, bool) and edited.video and edited.caption == "film" and not edited.text
    with pytest.raises(BadRequest, match=r"(?i)no text in the message"):
        await bot.edit_message_text("y", chat.id, sent.message_id)
    await bot.delete_message(chat.id, sent.message_id)
    with pytest.raises(BadRequest, match=r"(?i)message to edit not found"):
        await bot.edit_message_caption(chat.id, sent.message_id, caption="y")
    assert server.problems == []


async def test_chats_say_no_as_telegram_does(server: Telegram, bot: Bot, chat: Chat) -> None:
    group = server.group(-5, type="group")
    server.migrates(group, -1005)
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(group.id, "x")
    assert moved.value.new_chat_id == -1005
    chat.blocked = True
    with pytest.raises(Forbidden):
        await bot.send_message(chat.id, "x")
    chat.blocked = False
    server.flood(240, chat.id)
    with pytest.raises(RetryAfter) as flood:
        await bot.send_message(chat.id, "x")
    assert flood.value.retry_after == timedelta(seconds=240)
    await bot.send_message(chat.id, "x")
    server.faults.append(Fault("lost", lambda call: call.method == "sendMessage"))
    with pytest.raises(NetworkError):
        await bot.send_message(chat.id, "the effect stands")
    assert [m["text"] for m in server.of_bot(chat)] == ["x", "the effect stands"]
    with pytest.raises(BadRequest, match=r"(?i)chat not found"):
        await bot.send_message(77, "x")
    with pytest.raises(InvalidToken):
        async with Bot("1:" + "x" * 35, f"{server.url}/bot"):
            pass


async def test_files_are_fetched_up_to_the_public_limit(server: Telegram, bot: Bot, chat: Chat) -> None:
    picture = a_picture()
    server.sends(ANN, chat, picture)
    server.sends(ANN, chat, picture + bytes(20 << 20), as_file="image/jpeg")
    photo, large = [update.message for update in await bot.get_updates(timeout=0)]
    assert photo and large and large.document
    file = await bot.get_file(photo.photo[-1].file_id)
    assert bytes(await file.download_as_bytearray()) == picture
    with pytest.raises(BadRequest, match=r"(?i)too big"):
        await bot.get_file(large.document.file_id)
