"""The page in a real browser: a picture is chosen, a film grows, and it looks right on wide and narrow screens."""

import asyncio
import base64
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from page_stage import photo, service
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from db import jobs, links

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")]

INSTALL = "sudo apt-get install -y chromium chromium-driver"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
AXE = Path(__file__).parent / "axe" / "axe.min.js"
WIDE, NARROW = (1200, 900), (360, 780)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Callable[..., WebDriver]]:
    """Opens browsers with a language and a colour scheme; each one is closed at the end."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if not (driver and chromium):
        if os.environ.get("CI"):
            pytest.fail(f"no Chromium for the page's test: {INSTALL}")
        pytest.skip(f"no Chromium here, so the page was not tried in a browser: {INSTALL}")
    opened: list[WebDriver] = []

    def open_(language: str = "en", dark: bool = False, size: tuple[int, int] = WIDE) -> WebDriver:
        options = webdriver.ChromeOptions()
        options.binary_location = str(chromium)
        for flag in (*FLAGS, f"--user-data-dir={tmp_path / f'profile{len(opened)}'}", f"--accept-lang={language}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        found = webdriver.Chrome(options=options, service=Driver(str(driver)))
        opened.append(found)
        look(found, size, dark)
        return found

    yield open_
    for one in opened:
        one.quit()


def look(browser: WebDriver, size: tuple[int, int], dark: bool = False) -> None:
    """Give the page a window of exactly this many pixels, and a colour scheme."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})


def _whole(browser: WebDriver) -> dict[str, Any]:
    size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    return {"clip": {**size, "scale": 1}}


