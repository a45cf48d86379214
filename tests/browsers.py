"""Real Chromium for the tests of the page: opened once for a file of tests, and made a stranger's again for each."""

import asyncio
import base64
import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

INSTALL = "sudo apt-get install -y chromium chromium-driver"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
AXE = Path(__file__).parent / "bot" / "axe" / "axe.min.js"
WIDE, NARROW = (1200, 900), (360, 780)
IN_THE_DARK = ["color-contrast", "link-in-text-block"]  # what colours decide; all else is as it was in the light
PATIENCE_S = 60.0  # for whatever happens within a second on a machine that has nothing else to do


class Chrome(webdriver.Chrome):
    """Chromium that refuses to be asked in an event loop: the page that it waits for may be served by that loop."""

    def execute(self, driver_command: Any, params: dict[str, Any] | None = None) -> Any:
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            pytest.fail(f"{driver_command} would stop the event loop: ask in a thread (asyncio.to_thread)")
        return super().execute(driver_command, params)


class Browsers:
    """Those that are open: the first that is asked for in a test is the first of the test before, emptied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.driver = shutil.which("chromedriver")
        self.chromium = shutil.which("chromium") or shutil.which("google-chrome")
        self.opened: list[WebDriver] = []
        self.taken = 0

    def __call__(self, language: str = "en", dark: bool = False, size: tuple[int, int] = WIDE) -> WebDriver:
        """A browser without a past, with this language and colour scheme."""
        if self.taken == len(self.opened):
            self.opened.append(self._open())
        found = self.opened[self.taken]
        self.taken += 1
        speak(found, language)
        look(found, size, dark)
        return found

    def _open(self) -> WebDriver:
        options = webdriver.ChromeOptions()
        options.binary_location = str(self.chromium)
        self.downloads.mkdir(parents=True, exist_ok=True)
        options.add_experimental_option("prefs", {"download.default_directory": str(self.downloads)})
        for flag in (*FLAGS, f"--user-data-dir={self.folder / f'profile{len(self.opened)}'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        return Chrome(options=options, service=Driver(str(self.driver)))

    @property
    def downloads(self) -> Path:
        """Where files are saved."""
        return self.folder / "downloads"

    def saved(self, name: str) -> bytes:
        """The file of that name, once it is there."""
        until = time.monotonic() + PATIENCE_S
        while not (self.downloads / name).exists() and time.monotonic() < until:
            time.sleep(0.02)
        return (self.downloads / name).read_bytes()

    def renew(self) -> None:
        """Forget who they were and what they saw."""
        for found in self.opened[: self.taken]:
            found.get("about:blank")
            found.execute_cdp_cmd("Network.clearBrowserCookies", {})
            found.execute_cdp_cmd("Network.clearBrowserCache", {})
            found.get_log("browser")
        self.taken = 0

    def quit(self) -> None:
        """Close them."""
        for found in self.opened:
            found.quit()


def opened(folder: Path) -> Iterator[Browsers]:
    """Browsers while a file of tests runs; without Chromium its tests are left out, but fail in CI."""
    found = Browsers(folder)
    if not (found.driver and found.chromium):
        if os.environ.get("CI"):
            pytest.fail(f"no Chromium for the page's test: {INSTALL}")
        pytest.skip(f"no Chromium here, so the page was not tried in a browser: {INSTALL}")
    yield found
    found.quit()


def speak(browser: WebDriver, language: str) -> None:
    """Let the browser ask for pages in this language."""
    agent = browser.execute_script("return navigator.userAgent")
    browser.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": language})


def look(browser: WebDriver, size: tuple[int, int], dark: bool = False) -> None:
    """A window of exactly this many pixels, and a colour scheme. Scroll bars take no room, as on phones."""
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})


def shoot(browser: WebDriver, name: str) -> None:
    """Keep a screenshot where FLIPBOT_SCREENSHOTS says, for people to look at."""
    folder = os.environ.get("FLIPBOT_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        whole = {"captureBeyondViewport": True, "clip": {**size, "scale": 1}}
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", whole)
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def one(browser: WebDriver, selector: str) -> WebElement:
    """The element."""
    return browser.find_element(By.CSS_SELECTOR, selector)


def click(browser: WebDriver, selector: str) -> None:
    """Click the element."""
    one(browser, selector).click()


def enter(browser: WebDriver, selector: str, *keys: str) -> None:
    """Type into the element, after what stands there."""
    one(browser, selector).send_keys(*keys)


def clear(browser: WebDriver, selector: str) -> None:
    """Let nothing stand in the element."""
    one(browser, selector).clear()


def text(browser: WebDriver, selector: str) -> str:
    """What a person reads in the element."""
    return one(browser, selector).text


def value(browser: WebDriver, selector: str) -> Any:
    """What stands in the element."""
    return one(browser, selector).get_property("value")


def shown(browser: WebDriver, selector: str) -> bool:
    """Whether a person sees the element."""
    return one(browser, selector).is_displayed()


def until(browser: WebDriver, condition: str, seconds: float = PATIENCE_S) -> Any:
    """Wait until a JavaScript expression is true; returns its value."""
    return WebDriverWait(browser, seconds, 0.05).until(lambda b: b.execute_script(f"return {condition}"), condition)


def fits(browser: WebDriver) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"))


def axe(browser: WebDriver, only: list[str] | None = None) -> list[str]:
    """What axe-core finds wrong with the page as it is (WCAG 2.2 A and AA, and good practice), one line each.

    only: rules; None: all
    """
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(AXE.read_text("utf-8"))
    run = """
    const [only, done] = arguments;
    axe.run(document, {resultTypes: ['violations'], ...(only ? {runOnly: only} : {})}).then((found) =>
      done(found.violations.flatMap((rule) =>
        rule.nodes.map((node) => `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary}`))));
    """
    found: list[str] = browser.execute_async_script(run, only)
    return found


def complaints(browser: WebDriver) -> list[str]:
    """What the browser's console had to say, policies that were broken among it."""
    return [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def fill(browser: WebDriver, picture: Path, prompt: str) -> None:
    """Choose a picture and type a prompt."""
    enter(browser, "#picture", str(picture))
    until(browser, "document.querySelector('.drop').classList.contains('has')")
    enter(browser, "#prompt", prompt)


def send(browser: WebDriver) -> None:
    """Ask for the film; the film's page is there then."""
    click(browser, ".try button[type=submit]")
    until(browser, "document.querySelector('.watch') !== null && document.readyState === 'complete'")


def ask(browser: WebDriver, address: str, picture: Path, prompt: str, seconds: str) -> None:
    """Opens the form there and asks for a film so long."""
    browser.get(address)
    fill(browser, picture, prompt)
    clear(browser, "#seconds")
    enter(browser, "#seconds", seconds)
    send(browser)


# Counts how often the film was loaded anew, set back by the page, or jumped back by itself, but to its beginning, where
# it begins again. Screenshots hold up this look at it.
TRACK = """
window.back = 0; window.rounds = 0; window.stood = 0;
let at = 0, moved = performance.now(), looked = moved;
const time = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'currentTime');
Object.defineProperty(HTMLMediaElement.prototype, 'currentTime', {
  get() { return time.get.call(this); },
  set(to) { if (to < this.currentTime - .05) back += 1; time.set.call(this, to); },
});
window.begun = document.querySelector('.film'); window.emptied = 0;
begun.addEventListener('emptied', () => { emptied += 1; });
window.ready = () => {
  const film = document.querySelector('.film');
  return film.buffered.length ? film.buffered.end(film.buffered.length - 1) : 0;
};
(function look() {
  const film = document.querySelector('.film');
  const now = performance.now();
  if (film.currentTime < at) window[film.currentTime < (now - looked) / 1000 + .3 ? 'rounds' : 'back'] += 1;
  if (film.currentTime !== at) moved = now;
  stood = Math.max(stood, now - moved);
  at = film.currentTime;
  looked = now;
  requestAnimationFrame(look);
})();
"""


async def seen(browser: WebDriver, name: str) -> None:
    """Hold a page as it is against axe, in light and dark, wide and narrow, and keep its looks."""
    run = asyncio.to_thread
    for dark in (False, True):
        for size in (WIDE, NARROW):
            await run(look, browser, size, dark)
            assert await run(fits, browser), (name, size)
            await run(shoot, browser, f"{name}-{'dark' if dark else 'light'}-{size[0]}")
            if dark == (size == NARROW):  # wide in the light, narrow in the dark
                assert await run(axe, browser, IN_THE_DARK if dark else None) == [], (name, dark)
    await run(look, browser, WIDE)
