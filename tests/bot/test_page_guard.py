"""What the page lets nobody do: no password, no token, too often, somebody else's link; and strange requests."""

import asyncio
import io
import itertools
import re
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, FormData
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page_stage import GRAINY, PLAN, Service, photo, service
from test_page import HTML, JSON, events, form, refusal, submit, visitor

from bot import page_guard
from bot.errors import Refused
from bot.intake import Asked, moment
from bot.page import Page
from bot.page_guard import PER_MINUTE, SESSION, TOKEN_HEADER, Guard, locale_of, machine_names, read_key
from bot.words import why
from db import engines, jobs, links, operators, people, renditions
from db.media import Media
from db.models import Platform
from db.rows import Job

pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

PASSWORD = "correct horse"
GUEST = "come in"
EVERYWHERE = {"everywhere": "yes"}
PUBLIC = "https://films.example"
PLANNED = (
    "home: NVIDIA",
    "11 of 60 stay on the GPU, 18.0 GiB travel",
    "5.9 GiB planned of 6.0 GiB, 5.0 GiB seen at most",
)


@asynccontextmanager
async def owner(found: Service, password: str = PASSWORD, to: str = "/admin") -> AsyncIterator[ClientSession]:
    """A browser that gave the password, with the token that its pages know."""
    jar = CookieJar(unsafe=True)
    async with ClientSession(found.url, cookie_jar=jar) as client:
        token = await token_of(client, "/login")
        form = {"password": password, "csrf": token, "to": to}
        async with client.post("/login", data=form, headers=HTML, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, to)
            assert "HttpOnly" in answer.headers["Set-Cookie"]
            assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    async with ClientSession(found.url, cookie_jar=jar, headers={TOKEN_HEADER: token}) as client:
        yield client


def guest(found: Service) -> AbstractAsyncContextManager[ClientSession]:
    """A browser that gave the guests' password."""
    return owner(found, GUEST, "/")


def cookies_of(client: ClientSession) -> dict[str, str]:
    return {cookie.key: cookie.value for cookie in client.cookie_jar}


async def token_of(client: ClientSession, address: str = "/") -> str:
    async with client.get(address, headers=HTML) as answer:
        (token,) = re.findall(r'<meta name="token" content="([0-9a-f]{64})">', await answer.text())
        return str(token)


@pytest.mark.parametrize("host", ["0.0.0.0", "", "192.0.2.1", "::", "myhost"])
def test_beyond_this_machine_a_password_is_needed(host: str) -> None:
    with pytest.raises(Refused) as caught:
        Guard(host).check()
    assert caught.value.key == "refused.password_needed"
    Guard(host, password=PASSWORD).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_on_this_machine_none_is(host: str) -> None:
    Guard(host).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
@pytest.mark.parametrize("public", [PUBLIC, "http://192.168.1.5:8765", "http://flipbot.localhost.example"])
async def test_behind_a_proxy_on_this_machine_a_password_is_needed(tmp_path: Path, host: str, public: str) -> None:
    with pytest.raises(Refused) as caught:
        Guard(host, public_url=public).check()
    assert (caught.value.key, caught.value.facts) == ("refused.password_needed_public", {"url": public})
    Guard(host, password=PASSWORD, public_url=public).check()
    with pytest.raises(Refused):
        async with service(tmp_path, host=host, public_url=public):
            pass


@pytest.mark.parametrize("public", ["", "http://localhost:8765", "http://127.0.0.1:8765/", "http://[::1]"])
def test_a_public_address_of_this_machine_needs_none(public: str) -> None:
    Guard("127.0.0.1", public_url=public).check()


async def test_behind_a_proxy_only_links_are_open(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD, public_url=PUBLIC) as found, owner(found) as client:
        link = f"/w/{await links.make(found.db, await submit(client), links.TTL_S)}"
        async with ClientSession(found.url, headers=JSON | {"Host": "films.example"}) as stranger:
            for address in ("/", "/gallery", "/j/1"):
                async with stranger.get(address) as answer:
                    await refusal(answer, 401)
            async with stranger.get(link) as answer:
                assert answer.status == 200


@pytest.mark.parametrize("host", ["films.example", None], ids=["public", "own"])  # as proxies pass it
async def test_behind_a_proxy_the_owner_signs_in_and_asks_for_films(tmp_path: Path, host: str | None) -> None:
    async with service(tmp_path, password=PASSWORD, public_url=PUBLIC) as found:
        passed = {"Origin": PUBLIC, "Sec-Fetch-Site": "same-origin"} | ({"Host": host} if host else {})
        async with ClientSession(found.url, cookie_jar=CookieJar(unsafe=True), headers=passed) as client:
            async with client.get("/login", headers=HTML) as answer:
                (token,) = re.findall(r'<meta name="token" content="([0-9a-f]{64})">', await answer.text())
                cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
            form = {"password": PASSWORD, "csrf": token}
            async with client.post("/login", data=form, headers=HTML, cookies=cookies, allow_redirects=False) as answer:
                assert answer.status == 303
                cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
        passed |= {TOKEN_HEADER: token, "Cookie": "; ".join(f"{name}={text}" for name, text in cookies.items())}
        async with ClientSession(found.url, headers=passed) as client:
            number = await submit(client)
            for origin in ("null", "https://evil.example", "http://127.0.0.1:1", "https://films.example.evil"):
                async with client.post(f"/j/{number}/cancel", headers=JSON | {"Origin": origin}) as answer:
                    await refusal(answer, 403)
        assert (await jobs.get(found.db, number)).state == "queued"