def shoot(browser: WebDriver, name: str) -> None:
    """Keep a screenshot where FLIPBOT_SCREENSHOTS says, for people to look at."""
    folder = os.environ.get("FLIPBOT_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, **_whole(browser)})
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def one(browser: WebDriver, selector: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, selector)


def until(browser: WebDriver, condition: str, seconds: float = 20) -> Any:
    """Wait until a JavaScript expression is true; returns its value."""
    return WebDriverWait(browser, seconds, 0.05).until(lambda b: b.execute_script(f"return {condition}"), condition)


def fits(browser: WebDriver) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"))


def axe(browser: WebDriver) -> list[str]:
    """What axe-core finds wrong with the page as it is (WCAG 2.2 A and AA, and good practice), one line each."""
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(AXE.read_text("utf-8"))
    run = """
    const done = arguments[arguments.length - 1];
    axe.run(document, {resultTypes: ['violations']}).then((found) => done(found.violations.flatMap((rule) =>
      rule.nodes.map((node) => `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary}`))));
    """
    found: list[str] = browser.execute_async_script(run)
    return found


def complaints(browser: WebDriver) -> list[str]:
    """What the browser's console had to say, policies that were broken among it."""
    return [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def fill(browser: WebDriver, picture: Path, prompt: str) -> None:
    one(browser, "#picture").send_keys(str(picture))
    until(browser, "document.querySelector('.drop').classList.contains('has')")
    one(browser, "#prompt").send_keys(prompt)


def send(browser: WebDriver) -> None:
    one(browser, ".try button[type=submit]").click()
    until(browser, "document.querySelector('.watch') !== null")


TRACK = """
window.back = 0; let at = 0; window.begun = document.querySelector('.film'); window.emptied = 0;
begun.addEventListener('emptied', () => { emptied += 1; });
window.ready = () => {
  const film = document.querySelector('.film');
  return film.buffered.length ? film.buffered.end(film.buffered.length - 1) : 0;
};
(function look() {
  const film = document.querySelector('.film');
  if (film.currentTime < at) window.back += 1;
  at = film.currentTime;
  requestAnimationFrame(look);
})();
"""


async def test_a_picture_is_chosen_and_its_film_grows_without_jumping_back(
    tmp_path: Path, browser: Callable[..., WebDriver]
) -> None:
    (tmp_path / "dawn.jpg").write_bytes(photo())
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        shoot(chrome, "home-light")
        await run(one(chrome, ".examples .chip").click)
        assert one(chrome, "#prompt").get_property("value") == "fog rolls in"
        await run(fill, chrome, tmp_path / "dawn.jpg", " over the hills | 2s: the sun comes up")
        shoot(chrome, "home-chosen")
        await run(send, chrome)
        await run(until, chrome, "document.querySelector('#headline').textContent === 'Next in line'")
        shoot(chrome, "job-waiting")
        claim = await found.begin()
        await found.step(claim, 3)
        await run(until, chrome, "document.querySelector('#preview img').naturalWidth === 160")
        assert one(chrome, "#step").text == "Step 3 of 8"
        shoot(chrome, "job-first")
        await found.record(claim)
        await run(until, chrome, "document.querySelector('.film').currentTime > 0.3")
        await run(chrome.execute_script, TRACK)
        for second in (2, 3):
            claim = await found.begin()
            await found.step(claim, 5)
            await run(until, chrome, "!document.querySelector('#preview').hidden")
            if second == 3:
                shoot(chrome, "job-growing")
                await run(look, chrome, WIDE, True)
                shoot(chrome, "job-growing-dark")
                await run(look, chrome, NARROW)
                assert fits(chrome)
                shoot(chrome, "job-growing-narrow")
                await run(look, chrome, WIDE)
            await found.record(claim)
            await run(until, chrome, f"ready() > {1.2 * second - 0.1}")
        job = await found.section()
        assert job.state == "done"
        await run(until, chrome, "document.querySelector('#headline').textContent.startsWith('Your film is ready')")
        await run(until, chrome, "document.querySelector('.film').duration > 4.8")
        await run(until, chrome, "document.querySelector('.film').ended")
        assert await run(chrome.execute_script, "return back") == 0
        same = "return [emptied, document.querySelector('.film') === begun, begun.buffered.length, begun.currentTime]"
        assert await run(chrome.execute_script, same) == [0, True, 1, pytest.approx(145 / 30, abs=0.05)]
        shoot(chrome, "job-done")
        assert not one(chrome, "#cancel").is_displayed()
        assert one(chrome, "#download").is_displayed()
        await run(chrome.refresh)
        await run(until, chrome, "document.querySelector('.film').readyState >= 2")
        await run(chrome.get, found.url)
        assert "Your film is ready: 4.8 s" in one(chrome, ".grid").text
        shoot(chrome, "home-films")
        assert await run(complaints, chrome) == []


async def test_without_fragments_the_longer_film_takes_the_place_of_the_shorter(
    tmp_path: Path, browser: Callable[..., WebDriver]
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


async def test_stop_here_and_cancel_by_keyboard(tmp_path: Path, browser: Callable[..., WebDriver]) -> None:
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
        assert one(chrome, "#cancel button").is_displayed()
        await run(one(chrome, "#cancel button").send_keys, Keys.ENTER)
        assert one(chrome, "#cancel button").text == "Cancel for good?"  # something is finished: asked once more
        await run(one(chrome, "#stop button").send_keys, Keys.SPACE)
        await run(until, chrome, "document.querySelector('#headline').textContent.startsWith('Stopping here')")
        assert (await found.record(claim)).state == "stopped"
        await run(until, chrome, "document.querySelector('#headline').textContent.startsWith('Stopped at 2.4 s')")
        assert one(chrome, "#download").is_displayed()
        assert not one(chrome, "#stop").is_displayed()
        await run(chrome.get, found.url)
        await run(fill, chrome, tmp_path / "dawn.png", "rain")
        await run(send, chrome)
        await run(one(chrome, "#cancel button").click)
        await run(until, chrome, "document.querySelector('#headline').textContent === 'Cancelled'")
        assert await run(complaints, chrome) == []


async def test_a_refusal_stands_in_the_form_and_keeps_what_was_typed(
    tmp_path: Path, browser: Callable[..., WebDriver]
) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    (tmp_path / "text.png").write_bytes(b"no picture")
    (tmp_path / "big.png").write_bytes(bytes(2**20 + 1))
    run = asyncio.to_thread
    async with service(tmp_path) as found:
        chrome = await run(browser, "zh-CN", True, NARROW)
        await run(chrome.get, found.url)
        assert fits(chrome)
        shoot(chrome, "home-narrow-dark-zh")
        await run(fill, chrome, tmp_path / "dawn.png", "下雪")
        await run(one(chrome, "#seconds").clear)
        await run(one(chrome, "#seconds").send_keys, "1000")
        await run(one(chrome, ".try button[type=submit]").click)
        assert "最多 30 秒" in await run(until, chrome, "document.querySelector('#error').textContent")
        assert one(chrome, "#prompt").get_property("value") == "下雪"
        assert fits(chrome)
        shoot(chrome, "home-refused-narrow-dark-zh")
        await run(one(chrome, "#seconds").clear)
        for name, said in (("text.png", "JPEG"), ("big.png", "1 MiB")):
            await run(one(chrome, "#picture").send_keys, str(tmp_path / name))
            if name == "text.png":
                await run(one(chrome, ".try button[type=submit]").click)
            await run(until, chrome, f"document.querySelector('#error').textContent.includes('{said}')")
        await run(chrome.get, found.url + "j/99")
        assert "这里没有这部影片" in one(chrome, "h1").text
        shoot(chrome, "trouble-narrow-dark-zh")


async def test_a_dropped_and_a_pasted_picture_are_taken(tmp_path: Path, browser: Callable[..., WebDriver]) -> None:
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
        assert "untrained test checkpoint" in one(chrome, ".banner").text
        shoot(chrome, "home-untrained")
        await run(send, chrome)
        await run(until, chrome, "document.querySelector('#headline').textContent === 'Next in line'")
        assert await run(complaints, chrome) == []


async def test_two_browsers_go_on_when_the_service_returns(tmp_path: Path, browser: Callable[..., WebDriver]) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    options = {"public_url": "https://films.example"}
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
    shoot(mine, "job-offline")
    async with service(tmp_path, port=port, **options) as found:
        await found.section()
        for chrome, said in ((mine, "2.4 of 4.8 s are ready"), (other, "已完成 2.4 / 4.8 秒")):
            await run(until, chrome, f"document.querySelector('#headline').textContent === '{said}'")
            await run(until, chrome, "ready() > 2.3 && document.querySelector('.film').currentTime > 1.3")
            assert not one(chrome, "#offline").is_displayed()
            assert await run(chrome.execute_script, "return [back, emptied]") == [0, 0]
        assert not other.find_elements(By.CSS_SELECTOR, "form")  # who has the link can change nothing
        await run(one(mine, "#stop button").click)  # the key has outlived the restart, and the form with it
        await run(until, mine, "document.querySelector('#headline').textContent.startsWith('Stopped at 2.4 s')")
        await run(until, other, "document.querySelector('.watch').classList.contains('over')")


async def seen(browser: WebDriver, name: str) -> None:
    """Hold a page as it is against axe, in light and dark, wide and narrow, and keep its looks."""
    run = asyncio.to_thread
    for dark in (False, True):
        for size in (WIDE, NARROW):
            await run(look, browser, size, dark)
            assert await run(fits, browser), (name, size)
            shoot(browser, f"{name}-{'dark' if dark else 'light'}-{size[0]}")
        assert await run(axe, browser) == [], (name, dark)
    await run(look, browser, WIDE)


async def test_every_page_is_fit_for_everybody(tmp_path: Path, browser: Callable[..., WebDriver]) -> None:
    (tmp_path / "dawn.png").write_bytes(photo("PNG", (320, 224)))
    run = asyncio.to_thread
    options = {"password": "secret", "public_url": "https://films.example", "ends": True}
    async with service(tmp_path, **options) as found:
        chrome = await run(browser)
        await run(chrome.get, found.url)
        assert "login" in chrome.current_url
        await seen(chrome, "login")
        await run(one(chrome, "#password").send_keys, "secret", Keys.ENTER)
        await run(until, chrome, "document.querySelector('.try') !== null")
        await run(fill, chrome, tmp_path / "dawn.png", "the sun wanders over the hills")
        await run(one(chrome, ".moment").click)
        assert one(chrome, "#prompt").get_property("value") == "the sun wanders over the hills | 2s: "
        await run(one(chrome, "#prompt").send_keys, "night falls")
        await run(one(chrome, "summary").click)
        await seen(chrome, "try")
        await run(send, chrome)
        for _ in range(2):
            await found.section()
        claim = await found.begin()
        await found.step(claim, 5)
        await run(until, chrome, "!document.querySelector('#preview').hidden")
        await run(until, chrome, "document.querySelector('.film').currentTime > 0.5")
        await run(one(chrome, "#steer summary").click)
        await run(one(chrome, "#next").send_keys, "snow")
        await seen(chrome, "growing")
        await run(one(chrome, "#steer button").click)
        await run(until, chrome, "document.querySelector('#said').textContent !== ''")
        assert "snow" in (await jobs.get(found.db, claim.job.id)).prompt
        await run(chrome.get, found.url + "admin")
        await run(until, chrome, "document.querySelectorAll('tbody tr').length > 0")
        await seen(chrome, "admin")
        await run(one(chrome, "[formaction='/admin/drain']").click)
        await run(until, chrome, "document.querySelector('.dot.draining') !== null")
        await run(one(chrome, "[formaction='/admin/resume']").click)
        await run(until, chrome, "document.querySelector('.dot.open') !== null")
        await found.record(claim)
        await found.section()
        await run(chrome.get, found.url + f"j/{claim.job.id}")
        await run(until, chrome, "document.querySelector('.film').readyState >= 2")
        await seen(chrome, "done")
        await run(one(chrome, "#link button").click)
        said = await run(until, chrome, "document.querySelector('#said').textContent")
        link = said.split()[-1].removeprefix("https://films.example/")
        await run(one(chrome, "button[value=extend]").click)
        await run(until, chrome, f"document.querySelector('form[action=\"/j/{claim.job.id}/stop\"]') === null")
        await run(until, chrome, "document.querySelector('.film').readyState >= 2")  # what was kept can be seen at once
        await run(chrome.get, found.url + "gallery")
        await run(until, chrome, "document.querySelectorAll('.films li').length === 2")
        await seen(chrome, "gallery")
        await run(one(chrome, ".films li form button").click)
        await run(one(chrome, ".films li form button.sure").click)
        await run(until, chrome, "document.querySelectorAll('.films li').length === 1")
        assert len(await jobs.recent(found.db, 9)) == 1
        await run(chrome.get, found.url + link)
        await run(until, chrome, "document.querySelector('.film').readyState >= 2")
        await seen(chrome, "link")
        await run(chrome.get, found.url + "nothing")
        await seen(chrome, "trouble")
        assert [line for line in await run(complaints, chrome) if "404" not in line] == []
