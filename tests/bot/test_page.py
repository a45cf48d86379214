"""The page through a real HTTP client: what it answers, and what it does not let pass."""

import asyncio
import io
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientError, ClientResponse, ClientSession, CookieJar, FormData, MultipartWriter
from hypothesis import given
from hypothesis import strategies as st
from page_stage import EXAMPLES, Service, photo, service

from bot import control, page_html
from bot.errors import Refused
from bot.intake import Example
from bot.page import Page, check_address
from bot.page_guard import TOKEN_HEADER, VISITOR
from db import absences, jobs
from db.errors import DatabaseAway, DiskFailed, DiskFull, MediaAway
from db.media import Media
from db.models import State

if TYPE_CHECKING:
    from tests.fakes.s3 import S3

# aiohttp's reader of forms uses a function that aiohttp has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html,application/xhtml+xml"}


@asynccontextmanager
async def visitor(found: Service) -> AsyncIterator[ClientSession]:
    """A browser's cookies, and the token that its pages know."""
    jar = CookieJar(unsafe=True)
    async with ClientSession(found.url, cookie_jar=jar) as client, client.get("/", headers=HTML) as answer:
        assert answer.status == 200
        (token,) = re.findall(r'<meta name="token" content="([0-9a-f]{64})">', await answer.text())
    async with ClientSession(found.url, cookie_jar=jar, headers={TOKEN_HEADER: token}) as client:
        yield client


def form(picture: bytes | None = None, **fields: str) -> FormData:
    data = FormData(default_to_multipart=True)
    for name, text in (
        {"prompt": "fog rolls in", "seconds": "5", "seed": "42", "quality": "standard"} | fields
    ).items():
        data.add_field(name, io.BytesIO(text.encode()), filename=name)
    data.add_field("picture", io.BytesIO(photo() if picture is None else picture), filename="../../dawn.jpg")
    return data


async def submit(client: ClientSession, picture: bytes | None = None, **fields: str) -> int:
    async with client.post("/jobs", data=form(picture, **fields), headers=JSON) as answer:
        assert answer.status == 201, await answer.text()
        number: int = (await answer.json())["job"]
        return number


async def refusal(answer: ClientResponse, status: int) -> str:
    assert answer.status == status
    told = await answer.json()
    assert set(told) == {"error"}
    assert "Traceback" not in told["error"]
    sentence: str = told["error"]
    return sentence


async def events(client: ClientSession, number: int) -> AsyncIterator[dict[str, Any]]:
    async with client.get(f"/j/{number}/events") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        assert answer.headers["X-Accel-Buffering"] == "no"
        async for line in answer.content:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


