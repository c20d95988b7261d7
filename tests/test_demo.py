"""The demo page in a real browser: the output of its tabs, cancellation by Stop and Esc, and a reload."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import open_page
from tests.support.processes import START_SECONDS, serving
from tests.support.require import require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Expect, Locator, Page

TABS = ("blocking", "coroutine", "resumable")

pytestmark = pytest.mark.timeout(START_SECONDS + 90)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the demo."""
    require_packages("fastapi", "uvicorn")
    with serving("examples.demo", "--port", "0", "--no-browser") as url:
        yield url


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Open the page."""
    with open_page(browser, address) as page:
        yield page


def open_tab(page: Page, kind: str) -> Locator:
    """Choose a tab and return its panel."""
    page.locator(f"#tab-{kind}").click()
    return page.locator(f"#panel-{kind}")


@pytest.mark.parametrize("kind", TABS)
def test_answer_is_shown(page: Page, expect: Expect, kind: str) -> None:
    panel = open_tab(page, kind)
    panel.get_by_role("button", name="Weather in Paris").click()
    text = panel.locator(".answer .text")
    expect(panel.get_by_role("status")).to_have_text("Finished (stop).")
    reasoning = "The user wonders about Paris. The forecast knows more than I do."
    expect(panel.locator(".reasoning p")).to_have_text(reasoning)
    expect(text.first).to_have_text("Let me look up the weather in Paris.")
    expect(text.last).to_contain_text("It is 21 °C and sunny in Paris.")
    expect(panel.locator(".tool .arguments")).to_have_text('{"city": "Paris"}')
    expect(panel.locator(".tool .badge")).to_have_text("done")
    expect(panel.locator(".tool .result")).to_contain_text('"celsius": 21')
    source = panel.get_by_role("link", name="Forecast for Paris")
    expect(source).to_have_attribute("href", "https://example.org/weather/Paris")
    expect(panel.locator(".state")).to_contain_text('"tool_calls": 1')
    expect(panel.locator(".state")).to_contain_text("It is 21 °C and sunny in Paris.")


@pytest.mark.parametrize("kind", TABS)
def test_error_is_shown_after_the_text(page: Page, expect: Expect, kind: str) -> None:
    panel = open_tab(page, kind)
    panel.get_by_role("button", name="Fail on purpose").click()
    expect(panel.get_by_role("alert")).to_have_text("The model broke off, as it was asked to.")
    expect(panel.locator(".answer .text")).to_have_text("So far everything is fine, and then")
    expect(panel.get_by_role("status")).to_have_text("The callback failed.")


@pytest.mark.parametrize("kind", TABS)
def test_stop_cancels_the_callback(page: Page, expect: Expect, kind: str) -> None:
    panel = open_tab(page, kind)
    panel.get_by_role("button", name="A long story").click()
    text = panel.locator(".answer .text")
    expect(text).to_contain_text("Once upon")
    expect(text).not_to_have_text(text.inner_text())
    expect(text).to_contain_text("behind it came another.")
    panel.get_by_role("button", name="Stop").click()
    status = re.compile(r"The callback was cancelled after \d+ ms and had ended after \d+ ms\.")
    expect(panel.get_by_role("status")).to_have_text(status)
    expect(panel.get_by_role("button", name="Send")).to_be_enabled()


def test_user_input_is_escaped(page: Page, expect: Expect) -> None:
    panel = open_tab(page, "blocking")
    panel.get_by_label("Your message").fill("<img src=x onerror=alert(1)> Fail on purpose")
    panel.get_by_label("Your message").press("Enter")
    expect(panel.locator(".prompt")).to_have_text("<img src=x onerror=alert(1)> Fail on purpose")
    expect(panel.get_by_role("alert")).to_be_visible()
    assert panel.locator(".messages img").count() == 0


@pytest.mark.parametrize("kind", TABS)
def test_keyboard_stops_and_keeps_the_focus(page: Page, expect: Expect, kind: str) -> None:
    panel = open_tab(page, kind)
    message = panel.get_by_label("Your message")
    panel.get_by_role("button", name="A long story").press("Enter")
    expect(panel.locator(".answer .text")).to_contain_text("Once upon")
    expect(message).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel.get_by_role("status")).to_contain_text("The callback was cancelled")
    expect(message).to_be_focused()

    message.fill("Fail on purpose")
    message.press("Enter")
    state = panel.get_by_label("State", exact=True)
    state.focus()
    expect(panel.get_by_role("status")).to_have_text("The callback failed.")
    expect(state).to_be_focused()


def test_answer_survives_a_reload(page: Page, expect: Expect) -> None:
    panel = open_tab(page, "resumable")
    panel.get_by_role("button", name="A long story").click()
    expect(panel.locator(".answer .text")).to_contain_text("Once upon")
    page.reload()
    expect(panel.locator(".prompt")).to_have_text("Tell me a long story.")
    text = panel.locator(".answer .text")
    expect(text).to_contain_text("Once upon")
    expect(text).to_contain_text("behind it came another.")
    panel.get_by_role("button", name="Stop").click()
    expect(panel.get_by_role("status")).to_contain_text("The callback was cancelled")


def test_frames_of_each_format_are_shown(page: Page, expect: Expect) -> None:
    panel = open_tab(page, "resumable")
    panel.get_by_text("Frames", exact=True).click()
    panel.get_by_role("button", name="Weather in Paris").click()
    frames, choice = panel.get_by_label("Frames of the stream"), panel.get_by_label("Format of the frames")
    expect(panel.get_by_role("status")).to_have_text("Finished (stop).")
    expect(frames).to_contain_text('0:"')
    for name, part in {
        "UI message stream": '"type":"text-delta"',
        "AG-UI": '"type":"TEXT_MESSAGE_CONTENT"',
        "OpenAI": "chat.completion.chunk",
        "Assistant transport": '"type":"text-delta"',
    }.items():
        choice.select_option(name)
        expect(frames).to_contain_text(part)
