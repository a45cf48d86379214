"""A Bot API server on loopback, and the people who write to the bot: what python-telegram-bot talks to in tests.

It keeps chats, messages and files as Telegram does: long polling with offsets, edits that must change something, groups
in which a bot with privacy mode on does not hear everything. Every request is checked against the specification
(`botapi`); what breaks it is in `problems`, which tests want empty. `faults` make it flood, fail, or lose its answer.
"""

import asyncio
import hashlib
import io
import itertools
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiohttp import BodyPartReader, web
from PIL import Image

from tests.fakes.botapi import METHODS, Wrong, check, keyboard, parse_html, units

BOT_ID = 424242
TOKEN = f"{BOT_ID}:AAF-a_token_of_tests_35_characters_xx"
DOWNLOAD_LIMIT = 20 << 20
UPLOAD_LIMIT = 50 << 20
LOCAL_UPLOAD_LIMIT = 2000 << 20
PHOTO_LIMIT = 10 << 20
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}


class Refusal(Exception):
    """An answer that is not ok."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


@dataclass
class Call:
    """A request that came in: params are checked values, files what was uploaded (name → content)."""

    method: str
    params: dict[str, Any]
    files: dict[str, bytes]
    at: float

    @property
    def chat(self) -> int | None:
        """The chat it is about."""
        return self.params.get("chat_id")

    @property
    def text(self) -> str:
        """What it says, as people see it."""
        said = self.params.get("text") or self.params.get("caption") or self.params.get("media", {}).get("caption", "")
        return parse_html(said)[0]


@dataclass
class Fault:
    """What happens instead of an answer, so many times, to the calls for which `when` holds.

    kind: "refuse" (with `refusal`), "lost" (the effect stands, the connection breaks), "hang" (the effect stands, no
    answer comes), "wait" (both come once `hanging` is set), "break" (no effect, the connection breaks)
    """

    kind: Literal["refuse", "lost", "hang", "wait", "break"]
    when: Callable[[Call], bool]
    refusal: Refusal | None = None
    times: int = 1
    met: int = 0


@dataclass
class Chat:
    """A chat and the bot's standing in it. large: a new video there is "scheduled" and has no id."""

    id: int
    type: str
    title: str = ""
    forum: bool = False
    blocked: bool = False
    kicked: bool = False
    large: bool = False
    moved_to: int | None = None
    closed_topics: set[int] = field(default_factory=set)
    topics: dict[int, int] = field(default_factory=dict)  # topic → its first message
    admins: set[int] = field(default_factory=set)