async def test_a_film_grows_from_upload_to_download(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        told = events(client, number)
        first = await anext(told)
        assert first["headline"] == "Next in line"
        assert first["film"] is None
        claim = await found.begin()
        await found.step(claim, 3)
        while (state := await anext(told))["step"] != "Step 3 of 8":
            pass
        assert state["value"] == round(3 / 8 / 4, 4)
        async with client.get(state["preview"]) as preview:
            assert preview.content_type == "image/jpeg"
            assert (await preview.read()).startswith(b"\xff\xd8")
        await found.record(claim)
        for _ in range(3):
            await found.section()
        addresses = set()
        async for state in told:
            addresses.add(state["film"])
        assert state["over"]
        assert state["headline"] == "Your film is ready: 4.8 s"
        job = await jobs.get(found.db, number)
        assert job.film
        async with client.get(state["film"], headers={"Range": "bytes=4-7"}) as part:
            assert part.status == 206
            assert part.content_type == "video/mp4"
            assert await part.read() == b"ftyp"
        async with client.get(f"/j/{number}/download") as whole:
            assert await whole.read() == found.media.read(job.film)
            assert f"flipbot-{number}.mp4" in whole.headers["Content-Disposition"]


async def test_a_growing_film_comes_in_fragments(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client, visitor(found) as other:
        number = await submit(client)
        ends = []
        for n in range(2):
            await found.section()
            state = await anext(events(client, number))
            assert (state["parts"], state["seconds"], state["joins"]) == (n + 1, 4.8, True)
            ends.append(state["end"])
            async with client.get(f"/j/{number}/part/{n}") as part:
                assert part.content_type == "video/mp4"
                assert b"moof" in await part.read()
                known = {"If-None-Match": part.headers["ETag"]}
            async with client.get(f"/j/{number}/part/{n}", headers=known) as part:
                assert (part.status, await part.read()) == (304, b"")
            async with client.get(ends[-1]) as end:
                assert b"moof" in await end.read()
        for address in (ends[0], f"/j/{number}/part/2", f"/j/{number}/part/x", f"/j/{number}/end/..%2f..%2fx"):
            async with client.get(address, headers=JSON) as answer:
                await refusal(answer, 404)
        async with other.get(f"/j/{number}/part/0", headers=JSON) as answer:
            await refusal(answer, 404)
        found.fragments = False
        await found.section()
        assert not (await anext(events(client, number)))["joins"]  # the player takes the whole film then


async def test_files_are_shown_out_of_a_bucket_and_one_that_is_away_is_a_sentence(s3: "S3", tmp_path: Path) -> None:
    """As on a machine that none of the files was made on."""
    async with service(tmp_path, media=s3.machine(tmp_path / "cache")) as found, visitor(found) as client:
        number = await submit(client)
        await found.section()
        job = await jobs.get(found.db, number)
        assert job.film
        addresses = (f"/j/{number}/download", f"/j/{number}/picture/{job.picture[:16]}.png", f"/j/{number}/part/0")
        for address in addresses:
            shutil.rmtree(found.media.root)
            async with client.get(address) as answer:
                assert answer.status == 200, address
                body = await answer.read()
        shutil.rmtree(found.media.root)
        s3.wire.cut()
        said = "The place where pictures and films are kept does not answer. Nothing is lost; try again in a minute."
        for address in addresses[:2]:
            async with client.get(address, headers=JSON) as answer:
                assert await refusal(answer, 503) == said
        async with client.post("/jobs", data=form(prompt="another"), headers=JSON) as answer:
            assert await refusal(answer, 503) == said
        s3.wire.mend()
        async with client.get(addresses[0]) as answer:
            assert await answer.read() == found.media.read(job.film)
        assert await submit(client, prompt="another") == number + 1 and body


class Troubled(Media):
    """No file is on this machine, and none can be brought here."""

    trouble: Exception | None = None

    def here(self, sha: str) -> Path | None:
        return None if self.trouble else super().here(sha)

    def fetch(self, sha: str) -> Path:
        if self.trouble:
            raise self.trouble
        return super().fetch(sha)

    def drop_all(self, shas: Iterable[str]) -> None:
        if self.trouble:
            raise self.trouble
        super().drop_all(shas)


async def test_a_film_is_deleted_though_its_files_cannot_go_at_once(tmp_path: Path) -> None:
    media = Troubled(tmp_path / "media")
    async with service(tmp_path, media=media) as found, visitor(found) as client:
        number = await submit(client)
        media.trouble = MediaAway("s3://films", "it does not answer", "see to the network")
        async with client.post(f"/j/{number}/delete", headers=JSON) as answer:
            assert (answer.status, await answer.json()) == (200, {"url": "/gallery"})
        assert await jobs.recent(found.db, 1) == []


async def test_a_disk_to_which_no_film_can_be_brought_is_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    media = Troubled(tmp_path / "media")
    full, failed = DiskFull(media.root), DiskFailed(media.root, "I/O error")
    async with service(tmp_path, media=media) as found, visitor(found) as client:
        number = await submit(client)
        await found.section()
        for trouble, status, key, said in (
            (full, 507, "refused.disk_full", "The disk has "),
            (failed, 503, "refused.held_up", "Nothing can be saved right now: the disk or"),
            (
                DatabaseAway("postgresql://db", "gone"),
                503,
                "refused.held_up",
                "Nothing can be saved right now: the disk",
            ),
        ):
            media.trouble = trouble
            async with client.get(f"/j/{number}/download", headers=JSON) as answer:
                assert (await refusal(answer, status)).startswith(said)
            with pytest.raises(Refused, match=key):
                await control.ready(found.db, media, number)
    assert "page failed" not in caplog.text


async def test_who_is_about_to_ask_for_a_film_reads_that_none_is_made_now(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:

        async def notice() -> str:
            await asyncio.sleep(1.1)  # so long an answer may be old
            async with client.get("/") as home:
                return await home.text()

        opens = found.db.now() + 6 * 3_600_000
        await absences.goes(found.db, "home:1", "hours", {"opens": "22:00"}, opens)
        assert "and again in about 5 h 59 min" in await notice() or "again in about 6 h 0 min" in await notice()
        await absences.goes(found.db, "home:1", "program", {"program": "secret-game"}, None)
        said = await notice()
        assert "is in use for something else" in said and "secret-game" not in said
        await absences.back(found.db, "home:1")
        assert "something else" not in await notice()


async def test_every_revision_of_a_film_has_its_own_address(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        seen = [page_html.film_url(await found.section()) for _ in range(3)]
        assert len(set(seen)) == 3
        async with client.get(str(seen[0]), headers=JSON) as gone:  # its file is no more
            await refusal(gone, 404)
        async with client.get(str(seen[2])) as there:
            assert there.status == 200
        assert number == 1


async def test_coming_back_shows_everything_again(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client, prompt='<script>alert("x")</script> & fog')
        await found.section()
        async with client.get(f"/j/{number}", headers=HTML) as answer:
            text = await answer.text()
        job = await jobs.get(found.db, number)
        assert f'src="{page_html.film_url(job)}"' in text
        assert "1.2 of 4.8 s are ready" in text
        assert "&lt;script&gt;alert(&quot;x&quot;)" in text
        assert "<script>alert" not in text
        async with client.get("/", headers=HTML) as answer:
            text = await answer.text()
        assert f'href="/j/{number}"' in text
        assert "<script>alert" not in text
        async with client.get(page_html.picture_url(job)) as picture:
            assert (await picture.read()).startswith(b"\x89PNG")


async def test_stop_here_keeps_the_film_and_cancel_ends_it(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        await found.section()
        claim = await found.begin()
        async with client.post(f"/j/{number}/stop", headers=JSON) as answer:
            state = await answer.json()
        assert state["headline"] == "Stopping here, keeping what is ready"
        assert state["settings"].startswith("4.8 s, seed")
        assert (await found.record(claim)).state == State.STOPPED
        async with client.get(f"/j/{number}", headers=HTML) as answer:
            assert 'id="settings">2.4 s, seed' in await answer.text()
        async with client.post(f"/j/{number}/stop", headers=JSON) as answer:
            await refusal(answer, 422)
        other = await submit(client, prompt="snow")
        async with client.post(f"/j/{other}/cancel", headers=HTML, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, f"/j/{other}")
        assert (await jobs.get(found.db, other)).state == State.CANCELLED


async def test_a_form_without_a_script_leads_to_the_films_page(tmp_path: Path) -> None:
    async with (
        service(tmp_path) as found,
        visitor(found) as client,
        client.post("/jobs", data=form(), headers=HTML) as answer,
    ):
        assert answer.url.path == "/j/1"
        assert "Next in line" in await answer.text()


async def test_the_same_form_sent_twice_is_one_film(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        numbers = [await submit(client, key="k") for _ in range(2)]
        changed = await submit(client, key="k", prompt="something else")
        assert numbers == [1, 1]
        assert changed == 2


async def test_a_visitor_sees_only_own_films(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as ann, visitor(found) as bob:
        number = await submit(ann)
        job = await found.section()
        film, picture = page_html.film_url(job), page_html.picture_url(job)
        pages = ["", "/events", "/download", "/preview/0-0.jpg"]
        for address in [film, picture, *(f"/j/{number}{page}" for page in pages)]:
            async with bob.get(str(address), headers=JSON) as answer:
                await refusal(answer, 404)
            async with ClientSession(found.url) as nobody, nobody.get(str(address), headers=JSON) as answer:
                await refusal(answer, 404)
        for wish in ("stop", "cancel"):
            async with bob.post(f"/j/{number}/{wish}", headers=JSON) as answer:
                await refusal(answer, 404)
        async with bob.get("/", headers=HTML) as answer:
            assert f"/j/{number}" not in await answer.text()
        assert (await jobs.get(found.db, number)).wish is None


async def test_the_cookie_is_out_of_reach_and_the_row_does_not_hold_it(tmp_path: Path) -> None:
    async with service(tmp_path) as found, ClientSession(found.url, cookie_jar=CookieJar(unsafe=True)) as client:
        async with client.get("/", headers=HTML) as answer:
            set_ = answer.headers["Set-Cookie"]
        assert "HttpOnly" in set_
        assert "SameSite=Lax" in set_
        async with client.get("/", headers=HTML) as answer:
            assert "Set-Cookie" not in answer.headers
            page = await answer.text()
        (form_token,) = re.findall(r'<meta name="token" content="([0-9a-f]{64})">', page)
        await submit(client, csrf=form_token)  # as a browser without a script sends it
        token = next(c for c in client.cookie_jar if c.key == VISITOR)
        assert token.value not in (await jobs.get(found.db, 1)).user_id


async def test_a_text_to_try_shows_the_film_that_was_made_of_it(tmp_path: Path) -> None:
    film = tmp_path / "fog.mp4"
    film.write_bytes(b"a film of fog")
    async with service(tmp_path) as found, visitor(found) as client:
        found.page.examples = (
            Example("fog", "雾", film),
            Example("calm", "平静"),
            Example("rain", "雨", tmp_path / "no.mp4"),
        )
        async with client.get("/", headers=HTML) as answer:
            assert re.findall(r'<video src="([^"]+)"', await answer.text()) == [
                "/examples/0/fog.mp4",
                "/examples/2/no.mp4",
            ]
        async with client.get("/examples/0/fog.mp4", headers={"Range": "bytes=2-5"}) as answer:
            assert (answer.status, answer.content_type) == (206, "video/mp4")
            assert await answer.read() == b"film"
        for nowhere in ("1/calm.mp4", "2/no.mp4", "3/x.mp4", "0/..%2f..%2fconfig.toml/x"):
            async with client.get(f"/examples/{nowhere}", headers=JSON) as answer:
                assert answer.status == 404


async def test_every_answer_is_guarded(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        for address in ("/", f"/j/{number}", f"/j/{number}/events", "/assets/page.js", "/nothing", "/j/99"):
            async with client.get(address, headers=HTML) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                if answer.content_type == "text/html":
                    text = await answer.text()
                    assert not re.search(r"<script(?! src=)|<style| style=| on[a-z]+=|https?://(?!www\.w3\.org)", text)
                    assert "${" not in text


async def test_a_tab_that_closes_at_once_leaves_nothing_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in client.cookie_jar)
        said = f"GET /j/{number}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n\r\n"
        for n in range(40):
            _, writer = await asyncio.open_connection("127.0.0.1", found.page.port)
            writer.write(said.encode())
            await asyncio.sleep(0.0005 * (n % 10))
            writer.transport.abort()
        await asyncio.sleep(0.1)
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(("tag", "chosen", "said"), [("en", "zh", "一张图片"), ("zh-CN", "en", "A picture becomes")])
async def test_a_language_is_chosen_without_a_script_and_changes_nobody(
    tmp_path: Path, tag: str, chosen: str, said: str
) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        spoken = {**HTML, "Accept-Language": tag}
        async with client.get("/gallery?q=a%20b", headers=spoken) as answer:
            (address,) = re.findall(rf'href="(/language/{chosen}[^"]*)"', await answer.text())
        async with client.get(address, headers={**spoken, "Sec-Fetch-Site": "cross-site"}) as answer:
            assert answer.status == 403
            assert "flipbot_language" not in answer.cookies
        async with client.get(address, headers=spoken, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/gallery?q=a%20b")
            assert list(answer.cookies) == ["flipbot_language"]
        async with client.get("/", headers=spoken) as answer:
            assert answer.headers["Content-Language"] == chosen
            text = await answer.text()
            assert said in text and f'<html lang="{page_html.LANG[chosen]}">' in text
            assert f'href="/j/{number}"' in text  # still the same visitor
        async with client.get("/language/xx", headers=JSON) as answer:
            await refusal(answer, 404)
        async with client.get(f"/language/{chosen}?to=//elsewhere.example", allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/"


async def test_what_is_said_to_a_script_is_not_kept_for_a_person(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        for address in ("/", f"/j/{number}", "/nothing", "/j/99", "/j/99/film/x.mp4", "/login", "/admin"):
            for accept in (HTML, JSON):
                async with client.get(address, headers=accept) as answer:
                    assert answer.headers["Cache-Control"] == "no-store", address
                    assert answer.headers["Vary"] == "Accept, Accept-Language, Cookie", address
        for accept in (HTML, JSON):
            async with client.post(f"/j/{number}/stop", headers=accept, allow_redirects=False) as answer:
                assert answer.headers["Cache-Control"] == "no-store"
                assert answer.headers["Vary"] == "Accept, Accept-Language, Cookie"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "10.0.0.1", "", "[::1", "localhost.evil.example"],
)
async def test_a_strangers_name_is_not_answered(tmp_path: Path, host: str) -> None:
    async with service(tmp_path) as found, ClientSession(found.url) as client:
        async with client.get("/", headers=JSON | {"Host": host}) as answer:
            assert found.url in await refusal(answer, 421)
        async with client.get("/", headers={"Host": f"localhost:{found.page.port}"}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_post_from_another_site_is_not_carried_out(tmp_path: Path, headers: dict[str, str]) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        async with client.post("/jobs", data=form(), headers=JSON | headers) as answer:
            await refusal(answer, 403)
        async with client.post(f"/j/{number}/cancel", headers=JSON | headers) as answer:
            await refusal(answer, 403)
        assert len(await jobs.recent(found.db, 9)) == 1
        same = {"Origin": found.url.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
        async with client.post(f"/j/{number}/cancel", headers=JSON | same) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("fields", "picture", "status", "said"),
    [
        ({"prompt": "a" * 100_000}, None, 422, "4000"),
        ({"prompt": "a" * 2_000_000}, None, 413, "too long"),
        ({"seconds": "0"}, None, 422, "you asked for 0"),
        ({"seconds": "-1"}, None, 422, "-1"),
        ({"seconds": "1e9"}, None, 422, "30"),
        ({"seconds": "NaN"}, None, 422, "NaN"),
        ({"seed": "x"}, None, 422, "4294967295"),
        ({"quality": "<b>"}, None, 422, "<b>"),
        ({}, b"", 422, "0 bytes"),
        ({}, b"not a picture", 422, "JPEG"),
        ({}, photo()[:500], 422, "damaged"),
        ({}, b"\xff" * (2**20 + 1), 413, "1 MiB"),
    ],
    ids=range(12),
)
async def test_hostile_input_gets_a_sentence(
    tmp_path: Path, fields: dict[str, str], picture: bytes | None, status: int, said: str
) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        async with client.post("/jobs", data=form(picture, **fields), headers=JSON) as answer:
            assert said in await refusal(answer, status)
        async with client.post("/jobs", data=form(picture, **fields), headers=HTML) as answer:
            assert answer.status == status
            assert answer.content_type == "text/html"
            assert "<b>" not in await answer.text()
        assert await jobs.recent(found.db, 9) == []
        assert not [path for path in found.media.root.rglob("*") if path.is_file()]


async def test_an_endless_upload_is_cut_off(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        head = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="x"\r\n\r\n'
        yield head
        while True:
            sent += 1 << 16
            yield bytes(1 << 16)

    async with service(tmp_path) as found, visitor(found) as client:
        headers = JSON | {"Content-Type": "multipart/form-data; boundary=b"}
        async with client.post("/jobs", data=endless(), headers=headers) as answer:
            await refusal(answer, 413)
        assert sent < 64 << 20


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data"),
        (b"garbage", "multipart/form-data; boundary=b"),
        (b"--b\r\nno header\r\n\r\n--b--", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="picture"\r\n\r\nabc', "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--", "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Transfer-Encoding: x\r\n\r\nabc\r\n--b--", "multipart/form-data; boundary=b"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
    ],
)
async def test_a_broken_form_gets_a_sentence(tmp_path: Path, body: bytes, kind: str) -> None:
    async with (
        service(tmp_path) as found,
        visitor(found) as client,
        client.post("/jobs", data=body, headers=JSON | {"Content-Type": kind}) as answer,
    ):
        assert answer.status in (400, 422)
        assert (await answer.json())["error"]


async def test_a_form_of_very_many_fields_is_refused(tmp_path: Path) -> None:
    data = FormData({f"field {n}": "x" for n in range(100)}, default_to_multipart=True)
    async with service(tmp_path) as found, visitor(found) as client, client.post("/jobs", data=data) as answer:
        await refusal(answer, 400)


async def test_no_picture_is_said_to_be_no_picture(tmp_path: Path) -> None:
    with MultipartWriter("form-data") as empty:
        part = empty.append(b"")
        part.set_content_disposition("form-data", name="picture", filename="")
    async with (
        service(tmp_path) as found,
        visitor(found) as client,
        client.post("/jobs", data=empty, headers=JSON) as answer,
    ):
        assert (await refusal(answer, 422)).startswith("There is no picture yet")


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/j/x", 404),
        ("GET", "/j/99999999999999999999", 404),
        ("GET", "/j/１", 404),
        ("GET", "/j/7", 404),
        ("GET", "/assets/../page.py", 404),
        ("GET", "/assets/..%2fpage.py", 404),
        ("GET", "/assets/%2e%2e/%2e%2e/etc/passwd", 404),
        ("GET", "/j/1/film/..%2f..%2fflipbot.db", 404),
        ("POST", "/", 405),
        ("GET", "/jobs", 405),
        ("DELETE", "/j/1", 405),
        ("POST", "/j/1/explode", 404),
    ],
)
async def test_what_is_not_there_is_said(tmp_path: Path, method: str, address: str, status: int) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        await submit(client)
        async with client.request(method, address, headers=JSON) as answer:
            await refusal(answer, status)
        async with client.request(method, address, headers=HTML) as answer:
            assert answer.status == status
            assert "To the start page" in await answer.text()


async def test_a_full_queue_is_said_with_its_number(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        for n in range(3):
            await submit(client, prompt=str(n))
        async with client.post("/jobs", data=form(prompt="one more"), headers=JSON) as answer:
            assert "3 of your films are in line, and the limit is 3" in await refusal(answer, 429)


async def test_the_page_speaks_the_readers_language(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        chinese = HTML | {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}
        async with client.get("/", headers=chinese) as answer:
            text = await answer.text()
        assert '<html lang="zh-Hans">' in text
        assert "开始制作" in text
        assert EXAMPLES[0][1] in text
        assert EXAMPLES[0][0] not in text
        async with client.get("/", headers=HTML) as answer:
            assert EXAMPLES[0][0] in await answer.text()
        async with client.get("/j/5", headers=JSON | {"Accept-Language": "zh"}) as answer:
            assert "这里没有这部影片" in await refusal(answer, 404)


async def test_an_untrained_checkpoint_is_named_on_every_page(tmp_path: Path) -> None:
    async with service(tmp_path, trained=False) as found, visitor(found) as client:
        number = await submit(client)
        for address in ("/", f"/j/{number}", "/nothing"):
            async with client.get(address, headers=HTML) as answer:
                assert "untrained test checkpoint: shows the machinery, not pictures" in await answer.text()


async def test_a_model_that_is_gone_is_said(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        found.page.trouble = lambda: Refused("failed.checkpoint_incomplete", file="vae/config.json")
        async with client.get("/", headers=HTML) as answer:
            assert "The model is not complete, vae/config.json is missing." in await answer.text()


@pytest.mark.parametrize("trouble", ["failed.checkpoint_missing", "terminal.no_worker"])
async def test_a_guest_is_told_to_run_nothing(trouble: str, tmp_path: Path) -> None:
    how = {"password": "of the owner", "guest_password": "of guests"}
    async with service(tmp_path, **how) as found, visitor(found) as client:
        found.page.trouble = lambda: Refused(trouble)
        for password, told in (("of guests", False), ("of the owner", True)):
            async with client.post("/login", data={"password": password}, headers=HTML) as answer:
                assert ("flipbot" in (await answer.text()).partition("banner")[2].partition("</div>")[0]) is told


async def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    async with service(tmp_path) as found:
        other = Page(found.intake, found.db, found.media, host="127.0.0.1", port=found.page.port)
        with pytest.raises(Refused) as caught:
            await other.start()
        assert caught.value.key == "refused.port_in_use"
        assert caught.value.facts == {"host": "127.0.0.1", "port": found.page.port}


async def test_whether_an_address_is_free_is_seen_without_opening_the_page(tmp_path: Path) -> None:
    async with service(tmp_path) as found:
        with pytest.raises(Refused) as caught:
            await check_address("127.0.0.1", found.page.port)
        assert caught.value.key == "refused.port_in_use"
    await check_address("127.0.0.1", found.page.port)
    with pytest.raises(Refused) as caught:
        await check_address("192.0.2.1", 0)
    assert caught.value.key == "refused.address"


async def test_an_address_of_another_machine_is_a_sentence(tmp_path: Path) -> None:
    async with service(tmp_path) as found:
        other = Page(found.intake, found.db, found.media, host="192.0.2.1", port=0, password="secret")
        with pytest.raises(Refused) as caught:
            await other.start()
        assert caught.value.key == "refused.address"


async def test_the_page_can_end_while_somebody_watches(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        told = events(client, number)
        await anext(told)
        async with asyncio.timeout(3):
            await found.page.stop()
        with pytest.raises((StopAsyncIteration, ClientError)):
            await anext(told)


async def test_many_watch_one_film(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client, seconds="1")

        async def last() -> str:
            return [state async for state in events(client, number)][-1]["headline"]

        watching = [asyncio.create_task(last()) for _ in range(20)]
        await asyncio.sleep(0.2)
        await found.section()
        assert set(await asyncio.gather(*watching)) == {"Your film is ready: 1.2 s"}


@given(st.text(max_size=40))
def test_any_text_is_escaped_in_a_template(text: str) -> None:
    shown = page_html.trouble("en", text + "<i>${page.start}</i>\"'")
    assert "<i>" not in shown
    assert "${page.start}" in shown
