"""TOML → frozen dataclasses, for every room; and this room's own sections.

A section of the file is a frozen dataclass whose fields are made with `key`: the field says what it means, in which
unit, and what it may be. So the file is checked by the same words that explain it. Nothing is read or made at import.
"""

import difflib
import ipaddress
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit
from urllib.request import url2pathname

import platformdirs

from db.errors import CONFIGURATION, ConfigError
from db.said import of_system, said

T = TypeVar("T")

LARGEST = 1 << 63  # of whole numbers, where TOML ends
_BUCKET = re.compile("[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_NAME = re.compile("[A-Za-z0-9._-]+")
_ENDPOINT = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?")
_REGION = re.compile("[A-Za-z0-9._-]*")
_CALLED = {
    bool: said("true or false"),
    int: said("a whole number"),
    float: said("a number"),
    str: said("a text in quotes"),
}


def key(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    secret: bool = False,
) -> Any:
    """A field of a section: its default, what it means, its unit, and what it may be. A secret one is never shown."""
    bounds = {"doc": doc, "unit": unit, "least": least, "most": most, "choices": choices, "secret": secret}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=bounds)
    return field(default=default, metadata=bounds, repr=not secret)


class Config(dict[str, Any]):
    """The sections by name; `of` gives one by its type."""

    def of(self, kind: type[T]) -> T:
        """The section that is a `kind`. raises KeyError."""
        for section in self.values():
            if isinstance(section, kind):
                return section
        raise KeyError(kind.__name__)


def load(path: Path | None, sections: Mapping[str, type]) -> Config:
    """Read a configuration file; what it does not say has its default.

    path:     none for the defaults alone
    sections: name in the file → frozen dataclass
    raises:   ConfigError, one sentence naming file, key and what was expected
    """
    if path is None:
        return Config({name: kind() for name, kind in sections.items()})
    file = str(path)
    tables = _tables(path)
    for name, table in tables.items():
        if name not in sections:
            raise ConfigError(file, name, said("there is no such section; {hint}", hint=_near(name, sections)))
        if not isinstance(table, dict):
            raise ConfigError.of(file, name, said("a section [{name}]", name=name), _shown(table))
    return Config({name: _section(file, name, kind(), tables.get(name, {})) for name, kind in sections.items()})


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))  # as some editors of Windows write it
    except ValueError as error:  # of TOML, of UTF-8, or a number of too many digits
        raise ConfigError(str(path), "", said("this is not TOML: {error}", error=str(error))) from None
    except OSError as error:
        raise ConfigError(str(path), "", said("cannot be read: {why}", why=of_system(error))) from None


def _section(file: str, name: str, default: Any, table: Mapping[str, Any]) -> Any:
    """The default with what the table says instead. raises ConfigError."""
    known = {each.name: each for each in fields(default)}
    types = get_type_hints(type(default))
    values = {}
    for each, value in table.items():
        where = f"{name}.{each}"
        if each not in known:
            raise ConfigError(file, where, said("there is no such key; {hint}", hint=_near(each, known)))
        if isinstance(getattr(default, each), Mapping):
            values[each] = _presets(file, where, get_args(types[each])[1], getattr(default, each), value)
        else:
            values[each] = _value(file, where, types[each], known[each].metadata, value)
    try:
        return replace(default, **values)
    except ValueError as error:  # keys that do not go together
        raise ConfigError(file, name, error.args[0]) from None


def _value(file: str, where: str, kind: Any, bounds: Mapping[str, Any], value: Any) -> Any:
    """The value as its field has it. raises ConfigError."""
    if get_origin(kind) is UnionType:  # "X | None": leaving it out is how a file says none
        (kind,) = (option for option in get_args(kind) if option is not NoneType)
    if get_origin(kind) is tuple:
        return _values(file, where, get_args(kind)[0], bounds, value)
    if kind is float and type(value) is int and abs(value) < LARGEST:
        value = float(value)
    if bounds["choices"] and value not in bounds["choices"]:
        choices = ", ".join(f'"{choice}"' for choice in bounds["choices"])
        raise ConfigError.of(file, where, said("one of {choices}", choices=choices), _shown(value))
    if type(value) is not kind or (kind is int and abs(value) >= LARGEST):
        raise ConfigError.of(file, where, _CALLED[kind], said("something else") if bounds["secret"] else _shown(value))
    _in_range(file, where, bounds, value)
    return value


def _values(file: str, where: str, kind: Any, bounds: Mapping[str, Any], value: Any) -> tuple[Any, ...]:
    """A list as its field has it: a tuple of values of one kind, or of small sections. raises ConfigError."""
    if is_dataclass(kind):
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise ConfigError.of(file, where, said("a list of {{ }} in [ ]"), _shown(value))
        default: Any = kind
        return tuple(_section(file, f"{where}[{n}]", default(), each) for n, each in enumerate(value))
    if not isinstance(value, list):
        raise ConfigError.of(file, where, said("a list in [ ], each {kind}", kind=_CALLED[kind]), _shown(value))
    return tuple(_value(file, where, kind, bounds, each) for each in value)


