"""The page in a real browser: a picture is chosen, a film grows, and it looks right on wide and narrow screens."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from page_stage import PLAN, Service, photo, service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from db import absences, engines, jobs, links, operators, people
from db.models import Platform, State
from db.requests import Limits
from tests.browsers import (
    NARROW,
    TRACK,
    WIDE,
    Browsers,
    ask,
    clear,
    click,
    complaints,
    enter,
    fill,
    fits,
    look,
    seen,
    send,
    shoot,
    shown,
    speak,
    text,
    until,
    value,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")]


async def test_a_picture_is_chosen_and_its_film_grows_without_jumping_back(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.jpg").write_bytes(photo())
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        await run(shoot, chrome, "home-light")
        await run(click, chrome, ".examples .chip")
        assert await run(value, chrome, "#prompt") == "fog rolls in"
        await run(fill, chrome, tmp_path / "dawn.jpg", " over the hills | 2s: the sun comes up")
        await run(shoot, chrome, "home-chosen")
        await run(send, chrome)
        await run(until, chrome, "document.querySelector('#headline').textContent === 'Next in line'")
        await run(shoot, chrome, "job-waiting")
        claim = await found.begin()
        await found.step(claim, 3)
        await run(until, chrome, "document.querySelector('#preview img').naturalWidth === 160")
        assert await run(text, chrome, "#step") == "Step 3 of 8"
        await run(shoot, chrome, "job-first")
        await found.record(claim)
        await run(until, chrome, "document.querySelector('.film').currentTime > 0.3")
        await run(chrome.execute_script, TRACK)
        for second in (2, 3):
            claim = await found.begin()
            await found.step(claim, 5)
            await run(until, chrome, "!document.querySelector('#preview').hidden")
            if second == 3:
                await run(shoot, chrome, "job-growing")
                await run(look, chrome, WIDE, True)
                await run(shoot, chrome, "job-growing-dark")
                await run(look, chrome, NARROW)
                assert await run(fits, chrome)
                await run(shoot, chrome, "job-growing-narrow")
                await run(look, chrome, WIDE)
            await found.record(claim)
            await run(until, chrome, f"ready() > {1.2 * second - 0.1}")
        job = await found.section()
        assert job.state == "done"
        await run(until, chrome, "document.querySelector('#headline').textContent.startsWith('Your film is ready')")
        await run(until, chrome, "document.querySelector('.film').duration > 4.8")
        await run(until, chrome, "document.querySelector('.film').currentTime > 4.5")
        assert await run(chrome.execute_script, "return back") == 0
        same = "return [emptied, document.querySelector('.film') === begun, begun.buffered.length, begun.duration]"
        assert await run(chrome.execute_script, same) == [0, True, 1, pytest.approx(145 / 30, abs=0.05)]
        await run(shoot, chrome, "job-done")
        assert not await run(shown, chrome, "#cancel")
        assert await run(shown, chrome, "#download")
        await run(chrome.refresh)
        await run(until, chrome, "document.querySelector('.film').readyState >= 2")
        await run(chrome.get, found.url)
        assert "Your film is ready: 4.8 s" in await run(text, chrome, ".grid")
        await run(shoot, chrome, "home-films")
        assert await run(complaints, chrome) == []


async def test_what_is_ready_plays_again_until_more_is_there(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser)
        await run(ask, chrome, found.url, tmp_path / "dawn.png", "snow", "12")
        await found.section()
        await run(until, chrome, "document.querySelector('.film').currentTime > 0.3")
        await run(chrome.execute_script, TRACK)
        await run(until, chrome, "rounds === 2")  # nobody waits at the end
        await run(shoot, chrome, "job-caught-up")
        assert await run(chrome.execute_script, "return [back, emptied, begun.paused]") == [0, 0, False]
        assert await run(chrome.execute_script, "return stood") < 1000
        await found.section()
        await run(until, chrome, "document.querySelector('.film').currentTime > 2")
        await run(chrome.execute_script, "begun.pause()")
        await found.section()
        await run(until, chrome, "ready() > 3.5")
        assert await run(chrome.execute_script, "return begun.paused")  # who stopped it is not played to
        await run(chrome.execute_script, "begun.play()")
        while (await found.section()).state != "done":
            pass
        await run(until, chrome, "document.querySelector('.watch').classList.contains('over')")
        await run(until, chrome, "begun.duration > 11.9")
        assert not await run(chrome.execute_script, "return begun.loop")  # a longer one ends
        await run(chrome.execute_script, "begun.currentTime = 11.5")
        await run(until, chrome, "begun.ended")
        await run(chrome.get, f"{found.url}?from=1")
        await run(enter, chrome, "#prompt", " and fog")
        await run(clear, chrome, "#seconds")
        await run(enter, chrome, "#seconds", "1.2")
        await run(send, chrome)
        await found.section()
        await run(until, chrome, "document.querySelector('.watch').classList.contains('over')")
        await run(chrome.execute_script, TRACK)
        await run(until, chrome, "rounds === 1")
        assert await run(complaints, chrome) == []


async def test_nothing_moves_by_itself_for_whom_that_is_too_much(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser)
        reduced = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
        await run(chrome.execute_cdp_cmd, "Emulation.setEmulatedMedia", reduced)
        await run(chrome.get, found.url)
        await run(fill, chrome, tmp_path / "dawn.png", "snow")
        await run(send, chrome)
        await found.section()
        await run(until, chrome, "document.querySelector('.film').readyState >= 2")
        await run(chrome.execute_script, TRACK)
        assert await run(chrome.execute_script, "return [begun.paused, begun.loop]") == [True, False]
        await run(chrome.execute_script, "begun.play()")
        await run(until, chrome, "begun.ended")
        await found.section()
        await run(until, chrome, "begun.currentTime > 2.2")  # it goes on with what is new
        assert await run(chrome.execute_script, "return [rounds, back]") == [0, 0]


async def test_without_fragments_the_longer_film_takes_the_place_of_the_shorter(
    tmp_path: Path, browser: Browsers
) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        found.fragments = False
        chrome = await run(browser)
        await run(chrome.get, found.url)
        await run(fill, chrome, tmp_path / "dawn.png", "snow")
        await run(send, chrome)
        await found.section()
        await run(until, chrome, "document.querySelector('.film').currentTime > 0.3")
        await run(chrome.execute_script, TRACK)
        await found.section()
        await run(until, chrome, "document.querySelector('.film').duration > 2.3")
        await run(until, chrome, "document.querySelector('.film').currentTime > 1.3")
        assert await run(chrome.execute_script, "return back") == 0
        assert await run(complaints, chrome) == []


async def test_stop_here_and_cancel_by_keyboard(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        await run(fill, chrome, tmp_path / "dawn.png", "snow")
        await run(send, chrome)
        await found.section()
        claim = await found.begin()
        await run(until, chrome, "!document.querySelector('#stop').hidden")
        assert await run(shown, chrome, "#cancel button")
        await run(enter, chrome, "#cancel button", Keys.ENTER)
        assert await run(text, chrome, "#cancel button") == "Cancel, keep what is ready?"  # asked once more
        await run(enter, chrome, "#stop button", Keys.SPACE)
        await run(until, chrome, "document.querySelector('#headline').textContent.startsWith('Stopping here')")
        assert (await found.record(claim)).state == "stopped"
        await run(until, chrome, "document.querySelector('#headline').textContent.startsWith('Stopped at 2.4 s')")
        assert await run(shown, chrome, "#download")
        assert not await run(shown, chrome, "#stop")
        await run(chrome.get, found.url)
        await run(fill, chrome, tmp_path / "dawn.png", "rain")
        await run(send, chrome)
        await run(click, chrome, "#cancel button")
        await run(until, chrome, "document.querySelector('#headline').textContent === 'Cancelled'")
        assert await run(complaints, chrome) == []


async def test_a_refusal_stands_in_the_form_and_keeps_what_was_typed(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    (tmp_path / "text.png").write_bytes(b"no picture")
    (tmp_path / "big.png").write_bytes(bytes(2**20 + 1))
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser, "zh-CN", True, NARROW)
        await run(chrome.get, found.url)
        assert await run(fits, chrome)
        await run(shoot, chrome, "home-narrow-dark-zh")
        await run(fill, chrome, tmp_path / "dawn.png", "下雪")
        await run(clear, chrome, "#seconds")
        await run(enter, chrome, "#seconds", "1000")
        await run(click, chrome, ".try button[type=submit]")
        assert "最长 30 秒" in await run(until, chrome, "document.querySelector('#error').textContent")
        assert await run(value, chrome, "#prompt") == "下雪"
        assert await run(fits, chrome)
        await run(shoot, chrome, "home-refused-narrow-dark-zh")
        await run(clear, chrome, "#seconds")
        for name, said in (("text.png", "JPEG"), ("big.png", "1 MiB")):
            await run(enter, chrome, "#picture", str(tmp_path / name))
            if name == "text.png":
                said_at_once = "document.querySelector('.wrong').checkVisibility()"
                await run(until, chrome, said_at_once)
                await run(shoot, chrome, "home-no-picture-narrow-dark-zh")
                await run(click, chrome, ".try button[type=submit]")
            await run(until, chrome, f"document.querySelector('#error').textContent.includes('{said}')")
        await run(chrome.get, found.url + "j/99")
        assert "这里没有这部影片" in await run(text, chrome, "h1")
        await run(shoot, chrome, "trouble-narrow-dark-zh")


async def test_a_picture_that_is_too_large_leaves_the_one_before_chosen(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    (tmp_path / "big.png").write_bytes(bytes(2**20 + 1))
    run = asyncio.to_thread
    files = "return [...document.querySelector('#picture').files].map((file) => file.name)"
    async with service(tmp_path) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        await run(enter, chrome, "#picture", str(tmp_path / "big.png"))
        assert "1 MiB" in await run(until, chrome, "document.querySelector('#error').textContent")
        assert "stays" not in await run(text, chrome, "#error")
        assert await run(chrome.execute_script, files) == []
        await run(fill, chrome, tmp_path / "dawn.png", "snow")
        assert not await run(shown, chrome, "#error")
        await run(enter, chrome, "#picture", str(tmp_path / "big.png"))
        assert await run(until, chrome, "document.querySelector('#error').textContent.endsWith('chosen before stays.')")
        assert await run(chrome.execute_script, files) == ["dawn.png"]
        await run(send, chrome)
        await run(chrome.get, f"{found.url}?from=1")
        await run(enter, chrome, "#picture", str(tmp_path / "big.png"))
        assert await run(until, chrome, "document.querySelector('#error').textContent.endsWith('chosen before stays.')")
        await run(enter, chrome, "#prompt", " and wind")
        await run(send, chrome)
        assert (await run(lambda: chrome.current_url)).endswith("/j/2")


async def test_another_text_for_what_comes_next_shows_at_once(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        await run(fill, chrome, tmp_path / "dawn.png", "snow")
        await run(send, chrome)
        await found.section()
        await run(until, chrome, "!document.querySelector('#steer').hidden")
        await run(click, chrome, "#steer summary")
        await run(enter, chrome, "#next", "night falls")
        await run(click, chrome, "#steer button")
        await run(
            until, chrome, "document.querySelector('#said').textContent.startsWith('The rest of the film follows')"
        )
        said = await run(
            until, chrome, "document.querySelector('#asked').textContent.includes('night falls') && asked.textContent"
        )
        assert said == (await jobs.get(found.db, 1)).prompt
        assert await run(value, chrome, "#edit") == said
        assert said in await run(chrome.execute_script, "return document.querySelector('#copy').dataset.text")
        await run(click, chrome, "#steer summary")
        await run(enter, chrome, "#next", " | 50s: fog")
        await run(click, chrome, "#steer button")
        await run(until, chrome, "document.querySelector('#refused').textContent.includes('names second 50')")
        await found.section()  # what it says then takes nothing of that away
        await run(until, chrome, "document.querySelector('#headline').textContent.startsWith('2.4 of')")
        assert await run(shown, chrome, "#refused")
        await run(clear, chrome, "#next")
        await run(enter, chrome, "#next", "rain falls")
        await run(click, chrome, "#steer button")
        await run(until, chrome, "document.querySelector('#refused').hidden")
        while (await found.section()).state != "done":
            pass
        await run(until, chrome, "document.querySelector('.watch').classList.contains('over')")
        assert await run(text, chrome, "#said") == ""
        (refused,) = await run(complaints, chrome)
        assert "422" in refused


async def test_texts_to_try_are_one_stop_and_buttons_stand_in_line(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path, qualities=("standard", "best", "draft", "mine")) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        at = "return document.activeElement.textContent.trim() || document.activeElement.id"
        await run(enter, chrome, "#prompt", Keys.TAB)
        await run(lambda: chrome.switch_to.active_element.send_keys(Keys.TAB))
        assert await run(chrome.execute_script, at) == "fog rolls in"
        await run(lambda: chrome.switch_to.active_element.send_keys(Keys.ARROW_RIGHT))
        assert await run(chrome.execute_script, at) == "night falls"
        await run(lambda: chrome.switch_to.active_element.send_keys(Keys.ARROW_RIGHT, Keys.TAB))
        assert await run(chrome.execute_script, at) == "seconds"
        await run(lambda: chrome.switch_to.active_element.send_keys(Keys.SHIFT, Keys.TAB))
        assert await run(chrome.execute_script, at) == "night falls"
        await run(lambda: chrome.switch_to.active_element.send_keys(Keys.ENTER))
        assert await run(value, chrome, "#prompt") == "night falls"
        options = "return [[...document.querySelectorAll('#quality option')].map((each) => each.value), quality.value]"
        assert await run(chrome.execute_script, options) == [["draft", "standard", "best", "mine"], "standard"]
        await run(fill, chrome, tmp_path / "dawn.png", "")
        await run(send, chrome)
        await run(chrome.get, f"{found.url}gallery")
        places = (
            "[...document.querySelectorAll('.both .button, .both button')].map((each) => each.getBoundingClientRect())"
        )
        use, delete = await run(chrome.execute_script, f"return {places}")
        assert (use["top"], use["height"]) == (delete["top"], delete["height"])


async def test_a_film_goes_on_with_another_text_and_length(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser)
        await run(ask, chrome, found.url, tmp_path / "dawn.png", "snow", "2.4")
        await found.section()
        assert not await run(shown, chrome, "#longer")
        await found.section()
        await run(until, chrome, "!document.querySelector('#longer').hidden")
        await run(click, chrome, "#longer summary")
        assert await run(value, chrome, "#more") == "5"
        await run(clear, chrome, "#more")
        await run(enter, chrome, "#more", "3,6")
        await run(enter, chrome, "#then", "night falls")
        await seen(chrome, "job-longer")
        await run(click, chrome, "#longer button")
        await run(until, chrome, "location.pathname === '/j/2' && document.readyState === 'complete'")
        longer = await jobs.get(found.db, 2)
        assert (longer.done, longer.sections) == (2, 5)
        assert "night falls" in longer.prompt and "snow" in longer.prompt


async def test_the_owner_reaches_what_can_be_done_on_a_phone(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path, password="secret") as found:
        chrome = await run(browser, "en", False, (390, 800))
        await run(chrome.get, found.url)
        await run(enter, chrome, "#password", "secret", Keys.ENTER)
        await run(until, chrome, "document.querySelector('.try') !== null")
        await run(fill, chrome, tmp_path / "dawn.png", "a very long text of what should happen in this film of snow")
        await run(send, chrome)
        await run(chrome.get, f"{found.url}admin")
        await run(shoot, chrome, "admin-390")
        inside = "return [...document.querySelectorAll('.acts button')].every((each) => "
        inside += "each.getBoundingClientRect().left > 0 && each.getBoundingClientRect().right < 390)"
        assert await run(chrome.execute_script, inside)
        assert await run(fits, chrome)
        whole = "return [...document.querySelectorAll('input[name=reason]')].every((each) => each.offsetWidth > 250)"
        assert await run(chrome.execute_script, whole)
        await run(chrome.execute_script, "getSelection().selectAllChildren(document.querySelector('.id'))")
        assert len(await run(chrome.execute_script, "return getSelection().toString()")) == 32
        assert await run(chrome.execute_script, "return document.querySelector('.id').offsetWidth") < 80
        await run(click, chrome, ".acts button.quiet")
        await run(until, chrome, "document.querySelector('.acts') === null")
        assert (await jobs.get(found.db, 1)).state == "cancelled"


async def test_a_dropped_and_a_pasted_picture_are_taken(tmp_path: Path, browser: Browsers) -> None:
    run = asyncio.to_thread
    give = """
    const done = arguments[arguments.length - 1];
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 64;
    canvas.toBlob((blob) => {
      const carrier = new DataTransfer();
      carrier.items.add(new File([blob], arguments[0], {type: 'image/png'}));
      const event = arguments[0] === 'dropped.png'
        ? new DragEvent('drop', {dataTransfer: carrier, bubbles: true, cancelable: true})
        : new ClipboardEvent('paste', {clipboardData: carrier, bubbles: true, cancelable: true});
      document.body.dispatchEvent(event);
      done(document.querySelector('#picture').files[0].name);
    });
    """
    async with service(tmp_path, trained=False) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        for name in ("dropped.png", "pasted.png"):
            assert await run(chrome.execute_async_script, give, name) == name
            await run(until, chrome, f"document.querySelector('.picture .name').textContent.includes('{name}')")
        assert "untrained test checkpoint" in await run(text, chrome, ".banner")
        await run(shoot, chrome, "home-untrained")
        await run(send, chrome)
        await run(until, chrome, "document.querySelector('#headline').textContent === 'Next in line'")
        assert await run(complaints, chrome) == []


async def test_two_browsers_go_on_when_the_service_returns(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    options = {"public_url": "http://127.0.0.1"}
    async with service(tmp_path, **options) as found:
        mine, other = await run(browser), await run(browser, "zh-CN", False, NARROW)
        await run(mine.get, found.url)
        await run(fill, mine, tmp_path / "dawn.png", "snow")
        await run(send, mine)
        job = await found.section()
        await run(other.get, f"{found.url}w/{await links.make(found.db, job.id, 600)}")
        for chrome in (mine, other):
            await run(until, chrome, "document.querySelector('.film').currentTime > 0.3")
            await run(chrome.execute_script, TRACK)
        port = found.page.port
    for chrome in (mine, other):
        await run(until, chrome, "!document.querySelector('#offline').hidden")
    await run(shoot, mine, "job-offline")
    async with service(tmp_path, port=port, **options) as found:
        await found.section()
        for chrome, said in ((mine, "2.4 of 4.8 s are ready"), (other, "已完成 2.4 / 4.8 秒")):
            await run(until, chrome, f"document.querySelector('#headline').textContent === '{said}'")
            await run(until, chrome, "ready() > 2.3 && document.querySelector('.film').currentTime > 1.3")
            assert not await run(shown, chrome, "#offline")
            assert await run(chrome.execute_script, "return [back, emptied]") == [0, 0]
        assert not await run(other.find_elements, By.CSS_SELECTOR, "form")  # who has the link can change nothing
        await run(click, mine, "#stop button")  # the key has outlived the restart, and the form with it
        await run(until, mine, "document.querySelector('#headline').textContent.startsWith('Stopped at 2.4 s')")
        await run(until, other, "document.querySelector('.watch').classList.contains('over')")


# Counts how often the page asks for the film's states.
COUNT = """
window.tries = 0;
window.EventSource = class extends EventSource { constructor(address) { super(address); window.tries += 1; } };
"""


async def test_who_watches_is_told_that_the_film_or_the_session_is_gone(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path, password="secret", public_url="http://127.0.0.1") as found:
        mine, other = await run(browser), await run(browser, "zh-CN")
        await run(mine.get, found.url)
        await run(enter, mine, "#password", "secret", Keys.ENTER)
        await run(until, mine, "document.querySelector('.try') !== null")
        numbers = []
        for prompt in ("snow", "fog"):
            await run(mine.get, found.url)
            await run(fill, mine, tmp_path / "dawn.png", prompt)
            await run(send, mine)
            numbers.append(int((await run(lambda: mine.current_url)).rpartition("/")[2]))
        await run(other.get, f"{found.url}w/{await links.make(found.db, numbers[1], 600)}")
        for chrome in (mine, other):
            await run(until, chrome, "document.querySelector('#headline').textContent !== ''")
            await run(chrome.execute_script, COUNT)
        await people.forget_job(found.db, numbers[1])
        said = {mine: "This film is not here: it may be gone", other: "这个链接已经不再指向任何影片"}
        for chrome, sentence in said.items():
            await run(until, chrome, f"document.querySelector('#offline').textContent.startsWith('{sentence}')")
            assert await run(shown, chrome, "#offline")
        await run(shoot, mine, "job-gone")
        await asyncio.sleep(2.5)  # longer than it takes until it tries again
        assert [await run(chrome.execute_script, "return tries") for chrome in said] == [0, 0]
        await run(mine.get, f"{found.url}j/{numbers[0]}")
        await run(until, mine, "document.querySelector('#headline').textContent === 'Next in line'")
        port = found.page.port
        await run(mine.delete_cookie, "flipbot_session")
    async with service(tmp_path, port=port, password="secret", public_url="http://127.0.0.1") as found:
        await run(until, mine, "document.querySelector('#offline').textContent === 'Sign in first.'")


async def test_going_back_to_a_film_that_was_deleted_shows_a_page(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        await run(fill, chrome, tmp_path / "dawn.png", "snow")
        await run(send, chrome)
        await run(until, chrome, "document.querySelector('#headline').textContent === 'Next in line'")
        await people.forget_job(found.db, int((await run(lambda: chrome.current_url)).rpartition("/")[2]))
        await run(until, chrome, "document.querySelector('#offline').textContent.startsWith('This film is not here')")
        await run(chrome.get, f"{found.url}gallery")
        await run(chrome.back)
        await run(until, chrome, "location.pathname.startsWith('/j/')")
        assert "This film is not here" in await run(text, chrome, ".trouble h1")


async def test_every_page_is_fit_for_everybody(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    options = {"password": "secret", "public_url": "https://films.example", "ends": True}
    async with service(tmp_path, **options) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        assert await run(until, chrome, "location.pathname") == "/login"
        assert not await run(shown, chrome, "h1 + p")  # only after signing out: that films stay
        await seen(chrome, "login")
        await run(enter, chrome, "#password", "secret", Keys.ENTER)
        await run(until, chrome, "document.querySelector('.try') !== null")
        await run(fill, chrome, tmp_path / "dawn.png", "the sun wanders over the hills")
        assert not await run(shown, chrome, "label.camera")  # this window has a mouse
        await run(click, chrome, ".moment")
        assert await run(value, chrome, "#prompt") == "the sun wanders over the hills | 2s: "
        await run(enter, chrome, "#prompt", "night falls")
        await run(click, chrome, "summary")
        await seen(chrome, "try")
        await run(send, chrome)
        for _ in range(2):
            await found.section()
        claim = await found.begin()
        await found.step(claim, 5)
        await run(until, chrome, "!document.querySelector('#preview').hidden")
        await run(until, chrome, "document.querySelector('.film').currentTime > 0.5")
        await run(click, chrome, "#steer summary")
        await run(enter, chrome, "#next", "snow")
        await seen(chrome, "growing")
        await run(click, chrome, "#steer button")
        await run(until, chrome, "document.querySelector('#said').textContent !== ''")
        assert "snow" in (await jobs.get(found.db, claim.job.id)).prompt
        await engines.loaded(found.db, "home cuda", "framepack", PLAN)
        await run(chrome.get, found.url + "admin")
        await run(until, chrome, "document.querySelectorAll('tbody tr').length > 0")
        await seen(chrome, "admin")
        await run(speak, chrome, "zh-CN")
        await run(chrome.refresh)
        assert "显卡与内存规划" in await run(text, chrome, "main")
        await seen(chrome, "admin-zh")
        await run(speak, chrome, "en")
        await run(chrome.refresh)
        await run(click, chrome, "[formaction='/admin/drain']")
        await run(until, chrome, "document.querySelector('.dot.draining') !== null")
        await run(click, chrome, "[formaction='/admin/resume']")
        await run(until, chrome, "document.querySelector('.dot.open') !== null")
        await found.record(claim)
        await found.section()
        await run(chrome.get, found.url + f"j/{claim.job.id}")
        await run(until, chrome, "document.querySelector('.film').readyState >= 2")
        await seen(chrome, "done")
        await run(click, chrome, "#link button")
        said = await run(until, chrome, "document.querySelector('#said').textContent")
        link = said.split()[-1].removeprefix("https://films.example/")
        await run(click, chrome, "button[value=extend]")
        await run(until, chrome, f"document.querySelector('form[action=\"/j/{claim.job.id}/stop\"]') === null")
        await run(until, chrome, "document.querySelector('.film').readyState >= 2")  # what was kept can be seen at once
        await run(chrome.get, found.url + "gallery")
        await run(until, chrome, "document.querySelectorAll('.films li').length === 2")
        await seen(chrome, "gallery")
        await run(speak, chrome, "zh-CN")
        await run(chrome.refresh)
        await seen(chrome, "gallery-zh")
        await run(speak, chrome, "en")
        await run(chrome.refresh)
        await run(click, chrome, ".films li form button")
        await run(click, chrome, ".films li form button.sure")
        await run(until, chrome, "document.querySelectorAll('.films li').length === 1")
        assert len(await jobs.recent(found.db, 9)) == 1
        await run(chrome.get, found.url + link)
        await run(until, chrome, "document.querySelector('.film').readyState >= 2")
        await seen(chrome, "link")
        await run(chrome.get, found.url + "nothing")
        await seen(chrome, "trouble")
        assert [line for line in await run(complaints, chrome) if "404" not in line] == []


async def press(browser: WebDriver, selector: str, then: str) -> None:
    """Click something, and wait until a JavaScript expression is true."""
    await asyncio.to_thread(click, browser, selector)
    await asyncio.to_thread(until, browser, then)


async def another(browser: WebDriver, selector: str) -> int:
    """Click what leads to another film; returns its number, once its page is there."""
    before = await asyncio.to_thread(until, browser, "location.pathname")
    there = f"location.pathname !== '{before}' && document.readyState === 'complete' && location.pathname"
    await asyncio.to_thread(click, browser, selector)
    address: str = await asyncio.to_thread(until, browser, there)
    return int(address.removeprefix("/j/"))


async def ended(found: Service, browser: WebDriver, number: int) -> None:
    """Make what is missing of a film, until its page says that it is over."""
    while not (await jobs.get(found.db, number)).state.terminal:
        await found.section()
    await asyncio.to_thread(until, browser, "document.querySelector('.watch.over') !== null")


async def test_the_whole_life_of_a_film_by_clicking(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    (tmp_path / "dusk.png").write_bytes(photo("PNG", (224, 320)))
    run = asyncio.to_thread
    limits = Limits(queued_per_user=20, queued_per_chat=20, queued_in_all=50)
    async with service(tmp_path, ends=True, queue=limits) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        await run(enter, chrome, "#camera", str(tmp_path / "dawn.png"))  # as a phone's camera gives it
        await run(until, chrome, "document.querySelector('.picture .name').textContent.includes('dawn.png')")
        await run(enter, chrome, "#prompt", "dawn")
        await press(chrome, ".moment", "document.querySelector('#prompt').value === 'dawn | 2s: '")
        await run(enter, chrome, "#prompt", "rain")
        await run(clear, chrome, "#seconds")
        await run(enter, chrome, "#seconds", "2.4")
        await press(chrome, ".try summary", "document.querySelector('.try details').open")
        await run(enter, chrome, "#seed", "42")
        await run(enter, chrome, "#end", str(tmp_path / "dusk.png"))
        first = await another(chrome, ".try button[type=submit]")
        job = await jobs.get(found.db, first)
        assert (job.prompt, job.sections, job.settings["seed"]) == ("dawn | 2s: rain", 2, 42)
        assert job.end_picture

        await found.section()
        await run(until, chrome, "document.querySelector('#stop').checkVisibility()")
        await press(chrome, "#stop button", "document.querySelector('.watch.over') !== null")
        whole = await another(chrome, "#finish button")
        assert (await jobs.get(found.db, whole)).done == 1
        await ended(found, chrome, whole)

        await press(chrome, "#copy", "document.querySelector('#said').textContent.includes('--seed 42')")
        assert "flipbot animate PICTURE 'dawn | 2s: rain' --seconds 2.4" in await run(text, chrome, "#said")
        await run(click, chrome, "#download")
        job = await jobs.get(found.db, whole)
        assert job.film
        assert await run(browser.saved, f"flipbot-{whole}.mp4") == found.media.read(job.film)

        seen_there = "return document.querySelector('#again, #longer').checkVisibility()"
        assert not await run(chrome.execute_script, seen_there), "of a film made from its end only all can be made anew"

        await run(chrome.get, found.url)
        await run(enter, chrome, "#camera", str(tmp_path / "dawn.png"))
        await run(clear, chrome, "#seconds")
        await run(enter, chrome, "#seconds", "2.4")
        plain = await another(chrome, ".try button[type=submit]")
        await ended(found, chrome, plain)
        assert await run(chrome.execute_script, seen_there)
        seed = (await jobs.get(found.db, plain)).plan["seed"]
        redone = await jobs.get(found.db, await another(chrome, "button[value=redo]"))
        assert (redone.done, redone.sections, redone.plan["seed"] != seed) == (1, 2, True)
        await press(chrome, "#cancel button", "document.querySelector('.watch.over') !== null")
        await run(chrome.get, f"{found.url}j/{plain}")
        longer = await jobs.get(found.db, await another(chrome, "button[value=extend]"))
        assert (longer.done, longer.sections) == (2, 6)
        await press(chrome, "#steer summary", "document.querySelector('#steer').open")
        await run(enter, chrome, "#next", "snow")
        await press(chrome, "#steer button", "document.querySelector('#said').textContent !== ''")
        assert (await jobs.get(found.db, longer.id)).prompt.endswith("snow")
        await press(chrome, "#stop button", "document.querySelector('.watch.over') !== null")

        await run(chrome.get, f"{found.url}j/{whole}")
        await press(chrome, "#another summary", "document.querySelector('#another').open")
        other = await jobs.get(found.db, await another(chrome, "button[value=seed]"))
        assert (other.done, other.plan["seed"] != 42) == (0, True)
        await press(chrome, "#cancel button", "document.querySelector('.watch.over') !== null")
        await press(chrome, "#another summary", "document.querySelector('#another').open")
        await run(clear, chrome, "#edit")
        await run(enter, chrome, "#edit", "fog")
        assert (await jobs.get(found.db, await another(chrome, "button[value=edit]"))).prompt == "fog"
        await press(chrome, "#cancel button", "document.querySelector('.watch.over') !== null")
        await press(chrome, "#another summary", "document.querySelector('#another').open")
        await press(chrome, "#another a", "document.querySelector('.try input[name=from]') !== null")
        assert await run(value, chrome, "#prompt") == "fog"
        again = await jobs.get(found.db, await another(chrome, ".try button[type=submit]"))
        assert (again.prompt, again.picture, again.end_picture) == ("fog", job.picture, job.end_picture)

        await run(chrome.get, f"{found.url}j/{whole}")
        button = "form[data-sure] button"
        await press(chrome, button, f"document.querySelector('{button}.sure') !== null")
        await press(chrome, button, "location.pathname === '/gallery'")
        assert whole not in [each.id for each in await jobs.recent(found.db, 20)]
        await run(enter, chrome, "#q", "SNOW")
        await press(chrome, ".search button", "document.querySelectorAll('.films li').length === 1")
        await press(chrome, ".films .button", f"location.search === '?from={longer.id}'")
        await seen(chrome, "again")
        assert await run(complaints, chrome) == []


async def test_the_owner_runs_the_service_by_clicking(tmp_path: Path, browser: Browsers) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread

    async def doctor(locale: str) -> str:
        return "ok   It is well."

    async with service(tmp_path, password="secret", doctor=doctor) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url + "admin")
        await run(enter, chrome, "#password", "guessed", Keys.ENTER)
        await run(until, chrome, "document.body.textContent.includes('That is not the password')")
        await run(enter, chrome, "#password", "secret", Keys.ENTER)
        await run(until, chrome, "document.querySelector('.admin') !== null")  # where they wanted to go
        for prompt in ("snow", "rain"):
            await run(chrome.get, found.url)
            await run(fill, chrome, tmp_path / "dawn.png", prompt)
            await run(send, chrome)
        snow, rain = sorted(job.id for job in await jobs.open_jobs(found.db))
        await run(chrome.get, found.url + "admin")
        await run(enter, chrome, "#reason", "lunch")
        await press(chrome, ".gates button:not([formaction])", "document.querySelector('.dot.paused') !== null")
        assert (await operators.state(found.db)).reason == "lunch"
        assert not await run(chrome.find_elements, "css selector", ".gates [name=now]:not([hidden])"), "nothing is made"
        await press(chrome, "[formaction='/admin/resume']", "document.querySelector('.dot.open') !== null")
        await absences.goes(found.db, "home:1", "program", {"program": "blender"}, None)
        await run(chrome.refresh)
        assert "home is left to blender" in await run(text, chrome, "[data-live=state]")
        await seen(chrome, "admin-away")
        await absences.back(found.db, "home:1")
        claim = await jobs.claim(found.db, "w", 60_000)
        assert claim
        await run(chrome.refresh)
        await press(chrome, ".gates [name=now]", "document.body.textContent.includes('paused at once')")
        assert (await jobs.get(found.db, claim.job.id)).state == State.QUEUED
        await press(chrome, "[formaction='/admin/resume']", "document.querySelector('.dot.open') !== null")
        await press(chrome, "[formaction='/admin/drain']", "document.querySelector('.dot.draining') !== null")
        await press(chrome, "[formaction='/admin/resume']", "document.querySelector('.dot.open') !== null")
        row = f"[data-live=queue] form:has(input[name=job][value='{rain}'])"
        await press(chrome, f"{row} [formaction='/admin/first']", "document.body.textContent.includes('put first')")
        assert (await jobs.claim(found.db, "worker", 60_000)).job.id == rain  # type: ignore[union-attr]
        row = f"[data-live=queue] form:has(input[name=job][value='{snow}'])"
        await press(chrome, f"{row} button.quiet", f"document.querySelector(`{row}`) === null")
        assert (await jobs.get(found.db, snow)).state == "cancelled"
        at = datetime.fromtimestamp((await operators.audit(found.db, 1))[0].at_ms / 1000, UTC) + timedelta(hours=5.75)
        await run(chrome.execute_cdp_cmd, "Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"})
        await run(chrome.refresh)
        assert f"{at:%Y-%m-%d %H:%M} page" in await run(text, chrome, "[data-live=audit] tbody tr")
        assert "UTC" not in await run(text, chrome, "main")
        await run(chrome.execute_cdp_cmd, "Emulation.setTimezoneOverride", {"timezoneId": ""})
        ban = "[data-live=queue] form[data-sure] button"
        await press(chrome, ban, f"document.querySelector('{ban}.sure') !== null")
        await press(chrome, ban, "document.querySelector('[action=\"/admin/unban\"]') !== null")
        user = (await jobs.get(found.db, rain)).user_id
        assert await operators.banned(found.db, Platform.PAGE, user)
        await press(chrome, "[action='/admin/unban'] button", "!document.querySelector('[action=\"/admin/unban\"]')")
        assert not await operators.banned(found.db, Platform.PAGE, user)
        await run(enter, chrome, "#user", "42")
        await press(chrome, "[action='/admin/ban']:not([data-sure]) button", "!!document.querySelector('.plain li')")
        await press(chrome, "[action='/admin/doctor'] button", "document.body.textContent.includes('It is well.')")
        await run(chrome.get, found.url)
        await press(chrome, "[action='/logout'] button", "document.querySelector('#password') !== null")
        assert [line for line in await run(complaints, chrome) if "403" not in line] == []
