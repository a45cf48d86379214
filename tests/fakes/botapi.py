"""What the Bot API allows: parameters and types after its specification, its HTML, its lengths.

A request that breaks a rule is refused as the real server does where that is known, and is a problem of the test.
"""

import html
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

SPEC = json.loads((Path(__file__).parent / "specs" / "telegram-bot-api.json").read_text("utf-8"))
METHODS = {name.lower(): name for name in SPEC["methods"]}
KINDS = {  # the word that tells the members of a union apart, by the field that has it
    "InputMedia": "type",
    "BotCommandScope": "type",
}
TAGS = {
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "code",
    "pre",
    "a",
    "blockquote",
    "tg-spoiler",
    "tg-time",
    "span",
}
ENTITIES = {"lt", "gt", "amp", "quot"}


class Wrong(Exception):
    """The request breaks a rule."""


def units(text: str) -> int:
    """How long Telegram thinks a text is: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.text = ""
        self.entities: list[tuple[str, int, int, str]] = []
        self._begun: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise Wrong(f'can\'t parse entities: Unsupported start tag "{tag}"')
        if tag == "tg-time":
            self._time(dict(attrs))
        self.open.append(tag)
        self._begun.append((units(self.text), dict(attrs).get("href") or dict(attrs).get("unix") or ""))

    def _time(self, attrs: Mapping[str, str | None]) -> None:
        """https://core.telegram.org/bots/api#date-time-entity-formatting"""
        if not (attrs.get("unix") or "").isdecimal() or not re.fullmatch(r"r|w?[dD]?[tT]?", attrs.get("format") or ""):
            raise Wrong(f"can't parse entities: a time of {attrs}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            raise Wrong(f'can\'t parse entities: Unexpected end tag "{tag}"')
        self.open.pop()
        start, href = self._begun.pop()
        self.entities.append((tag, start, units(self.text) - start, href))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_entityref(self, name: str) -> None:
        if name not in ENTITIES:
            raise Wrong(f"an entity Telegram does not know: &{name};")
        self.text += html.unescape(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.text += html.unescape(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        raise Wrong("can't parse entities: a comment")

    def handle_decl(self, decl: str) -> None:
        raise Wrong("can't parse entities: a declaration")


def parse_html(text: str) -> tuple[str, list[tuple[str, int, int, str]]]:
    """The plain text and its entities (tag, offset, length, href or unix time). raises: Wrong."""
    parser = _Html()
    parser.feed(text)
    parser.close()
    if parser.open:
        raise Wrong(f"can't parse entities: Can't find end tag corresponding to start tag \"{parser.open[-1]}\"")
    return parser.text, sorted(parser.entities, key=lambda e: (e[1], -e[2]))


def check(method: str, params: dict[str, str], files: dict[str, bytes]) -> dict[str, Any]:
    """The request's parameters as values. raises: Wrong, for a name, a type or a length that the API does not allow."""
    fields = {field["name"]: field for field in SPEC["methods"][method].get("fields", [])}
    for name in params:
        if name not in fields:
            raise Wrong(f"{method} has no parameter {name}")
    direct = {name for name in files if name in fields}
    for name, field in fields.items():
        if field["required"] and name not in params and name not in direct:
            raise Wrong(f"{method} needs {name}")
    values: dict[str, Any] = {name: _typed(method, fields[name], raw, files) for name, raw in params.items()}
    attached = set(re.findall(r"attach://([^\"\s]+)", json.dumps(values)))
    if stray := set(files) - direct - attached:
        raise Wrong(f"{method}: uploaded but not used: {stray}")
    return values | {name: f"attach://{name}" for name in direct}


def _typed(method: str, field: dict[str, Any], raw: str, files: dict[str, bytes]) -> Any:
    """A form field as a value of one of the types that the specification names."""
    where = f"{method}.{field['name']}"
    for kind in field["types"]:
        if kind in ("String", "InputFile"):
            if raw.startswith("attach://") and raw[9:] not in files:
                raise Wrong(f"{where}: nothing is attached as {raw[9:]}")
            return raw
        try:
            value = json.loads(raw)
        except json.JSONDecodeError:
            continue
        if kind == "Integer" and type(value) is int:
            return value
        if kind == "Boolean" and type(value) is bool:
            return value
        if kind == "Float" and type(value) in (int, float):
            return value
        if kind not in ("Integer", "Boolean", "Float") and isinstance(value, dict | list):
            if kind in SPEC["types"] and len(field["types"]) > 1 and not _fits(kind, value):
                continue
            _value(where, kind, value, files)
            return value
    raise Wrong(f"{where}: {raw[:80]!r} is none of {field['types']}")


def _fits(kind: str, value: Any) -> bool:
    """Whether a value of a union could be of this kind: it has all that is required."""
    fields = SPEC["types"][kind].get("fields", [])
    return isinstance(value, dict) and all(field["name"] in value for field in fields if field["required"])


def _value(where: str, kind: str, value: Any, files: dict[str, bytes]) -> None:
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            raise Wrong(f"{where} is no array")
        for each in value:
            _value(where, kind[9:], each, files)
    elif kind in ("Integer", "Boolean", "Float", "String", "True"):
        python = {"Integer": int, "Boolean": bool, "True": bool, "Float": (int, float), "String": str}[kind]
        if not isinstance(value, python) or (kind != "Boolean" and kind != "True" and isinstance(value, bool)):  # type: ignore[arg-type]
            raise Wrong(f"{where}: {value!r} is no {kind}")
    elif kind == "InputFile":
        if not isinstance(value, str):
            raise Wrong(f"{where}: {value!r} is no file")
    else:
        _object(where, kind, value, files)


def _object(where: str, kind: str, value: Any, files: dict[str, bytes]) -> None:
    if not isinstance(value, dict):
        raise Wrong(f"{where} is no {kind}")
    spec = SPEC["types"][kind]
    if subtypes := spec.get("subtypes"):
        word = str(value.get(KINDS[kind], ""))
        named = f"{kind}{''.join(part.title() for part in word.split('_'))}"
        if named not in subtypes:
            raise Wrong(f"{where}: there is no {kind} of type {word!r}")
        kind, spec = named, SPEC["types"][named]
    fields = {field["name"]: field for field in spec["fields"]}
    for name, each in value.items():
        if name not in fields:
            raise Wrong(f"{where}: {kind} has no field {name}")
        if isinstance(each, str) and each.startswith("attach://") and each[9:] not in files:
            raise Wrong(f"{where}.{name}: nothing is attached as {each[9:]}")
        _any(f"{where}.{name}", fields[name]["types"], each, files)
    for name, field in fields.items():
        if field["required"] and name not in value:
            raise Wrong(f"{where}: {kind} needs {name}")


def _any(where: str, kinds: list[str], value: Any, files: dict[str, bytes]) -> None:
    wrong: Wrong | None = None
    for kind in kinds:
        try:
            return _value(where, kind, value, files)
        except Wrong as error:
            wrong = error
    raise wrong or Wrong(where)


def keyboard(markup: dict[str, Any]) -> None:
    """The limits of an inline keyboard. raises: Wrong."""
    for row in markup.get("inline_keyboard", []):
        if not 1 <= len(row) <= 8:
            raise Wrong("a row of an inline keyboard has 1 to 8 buttons")
        for button in row:
            if not button["text"].strip():
                raise Wrong("Text buttons are unallowed: a button without a text")
            actions = set(button) - {"text", "style", "icon_custom_emoji_id"}
            if len(actions) != 1:
                raise Wrong(f"a button does one thing, not {sorted(actions)}")
            if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= 64:
                raise Wrong("BUTTON_DATA_INVALID: callback_data has 1 to 64 bytes")
            if "copy_text" in button and not 1 <= len(button["copy_text"]["text"]) <= 256:
                raise Wrong("copy_text has 1 to 256 characters")
            if button.get("style", "primary") not in ("danger", "success", "primary"):
                raise Wrong(f"there is no style {button['style']}")