async def test_without_a_public_address_an_origin_without_a_name_is_foreign(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        for origin in ("null", "", "file://"):
            async with client.post("/j/1/cancel", headers=JSON | {"Origin": origin}) as answer:
                assert "another site" in await refusal(answer, 403)


async def test_strangers_behind_the_same_proxy_hold_up_nobody_who_signed_in(tmp_path: Path) -> None:
    async with (
        service(tmp_path, password=PASSWORD, public_url=PUBLIC) as found,
        owner(found) as client,
        ClientSession(found.url, cookie_jar=CookieJar(unsafe=True)) as stranger,
    ):
        for _ in range(PER_MINUTE["change"] + 10):
            async with stranger.post("/nothing", data={"x": "y"}, headers=JSON) as answer:
                await refusal(answer, 401)
        for _ in range(PER_MINUTE["change"] + 1):
            async with stranger.post("/login", data={"x": "y"}, headers=JSON) as answer:
                last = answer.status
        assert last == 429
        async with client.post("/admin/resume", headers=JSON) as answer:
            assert answer.status == 200
        async with client.post("/nothing", headers=JSON) as answer:
            await refusal(answer, 404)


async def test_a_browser_that_was_signed_in_before_can_sign_in_whoever_is_guessing(tmp_path: Path) -> None:
    async with (
        service(tmp_path, password=PASSWORD, public_url=PUBLIC) as found,
        owner(found) as client,
        ClientSession(found.url, cookie_jar=CookieJar(unsafe=True)) as stranger,
    ):
        async with client.post("/logout", headers=HTML, allow_redirects=False) as answer:
            assert answer.status == 303
        async with client.get("/admin", headers=JSON) as answer:
            await refusal(answer, 401)
        token = await token_of(stranger, "/login")
        for n in range(PER_MINUTE["login"] + 1):
            async with stranger.post("/login", data={"password": f"{n}", "csrf": token}, headers=JSON) as answer:
                last = answer.status
        assert last == 429
        async with client.post("/login", data={"password": PASSWORD}, headers=HTML, allow_redirects=False) as answer:
            assert answer.status == 303
        async with client.get("/admin", headers=HTML) as answer:
            assert answer.status == 200


async def test_a_browser_that_was_signed_in_before_guesses_no_faster(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client:
        async with client.post("/logout", headers=HTML, allow_redirects=False) as answer:
            assert answer.status == 303
        for n in range(PER_MINUTE["login"] + 1):
            async with client.post("/login", data={"password": f"{n}"}, headers=JSON) as answer:
                await refusal(answer, 403 if n < PER_MINUTE["login"] else 429)


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:ffff::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("", "", True),
    ],
)
def test_who_asks_too_often_is_one_network(first: str, second: str, one: bool) -> None:
    guard = Guard("0.0.0.0", PASSWORD)
    for remote in [first] * PER_MINUTE["login"]:
        guard.slow_down("login", make_mocked_request("POST", "/login").clone(remote=remote))
    other = make_mocked_request("POST", "/login").clone(remote=second)
    if one:
        with pytest.raises(Refused):
            guard.slow_down("login", other)
    else:
        guard.slow_down("login", other)


def test_who_waits_may_ask_again_and_saves_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    guard, clock = Guard("0.0.0.0", PASSWORD), [1000.0]
    monkeypatch.setattr(page_guard, "REMEMBERED", 2)
    monkeypatch.setattr(page_guard.time, "monotonic", lambda: clock[0])

    def answered(who: str) -> int:
        """How many of ten at once."""
        got = 0
        for _ in range(10):
            with suppress(Refused):
                guard.slow_down("login", make_mocked_request("POST", "/login").clone(remote=f"192.0.2.{who}"))
                got += 1
        return got

    assert answered("1") == PER_MINUTE["login"]
    clock[0] += 60 / PER_MINUTE["login"]
    assert answered("1") == 1
    clock[0] += 3600
    assert answered("1") == PER_MINUTE["login"]
    assert [answered(who) for who in "231"] == [PER_MINUTE["login"]] * 3, "the longest unseen is forgotten"


async def test_the_names_of_this_machine_are_asked_for_once(tmp_path: Path) -> None:
    machine_names.cache_clear()
    async with service(tmp_path, host="0.0.0.0", password=PASSWORD) as found, ClientSession(found.url) as client:
        assert machine_names.cache_info().misses == 1  # before anybody asked for anything
        for host, status in (("evil.example", 421), (socket.gethostname(), 401), ("evil.example", 421)):
            async with client.get("/", headers=JSON | {"Host": host}) as answer:
                await refusal(answer, status)
        assert machine_names.cache_info().misses == 1


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = read_key(tmp_path)
    assert (len(key), read_key(tmp_path)) == (32, key)
    assert (tmp_path / "page-key").stat().st_mode & 0o077 == 0


