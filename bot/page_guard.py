"""Who may speak to the page: its own address only, a password beyond this machine, tokens in forms, not too often.

Every site that a browser has open could speak to the page. So a request must be addressed to it by name (against DNS
rebinding), must not come from another site, and what changes anything carries a token that only its own pages know.
A visitor is a cookie, and sees only the films that came with it; the rows keep the cookie's hash. Where guests have a
password of their own, who gives it may do what a visitor may, and nothing of what is the owner's.
"""

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import socket
import time
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from aiohttp import web

from bot.errors import Refused
from bot.words import LANGUAGES, Guest, pick

VISITOR: Final = "flipbot_visitor"
SESSION: Final = "flipbot_session"
LANGUAGE: Final = "flipbot_language"  # says nothing of who it is
TOKEN: Final = "csrf"  # a form's field; scripts say it in a header
TOKEN_HEADER: Final = "X-Flipbot-Token"
VISITOR_AGE_S: Final = 400 * 24 * 3600  # what browsers allow at most
SESSION_AGE_S: Final = 30 * 24 * 3600
GUESTS: Final = (  # the addresses that a guest may ask for, as they are routed; any other is the owner's
    "/", "/login", "/logout", "/language/", "/gallery", "/jobs", "/examples/", "/j/", "/w/", "/assets/",
)  # fmt: skip
CHANGES: Final = "/language/"  # though it is only asked for: no other site may lead there
OPEN: Final = ("/login", "/language/", "/assets/", "/w/")  # to those who have given no password
PER_MINUTE: Final = {"login": 6, "submit": 20, "change": 60}  # of one browser that gave the password, or one network
WHO: Final = web.RequestKey("who", str)
Role = Literal["owner", "guest"]
NEW: Final = web.RequestKey("new", str)  # the token of a visitor's cookie that is yet to be set
KEY_FILE: Final = "page-key"
NETWORK_BITS: Final = 64  # of an IPv6 address: the rest of it everybody chooses freely (RFC 4291, 2.5.1)
REMEMBERED: Final = 10_000  # who asked, of which the longest unseen are forgotten


def read_key(data_dir: Path) -> bytes:
    """The key that cookies and tokens are signed with; made once, readable by its owner only."""
    path = data_dir / KEY_FILE
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    return path.read_bytes()


@cache
def machine_names() -> frozenset[str]:
    """What this machine is called; it may ask a name server, for seconds, and so it does once."""
    return frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})