def a_picture(
    width: int = 160, height: int = 120, colour: tuple[int, int, int] = (40, 90, 160), kind: str = "JPEG"
) -> bytes:
    """A picture file."""
    picture = Image.new("RGB", (width, height), colour)
    for x in range(0, width, 7):
        picture.putpixel((x, x * height // width), (250, 200, 40))
    with io.BytesIO() as file:
        picture.save(file, kind)
        return file.getvalue()


class Telegram:
    """The server. `url` is its base; `privacy` is the bot's privacy mode; `local` what --local does."""

    def __init__(self, *, token: str = TOKEN, username: str = "flip_test_bot", local: Path | None = None) -> None:
        self.token, self.username, self.local = token, username, local
        self.privacy = True
        self.chats: dict[int, Chat] = {}
        self.messages: dict[tuple[int, int], dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}  # file id → content
        self.paths: dict[str, str] = {}  # path → file id
        self.updates: list[dict[str, Any]] = []
        self.confirmed = 0
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.problems: list[str] = []
        self.answers: dict[str, dict[str, Any]] = {}  # callback query id → how it was answered
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.descriptions: dict[str, str] = {}
        self.webhook = False
        self.logged_out = False
        self.hanging = asyncio.Event()
        self.url = ""
        self._ids = itertools.count(1)
        self._update_ids = itertools.count(700_001)
        self._more = asyncio.Event()
        self._polling: asyncio.Future[None] | None = None
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Listen; `url` says where."""
        app = web.Application(client_max_size=LOCAL_UPLOAD_LIMIT)
        app.router.add_route("*", "/bot{token}/{method}", self._method)
        app.router.add_get("/file/bot{token}/{path:.+}", self._file)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Stop listening; what hangs ends."""
        self.hanging.set()
        self._more.set()
        await self._runner.cleanup()

    # People

    def private(self, user: dict[str, Any]) -> Chat:
        """The chat of a person with the bot."""
        return self.chats.setdefault(user["id"], Chat(user["id"], "private"))

    def group(self, chat_id: int = -1001, *, forum: bool = False, type: str = "supergroup") -> Chat:
        """A group that the bot is in."""
        return self.chats.setdefault(chat_id, Chat(chat_id, type, "Flippers", forum=forum))

    def says(
        self, user: dict[str, Any], chat: Chat, text: str, *, reply_to: int | None = None, topic: int | None = None
    ) -> int:
        """Somebody writes; returns the message's id."""
        content: dict[str, Any] = {"text": text, **_entities(text, "entities")}
        return self._said(user, chat, content, reply_to=reply_to, topic=topic)

    def sends(
        self,
        user: dict[str, Any],
        chat: Chat,
        content: bytes | None = None,
        caption: str = "",
        *,
        as_file: str | None = None,
        album: str | None = None,
        reply_to: int | None = None,
        topic: int | None = None,
        covered: bool = False,
    ) -> int:
        """Somebody sends a picture, or a file of that mime type; covered: under a spoiler. Returns the message's id."""
        content = a_picture() if content is None else content
        file = self._keep(content, "bin" if as_file else "jpg")
        shown: dict[str, Any] = {"document": {**file, "mime_type": as_file, "file_name": "a.png"}} if as_file else {}
        if not as_file:
            with Image.open(io.BytesIO(content)) as picture:
                width, height = picture.size
            small = {**self._keep(content[:200], "jpg"), "width": 90, "height": 67}
            shown = {"photo": [small, {**file, "width": width, "height": height}]}
            shown |= {"has_media_spoiler": True} if covered else {}
        if caption:
            shown |= {"caption": caption, **_entities(caption, "caption_entities")}
        if album:
            shown["media_group_id"] = album
        return self._said(user, chat, shown, reply_to=reply_to, topic=topic)

    def opens(self, user: dict[str, Any], chat: Chat, topic: int) -> None:
        """Somebody makes a topic of a forum: to its first message everything there replies that replies to nothing."""
        begins = {"forum_topic_created": {"name": "Films", "icon_color": 7322096}, "message_thread_id": topic}
        message = self._new(chat, {"from": user, **begins, "is_topic_message": True})
        chat.topics[topic] = int(message["message_id"])

    def _said(
        self, user: dict[str, Any], chat: Chat, content: dict[str, Any], *, reply_to: int | None, topic: int | None
    ) -> int:
        message = self._new(chat, {"from": user, **content})
        if user == ANONYMOUS:
            message["sender_chat"] = message["chat"]
        if topic:
            message |= {"message_thread_id": topic, "is_topic_message": True}
        reply_to = reply_to or chat.topics.get(topic or 0)
        if reply_to:
            replied = {k: v for k, v in self.messages[chat.id, reply_to].items() if k != "reply_to_message"}
            message["reply_to_message"] = replied
        if self._heard(chat, message):
            self.delivers({"message": message})
        return int(message["message_id"])

    def presses(self, user: dict[str, Any], chat: Chat, message_id: int, label: str) -> str:
        """Somebody presses the button whose label has this text; returns the query's id."""
        message = self.messages[chat.id, message_id]
        for row in message.get("reply_markup", {}).get("inline_keyboard", []):
            for button in row:
                if label.lower() in button["text"].lower() and "callback_data" in button:
                    return self.presses_data(user, message, button["callback_data"])
        raise AssertionError(f"no button {label!r} in {message.get('reply_markup')}")

    def presses_data(self, user: dict[str, Any], message: dict[str, Any], data: str) -> str:
        """Somebody presses a button with that data, which need not be there any more."""
        query = f"q{next(self._ids)}"
        pressed = {"id": query, "from": user, "message": message, "chat_instance": "1", "data": data}
        self.delivers({"callback_query": pressed})
        return query

    def migrates(self, chat: Chat, to: int) -> Chat:
        """A group becomes a supergroup; its messages do not come along."""
        new = self.group(to)
        new.admins = set(chat.admins)
        chat.moved_to = to
        return new

    def delivers(self, update: dict[str, Any]) -> int:
        """Put an update in line for the bot; returns its id."""
        update = {"update_id": next(self._update_ids), **update}
        self.updates.append(json.loads(json.dumps(update)))
        self._more.set()
        return int(update["update_id"])

    def blocks(self, user: dict[str, Any], chat: Chat, *, again: bool = False) -> None:
        """Somebody blocks the bot in their own chat, or (again) lets it in."""
        chat.blocked = not again
        before, after = ("kicked", "member") if again else ("member", "kicked")
        bot = self._user()
        left = {"user": bot, "status": before} | ({"until_date": 0} if before == "kicked" else {})
        is_ = {"user": bot, "status": after} | ({"until_date": 0} if after == "kicked" else {})
        shown = {"id": chat.id, "type": "private", "first_name": "Somebody"}
        member = {
            "chat": shown,
            "from": user,
            "date": int(time.time()),
            "old_chat_member": left,
            "new_chat_member": is_,
        }
        self.delivers({"my_chat_member": member})

    def deletes(self, chat: Chat, message_id: int) -> None:
        """Somebody deletes a message."""
        del self.messages[chat.id, message_id]

    def flood(self, retry_after: int, chat: int | None = None, times: int = 1) -> None:
        """The next calls, of one chat or of all, are too many."""
        refusal = Refusal(429, f"Too Many Requests: retry after {retry_after}", retry_after=retry_after)
        polls = ("getUpdates", "getMe")
        self.faults.append(Fault("refuse", lambda c: c.method not in polls and chat in (None, c.chat), refusal, times))

    async def until(self, holds: Callable[[], Any], timeout_s: float = 60.0) -> Any:
        """Wait until something about this server holds; returns it."""
        async with asyncio.timeout(timeout_s):
            while not (got := holds()):
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.25):
                        await self._changed.wait()
        return got

    def of_bot(self, chat: Chat) -> list[dict[str, Any]]:
        """The bot's messages that stand in a chat, oldest first."""
        found = [m for (where, _), m in self.messages.items() if where == chat.id and m["from"]["id"] == BOT_ID]
        return sorted(found, key=lambda m: int(m["message_id"]))

    def called(self, *methods: str) -> list[Call]:
        """The calls of these methods, oldest first."""
        return [call for call in self.calls if call.method in methods]

    # The wire

    async def _method(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._called(request)
        except Refusal as refusal:
            body = {"ok": False, "error_code": refusal.code, "description": refusal.description}
            if refusal.parameters:
                body["parameters"] = refusal.parameters
            return web.json_response(body, status=refusal.code)

    async def _called(self, request: web.Request) -> web.StreamResponse:
        if not re.fullmatch(r"\d+:[\w-]{30,}", request.match_info["token"]):
            raise Refusal(404, "Not Found")
        if request.match_info["token"] != self.token:
            raise Refusal(401, "Unauthorized")
        method = METHODS.get(request.match_info["method"].lower())
        if method is None:
            self.problems.append(f"there is no method {request.match_info['method']}, or the fake does not know it")
            raise Refusal(404, "Not Found")
        params, files, names = await _form(request)
        try:
            values = check(method, params, files)
            self._limits(method, values, files, names)
        except Wrong as wrong:
            self.problems.append(f"{method}: {wrong}")
            raise Refusal(400, f"Bad Request: {wrong}") from wrong
        call = Call(method, values, files, time.monotonic())
        self.calls.append(call)
        self._changed.set()
        fault = next((f for f in self.faults if f.met < f.times and f.when(call)), None)
        if fault:
            fault.met += 1
        if fault and fault.kind == "break":
            return _broken(request)
        if fault and fault.kind == "refuse":
            assert fault.refusal
            raise fault.refusal
        if fault and fault.kind == "wait":
            await self.hanging.wait()
        result = await self._do(call, names)
        self._changed.set()
        if fault and fault.kind == "hang":
            await self.hanging.wait()
        if fault and fault.kind != "wait":
            return _broken(request)
        return web.json_response({"ok": True, "result": result})

    async def _file(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != self.token:
            return web.Response(status=401)
        file_id = self.paths.get(request.match_info["path"])
        if file_id is None:
            return web.Response(status=404)
        return web.Response(body=self.contents[file_id], content_type="application/octet-stream")

    # The rules

    def _limits(self, method: str, p: dict[str, Any], files: dict[str, bytes], names: dict[str, str]) -> None:
        """The lengths and sizes. raises: Wrong, or Refusal where the real server's answer is known."""
        media: dict[str, Any] = p["media"] if isinstance(p.get("media"), dict) else {}
        for said, most in ((p.get("text"), 4096), (p.get("caption"), 1024), (media.get("caption"), 1024)):
            if said is None or method == "answerCallbackQuery":
                continue
            mode = media.get("parse_mode") if said is media.get("caption") else p.get("parse_mode")
            plain = parse_html(said)[0] if mode == "HTML" else said
            if units(plain) > most:
                raise Wrong(f"message is too long: {units(plain)} of {most}")
            if said is p.get("text") and not plain.strip():
                raise Wrong("message text is empty")
        if method == "answerCallbackQuery" and units(p.get("text", "")) > 200:
            raise Wrong("MESSAGE_TOO_LONG: an answer to a query has at most 200 characters")
        if "reply_markup" in p:
            keyboard(p["reply_markup"])
        if units(p.get("reply_markup", {}).get("input_field_placeholder", "x")) > 64:
            raise Wrong("a placeholder has at most 64 characters")
        if method == "setMyCommands":
            _commands(p["commands"])
        long = {"setMyDescription": ("description", 512), "setMyShortDescription": ("short_description", 120)}
        if method in long and len(p.get(long[method][0], "")) > long[method][1]:
            raise Wrong(f"{long[method][0]} is too long")
        self._uploads(method, p, media, files, names)

    def _uploads(
        self, method: str, p: dict[str, Any], media: dict[str, Any], files: dict[str, bytes], names: dict[str, str]
    ) -> None:
        limit = LOCAL_UPLOAD_LIMIT if self.local else UPLOAD_LIMIT
        for content in files.values():
            if len(content) > limit:
                raise Refusal(413, "Request Entity Too Large")
            if not content:
                raise Wrong("file must be non-empty")
        kind = media.get("type") or {"sendVideo": "video", "sendAnimation": "animation", "sendPhoto": "photo"}.get(
            method
        )
        main = str(media.get("media") or p.get(kind or "", ""))
        if kind in ("video", "animation") and main.startswith("attach://"):
            name = main[9:]
            if not names[name].endswith(".mp4"):
                raise Wrong(f"{kind}: a file called {names[name]!r} arrives as media.dat")
            if files[name][4:8] != b"ftyp":
                raise Wrong(f"{kind}: this is no MP4")
        if kind == "photo" and main.startswith("attach://") and len(files[main[9:]]) > PHOTO_LIMIT:
            raise Wrong("a photo has at most 10 MB")
        thumbnail = str(media.get("thumbnail") or p.get("thumbnail") or "")
        if thumbnail:
            content = files[thumbnail[9:]]
            with Image.open(io.BytesIO(content)) as picture:
                if picture.format != "JPEG" or max(picture.size) > 320 or len(content) >= 200_000:
                    raise Wrong("a thumbnail is a JPEG below 200 kB, at most 320 pixels wide and high")

    def _heard(self, chat: Chat, message: dict[str, Any]) -> bool:
        """Whether the bot gets a message of a group: with privacy mode on, commands to it and replies to it."""
        if chat.type == "private" or not self.privacy:
            return True
        if message.get("reply_to_message", {}).get("from", {}).get("id") == BOT_ID:
            return True
        said = message.get("text", "")
        command = re.match(r"/(\w+)(?:@(\w+))?", said)
        return command is not None and command[2] in (None, self.username)

    def _new(self, chat: Chat, content: dict[str, Any]) -> dict[str, Any]:
        message_id = next(self._ids)
        shown: dict[str, Any] = {"id": chat.id, "type": chat.type}
        if chat.type == "private":
            shown["first_name"] = "Somebody"
        else:
            shown |= {"title": chat.title, **({"is_forum": True} if chat.forum else {})}
        message = {"message_id": message_id, "date": int(time.time()), "chat": shown, **content}
        self.messages[chat.id, message_id] = message
        return message

    def _keep(self, content: bytes, suffix: str) -> dict[str, Any]:
        unique = hashlib.sha256(content).hexdigest()[:16]
        file_id = f"file-{next(self._ids)}-{unique}"
        self.contents[file_id] = content
        self.paths[f"photos/{file_id}.{suffix}"] = file_id
        return {"file_id": file_id, "file_unique_id": unique, "file_size": len(content)}

    # The methods

    async def _do(self, call: Call, names: dict[str, str]) -> Any:
        p = call.params
        if self.logged_out and call.method != "getMe":
            raise Refusal(401, "Unauthorized")
        match call.method:
            case "getMe":
                return self._me()
            case "getUpdates":
                return await self._get_updates(p)
            case "deleteWebhook":
                self.webhook = False
                return True
            case "logOut":
                self.logged_out = True
                return True
            case "setMyCommands":
                scope = p.get("scope", {"type": "default"})
                key = scope["type"] + (f":{scope['chat_id']}" if "chat_id" in scope else "")
                self.commands[key, p.get("language_code", "")] = p["commands"]
                return True
            case "setMyDescription" | "setMyShortDescription":
                self.descriptions[f"{call.method}:{p.get('language_code', '')}"] = next(iter(p.values()))
                return True
            case "getFile":
                return self._get_file(p)
            case "answerCallbackQuery":
                if p["callback_query_id"] in self.answers:
                    raise Refusal(
                        400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
                    )
                self.answers[p["callback_query_id"]] = p
                return True
        chat = self._chat(p)
        match call.method:
            case "sendChatAction":
                return True
            case "getChat":
                return {
                    "id": chat.id,
                    "type": chat.type,
                    "title": chat.title,
                    "accent_color_id": 0,
                    "max_reaction_count": 1,
                }
            case "getChatMember":
                status = "administrator" if p["user_id"] in chat.admins else "member"
                return _member(p["user_id"], status)
            case "deleteMessage":
                message = self._mine(chat, p, "delete")
                del self.messages[chat.id, message["message_id"]]
                return True
            case method if method.startswith("send"):
                return self._send(call, chat, names)
            case _:
                return self._edit(call, chat, names)

    def _me(self) -> dict[str, Any]:
        return {
            "id": BOT_ID, "is_bot": True, "first_name": "Flipbot", "username": self.username, "can_join_groups": True,
            "can_read_all_group_messages": not self.privacy, "supports_inline_queries": False,
        }  # fmt: skip

    async def _get_updates(self, p: dict[str, Any]) -> list[dict[str, Any]]:
        if self.webhook:
            raise Refusal(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook")
        if self._polling and not self._polling.done():
            self._polling.set_result(None)
        mine = self._polling = asyncio.get_running_loop().create_future()
        if (offset := p.get("offset", 0)) > 0:
            self.confirmed = max(self.confirmed, offset - 1)
            self.updates = [update for update in self.updates if update["update_id"] >= offset]
        ends = time.monotonic() + min(p.get("timeout", 0), 50)
        while not self.updates and (left := ends - time.monotonic()) > 0 and not self.hanging.is_set():
            self._more.clear()
            more = asyncio.ensure_future(self._more.wait())
            await asyncio.wait([mine, more], timeout=left, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()
            if mine.done():
                raise Refusal(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )
        return self.updates[: p.get("limit", 100)]

    def _get_file(self, p: dict[str, Any]) -> dict[str, Any]:
        content = self.contents.get(p["file_id"])
        if content is None:
            raise Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(content) > DOWNLOAD_LIMIT and not self.local:
            raise Refusal(400, "Bad Request: file is too big")
        (path,) = [path for path, file_id in self.paths.items() if file_id == p["file_id"]]
        if self.local:
            target = self.local / self.token / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            path = str(target)
        unique = p["file_id"].rsplit("-", 1)[1]
        return {"file_id": p["file_id"], "file_unique_id": unique, "file_size": len(content), "file_path": path}

    def _chat(self, p: dict[str, Any]) -> Chat:
        chat = self.chats.get(p["chat_id"])
        if chat is None:
            raise Refusal(400, "Bad Request: chat not found")
        if chat.moved_to:
            raise Refusal(
                400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.moved_to
            )
        if chat.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        if chat.kicked:
            raise Refusal(403, f"Forbidden: bot was kicked from the {chat.type} chat")
        return chat

    def _mine(self, chat: Chat, p: dict[str, Any], verb: str) -> dict[str, Any]:
        message = self.messages.get((chat.id, p["message_id"]))
        if message is None:
            raise Refusal(400, f"Bad Request: message to {verb} not found")
        if message["from"]["id"] != BOT_ID and (verb == "edit" or chat.type == "private"):
            raise Refusal(400, f"Bad Request: message can't be {verb}ed".replace("eed", "ed"))
        return message

    def _send(self, call: Call, chat: Chat, names: dict[str, str]) -> dict[str, Any]:
        p = call.params
        topic = p.get("message_thread_id")
        if topic in chat.closed_topics:
            raise Refusal(400, "Bad Request: TOPIC_CLOSED")
        if topic and not chat.forum:
            raise Refusal(400, "Bad Request: message thread not found")
        content: dict[str, Any] = {"from": self._user()}
        reply = p.get("reply_parameters")
        if reply:
            replied = self.messages.get((chat.id, reply["message_id"]))
            if replied is None and not reply.get("allow_sending_without_reply"):
                raise Refusal(400, "Bad Request: message to be replied not found")
            if replied is not None:
                content["reply_to_message"] = {k: v for k, v in replied.items() if k != "reply_to_message"}
        content |= self._content(call, p, names)
        content |= {"silent": True} if p.get("disable_notification") else {}
        if "inline_keyboard" in p.get("reply_markup", {}):
            content["reply_markup"] = p["reply_markup"]
        if p.get("reply_markup", {}).get("force_reply"):
            content["forces_reply"] = p["reply_markup"]
        if topic:
            content |= {"message_thread_id": topic, "is_topic_message": True}
        message = self._new(chat, content)
        if chat.large and call.method == "sendVideo":
            return _shown(message) | {"message_id": 0}
        return _shown(message)

    def _edit(self, call: Call, chat: Chat, names: dict[str, str]) -> dict[str, Any]:
        p = call.params
        message = self._mine(chat, p, "edit")
        if call.method == "editMessageText" and "text" not in message:
            raise Refusal(400, "Bad Request: there is no text in the message to edit")
        if call.method == "editMessageCaption" and "text" in message:
            raise Refusal(400, "Bad Request: there is no caption in the message to edit")
        after = {k: v for k, v in message.items() if k != "reply_markup"}
        if call.method != "editMessageReplyMarkup":
            for name in ("text", "entities", "caption", "caption_entities"):
                after.pop(name, None)
            if call.method == "editMessageMedia":
                for name in ("photo", "video", "animation", "document"):
                    after.pop(name, None)
            after |= self._content(call, p, names)
        if "reply_markup" in p:
            after["reply_markup"] = p["reply_markup"]
        if after == message:
            raise Refusal(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly the "
                "same as a current content and reply markup of the message",
            )
        after["edit_date"] = int(time.time())
        message.clear()
        message.update(after)
        return _shown(message)

    def _content(self, call: Call, p: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
        """What a message says and shows."""
        media = p["media"] if call.method == "editMessageMedia" else p
        content: dict[str, Any] = {}
        for said, entities in (("text", "entities"), ("caption", "caption_entities")):
            if said in media:
                html_ = media.get("parse_mode") == "HTML"
                plain, found = parse_html(media[said]) if html_ else (media[said], [])
                content[said] = plain
                content[entities] = [
                    {"type": _ENTITY.get(tag, tag), "offset": offset, "length": length, **_more(tag, value)}
                    for tag, offset, length, value in found
                ]
        kind = media.get("type") or {"sendVideo": "video", "sendAnimation": "animation", "sendPhoto": "photo"}.get(
            call.method
        )
        if kind:
            file = str(media.get("media") or media.get(kind))
            upload = call.files[file[9:]] if file.startswith("attach://") else self.contents[file]
            kept = self._keep(upload, "mp4" if kind != "photo" else "jpg") | {"width": 64, "height": 64}
            extra = {k: media[k] for k in ("width", "height", "duration") if k in media}
            shown = {"duration": 0, **kept, **extra, "file_name": names.get(file[9:], "")}
            content[kind] = [kept] if kind == "photo" else shown
            if media.get("has_spoiler"):
                content["has_media_spoiler"] = True
        return content

    def _user(self) -> dict[str, Any]:
        return {"id": BOT_ID, "is_bot": True, "first_name": "Flipbot", "username": self.username}


def _more(tag: str, value: str) -> dict[str, Any]:
    """What an entity has besides its place."""
    if tag == "tg-time":
        return {"unix_time": int(value), "date_time_format": "r"}
    return {"url": value} if value else {}


_ENTITY = {
    "tg-time": "date_time",
    "b": "bold",
    "i": "italic",
    "a": "text_link",
    "s": "strikethrough",
    "u": "underline",
    "tg-spoiler": "spoiler",
}


def person(user_id: int, language: str = "en", name: str = "Ann") -> dict[str, Any]:
    """Somebody with an account."""
    return {"id": user_id, "is_bot": False, "first_name": name, "language_code": language}


def labels(message: dict[str, Any]) -> list[str]:
    """The labels of a message's buttons."""
    return [b["text"] for row in message.get("reply_markup", {}).get("inline_keyboard", []) for b in row]


def _entities(text: str, name: str) -> dict[str, Any]:
    command = re.match(r"/\w+(?:@\w+)?", text)
    return {name: [{"type": "bot_command", "offset": 0, "length": units(command[0])}]} if command else {}


def _member(user_id: int, status: str) -> dict[str, Any]:
    member: dict[str, Any] = {"user": {"id": user_id, "is_bot": False, "first_name": "Somebody"}, "status": status}
    if status == "administrator":
        rights = (
            "be_edited is_anonymous manage_chat delete_messages manage_video_chats restrict_members promote_members"
        )
        rights += " change_info invite_users post_stories edit_stories delete_stories"
        member |= dict.fromkeys((r if r.startswith("is_") else f"can_{r}" for r in rights.split()), True)
    return member


def _shown(message: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in message.items() if k not in ("silent", "forces_reply")}


def _commands(commands: list[dict[str, str]]) -> None:
    if len(commands) > 100:
        raise Wrong("a bot has at most 100 commands")
    for command in commands:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]):
            raise Wrong(f"BOT_COMMAND_INVALID: {command['command']}")
        if not 1 <= len(command["description"]) <= 256:
            raise Wrong("a command's description has 1 to 256 characters")


async def _form(request: web.Request) -> tuple[dict[str, str], dict[str, bytes], dict[str, str]]:
    """The request's fields, its files, and the files' names."""
    params: dict[str, str] = {}
    files: dict[str, bytes] = {}
    names: dict[str, str] = {}
    if request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader) and part.name
            if part.filename is None:
                params[part.name] = await part.text()
            else:
                files[part.name], names[part.name] = bytes(await part.read()), part.filename
    elif request.content_type == "application/json":
        sent = await request.json()
        params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in sent.items()}
    else:
        params = {name: str(value) for name, value in (await request.post()).items()}
    return params | dict(request.query), files, names


def _broken(request: web.Request) -> web.Response:
    """Break the connection instead of answering."""
    assert request.transport
    request.transport.abort()
    return web.Response(status=500)