async def test_nothing_is_shown_without_the_password(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, ClientSession(found.url) as client:
        for address in ("/", "/gallery", "/j/1", "/admin", "/j/1/events"):
            async with client.get(address, headers=JSON) as answer:
                await refusal(answer, 401)
            async with client.get(address, headers=HTML, allow_redirects=False) as answer:
                assert answer.status == 303
                assert answer.headers["Location"].startswith("/login?to=")
        forged = {SESSION: "99999999999.0." + "0" * 64}
        async with client.get("/", headers=JSON, cookies=forged) as answer:
            await refusal(answer, 401)


async def test_a_session_ends_with_another_password(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client:
        async with client.get("/", headers=HTML) as answer:
            assert answer.status == 200
        cookies = {cookie.key: cookie.value for cookie in client.cookie_jar}
    async with service(tmp_path, password=PASSWORD) as found, ClientSession(found.url, cookies=cookies) as client:
        answer = await client.get("/admin", headers=HTML)  # the service was started again, the key is the same
        assert answer.status == 200
    async with service(tmp_path, password="another") as found, ClientSession(found.url, cookies=cookies) as client:
        answer = await client.get("/admin", headers=JSON)
        await refusal(answer, 401)


async def test_signing_out_ends_every_session_for_good(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client, owner(found) as other:
        copied = {cookie.key: cookie.value for cookie in client.cookie_jar}
        async with other.post("/logout", data=EVERYWHERE, headers=HTML, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/login?out")
        for browser in (client, other):
            async with browser.get("/admin", headers=JSON) as answer:
                await refusal(answer, 401)
        async with owner(found) as again:
            later = {cookie.key: cookie.value for cookie in again.cookie_jar}
    async with service(tmp_path, password=PASSWORD) as found:  # started again
        for cookies, status in ((copied, 401), (later, 200)):
            async with ClientSession(found.url, cookies=cookies) as client:
                answer = await client.get("/admin", headers=JSON)
                assert answer.status == status


async def test_nobody_signs_others_out_without_the_password(tmp_path: Path) -> None:
    async with (
        service(tmp_path, password=PASSWORD) as found,
        owner(found) as client,
        ClientSession(found.url, cookie_jar=CookieJar(unsafe=True)) as stranger,
    ):
        token = await token_of(stranger, "/login")
        async with stranger.post("/logout", data={"csrf": token}, headers=JSON) as answer:
            await refusal(answer, 401)
        async with client.get("/admin", headers=HTML) as answer:
            assert "Sign out everywhere" in await answer.text()
        async with client.get("/", headers=HTML) as answer:
            assert "Sign out everywhere" not in await answer.text()


async def test_guessing_the_password_is_slowed_down(tmp_path: Path) -> None:
    async with (
        service(tmp_path, password=PASSWORD) as found,
        ClientSession(found.url, cookie_jar=CookieJar(unsafe=True)) as client,
    ):
        token = await token_of(client, "/login")
        for n in range(PER_MINUTE["login"] + 1):
            form = {"password": f"guess {n}", "csrf": token}
            async with client.post("/login", data=form, headers=JSON) as answer:
                await refusal(answer, 403 if n < PER_MINUTE["login"] else 429)
        async with client.post("/login", data={"password": PASSWORD, "csrf": token}, headers=JSON) as answer:
            await refusal(answer, 429)


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/x\r\nSet-Cookie: a=b"]
)
async def test_signing_in_leads_nowhere_else(tmp_path: Path, to: str) -> None:
    async with (
        service(tmp_path, password=PASSWORD) as found,
        ClientSession(found.url, cookie_jar=CookieJar(unsafe=True)) as client,
    ):
        form = {"password": PASSWORD, "csrf": await token_of(client, "/login"), "to": to}
        async with client.post("/login", data=form, headers=HTML, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/"


OF_GUESTS = {
    "/", "/login", "/logout", "/language/{language}", "/gallery", "/jobs", "/examples/{n}/{name}", "/assets/{name}",
    *(f"/j/{{id}}{rest}" for rest in (
        "", "/events", "/film/{name}", "/download", "/part/{n}", "/end/{name}", "/picture/{name}", "/poster/{name}",
        "/preview/{name}", "/{wish}", "/again", "/steer", "/link", "/delete",
    )),
    *(f"/w/{{token}}{rest}" for rest in (
        "", "/events", "/film/{name}", "/film.mp4", "/part/{n}", "/end/{name}", "/picture/{name}", "/preview/{name}",
    )),
}  # fmt: skip


def routes(found: Service, job: int) -> list[tuple[str, str, str]]:
    """Every address that the page serves: how it is routed, the method, and one with this film's number."""
    filled = {
        "id": str(job),
        "n": "0",
        "name": "x",
        "token": "A" * 32,
        "gate": "pause",
        "wish": "stop",
        "language": "en",
    }
    known = []
    for route in found.page._runner.app.router.routes():
        assert route.resource is not None
        said = route.resource.canonical
        known.append((said, route.method, re.sub(r"\{([a-z]+)\}", lambda name: filled[name[1]], said)))
    return known


async def test_a_guest_gets_nothing_of_what_is_the_owners(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD, guest_password=GUEST, doctor=well) as found:
        async with owner(found) as client:
            number = await submit(client, prompt="the owner's secret")
        async with guest(found) as client:
            known = routes(found, number)
            assert {said for said, _, _ in known} >= OF_GUESTS
            assert any(said == "/admin/doctor" for said, _, _ in known)
            for said, method, address in known:
                if said == "/logout":
                    continue
                for accept in (JSON, HTML):
                    async with client.request(method, address, headers=accept, allow_redirects=False) as answer:
                        if said not in OF_GUESTS:
                            assert answer.status == 403, (method, address)
                            assert method == "HEAD" or "owner alone" in await answer.text()
                        elif said.startswith(("/j/", "/w/")):
                            assert answer.status == 404, (method, address)
                        else:
                            assert answer.status != 403 or said == "/login", (method, address)
                        assert "secret" not in await answer.text()
            async with client.get("/admin/of-later", headers=JSON) as answer:
                await refusal(answer, 404)
            for page in ("/", "/gallery"):
                async with client.get(page, headers=HTML) as answer:
                    text = await answer.text()
                    assert "/admin" not in text
                    assert "Sign out everywhere" not in text
                    assert "Sign out" in text
        assert (await operators.state(found.db)).kind == "open"
        assert (await jobs.get(found.db, number)).state == "queued"
        assert found.page.guard.generation == 0


async def test_the_owners_window_asks_itself_who_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.page_guard.GUESTS", ("/", "/login", "/admin", "/admin/"))
    async with service(tmp_path, password=PASSWORD, guest_password=GUEST, doctor=well) as found, guest(found) as client:
        for said, method, address in routes(found, 1):
            if said.startswith("/admin"):
                async with client.request(method, address, headers=JSON) as answer:
                    assert answer.status == 403, (method, address)


async def well() -> str:
    return "all is well"


async def test_a_guest_makes_films_and_sees_their_own(tmp_path: Path) -> None:
    async with (
        service(tmp_path, password=PASSWORD, guest_password=GUEST) as found,
        guest(found) as one,
        guest(found) as other,
    ):
        number = await submit(one, prompt="fog of a guest")
        await found.section()
        for client, status in ((one, 200), (other, 404)):
            for address in (f"/j/{number}", f"/j/{number}/part/0", f"/j/{number}/download"):
                async with client.get(address, headers=JSON) as answer:
                    assert answer.status == status
            async with client.get("/gallery", headers=HTML) as answer:
                assert ("fog of a guest" in await answer.text()) == (status == 200)
        async with one.post(f"/j/{number}/delete", headers=JSON) as answer:
            assert answer.status == 200


async def test_an_owner_signs_out_of_one_browser(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client, owner(found) as other:
        told, others = [events(each, await submit(each)) for each in (client, other)]
        for each in (told, others):
            await anext(each)
        async with client.post("/logout", headers=HTML) as answer:
            text = await answer.text()
            assert answer.url.path == "/login" and "You are signed out." in text
        async with asyncio.timeout(5.0):
            with pytest.raises(StopAsyncIteration):  # what another tab shows
                await anext(told)
        async with client.get("/", headers=JSON) as answer:
            await refusal(answer, 401)
        await found.section()
        assert await anext(others)
        async with client.get("/login", headers=HTML) as answer:
            assert "<p hidden>You are signed out." in await answer.text()


async def test_a_guest_signs_out_alone_and_the_owner_everybody(tmp_path: Path) -> None:
    async with (
        service(tmp_path, password=PASSWORD, guest_password=GUEST) as found,
        owner(found) as client,
        guest(found) as one,
        guest(found) as other,
    ):
        watched = [events(browser, await submit(browser)) for browser in (one, other)]
        await asyncio.gather(*(anext(each) for each in watched))
        before = cookies_of(one)
        async with one.post("/logout", headers=HTML, allow_redirects=False) as answer:
            assert answer.status == 303
        async with asyncio.timeout(5.0):
            with pytest.raises(StopAsyncIteration):  # what another tab shows
                await anext(watched[0])
        async with ClientSession(found.url, cookies=before) as copied, copied.get("/", headers=JSON) as answer:
            await refusal(answer, 401)
        await found.begin()
        await found.begin()
        assert await anext(watched[1])
        for browser, status in ((client, 200), (one, 401), (other, 200)):
            async with browser.get("/", headers=JSON) as answer:
                assert answer.status == status
        async with guest(found) as third, third.post("/logout", data=EVERYWHERE, headers=JSON) as answer:
            assert answer.ok
        async with client.get("/", headers=JSON) as answer:
            assert answer.status == 200  # a guest signs nobody else out
        async with client.post("/logout", data=EVERYWHERE, headers=HTML, allow_redirects=False) as answer:
            assert answer.status == 303
        for browser in (client, one, other):
            async with browser.get("/", headers=JSON) as answer:
                await refusal(answer, 401)


async def test_guests_who_sign_in_at_the_same_time_have_sessions_of_their_own(tmp_path: Path) -> None:
    async with (
        service(tmp_path, password=PASSWORD, guest_password=GUEST) as found,
        guest(found) as one,
        guest(found) as other,
    ):
        assert cookies_of(one)[SESSION] != cookies_of(other)[SESSION]


async def test_signing_out_everywhere_ends_what_is_watched_at_every_front(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client, owner(found) as other:
        number = await submit(client)
        where: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "password": PASSWORD, "key": read_key(tmp_path)}
        second = Page(found.intake, found.db, found.media, **where)
        async with ClientSession(await second.start(), cookie_jar=client.cookie_jar) as elsewhere:
            told = [events(client, number), events(elsewhere, number)]
            await asyncio.gather(*(anext(each) for each in told))
            async with other.post("/logout", data=EVERYWHERE, headers=HTML, allow_redirects=False) as answer:
                assert answer.headers["Clear-Site-Data"] == '"cache"'
            async with asyncio.timeout(5.0):
                for each in told:
                    with pytest.raises(StopAsyncIteration):
                        await anext(each)
            async with elsewhere.get("/", headers=JSON) as answer:
                await refusal(answer, 401)
        await second.stop()


async def test_what_is_watched_by_a_link_ends_with_the_link(tmp_path: Path) -> None:
    async with service(tmp_path, public_url=PUBLIC, password=PASSWORD) as found, owner(found) as client:
        found.page.check_s = 0.0
        token = await links.make(found.db, await submit(client), 600)
        async with ClientSession(found.url) as stranger, stranger.get(f"/w/{token}/events") as answer:
            assert answer.status == 200
            found.page.door.most = 8  # half of which may be streams, and a quarter of those of one link
            async with ClientSession(found.url) as late, late.get(f"/w/{token}/events", headers=JSON) as second:
                assert "Too many people" in await refusal(second, 503)
            with found.db.transaction() as tx:
                tx.exec_driver_sql("UPDATE link SET until_ms = 1")
            async with asyncio.timeout(5.0):
                await answer.read()


async def test_a_session_ends_with_the_password_that_began_it(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD, guest_password=GUEST) as found:
        async with owner(found) as client:
            of_owner = cookies_of(client)
        async with guest(found) as client:
            of_guest = cookies_of(client)
    for passwords, status in (
        ((PASSWORD, GUEST), (200, 200)),
        ((PASSWORD, "another"), (200, 401)),
        ((PASSWORD, ""), (200, 401)),
        (("another", GUEST), (401, 200)),
        ((GUEST, PASSWORD), (401, 401)),
    ):
        async with service(tmp_path, password=passwords[0], guest_password=passwords[1]) as found:
            for cookies, expected in zip((of_owner, of_guest), status, strict=True):
                async with ClientSession(found.url, cookies=cookies) as client, client.get("/", headers=JSON) as answer:
                    assert answer.status == expected, passwords


async def test_a_guests_cookie_does_not_become_the_owners(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD, guest_password=GUEST) as found, guest(found) as client:
        cookies = cookies_of(client)
        role, until, generation, nonce, sign = cookies[SESSION].split(".")
        assert role == "guest"
        for forged in (
            f"owner.{until}.{generation}.{nonce}.{sign}",
            f"{until}.{generation}.{nonce}.{sign}",
            f"owner.{until}.{generation}.{nonce}.",
            f"guest.{int(until) + 1}.{generation}.{nonce}.{sign}",
            f"guest.{until}.{generation}.{nonce[::-1]}.{sign}",
            f"owner.guest.{until}.{generation}.{nonce}.{sign}",
            f"admin.{until}.{generation}.{nonce}.{sign}",
        ):
            async with (
                ClientSession(found.url, cookies={**cookies, SESSION: forged}) as stranger,
                stranger.get("/admin", headers=JSON) as answer,
            ):
                await refusal(answer, 401)


async def test_guests_guess_the_owners_password_no_faster_than_strangers(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD, guest_password=GUEST) as found, guest(found) as client:
        token = client.headers[TOKEN_HEADER]
        for n in range(1, PER_MINUTE["login"]):
            form = {"password": GUEST if n % 2 else f"guess {n}", "csrf": token}
            async with client.post("/login", data=form, headers=JSON, allow_redirects=False) as answer:
                assert answer.status == (303 if n % 2 else 403)
        async with client.post("/login", data={"password": PASSWORD, "csrf": token}, headers=JSON) as answer:
            await refusal(answer, 429)


def test_both_passwords_are_compared_whichever_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr("bot.page_guard._same", lambda given, right: bool(compared.append(right)) or given == right)
    for said in (PASSWORD, GUEST, "neither"):
        guard = Guard("127.0.0.1", PASSWORD, guest_password=GUEST)
        compared.clear()
        with suppress(Refused):
            guard.sign_in(make_mocked_request("POST", "/login"), said, Response())
        assert compared == [PASSWORD, GUEST]


@pytest.mark.parametrize(("password", "guests"), [("", ""), (PASSWORD, ""), (PASSWORD, GUEST)])
def test_who_gives_no_password_has_given_none(password: str, guests: str) -> None:
    guard, answer = Guard("127.0.0.1", password, guest_password=guests), Response()
    with pytest.raises(Refused, match=r"refused\.wrong_password"):
        guard.sign_in(make_mocked_request("POST", "/login"), "", answer)
    assert not answer.cookies


@pytest.mark.parametrize(
    ("password", "guests", "key"),
    [("", GUEST, "refused.guests_alone"), (PASSWORD, PASSWORD, "refused.guests_own")],
)
async def test_guests_need_a_password_of_their_own_beside_the_owners(
    tmp_path: Path, password: str, guests: str, key: str
) -> None:
    with pytest.raises(Refused) as refused:
        async with service(tmp_path, password=password, guest_password=guests):
            pass
    assert refused.value.key == key


async def test_the_owners_window_needs_a_password(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        async with client.get("/admin", headers=JSON) as answer:
            assert "[web] password" in await refusal(answer, 403)
        async with client.post("/admin/pause", headers=JSON) as answer:
            await refusal(answer, 403)


async def test_the_owner_reads_when_and_who(tmp_path: Path) -> None:
    async with (
        service(tmp_path, password=PASSWORD, guest_password=GUEST) as found,
        owner(found) as client,
        guest(found) as other,
    ):
        people = [(await jobs.get(found.db, await submit(each))).user_id for each in (client, other)]
        ban = {"platform": "page", "user_id": people[1], "days": "7", "reason": "spam"}
        async with client.post("/admin/ban", data=ban, headers=JSON) as answer:
            assert answer.status == 200
        async with client.get("/admin", headers=HTML) as answer:
            text = await answer.text()
        (deed,) = await operators.audit(found.db, 1)
        assert moment(deed.at_ms) in text and moment(deed.at_ms).endswith(" UTC")  # as `flipbot audit` has it
        assert not re.search(r"[0-9]{2}\.[0-9]{2}\. [0-9]{2}:", text)
        shown = 'page: <span class="id" title="{0}">{0}</span>{1}</td>'
        assert shown.format(people[0], ' <strong class="own">yours</strong>') in text
        assert shown.format(people[1], "") in text
        assert f'page: <span class="id" title="{people[1]}">{people[1]}</span></span> <span class="small">' in text


async def test_the_owner_runs_the_queue(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client:
        first, second = await submit(client), await submit(client, prompt="<b>snow</b>")
        await found.section()
        await engines.loaded(found.db, "home cuda", "framepack", PLAN)
        await engines.took(found.db, "home cuda", 5 << 30, 9 << 30)
        for gate, paused in (("pause", True), ("resume", False)):
            async with client.post(f"/admin/{gate}", data={"reason": "lunch"}, headers=HTML) as answer:
                assert answer.status == 200
            assert (await operators.state(found.db)).paused is paused
            async with client.get("/", headers=HTML) as answer:
                assert ("Flipbot is paused: lunch. A new film keeps" in await answer.text()) is paused
        async with client.post("/admin/cancel", data={"job": str(second)}, headers=JSON) as answer:
            assert answer.status == 200
        assert (await jobs.get(found.db, second)).state == "cancelled"
        async with client.post("/admin/first", data={"job": str(first)}, headers=JSON) as answer:
            assert answer.status == 200
        ban = {"platform": "discord", "user_id": "42", "days": "7", "reason": "spam"}
        async with client.post("/admin/ban", data=ban, headers=JSON) as answer:
            assert answer.status == 200
        assert await operators.banned(found.db, Platform.DISCORD, "42")
        async with client.get("/admin", headers=HTML) as answer:
            text = await answer.text()
        for said in (
            "Seconds per section",
            "discord: 42",
            "put first",
            "lunch",
            "fog rolls in",
            'class="area',
            *PLANNED,
        ):
            assert said in text
        assert "<b>snow" not in text
        for wrong in ({"job": "x"}, {"job": "99"}, {}):
            async with client.post("/admin/cancel", data=wrong, headers=JSON) as answer:
                await refusal(answer, 404)
        async with client.post("/admin/ban", data=ban | {"platform": "mars"}, headers=JSON) as answer:
            await refusal(answer, 400)
        async with client.post("/admin/unban", data=ban, headers=JSON) as answer:
            assert answer.status == 200
        assert not await operators.banned(found.db, Platform.DISCORD, "42")


@pytest.mark.parametrize(
    ("platform", "user_id"),
    [("discord", "bob"), ("telegram", "y" * 500), ("page", "42"), ("terminal", "ann"), ("", "")],
)
async def test_a_ban_of_nobody_is_refused(tmp_path: Path, platform: str, user_id: str) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client:
        ban = {"platform": platform, "user_id": user_id}
        async with client.post("/admin/ban", data=ban, headers=JSON) as answer:
            assert "names nobody" in await refusal(answer, 400)
        assert await operators.bans(found.db) == []


async def test_whoever_has_a_film_in_line_can_be_banned_but_for_this_machines_terminal(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client:
        user = (await jobs.get(found.db, await submit(client))).user_id
        one = {"platform": Platform.TERMINAL, "user_id": "terminal", "chat_id": "t", "locale": "en"}
        await found.intake.submit(Asked(**one, picture=photo(), prompt="fog", key="1"))
        async with client.get("/admin", headers=HTML) as answer:
            text = await answer.text()
        assert f"page: {user}" in text and "terminal: terminal" in text
        assert re.findall(r'name="user_id" value="([^"]+)"', text) == [user]
        async with client.post("/admin/ban", data={"platform": "page", "user_id": user}, headers=JSON) as answer:
            assert answer.status == 200
        assert await operators.banned(found.db, Platform.PAGE, user)


async def test_the_owner_sees_all_that_is_closed_and_opens_each(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client:

        async def shown() -> str:
            async with client.get("/admin", headers=HTML) as answer:
                return await answer.text()

        await operators.drain(found.db, "terminal", "home at 6")
        await operators.pause(found.db, "terminal")
        await operators.pause(found.db, "discord:9", "spam", "77")
        text = await shown()
        for said in ("Paused and draining", "home at 6", "Lift both", "Server 77", "new section is started · spam"):
            assert said in text
        async with client.get("/", headers=HTML) as answer:
            assert "Flipbot is paused and takes in no new films: home at 6." in await answer.text()
        async with client.post("/admin/resume", data={"reason": ""}, headers=JSON) as answer:
            assert answer.status == 200
        text = await shown()
        assert "Lift both" not in text and 'name="scope" value="77"' in text
        async with client.post("/admin/resume", data={"scope": "77"}, headers=JSON) as answer:
            assert answer.status == 200
        assert await operators.gates(found.db) == {}
        assert "Server 77" not in await shown()


async def test_a_ban_says_where_until_when_and_by_whom(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client:
        until_ms = round(datetime(2099, 5, 4, 3, 2, tzinfo=UTC).timestamp() * 1000)
        await operators.ban(found.db, "discord:9", Platform.DISCORD, "42", until_ms, "spam", "77")
        await operators.ban(found.db, "", Platform.TELEGRAM, "43")
        async with client.get("/admin", headers=HTML) as answer:
            text = await answer.text()
        assert "Server 77 · until 2099-05-04 03:02 UTC · by discord:9 · spam" in text
        assert ">everywhere · for good</span>" in text


async def test_what_came_too_late_is_said_as_in_a_terminal(tmp_path: Path) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client:
        over = await submit(client)
        await operators.cancel(found.db, "page", over)
        for deed in ("cancel", "first"):
            async with client.post(f"/admin/{deed}", data={"job": str(over)}, headers=JSON) as answer:
                assert f"Film {over} has already ended." == await refusal(answer, 422)
        nobody = {"platform": "discord", "user_id": "42", "scope": "all"}
        async with client.post("/admin/unban", data=nobody, headers=JSON) as answer:
            assert await refusal(answer, 422) == "discord:42 is not banned there."
        assert [deed.action for deed in await operators.audit(found.db)] == ["cancel"]


@pytest.mark.parametrize("token", [None, "", "0" * 64, "\udcff"], ids=["none", "empty", "wrong", "odd"])
async def test_what_changes_something_needs_the_token(tmp_path: Path, token: str | None) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        await found.section()
        cookies = {cookie.key: cookie.value for cookie in client.cookie_jar}
        form = {} if token is None else {"csrf": token.encode("utf-8", "surrogateescape").decode("latin-1")}
        async with ClientSession(found.url, cookies=cookies) as stranger:
            for deed in ("stop", "cancel", "again", "steer", "delete", "link"):
                async with stranger.post(f"/j/{number}/{deed}", data=form, headers=JSON) as answer:
                    await refusal(answer, 403)
        job = await jobs.get(found.db, number)
        assert (job.state, job.wish) == ("queued", None)


VALUES = {"id": ["1"], "wish": ["stop", "cancel"], "gate": ["pause", "resume", "drain"]}  # of the addresses' parts
DEED = {
    "job": "1", "what": "seed", "prompt": "rain", "seconds": "1", "from": "1", "reason": "x", "password": PASSWORD,
    "platform": "discord", "user_id": "42", "days": "7",
}  # fmt: skip


def posts(found: Service) -> list[str]:
    """Every address of the page to which a form can be sent."""
    made = []
    for route in found.page._runner.app.router.routes():
        if route.method == "POST" and route.resource is not None:
            address = route.resource.canonical
            names = re.findall(r"{(\w+)}", address)
            for chosen in itertools.product(*(VALUES[name] for name in names)):
                made.append(address.format(**dict(zip(names, chosen, strict=True))))
    return made


def rows(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "flipbot.db")) as db:
        return list(db.iterdump())


@pytest.mark.parametrize(("tag", "locale"), [("zh-CN,zh;q=0.9", "zh"), ("en-GB", "en")])
async def test_the_doctor_speaks_to_the_owner_in_the_owners_language(tmp_path: Path, tag: str, locale: str) -> None:
    async def doctor(locale: str) -> str:
        return f"said in {locale}"

    async with service(tmp_path, password=PASSWORD, doctor=doctor) as found, owner(found) as client:
        asked = {"csrf": await token_of(client, "/admin")}
        async with client.post("/admin/doctor", data=asked, headers=HTML | {"Accept-Language": tag}) as answer:
            assert f"said in {locale}" in await answer.text()


@pytest.mark.parametrize("multipart", [False, True], ids=["urlencoded", "multipart"])
async def test_no_form_of_the_page_does_anything_without_the_token(tmp_path: Path, multipart: bool) -> None:
    examined = []

    async def doctor(locale: str) -> str:
        examined.append(1)
        return "well"

    async with service(tmp_path, password=PASSWORD, public_url=PUBLIC, doctor=doctor) as found, owner(found) as client:
        await submit(client)
        await found.section()
        before, addresses = rows(tmp_path), posts(found)
        assert {"/jobs", "/login", "/logout", "/j/1/delete", "/admin/drain", "/admin/doctor"} <= {*addresses}
        async with ClientSession(found.url, cookie_jar=client.cookie_jar) as browser:
            for address in addresses:
                for wrong in ({}, {"csrf": "0" * 64}):
                    found.page.guard._asked.clear()
                    data = FormData(DEED | wrong, default_to_multipart=multipart)
                    async with browser.post(address, data=data, headers=JSON, allow_redirects=False) as answer:
                        assert "Set-Cookie" not in answer.headers
                        assert "This form is too old" in await refusal(answer, 403), address
        assert (rows(tmp_path), examined) == (before, [])


@pytest.mark.parametrize("multipart", [False, True], ids=["urlencoded", "multipart"])
async def test_a_form_with_the_token_is_carried_out_however_it_is_sent(tmp_path: Path, multipart: bool) -> None:
    async with service(tmp_path, password=PASSWORD) as found, owner(found) as client:
        token = await token_of(client)
        async with ClientSession(found.url, cookie_jar=client.cookie_jar) as browser:
            data = FormData({"csrf": token, "reason": "lunch"}, default_to_multipart=multipart)
            async with browser.post("/admin/pause", data=data, headers=JSON) as answer:
                assert answer.status == 200
        assert (await operators.state(found.db)).reason == "lunch"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data"),
        (b"garbage", "multipart/form-data; boundary=b"),
        (b"--b\r\nno header\r\n\r\n--b--", "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--", "multipart/form-data; boundary=b"),
        (b"a=%ff", "application/x-www-form-urlencoded; charset=nonsense"),
    ],
)
async def test_a_broken_form_is_the_senders_fault(tmp_path: Path, body: bytes, kind: str, caplog: Any) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        async with ClientSession(found.url, cookie_jar=client.cookie_jar) as browser:
            for sender in (client, browser):  # with the token, and without
                sent = JSON | {"Content-Type": kind}
                async with sender.post(f"/j/{number}/again", data=body, headers=sent) as answer:
                    assert answer.status in (400, 403)
                    assert (await answer.json())["error"]
    assert "page failed" not in caplog.text


async def test_a_link_shows_one_film_until_it_ends(tmp_path: Path) -> None:
    async with (
        service(tmp_path, public_url=PUBLIC, password=PASSWORD) as found,
        owner(found) as client,
    ):
        number = await submit(client, prompt='"><b>fog</b>')
        await found.section()
        async with client.post(f"/j/{number}/link", headers=JSON) as answer:
            url = (await answer.json())["url"]
        assert url.startswith("https://films.example/w/")
        path = url.removeprefix("https://films.example")
        async with ClientSession(found.url) as stranger:
            async with stranger.get(path, headers=HTML) as answer:
                text = await answer.text()
                assert answer.status == 200
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert "noindex" in answer.headers["X-Robots-Tag"]
            assert f'<meta property="og:video" content="{url}/film.mp4">' in text
            assert '<meta property="twitter:card" content="summary_large_image">' in text
            assert "twitter:player" not in text  # a page in a frame, which no page of ours may be
            assert "<b>fog" not in text
            assert "/j/" not in text
            async with stranger.get(f"{path}/film.mp4", headers={"Range": "bytes=4-7"}) as answer:
                assert (answer.status, await answer.read()) == (206, b"ftyp")
            async with stranger.get(f"{path}/part/0") as answer:
                assert b"moof" in await answer.read()
            async with stranger.get(f"{path}/events") as answer:
                line = await answer.content.readline()
                assert f'"film": "{path}/film/'.encode() in line
                assert b'"stop": false' in line
            for deed in ("stop", "delete"):
                async with stranger.post(f"{path}/{deed}", headers=JSON) as answer:
                    assert answer.status in (403, 404)
        await people.forget_job(found.db, number)
        async with ClientSession(found.url) as stranger, stranger.get(path, headers=JSON) as answer:
            await refusal(answer, 404)


async def test_a_film_has_a_poster_once_it_is_made(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        film = (await found.section()).film
        assert film
        address = f"/j/{number}/poster/{film[:16]}.jpg"
        async with client.get(address) as answer:  # until then, the picture it began with
            assert (answer.content_type, answer.headers["Cache-Control"]) == ("image/png", "no-store")
        wanted = await renditions.next_wanted(found.db)
        assert wanted
        made = renditions.Rendered(sha=found.media.put(b"\xff\xd8jpeg"), bytes=6, width=320, height=224, duration_ms=0)
        await renditions.ready(found.db, wanted.id, made)
        async with client.get(address) as answer:
            assert (answer.content_type, await answer.read()) == ("image/jpeg", b"\xff\xd8jpeg")


@pytest.mark.parametrize(("host", "secure"), [("films.example", True), ("127.0.0.1:80", False)])
async def test_cookies_of_the_public_address_travel_by_tls_only(tmp_path: Path, host: str, secure: bool) -> None:
    async with (
        service(tmp_path, password=PASSWORD, public_url=PUBLIC) as found,
        ClientSession(found.url) as client,
    ):
        answer = await client.get("/login", headers=HTML | {"Host": host})
        assert ("Secure" in answer.headers["Set-Cookie"]) is secure


async def test_without_a_public_address_there_are_no_links(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        async with client.post(f"/j/{number}/link", headers=JSON) as answer:
            assert "public_url" in await refusal(answer, 422)
        token = await links.make(found.db, number, 60)
        async with client.get(f"/w/{token}", headers=JSON) as answer:
            await refusal(answer, 404)


async def test_a_film_is_gone_on_with_and_deleted_for_good(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client, seconds="1")
        await found.section()
        made = []
        for what in ({"what": "extend", "seconds": "2"}, {"what": "seed"}, {"what": "edit", "prompt": "snow"}):
            async with client.post(f"/j/{number}/again", data=what, headers=JSON) as answer:
                assert answer.status == 201, await answer.text()
                made.append(await jobs.get(found.db, (await answer.json())["job"]))
        assert [(job.done, job.sections) for job in made] == [(1, 3), (0, 1), (0, 1)]
        assert made[2].prompt == "snow"
        state = await found.page.state(made[0], "en")
        assert (state["parts"], state["joins"]) == (1, True)
        assert state["end"]
        async with client.post(f"/j/{made[0].id}/steer", data={"prompt": "night"}, headers=JSON) as answer:
            assert answer.status == 200
        async with client.post(f"/j/{number}/again", data={"what": "explode"}, headers=JSON) as answer:
            await refusal(answer, 400)
        async with client.get("/gallery", params={"q": "SNOW"}, headers=HTML) as answer:
            text = await answer.text()
        assert f'href="/j/{made[2].id}"' in text
        assert f'href="/j/{number}"' not in text
        film = (await jobs.get(found.db, number)).film
        async with client.post(f"/j/{number}/delete", headers=JSON) as answer:
            assert answer.status == 200
        async with client.get(f"/j/{number}", headers=JSON) as answer:
            await refusal(answer, 404)
        assert film
        assert found.media.exists(film)  # the longer one goes on with it
        for job in made:
            async with client.post(f"/j/{job.id}/delete", headers=JSON) as answer:
                assert answer.status == 200
        assert not [path for path in found.media.root.rglob("*") if path.is_file()]


async def test_a_film_is_used_again_with_its_picture_and_settings(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client, visitor(found) as other:
        number = await submit(client, seconds="3", prompt="fog")
        async with client.get(f"/?from={number}", headers=HTML) as answer:
            text = await answer.text()
        assert f'<input type="hidden" name="from" value="{number}">' in text
        assert 'value="42"' in text

        form = FormData({"from": str(number), "prompt": "rain", "seconds": "3"}, default_to_multipart=True)
        async with client.post("/jobs", data=form, headers=JSON) as answer:
            again = await jobs.get(found.db, (await answer.json())["job"])
        assert again.picture == (await jobs.get(found.db, number)).picture
        form = FormData({"from": str(number), "prompt": "rain"}, default_to_multipart=True)
        async with other.post("/jobs", data=form, headers=JSON) as answer:
            await refusal(answer, 404)


async def test_a_film_used_again_ends_with_the_same_picture(tmp_path: Path) -> None:
    async with service(tmp_path, ends=True) as found, visitor(found) as client:
        data = form(photo())
        data.add_field("end_picture", io.BytesIO(photo(size=(640, 448))), filename="dusk.jpg")
        async with client.post("/jobs", data=data, headers=JSON) as answer:
            first = await jobs.get(found.db, (await answer.json())["job"])
        plain = await submit(client, prompt="no end")
        assert first.end_picture

        async def again(**fields: str) -> Job:
            data = FormData({"from": str(first.id), "seconds": "3"} | fields, default_to_multipart=True)
            async with client.post("/jobs", data=data, headers=JSON) as answer:
                return await jobs.get(found.db, (await answer.json())["job"])

        async with client.get(f"/?from={first.id}", headers=HTML) as answer:
            assert '<input type="checkbox" name="keep_end" value="yes" checked>' in await answer.text()
        async with client.get(f"/?from={plain}", headers=HTML) as answer:
            assert "keep_end" not in await answer.text()
        assert (await again(keep_end="yes")).end_picture == first.end_picture
        await operators.cancel(found.db, "page", first.id)
        assert (await again()).end_picture is None
        await operators.cancel(found.db, "page", plain)
        data = FormData({"from": str(first.id), "keep_end": "yes"}, default_to_multipart=True)
        data.add_field("end_picture", io.BytesIO(photo(size=(480, 336))), filename="night.jpg")
        async with client.post("/jobs", data=data, headers=JSON) as answer:
            other = await jobs.get(found.db, (await answer.json())["job"])
        assert (other.picture, other.end_picture is None) == (first.picture, False)
        assert other.end_picture != first.end_picture
        found.page.model = replace(found.page.model, ends=False)
        async with client.get(f"/?from={first.id}", headers=HTML) as answer:
            text = await answer.text()
        assert "still@1 cannot do that" in text
        assert "keep_end" not in text


async def test_a_picture_that_is_larger_as_it_is_kept_is_used_again(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client, GRAINY)
        picture = (await jobs.get(found.db, number)).picture
        assert len(GRAINY) < found.intake.rules.max_bytes < found.media.path(picture).stat().st_size
        data = FormData({"from": str(number), "prompt": "rain"}, default_to_multipart=True)
        async with client.post("/jobs", data=data, headers=JSON) as answer:
            assert answer.status == 201, await answer.text()
            again = await jobs.get(found.db, (await answer.json())["job"])
        assert again.picture == picture


class Vanishing(Media):
    """Whose files go just after they were looked for, as of a film that is deleted in that moment."""

    vanish = False

    def here(self, sha: str) -> Path | None:
        path = super().here(sha)
        if self.vanish:
            self.drop(sha)
        return path


async def test_a_picture_that_goes_while_it_is_used_again_is_missed_in_a_sentence(tmp_path: Path) -> None:
    media = Vanishing(tmp_path / "media")
    async with service(tmp_path, media=media) as found, visitor(found) as client:
        number = await submit(client)
        picture = (await jobs.get(found.db, number)).picture
        content = media.read(picture)
        data = FormData({"from": str(number), "prompt": "rain"}, default_to_multipart=True)
        media.vanish = True
        async with client.post("/jobs", data=data, headers=JSON) as answer:
            assert "The picture of that film is no longer here" in await refusal(answer, 422)
        media.put(content)
        async with client.get(f"/j/{number}/picture/{picture[:16]}.png") as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (404, "no-store")  # it was there to be kept


WILD = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
PATHS = st.lists(st.sampled_from(["..", "j", "1", "w", "film", "admin", "%2e%2e", "etc", "\x00", "🙂", "part"]) | WILD)


async def test_whatever_is_asked_is_answered_with_a_sentence(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with (
        service(tmp_path, password=PASSWORD, public_url=PUBLIC) as found,
        owner(found) as client,
    ):
        await submit(client)

        async def ask(method: str, parts: list[str], headers: dict[str, str], form: dict[str, str]) -> None:
            found.page.guard._asked.clear()
            path = found.url + "/".join(parts)
            data: Any = form if method == "POST" else None
            async with client.request(method, path, headers=JSON | headers, data=data, allow_redirects=False) as answer:
                assert answer.status < 500, (method, path, answer.status)
                if answer.status >= 400:
                    assert (await answer.json())["error"]

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            st.sampled_from(["GET", "POST", "PUT", "OPTIONS"]),
            PATHS,
            st.dictionaries(
                st.sampled_from(["Range", "Accept-Language", "If-None-Match", "Referer", "If-Modified-Since"]),
                st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
                max_size=2,
            ),
            st.dictionaries(st.sampled_from(["prompt", "what", "seconds", "job", "platform", "x"]), WILD, max_size=3),
        )
        def anything(method: str, parts: list[str], headers: dict[str, str], form: dict[str, str]) -> None:
            asyncio.run_coroutine_threadsafe(ask(method, parts, headers, form), loop).result(60)

        await asyncio.to_thread(anything)


@pytest.mark.parametrize(
    ("path", "session", "says"),
    [
        ("/j/1", "", "Run flipbot download"),
        ("/j/1", "owner.1.1.x", "Run flipbot download"),
        ("/j/1", "guest.1.1.x", "tell whoever runs this bot"),
        ("/w/abc", "owner.1.1.x", "tell whoever runs this bot"),
    ],
)
def test_only_the_owner_is_told_what_only_the_owner_can_do(path: str, session: str, says: str) -> None:
    request = make_mocked_request("GET", path, headers={"Cookie": f"{SESSION}={session}"})
    assert says in why(locale_of(request), "checkpoint_missing", {})
