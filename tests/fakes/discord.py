"""A Discord that speaks the wire: REST v10, the gateway and the attachment host, for real discord.py.

Every body is checked against the part of Discord's own document that stands in specs/, and against its prose where the
two differ: the limits of messages, and that every message says whom it may mention. What breaks a rule is answered with
400 and written down in `broken`.
"""

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

SPEC = json.loads((Path(__file__).parent / "specs" / "discord.json").read_text("utf-8"))
REQUESTS = {  # (verb, path with {} for what differs): (name, schema)
    (name.split(" ")[0], re.sub(r"\{[^}]*\}", "{}", name.split(" ")[1]).strip("/")): (name, schema)
    for name, schema in reversed(SPEC["requests"].items())
}
APP = "1000"
BOT = {"id": APP, "username": "Flipbot", "discriminator": "0", "avatar": None, "bot": True, "global_name": None}
GUILD, CHANNEL, ADULT, DM = "2000", "3000", "3100", "4000"  # ADULT is age-restricted
THREAD = "3200"  # of CHANNEL
ROLE = {
    "id": "2500", "name": "Patrons", "color": 0, "colors": {"primary_color": 0}, "hoist": False, "position": 1,
    "permissions": "0", "managed": False, "mentionable": False, "flags": 0,
}  # fmt: skip
EVERYTHING = str((1 << 52) - 1)
TOKEN = "a.secret.token"
SNOWFLAKE = "^(0|[1-9][0-9]*)$"
# nsfw of a command stands in Discord's prose, but not in its document; tts comes with every edit of discord.py's, and
# Discord passes over it
UNDOCUMENTED = ("nsfw", "tts")


