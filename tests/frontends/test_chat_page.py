"""The page of `examples/chat` as its user sees it: all kinds of parts, keyboard, dark and light, a small screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

import pytest

import dev
from tests.support.browser import open_page
from tests.support.processes import serving
from tests.support.require import require, require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Expect, Page

FRONT_ENDS = ("use-chat", "data-stream", "assistant-transport", "ag-ui")
PHONE = {"width": 390, "height": 844}
TIME_ZONE = "Europe/Lisbon"

NOTE = "Apples, bread, milk. " * 10
#: Records each text that the note had.
WATCH_NOTE = """
window.notes = new Set();
new MutationObserver(() => window.notes.add(document.querySelector("aside p")?.textContent ?? ""))
  .observe(document, { subtree: true, childList: true, characterData: true });
"""
#: The colours of the page's text and of its background, as numbers of red, green and blue.
COLOURS = """
() => ["color", "backgroundColor"].map((name) => getComputedStyle(document.body)[name].match(/[0-9]+/g).map(Number))
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the page and run the application, in a copy of the folder."""
    require_packages("flask")
    require(shutil.which("node"), "Node.js is not installed")
    require((dev.FRONT_ENDS / "node_modules").is_dir(), "no front ends: run python3 dev.py test, which installs them")
    ignored = shutil.ignore_patterns("dist", "chat.sqlite3", "chat-streams", "__pycache__")
    folder = shutil.copytree(dev.CHAT_PAGE.parent, tmp_path_factory.mktemp("chat") / "chat", ignore=ignored)
    # In the development build, with its warnings.
    dev.build_chat_page(folder / "page")
    server = ("flask", "--app", str(folder / "flask_app"), "run", "--port", "0")
    with serving(*server, CHAT_DATABASE=str(folder / "chat.sqlite3"), CHAT_STORE=str(folder / "streams")) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """Log in with the keyboard, on a phone's screen."""
    with browser.new_context(viewport=PHONE, timezone_id=TIME_ZONE, base_url=address) as context:
        with open_page(context, address) as page:
            page.get_by_label("User").wait_for()
            for key in ("Tab", "demo", "Tab", "demo", "Enter"):
                page.keyboard.press(key) if key[0].isupper() else page.keyboard.type(key)
            page.get_by_label("Message", exact=True).wait_for()
        yield context


_threads = count(1)


@pytest.fixture(params=FRONT_ENDS)
def page(request: pytest.FixtureRequest, address: str, context: BrowserContext) -> Iterator[Page]:
    """Open a new thread in a front end."""
    with open_page(context, f"{address}/?front-end={request.param}&thread={next(_threads)}") as page:
        yield page


def ask(page: Page, words: str) -> None:
    """Type a message and send it by Enter."""
    page.get_by_label("Message", exact=True).focus()
    page.keyboard.type(words)
    page.keyboard.press("Enter")


def wait_for(page: Page, expect: Expect, words: str) -> None:
    """Wait until an answer ends with some words."""
    expect(page.locator("[data-role=assistant]").last.locator("p").last).to_have_text(words)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)


def test_every_kind_of_part_is_shown_and_stored(page: Page, expect: Expect) -> None:
    page.evaluate(WATCH_NOTE)
    ask(page, "Write a note")
    wait_for(page, expect, "The tool returned The note is written.")
    texts = page.evaluate("[...window.notes]")
    assert all(NOTE.startswith(text) for text in texts)
    assert len(texts) > 2, "the note is shown while it is written"

    ask(page, "What is my time zone?")
    wait_for(page, expect, f"The tool returned {TIME_ZONE}")
    ask(page, "Name a source")
    wait_for(page, expect, "The forecast promises sun.")
    ask(page, "Show a picture")
    wait_for(page, expect, "This is the sun.")
    for step in ("as it arrives", "as it was stored"):
        expect(page.get_by_label("Note").get_by_role("heading")).to_have_text("Shopping")
        expect(page.get_by_label("Note").locator("p")).to_have_text(NOTE)
        expect(page.get_by_role("link", name="The forecast")).to_have_attribute("href", "https://example.org/forecast")
        expect(page.get_by_role("img", name="Picture")).to_have_js_property("naturalWidth", 80)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], step
        expect(page.get_by_role("img", name="Picture")).to_be_in_viewport()
        page.reload()


def test_keyboard_alone_is_enough(page: Page, expect: Expect) -> None:
    message = page.get_by_label("Message", exact=True)
    ask(page, "Tell me a story")
    expect(page.locator("[data-role=assistant] p")).to_contain_text("another one")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(message).to_be_focused()

    ask(page, "Send a mail")
    yes = page.get_by_role("button", name="Yes")
    yes.wait_for()
    for _ in range(5):
        page.keyboard.press("Shift+Tab")
        if yes.evaluate("(button) => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("[data-role=assistant]").last.locator("p").last).to_contain_text("The tool returned")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    ask(page, "Hello")
    wait_for(page, expect, "You said: Hello")


def test_front_ends_show_the_same_thread(context: BrowserContext, address: str, expect: Expect) -> None:
    with open_page(context, f"{address}/?front-end={FRONT_ENDS[0]}&thread={next(_threads)}") as page:
        ask(page, "Hello")
        wait_for(page, expect, "You said: Hello")
        links = page.get_by_role("navigation", name="Front ends").get_by_role("link")
        expect(links).to_have_count(len(FRONT_ENDS))
        for index in range(len(FRONT_ENDS)):
            links.nth(index).click()
            expect(links.nth(index)).to_have_attribute("aria-current", "page")
            wait_for(page, expect, "You said: Hello")


def test_dark_and_light(context: BrowserContext, address: str) -> None:
    with open_page(context, address) as page:
        page.emulate_media(color_scheme="light")
        text, background = map(luminance, page.evaluate(COLOURS))
        assert contrast(background, text) > 7
        page.emulate_media(color_scheme="dark")
        text, background = map(luminance, page.evaluate(COLOURS))
        assert contrast(text, background) > 7


def luminance(colour: list[int]) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    red, green, blue = (
        value / 12.92 if value <= 0.04 else ((value + 0.055) / 1.055) ** 2.4 for value in scaled(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def scaled(colour: list[int]) -> list[float]:
    return [value / 255 for value in colour[:3]]


def contrast(lighter: float, darker: float) -> float:
    return (lighter + 0.05) / (darker + 0.05)