def _presets(file: str, where: str, kind: type, known: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Sections by name: those of the file change or join those that are known. raises ConfigError."""
    if not isinstance(value, dict):
        raise ConfigError.of(file, where, said("sections [{where}.NAME]", where=where), _shown(value))
    for name, table in value.items():
        if not isinstance(table, dict):
            raise ConfigError.of(
                file, f"{where}.{name}", said("a section [{name}]", name=f"{where}.{name}"), _shown(table)
            )
    changed = {name: _section(file, f"{where}.{name}", known.get(name, kind()), table) for name, table in value.items()}
    return {**known, **changed}


def _in_range(file: str, where: str, bounds: Mapping[str, Any], value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    least, most, unit = bounds["least"], bounds["most"], bounds["unit"]
    low = least is not None and value < least
    high = most is not None and value > most
    if not math.isfinite(value) or low or high:
        may = said("a finite number")
        if least is not None:
            may = said("at least {least}" if most is None else "{least} to {most}", least=least, most=most)
        raise ConfigError.of(file, where, said("{may} {unit}", may=may, unit=unit) if unit else may, str(value))


def _near(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return said('did you mean "{near}"?', near=near[0]) if near else said("there are {known}", known=", ".join(known))


def _shown(value: Any) -> str:
    match value:
        case dict():
            return said("a section")
        case list():
            return said("a list")
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value[:40]}…"' if len(value) > 40 else f'"{value}"'
        case int() if abs(value) >= LARGEST:
            return said("one beyond 64 bits")
        case _:
            return str(value)


@dataclass(frozen=True)
class ServiceConfig:
    """[service]"""

    data_dir: str = key("", "Folder of everything that is kept; empty: the system's place for a user's data.")
    log_level: str = key("info", "What is logged.", choices=("debug", "info", "warning", "error"))
    log_format: str = key("text", "One line per event, for people or for programs.", choices=("text", "json"))
    metrics: str = key("", 'Prometheus may read the queue\'s numbers at "HOST:PORT"; empty: nowhere.')

    def metrics_at(self) -> tuple[str, int] | None:
        """Host and port of the metrics; None where they are off. raises ConfigError."""
        if not self.metrics:
            return None
        host, _, port = self.metrics.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ConfigError.of(CONFIGURATION, "service.metrics", '"HOST:PORT"', _shown(self.metrics))
        return host.strip("[]"), int(port)

    def folder(self) -> Path:
        """The data folder; it need not exist yet."""
        return (
            Path(self.data_dir).expanduser().absolute()
            if self.data_dir
            else platformdirs.user_data_path("flipbot", False)
        )


@dataclass(frozen=True)
class DatabaseConfig:
    """[database]"""

    url: str = key("", 'The queue: "sqlite:///PATH", or "postgresql://…"; empty: flipbot.db in data_dir.', secret=True)


@dataclass(frozen=True)
class MediaConfig:
    """[media]"""

    url: str = key("", 'Pictures and films: "file:///PATH" or "s3://BUCKET/PREFIX"; empty: media in data_dir.')
    endpoint: str = key("", "The bucket's server, such as \"https://s3.example.org\"; empty: Amazon's.")
    region: str = key("", "The bucket's region; empty: that of the environment, else us-east-1.")
    cache_gib: int = key(
        20,
        "Of a bucket so much is kept in media-cache in data_dir, what was used last.",
        unit="GiB",
        least=1,
        most=10**6,
    )
    min_free_mib: int = key(
        500,
        "Disk that stays free: below it nothing is taken in, below half of it no section is begun.",
        unit="MiB",
        least=1,
        most=10**7,
    )

    def folder(self, data_dir: Path) -> Path:
        """The folder of the media; it need not exist yet. raises ConfigError."""
        if not self.url:
            return data_dir / "media"
        parts = urlsplit(self.url)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            scheme, there, _ = self.url.partition("://")  # what comes after it may hold a secret
            expected = said('"file:///" and a path')
            if there:
                raise ConfigError.of(CONFIGURATION, "media.url", expected, _shown(f"{scheme}://…"))
            raise ConfigError(CONFIGURATION, "media.url", said("expected {expected}", expected=expected))
        return Path(url2pathname(parts.path))

    def bucket(self) -> tuple[str, str] | None:
        """Name and prefix of the bucket of the media; None where they are in a folder. raises ConfigError."""
        parts = urlsplit(self.url)
        if parts.scheme != "s3":
            return None
        plain = _NAME.fullmatch(parts.netloc) and not (parts.query or parts.fragment)  # which may hold a secret
        if plain and not _BUCKET.fullmatch(parts.netloc):
            named = said("a bucket's name of 3 to 63 small letters, digits, dots and hyphens")
            raise ConfigError.of(CONFIGURATION, "media.url", named, _shown(parts.netloc))
        if not plain:
            raise ConfigError(CONFIGURATION, "media.url", said('expected "s3://BUCKET/PREFIX" and nothing else'))
        prefix = parts.path.strip("/")
        if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
            raise ConfigError.of(CONFIGURATION, "media.url", said("a plain prefix"), _shown(prefix))
        if self.endpoint and not _is_server(self.endpoint):  # which may hold a secret, too
            raise ConfigError(CONFIGURATION, "media.endpoint", said('expected "https://HOST" or "http://HOST:PORT"'))
        if not _REGION.fullmatch(self.region):
            raise ConfigError.of(CONFIGURATION, "media.region", said("a region's name"), _shown(self.region))
        return parts.netloc, prefix


def _is_server(url: str) -> bool:
    """Whether that is the address of a server, and nothing more."""
    found = _ENDPOINT.fullmatch(url)
    if found is None or not 0 < int(found[2] or 1) <= 65535:
        return False
    host = found[1]
    if host.startswith("[") or host.rpartition(".")[2].isdigit():
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
    return True