def check(schema: Any, value: Any, where: str = "body") -> list[str]:
    """What of a value does not follow its schema: the part of JSON Schema that Discord's document uses.

    Stricter in one thing: a property that the schema does not name is an error.
    """
    if "$ref" in schema:
        return check(SPEC["schemas"][schema["$ref"].split("/")[-1]], value, where)
    for each in ("oneOf", "anyOf"):
        if each in schema:
            tried = [check(option, value, where) for option in schema[each]]
            return [] if any(not found for found in tried) else min(tried, key=len)
    found: list[str] = []
    for part in schema.get("allOf", ()):
        if "enum" in part or "$ref" in part or "oneOf" in part:
            found += check(part, value, where)
    if schema.get("pattern") == SNOWFLAKE and isinstance(value, int):
        value = str(value)  # Discord takes both, and libraries send both
    kinds = schema.get("type")
    if kinds is not None and not any(_is(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return [f"{where}: {str(value)[:40]!r} is no {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r} is not {schema['const']!r}")
    if isinstance(value, str):
        low, high = schema.get("minLength", 0), schema.get("maxLength", 1 << 30)
        if not low <= len(value) <= high:
            found.append(f"{where}: {len(value)} characters, {low} to {high} are allowed")
        if "pattern" in schema and not re.search(_python(schema["pattern"]), value):
            found.append(f"{where}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        if not low <= value <= high:
            found.append(f"{where}: {value} is not within {low} and {high}")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 1 << 30):
            found.append(f"{where}: {len(value)} entries")
        for n, each in enumerate(value):
            found += check(schema.get("items", {}), each, f"{where}[{n}]")
    if isinstance(value, dict) and ("properties" in schema or "required" in schema):
        found += [f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, each in value.items():
            if name in schema.get("properties", {}):
                found += check(schema["properties"][name], each, f"{where}.{name}")
            elif not schema.get("additionalProperties") and name not in UNDOCUMENTED:
                found.append(f"{where}.{name}: there is no such property")
    return found


def _python(pattern: str) -> str:
    return re.sub(r"\\p\{[^}]*\}", r"\\w", pattern)


def _is(kind: str, value: Any) -> bool:
    kinds: dict[str, Any] = {
        "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
        "null": type(None),
    }  # fmt: skip
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, kinds[kind])


@dataclass
class Fault:
    """What goes wrong with the next calls that match.

    kind: "429", "global", "old" (the 429 of messages over an hour old), "lost" (it happens, the answer does not come),
          "break" (it does not happen, the connection breaks), "hang", "slow", a status, or (status, code)
    skip: so many calls that match pass first; met: is called when it meets one
    """

    method: str
    path: str
    kind: Any
    times: int = 1
    wait_s: float = 0.3
    skip: int = 0
    met: Callable[[], None] = lambda: None


@dataclass
class Sent:
    """A message, as the server has it."""

    id: str
    channel: str
    content: str
    components: list[Any]
    attachments: list[dict[str, Any]]
    ephemeral: bool = False
    interaction: str | None = None
    reply_to: str | None = None
    mentions: Any = None
    silent: bool = False
    history: list[str] = field(default_factory=list)
    deleted: bool = False

    def buttons(self) -> dict[str, str]:
        """custom_id by label."""
        return {
            part.get("label") or part["custom_id"]: part["custom_id"]
            for row in self.components
            for part in row["components"]
        }


class Discord:
    """The server. `async with Discord() as there:`, then point a client at `there.api`."""

    def __init__(self) -> None:
        self.messages: dict[str, Sent] = {}
        self.commands: list[dict[str, Any]] = []
        self.registered: dict[str, list[str]] = {}  # names of commands by server, "" is everywhere
        self.syncs = 0
        self.broken: list[str] = []
        self.calls: list[tuple[float, str, str]] = []
        self.faults: list[Fault] = []
        self.modals: list[dict[str, Any]] = []
        self.answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.choices: list[Any] = []
        self.files: dict[str, bytes] = {}
        self.nonces: dict[str, str] = {}
        self.archived = self.locked = False  # the thread
        self.identified = self.resumed = 0
        self.limit_bytes = 10 * 2**20
        self.bucket: tuple[int, float] = (5, 5.0)
        self.token = TOKEN
        self.fatal: int | None = None
        self.first_answers: list[float] = []
        self._sent_at: dict[str, list[float]] = defaultdict(list)
        self._asked_at: dict[str, float] = {}
        self._tokens: dict[str, str] = {}
        self._places: dict[str, str] = {}  # the channels of interactions
        self._sockets: set[web.WebSocketResponse] = set()
        self._sequence = 0
        self._ids = iter(range(5_000, 1 << 30))

    async def __aenter__(self) -> "Discord":
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/gw/", self._gateway)
        app.router.add_get("/gw", self._gateway)
        app.router.add_get("/attachments/{name}", self._attachment)
        app.router.add_route("*", "/api/v10/{rest:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.host = f"http://127.0.0.1:{port}"
        self.api = f"{self.host}/api/v10"
        self.gateway = f"ws://127.0.0.1:{port}/gw"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop()
        await self._runner.cleanup()

    # What a test does

    def id(self) -> str:
        return str(next(self._ids))

    def fail(self, method: str, path: str, kind: Any, times: int = 1, wait_s: float = 0.3, **more: Any) -> None:
        self.faults.append(Fault(method, path, kind, times, wait_s, **more))

    def upload(self, content: bytes, name: str = "photo.png") -> dict[str, Any]:
        """A file that somebody attached."""
        found = self.id()
        self.files[found] = content
        return {
            "id": found, "filename": name, "size": len(content), "content_type": "image/png", "width": 96, "height": 64,
            "url": f"{self.host}/attachments/{found}", "proxy_url": f"{self.host}/attachments/{found}",
        }  # fmt: skip

    async def command(
        self, name: str, options: Mapping[str, Any] | None = None, *, group: str | None = None, **who: Any
    ) -> str:
        """Somebody types a command; returns the interaction's id.

        Dicts among the options are attachments, or something else where they say so: {"role": {…}}, {"user": {…}}.
        """
        given: list[Any] = []
        resolved: dict[str, Any] = defaultdict(dict)
        for key, value in (options or {}).items():
            kind = 3
            if isinstance(value, dict):
                what, value = next(iter(value.items())) if len(value) == 1 else ("attachment", value)
                kind = {"attachment": 11, "role": 8, "channel": 7, "user": 6}[what]
                resolved[f"{what}s"][value["id"]] = value
                value = value["id"]
            elif isinstance(value, bool):
                kind = 5
            elif isinstance(value, int):
                kind = 4
            given.append({"name": key, "type": kind, "value": value})
        named = next(each["id"] for each in self.commands if each["name"] == (group or name))
        if group:
            given = [{"name": name, "type": 1, "options": given}]
        data = {"id": named, "name": group or name, "type": 1, "options": given}
        if resolved:
            data["resolved"] = resolved
        return await self.interaction(2, data, **who)

    async def menu(self, name: str, message: dict[str, Any], **who: Any) -> str:
        named = next(each["id"] for each in self.commands if each["name"] == name)
        data = {"id": named, "name": name, "type": 3, "target_id": message["id"]}
        data["resolved"] = {"messages": {message["id"]: message}}
        return await self.interaction(2, data, **who)

    async def press(self, message: Sent, label: str, values: list[str] | None = None, **who: Any) -> str:
        data: dict[str, Any] = {"custom_id": message.buttons()[label], "component_type": 3 if values else 2}
        if values:
            data["values"] = values
        return await self.interaction(3, data, message=self._json(message), **who)

    async def submit(self, custom_id: str, fields: Mapping[str, str], **who: Any) -> str:
        rows = [{"type": 1, "components": [{"type": 4, "custom_id": k, "value": v}]} for k, v in fields.items()]
        return await self.interaction(5, {"custom_id": custom_id, "components": rows}, **who)

    async def interaction(
        self, kind: int, data: dict[str, Any], *, user: str = "7000", channel: str = CHANNEL, locale: str = "en-US",
        permissions: str = "0", app_permissions: str = EVERYTHING, message: Any = None, again: str | None = None,
        roles: Sequence[str] = (),
    ) -> str:  # fmt: skip
        """Send one through the gateway; again: the id of one that is delivered a second time."""
        found = again or self.id()
        token = f"token{found}"
        self._tokens[token] = found
        self._asked_at[found] = time.monotonic()
        person = {"id": user, "username": f"user{user}", "discriminator": "0", "avatar": None, "global_name": None}
        private = channel == DM
        where = {"id": channel, "type": 1 if private else 0, "name": "films", "nsfw": channel == ADULT}
        where = self._thread() if channel == THREAD else where
        self._places[found] = channel
        payload: dict[str, Any] = {
            "id": found, "application_id": APP, "type": kind, "data": data, "token": token, "version": 1,
            "channel_id": channel, "channel": where,
            "app_permissions": app_permissions, "locale": locale, "entitlements": [], "context": 1 if private else 0,
            "authorizing_integration_owners": {"0": GUILD}, "attachment_size_limit": self.limit_bytes,
        }  # fmt: skip
        if message:
            payload["message"] = message
        if private:
            payload["user"] = person
        else:
            payload["guild_id"] = GUILD
            payload["guild"] = {"id": GUILD, "locale": "en-US", "features": []}
            payload["member"] = {
                "user": person, "roles": list(roles), "joined_at": "2026-01-01T00:00:00+00:00", "deaf": False,
                "mute": False, "flags": 0, "permissions": permissions,
            }  # fmt: skip
        self.answers.setdefault(found, asyncio.get_running_loop().create_future())
        await self.dispatch("INTERACTION_CREATE", payload)
        return found

    async def answer(self, interaction: str, within_s: float = 30.0) -> dict[str, Any]:
        """The first response to an interaction."""
        async with asyncio.timeout(within_s):
            return await asyncio.shield(self.answers[interaction])

    def said_to(self, interaction: str) -> list[Sent]:
        """The messages that answer an interaction, followups too."""
        return [m for m in self.messages.values() if m.interaction == interaction]

    def in_channel(self, channel: str = CHANNEL) -> list[Sent]:
        return [m for m in self.messages.values() if m.channel == channel and not m.ephemeral and not m.deleted]

    async def until(self, holds: Callable[[], Any], within_s: float = 25.0) -> Any:
        """Wait for something; what it was, once it holds."""
        end = time.monotonic() + within_s
        while not (found := holds()):
            assert time.monotonic() < end, (
                f"waited {within_s} s; messages: {[m.content for m in self.messages.values()]}"
            )
            await asyncio.sleep(0.05)
        return found

    async def dispatch(self, event: str, data: Any) -> None:
        self._sequence += 1
        for socket in list(self._sockets):
            with suppress(ConnectionError):
                await socket.send_json({"op": 0, "t": event, "s": self._sequence, "d": data})

    async def archive(self, *, locked: bool) -> None:
        """Somebody archives the thread."""
        self.archived, self.locked = True, locked
        await self.dispatch("THREAD_UPDATE", self._thread())

    async def drop(self, code: int | None = None) -> None:
        """Close every gateway connection; without a code the socket just breaks."""
        for socket in list(self._sockets):
            if code is None and socket._req and socket._req.transport:
                socket._req.transport.abort()
            else:
                await socket.close(code=code or 1000)

    async def order(self, op: int, data: Any = None) -> None:
        for socket in list(self._sockets):
            await socket.send_json({"op": op, "d": data, "s": None, "t": None})

    # The gateway

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 20_000}, "s": None, "t": None})
        try:
            async for message in socket:
                if message.type != WSMsgType.TEXT:
                    continue
                got = json.loads(message.data)
                match got["op"]:
                    case 1:
                        await socket.send_json({"op": 11, "d": None, "s": None, "t": None})
                    case 2 if self.fatal:
                        await socket.close(code=self.fatal)
                    case 2:
                        self.identified += 1
                        await self._ready(socket)
                    case 6:
                        self.resumed += 1
                        self._sockets.add(socket)
                        self._sequence += 1
                        await socket.send_json({"op": 0, "t": "RESUMED", "s": self._sequence, "d": {}})
        finally:
            self._sockets.discard(socket)
        return socket

    async def _ready(self, socket: web.WebSocketResponse) -> None:
        self._sockets.add(socket)
        ready = {
            "v": 10, "user": BOT, "guilds": [{"id": GUILD, "unavailable": True}], "session_id": "session",
            "resume_gateway_url": self.gateway, "application": {"id": APP, "flags": 0},
        }  # fmt: skip
        channels = [
            {"id": found, "type": 0, "name": "films", "position": 0, "nsfw": found == ADULT}
            for found in (CHANNEL, ADULT)
        ]
        guild = {
            "id": GUILD, "name": "Studio", "roles": [ROLE], "channels": channels,
            "members": [], "threads": [self._thread()], "emojis": [], "stickers": [], "premium_tier": 0, "features": [],
            "member_count": 2, "owner_id": "7000",
        }  # fmt: skip
        for event, data in (("READY", ready), ("GUILD_CREATE", guild)):
            self._sequence += 1
            await socket.send_json({"op": 0, "t": event, "s": self._sequence, "d": data})

    # REST

    async def _attachment(self, request: web.Request) -> web.Response:
        content = self.files.get(request.match_info["name"])
        return web.Response(body=content, content_type="image/png") if content is not None else web.Response(status=404)

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["rest"]
        self.calls.append((time.monotonic(), request.method, path))
        by_token = path.startswith(("/interactions/", "/webhooks/"))
        if not by_token and request.headers.get("Authorization") != f"Bot {self.token}":
            return self._error(401, 0, "401: Unauthorized")
        for fault in self.faults:
            if fault.times and fault.method in (request.method, "*") and re.search(fault.path, path):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return await self._faulty(fault, request, path)
        limited = self._limited(request.method, path)
        if limited is not None:
            return limited
        return await self._act(request, path)

    async def _faulty(self, fault: Fault, request: web.Request, path: str) -> web.StreamResponse:
        match fault.kind:
            case "429" | "global" | "old":
                code = 30046 if fault.kind == "old" else 0
                return self._too_fast(fault.wait_s, everywhere=fault.kind == "global", code=code)
            case "lost" | "break":
                if fault.kind == "lost":
                    await self._act(request, path)
                fault.met()
                if request.transport:
                    request.transport.abort()
                return web.Response(status=500)
            case "slow":
                await asyncio.sleep(fault.wait_s)
                return await self._act(request, path)
            case "hang":
                await asyncio.sleep(600)
                return web.Response(status=500)
            case (status, code):
                return self._error(status, code, "no")
            case status:
                return self._error(int(status), 0, "server error")

    def _too_fast(self, wait_s: float, *, everywhere: bool = False, code: int = 0) -> web.Response:
        body = {"code": code, "message": "You are being rate limited.", "retry_after": wait_s, "global": everywhere}
        headers = {
            "Via": "1.1 google",
            "Retry-After": str(wait_s),
            "X-RateLimit-Scope": "global" if everywhere else "user",
        }
        if everywhere:
            headers["X-RateLimit-Global"] = "true"
        return self._json_response(body, 429, headers)

    def _limited(self, method: str, path: str) -> web.Response | None:
        """A bucket of messages per channel, as it was observed: 5 in 5 seconds for creating and editing each."""
        found = re.fullmatch(r"/channels/(\d+)/messages(/\d+)?", path)
        if not found or method not in ("POST", "PATCH"):
            return None
        calls, within_s = self.bucket
        key, now = f"{method} {found[1]}", time.monotonic()
        recent = [at for at in self._sent_at[key] if at > now - within_s]
        if len(recent) >= calls:
            self.broken.append(f"too fast: {key}")
            return self._too_fast(recent[0] + within_s - now)
        self._sent_at[key] = [*recent, now]
        return None

    async def _act(self, request: web.Request, path: str) -> web.Response:
        body, files = await self._body(request)
        parts = path.strip("/").split("/")
        wrong = self._wrong(request.method, parts, body)
        if wrong:
            self.broken += wrong
            return self._json_response(
                {
                    "code": 50035,
                    "message": "Invalid Form Body",
                    "errors": {"_errors": [{"code": "WRONG", "message": each} for each in wrong]},
                },
                400,
            )
        match [request.method, *parts]:
            case ["GET", "users", "@me"]:
                return self._json_response(BOT)
            case ["GET", "oauth2" | "applications", *_]:
                return self._json_response(
                    {
                        "id": APP, "name": "Flipbot", "icon": None, "description": "", "bot_public": True, "flags": 0,
                        "bot_require_code_grant": False, "verify_key": "", "owner": BOT, "team": None, "summary": "",
                    }
                )  # fmt: skip
            case ["GET", "gateway", *_]:
                start = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
                return self._json_response({"url": self.gateway, "shards": 1, "session_start_limit": start})
            case ["PUT", "applications", _, *where]:
                self.syncs += 1
                extra = {"application_id": APP, "version": "1"}
                made = [{"description": "", **each, "id": self.id(), **extra} for each in body]
                self.registered[where[1] if where[0] == "guilds" else ""] = [each["name"] for each in made]
                self.commands = made or self.commands
                return self._json_response(made)
            case ["POST", "users", "@me", "channels"]:
                return self._json_response({"id": DM, "type": 1, "recipients": [BOT], "last_message_id": None})
            case ["GET", "channels", channel] if channel == THREAD:
                return self._json_response(self._thread())
            case ["POST" | "PATCH", "channels", channel, "messages", *_] if closed := self._closed(
                request.method, channel
            ):
                return closed
            case ["POST", "interactions", found, _, "callback"]:
                return self._callback(found, body, files)
            case ["GET" | "PATCH" | "DELETE", "webhooks", _, token, "messages", which]:
                return self._webhook_message(request.method, token, which, body, files)
            case ["POST", "webhooks", _, token]:
                sent = self._new(self._places[self._tokens[token]], body, files, interaction=self._tokens[token])
                return self._json_response(self._json(sent))
            case ["POST", "channels", channel, "messages"]:
                return self._create(channel, body, files)
            case ["PATCH" | "GET" | "DELETE", "channels", _, "messages", found]:
                known = self.messages.get(found)
                if known is None or known.deleted or known.ephemeral:
                    return self._error(404, 10008, "Unknown Message")
                return self._change(request.method, known, body, files)
        return self._error(404, 0, f"404: {path}")

    async def _body(self, request: web.Request) -> tuple[Any, list[tuple[str, bytes]]]:
        if request.content_type == "multipart/form-data":
            form = await request.post()
            files = [(str(f.filename), f.file.read()) for key, f in form.items() if isinstance(f, web.FileField)]
            return json.loads(str(form["payload_json"])), files
        raw = await request.read()
        return (json.loads(raw) if raw else {}), []

    def _wrong(self, method: str, parts: list[str], body: Any) -> list[str]:
        shape = "/".join("{}" if part.isdigit() or part.startswith("token") else part for part in parts)
        name, schema = REQUESTS.get((method, shape), ("", None))
        if schema is None:
            return []
        found = check(schema, body, name)
        message = body.get("data", {}) if parts[0] == "interactions" else body
        speaks = parts[0] != "applications" and parts[:2] != ["users", "@me"]
        if speaks and isinstance(message, dict) and message.get("content") and "allowed_mentions" not in message:
            found.append(f"{name}: nobody says whom this may mention")
        return found

    def _callback(self, found: str, body: Any, files: list[tuple[str, bytes]]) -> web.Response:
        waiting = self.answers[found]
        if waiting.done():
            return self._error(400, 40060, "Interaction has already been acknowledged.")
        took = time.monotonic() - self._asked_at[found]
        self.first_answers.append(took)
        if took > 3.0:
            return self._error(404, 10062, "Unknown interaction")
        kind, data = body["type"], body.get("data") or {}
        sent = None
        if kind == 4:
            sent = self._new(self._places[found], data, files, interaction=found)
        elif kind == 8:
            self.choices = data["choices"]
        elif kind == 9:
            self.modals.append(data)
        waiting.set_result({"type": kind, "message": sent, "data": data})
        resource: dict[str, Any] = {"type": kind}
        told: dict[str, Any] = {"id": found, "type": 2}
        if sent:
            resource["message"], told["response_message_id"] = self._json(sent), sent.id
        return self._json_response({"interaction": told, "resource": resource})

    def _webhook_message(
        self, method: str, token: str, which: str, body: Any, files: list[tuple[str, bytes]]
    ) -> web.Response:
        mine = [m for m in self.messages.values() if m.interaction == self._tokens.get(token) and not m.deleted]
        if not mine:
            return self._error(404, 10008, "Unknown Message")
        return self._change(method, mine[0] if which == "@original" else self.messages[which], body, files)

    def _thread(self) -> dict[str, Any]:
        about = {
            "archived": self.archived, "locked": self.locked, "auto_archive_duration": 60,
            "archive_timestamp": "2026-08-01T00:00:00+00:00",
        }  # fmt: skip
        return {
            "id": THREAD, "type": 11, "guild_id": GUILD, "parent_id": CHANNEL, "owner_id": "7000", "name": "a film",
            "thread_metadata": about, "message_count": 1, "member_count": 1, "rate_limit_per_user": 0,
        }  # fmt: skip

    def _closed(self, method: str, channel: str) -> web.Response | None:
        """What an archived thread answers; a new message opens it, unless it is locked."""
        if channel != THREAD or not self.archived:
            return None
        if method == "PATCH":
            return self._error(400, 50083, "Thread is archived")
        if self.locked:
            return self._error(400, 160005, "Thread is locked")
        self.archived = False
        return None

    def _create(self, channel: str, body: Any, files: list[tuple[str, bytes]]) -> web.Response:
        nonce = body.get("nonce")
        if nonce and body.get("enforce_nonce") and f"{channel} {nonce}" in self.nonces:
            return self._json_response(self._json(self.messages[self.nonces[f"{channel} {nonce}"]]))
        if sum(len(content) for _, content in files) > self.limit_bytes:
            return self._error(413, 40005, "Request entity too large")
        sent = self._new(channel, body, files)
        if nonce:
            self.nonces[f"{channel} {nonce}"] = sent.id
        return self._json_response(self._json(sent))

    def _change(self, method: str, sent: Sent, body: Any, files: list[tuple[str, bytes]]) -> web.Response:
        if method == "DELETE":
            sent.deleted = True
            return web.Response(status=204)
        if method == "PATCH":
            if sum(len(content) for _, content in files) > self.limit_bytes:
                return self._error(413, 40005, "Request entity too large")
            sent.history.append(sent.content)
            sent.content = body.get("content", sent.content) or ""
            sent.components = sent.components if body.get("components") is None else body["components"]
            if "attachments" in body:
                kept = {
                    each["id"]
                    for each in body["attachments"] or []
                    if str(each["id"]) in {a["id"] for a in sent.attachments}
                }
                sent.attachments = [each for each in sent.attachments if each["id"] in kept]
            sent.attachments += [self.upload(content, name) for name, content in files]
        return self._json_response(self._json(sent))

    def _new(self, channel: str, body: Any, files: list[tuple[str, bytes]], interaction: str | None = None) -> Sent:
        ephemeral = bool(body.get("flags", 0) & 64)
        reply = (body.get("message_reference") or {}).get("message_id")
        sent = Sent(
            self.id(), channel, body.get("content") or "", body.get("components") or [],
            [self.upload(content, name) for name, content in files], ephemeral, interaction, reply,
            body.get("allowed_mentions"), bool(body.get("flags", 0) & 4096),
        )  # fmt: skip
        self.messages[sent.id] = sent
        return sent

    def _json(self, sent: Sent) -> dict[str, Any]:
        return {
            "id": sent.id, "channel_id": sent.channel, "author": BOT, "content": sent.content, "tts": False,
            "timestamp": "2026-08-01T00:00:00+00:00", "edited_timestamp": None, "mention_everyone": False,
            "mentions": [], "mention_roles": [], "attachments": sent.attachments, "embeds": [], "pinned": False,
            "type": 0, "components": sent.components, "flags": 64 if sent.ephemeral else 0,
        }  # fmt: skip

    def _error(self, status: int, code: int, text: str) -> web.Response:
        return self._json_response({"code": code, "message": text}, status)

    def _json_response(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        # The type exactly so: with a charset beside it discord.py takes the body for text.
        told = {"Content-Type": "application/json", **(headers or {})}
        return web.Response(body=json.dumps(body).encode(), status=status, headers=told)