class Guard:
    """Judges requests; holds nothing but how often somebody asked of late, and which sessions count.

    generation: of the sessions that count; the owner's signing out everywhere raises it (`Page` keeps it)
    ended:      sessions that were signed out, as long as this process runs: their browsers have no cookie of them
    """

    def __init__(
        self, host: str, password: str = "", public_url: str = "", key: bytes = b"", guest_password: str = ""
    ) -> None:
        """key: empty takes one that ends with the process; guest_password: empty lets no guests in."""
        self.host, self.password, self.guest_password = host.lower(), password, guest_password
        self.public_url, self.public = public_url, urlsplit(public_url).netloc.lower()
        self.secure = public_url.startswith("https://")
        key = key or secrets.token_bytes(32)
        # With the password in it, a new one signs everybody out who gave the one before.
        self._key = hashlib.sha256(key + password.encode()).digest()
        self._keys: dict[Role, bytes] = {"owner": self._key}
        if guest_password:
            self._keys["guest"] = hmac.new(key, b"guest " + guest_password.encode(), hashlib.sha256).digest()
        self.generation = 0
        self.ended: OrderedDict[str, None] = OrderedDict()
        self._asked: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def check(self) -> None:
        """Whether the page may be opened as it is configured. raises: Refused."""
        if self.guest_password and not self.password:
            raise Refused("refused.guests_alone")
        if self.password:
            if _same(self.guest_password, self.password):
                raise Refused("refused.guests_own")
            return
        if not self.is_local:
            raise Refused("refused.password_needed", host=self.host or "0.0.0.0")
        if self.public_url and not _is_loopback(urlsplit(self.public_url).hostname or ""):  # a proxy lets the world in
            raise Refused("refused.password_needed_public", url=self.public_url)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page, but for a proxy on it."""
        return _is_loopback(self.host)

    # Where a request comes from

    def check_origin(self, request: web.Request, url: str) -> None:
        """Whether it is addressed to this page, and comes from it. url: the page's. raises: Refused."""
        host = request.headers.get("Host", "")
        if not self._is_ours(host):
            raise Refused("refused.wrong_host", url=url)
        origin = request.headers.get("Origin")
        # Some proxies pass the public name as Host, some the address that they ask; the browser says the public one.
        foreign = origin is not None and _netloc(origin) not in {host.lower(), self.public} - {""}
        changes = request.method != "GET" or request.path.startswith(CHANGES)
        if changes and (foreign or request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")):
            raise Refused("refused.wrong_origin", url=url)

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this page; a name that a stranger's DNS could point here does not."""
        if self.public and host.lower() == self.public:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name == self.host:
            return True
        if self.is_local:
            return _is_loopback(name)
        return _address(name) is not None or name in machine_names()

    # Who it is

    def visitor(self, request: web.Request) -> str:
        """Who asks; a new one gets a cookie with the answer (`remember`)."""
        if WHO not in request:
            token = request.cookies.get(VISITOR, "")
            if not re.fullmatch(r"[A-Za-z0-9_-]{32}", token):
                token = request[NEW] = secrets.token_urlsafe(24)
            request[WHO] = hashlib.sha256(token.encode()).hexdigest()[:32]
        return request[WHO]

    def is_new(self, request: web.Request) -> bool:
        """Whether nobody can have anything here yet who asks."""
        self.visitor(request)
        return NEW in request

    def remember(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give a new visitor the cookie."""
        if self.is_new(request):
            self._set(request, response, VISITOR, request[NEW], VISITOR_AGE_S)

    def speak(self, request: web.Request, response: web.StreamResponse, language: str) -> None:
        """Let this browser read that language from now on."""
        self._set(request, response, LANGUAGE, language, VISITOR_AGE_S)

    def token(self, request: web.Request) -> str:
        """What a form of this visitor has to carry."""
        return self._sign(f"form {self.visitor(request)}")

    def check_token(self, request: web.Request, given: str) -> None:
        """Whether a form came from a page of ours that this visitor saw. raises: Refused."""
        if not _same(given, self.token(request)):
            raise Refused("refused.form_expired")

    def is_owner(self, request: web.Request) -> bool:
        """Whether the owner's password was given."""
        return self.role(request) == "owner"

    def role(self, request: web.Request) -> Role | None:
        """Whose password was given, and holds."""
        role, until = self._signed_in(request)
        return role if until > time.time() else None

    def check_role(self, request: web.Request) -> None:
        """Whether who asks may ask for this, as far as passwords go. raises: Refused."""
        if not self.password or request.path.startswith(OPEN):
            return
        role = self.role(request)
        if role is None:
            raise Refused("refused.sign_in")
        resource = request.match_info.route.resource
        if role == "guest" and resource is not None and not _for_guests(resource.canonical):
            raise Refused("refused.owner_only")

    def _signed_in(self, request: web.Request) -> tuple[Role | None, int]:
        """Whose session this browser has, and until when it is good, or was; None where it never gave a password."""
        session, _, sign = request.cookies.get(SESSION, "").rpartition(".")
        found = re.fullmatch(r"(owner|guest)\.([0-9]{1,12})\.([0-9]{1,12})(\.[A-Za-z0-9_-]{16})?", session)
        role: Role = "guest" if found and found[1] == "guest" else "owner"
        if not (self.password and found and role in self._keys and _same(sign, self._sign_session(role, session))):
            return None, 0
        counts = int(found[3]) == self.generation and session not in self.ended
        return role, int(found[2]) if counts else 0

    def sign_in(self, request: web.Request, password: str, response: web.StreamResponse) -> None:
        """Begin the session of whom the password belongs to. raises: Refused."""
        self.slow_down("login", request)
        of_owner, of_guests = _same(password, self.password), _same(password, self.guest_password)  # both, in any case
        if self.password and of_owner:
            self._begin(request, response, "owner")
        elif self.password and self.guest_password and of_guests:
            self._begin(request, response, "guest")
        else:
            raise Refused("refused.wrong_password")

    def sign_out(self, request: web.Request, response: web.StreamResponse) -> None:
        """End this browser's session, also for what it has begun. Another generation ends all others."""
        role, _ = self._signed_in(request)
        if role is not None:
            self.ended[request.cookies[SESSION].rpartition(".")[0]] = None
            if len(self.ended) > REMEMBERED:
                self.ended.popitem(last=False)
            self._set_session(request, response, role, f"{role}.0.{self.generation}")

    def _begin(self, request: web.Request, response: web.StreamResponse, role: Role) -> None:
        """A session of this browser alone, though another one signs in within the same second."""
        until = int(time.time()) + SESSION_AGE_S
        self._set_session(request, response, role, f"{role}.{until}.{self.generation}.{secrets.token_urlsafe(12)}")

    def _set_session(self, request: web.Request, response: web.StreamResponse, role: Role, session: str) -> None:
        """The cookie outlives the session: an owner's browser is known by it, see slow_down."""
        self._set(request, response, SESSION, f"{session}.{self._sign_session(role, session)}", VISITOR_AGE_S)

    def slow_down(self, what: str, request: web.Request) -> None:
        """Count one more of these for who asks. raises: Refused, where it is one too many.

        Behind a proxy all the world is one address. So a browser that gave the password, even if it has to give it
        again, is counted by itself: no stranger's guesses keep its owner out. A guest's is, but for passwords: with
        many sessions, guests would guess the owner's faster than strangers.
        """
        most = PER_MINUTE[what]
        role, _ = self._signed_in(request)
        itself = role == "owner" or (role == "guest" and what != "login")
        known = request.cookies[SESSION] if itself else _network(request.remote or "")
        key, now = (what, known), time.monotonic()
        left, at = self._asked.pop(key, (float(most), now))
        left = min(float(most), left + (now - at) * most / 60)
        self._asked[key] = (max(0.0, left - 1), now)
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        if left < 1:
            raise Refused("refused.too_often")

    def _set(self, request: web.Request, response: web.StreamResponse, name: str, value: str, age_s: int) -> None:
        secure = self.secure and request.headers.get("Host", "").lower() == self.public
        # Lax, not Strict: a link from elsewhere must find the same visitor. Posts from there are refused.
        response.set_cookie(name, value, max_age=age_s, httponly=True, samesite="Lax", path="/", secure=secure)

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def _sign_session(self, role: Role, session: str) -> str:
        return hmac.new(self._keys[role], f"session {session}".encode(), hashlib.sha256).hexdigest()


def locale_of(request: web.Request) -> str:
    """The language that was chosen in this browser, else the one that it prefers; a Guest's, where they came as one.

    That is with the guests' password, or by a link.
    """
    chosen = request.cookies.get(LANGUAGE, "")
    language = chosen if chosen in LANGUAGES else pick(request.headers.get("Accept-Language", "")[:500])
    guest = request.path.startswith("/w/") or request.cookies.get(SESSION, "").startswith("guest.")
    return Guest(language) if guest else language


def _for_guests(canonical: str) -> bool:
    """Whether a route is one of those that guests may ask for."""
    return any(
        canonical == each or (len(each) > 1 and each[-1] == "/" and canonical.startswith(each)) for each in GUESTS
    )


def _same(given: str, right: str) -> bool:
    """In constant time, whatever the two are and however long."""
    one, other = (hashlib.sha256(each.encode("utf-8", "surrogatepass")).digest() for each in (given, right))
    return hmac.compare_digest(one, other)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def _network(remote: str) -> str:
    """Whose address it is, as far as an address tells."""
    address = _address(remote)
    if not isinstance(address, ipaddress.IPv6Address) or address.ipv4_mapped:
        return remote
    return str(ipaddress.IPv6Network((int(address), NETWORK_BITS), strict=False))


def _netloc(url: str) -> str | None:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None
