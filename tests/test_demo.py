"""The demo page in a real browser: each tab in each format, cancellation by Stop and Esc, a reload, and two tabs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

import pytest

from tests.support.browser import open_page
from tests.support.processes import START_SECONDS, serving
from tests.support.require import require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Expect, Locator, Page

TABS = ("blocking", "coroutine", "resumable", "shared")
# What is seen of each format, and a piece of its frames.
FORMATS = {
    "data-stream": ("everything", 'aui-state:[{"type":"set"'),
    "assistant-transport": ("everything", 'data: {"type":"part-start"'),
    "ui-message-stream": ("everything", 'data: {"type":"text-delta"'),
    "ag-ui": ("everything", 'data: {"type":"TEXT_MESSAGE_CONTENT"'),
    "openai": ("no results", '"object":"chat.completion.chunk"'),
    "text": ("text", "You will not need an umbrella"),
}
STATUS = {
    "everything": "Finished (stop).",
    "no results": "Finished (stop). This format carries no tool results and no state.",
    "text": "Finished. This format carries no reasoning, no tool calls and no state.",
}

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


@pytest.fixture(scope="module")
def pages(browser: Browser, address: str) -> Iterator[dict[str, Page]]:
    """Open a page for each format and ask in each of its tabs; the answers come at the same time."""
    with ExitStack() as stack:
        pages = {name: stack.enter_context(open_page(browser, address)) for name in FORMATS}
        for name, page in pages.items():
            for tab in TABS:
                panel = open_tab(page, tab)
                panel.get_by_label("Format of the frames").select_option(name)
                panel.get_by_role("button", name="Weather in Paris").click()
        yield pages


def open_tab(page: Page, kind: str) -> Locator:
    """Choose a tab and return its panel."""
    page.locator(f"#tab-{kind}").click()
    return page.locator(f"#panel-{kind}")


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("name", FORMATS)
def test_answer_is_shown(pages: dict[str, Page], expect: Expect, name: str, tab: str) -> None:
    seen, frame = FORMATS[name]
    panel = open_tab(pages[name], tab)
    expect(panel.get_by_role("status")).to_have_text(STATUS[seen])
    text = panel.locator(".answer .text")
    expect(text.first).to_contain_text("Let me look up the weather in Paris.")
    expect(text.last).to_contain_text("It is 21 °C and sunny in Paris.")
    expect(panel.get_by_label("Frames of the stream")).to_contain_text(frame)
    if seen == "text":
        return
    reasoning = "The user wonders about Paris. The forecast knows more than I do."
    expect(panel.locator(".reasoning p")).to_have_text(reasoning)
    expect(panel.locator(".tool .arguments")).to_have_text('{"city": "Paris"}')
    expect(panel.locator(".tool .badge")).to_have_text("done" if seen == "everything" else "called")
    if seen == "no results":
        return
    expect(panel.locator(".tool .result")).to_contain_text('"celsius": 21')
    source = panel.get_by_role("link", name="Forecast for Paris")
    expect(source).to_have_attribute("href", "https://example.org/weather/Paris")
    expect(panel.locator(".state")).to_contain_text('"tool_calls": 1')
    expect(panel.locator(".state")).to_contain_text("It is 21 °C and sunny in Paris.")


@pytest.mark.parametrize(
    ("tab", "calls"),
    {
        "blocking": ("[format_name](blocking(question))", "create_run(", "openai.answer("),
        "coroutine": ("[format_name](coroutine(question))", "create_run(", "await openai.answer("),
        "resumable": ("streams.start(", "streams.follow("),
        "shared": ("streams.follow(", "streams.stop("),
    }.items(),
)
def test_code_of_the_tab_is_shown(pages: dict[str, Page], expect: Expect, tab: str, calls: tuple[str, ...]) -> None:
    code = open_tab(pages["data-stream"], tab).get_by_label("Code behind this tab")
    for call in calls:
        expect(code).to_contain_text(call)


@pytest.mark.parametrize("kind", TABS)
def test_error_is_shown_after_the_text(pages: dict[str, Page], expect: Expect, kind: str) -> None:
    panel = open_tab(pages["data-stream"], kind)
    panel.get_by_role("button", name="Fail on purpose").click()
    expect(panel.get_by_role("alert")).to_have_text("The model broke off, as it was asked to.")
    expect(panel.locator(".answer").last.locator(".text")).to_have_text("So far everything is fine, and then")
    expect(panel.get_by_role("status")).to_have_text("The callback failed.")


@pytest.mark.parametrize("kind", TABS)
def test_stop_cancels_the_callback(pages: dict[str, Page], expect: Expect, kind: str) -> None:
    panel = open_tab(pages["ag-ui"], kind)
    panel.get_by_role("button", name="A long story").click()
    text = panel.locator(".answer").last.locator(".text")
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
def test_keyboard_stops_and_keeps_the_focus(pages: dict[str, Page], expect: Expect, kind: str) -> None:
    page = pages["ui-message-stream"]
    panel = open_tab(page, kind)
    message = panel.get_by_label("Your message")
    panel.get_by_role("button", name="A long story").press("Enter")
    expect(panel.locator(".answer").last.locator(".text")).to_contain_text("Once upon")
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


def test_other_format_reads_the_same_answer(page: Page, expect: Expect) -> None:
    panel = open_tab(page, "resumable")
    panel.get_by_role("button", name="A long story").click()
    frames, text = panel.get_by_label("Frames of the stream"), panel.locator(".answer .text")
    for name, frame in (("ag-ui", '"type":"TEXT_MESSAGE_CONTENT"'), ("text", "Once upon")):
        expect(text).to_contain_text("Once upon")
        panel.get_by_label("Format of the frames").select_option(name)
        expect(frames).to_contain_text(frame)
        expect(frames).not_to_contain_text("aui-state")
    expect(text).to_contain_text("behind it came another.")
    expect(panel.locator(".prompt")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(panel.get_by_role("status")).to_contain_text("The callback was cancelled")


def test_last_of_several_choices_is_shown(page: Page, expect: Expect) -> None:
    panel = open_tab(page, "resumable")
    for number in (1, 2):
        panel.get_by_role("button", name="Fail on purpose").click()
        expect(panel.get_by_role("alert")).to_have_count(number)
    for name in ("ag-ui", "text", "openai", "assistant-transport", "ui-message-stream"):
        panel.get_by_label("Format of the frames").select_option(name)
    expect(panel.get_by_label("Frames of the stream")).to_contain_text('"type":"text-start"')
    expect(panel.get_by_role("alert")).to_have_text(2 * ["The model broke off, as it was asked to."])
    expect(panel.get_by_role("status")).to_have_text("The callback failed.")
    expect(panel.locator(".answer")).to_have_count(2)


def test_frames_of_each_format_are_shown(page: Page, expect: Expect) -> None:
    panel = open_tab(page, "resumable")
    panel.get_by_role("button", name="Fail on purpose").click()
    frames, choice = panel.get_by_label("Frames of the stream"), panel.get_by_label("Format of the frames")
    expect(panel.get_by_role("status")).to_have_text("The callback failed.")
    expect(frames).to_contain_text('0:"')
    for name, part in {
        "UI message stream": '"type":"text-delta"',
        "AG-UI": '"type":"TEXT_MESSAGE_CONTENT"',
        "OpenAI": "chat.completion.chunk",
        "Assistant transport": '"type":"text-delta"',
    }.items():
        choice.select_option(name)
        expect(frames).to_contain_text(part)


def test_stop_from_another_tab(browser: Browser, address: str, expect: Expect) -> None:
    with browser.new_context() as context, open_page(context, f"{address}/#shared") as page:
        panel = page.locator("#panel-shared")
        with context.expect_page() as opened:
            panel.get_by_role("link", name="Open this page in a second tab").click()
        other = opened.value.locator("#panel-shared")
        # Both pages are ready.
        expect(other.get_by_label("Code behind this tab")).to_contain_text("streams.stop(")
        panel.get_by_role("button", name="A long story").click()
        expect(other.locator(".prompt")).to_have_text("Tell me a long story.")
        expect(other.locator(".answer .text")).to_contain_text("behind it came another.")
        other.get_by_role("button", name="Stop").click()
        expect(panel.get_by_role("status")).to_have_text("Stopped from another tab.")
        expect(other.get_by_role("status")).to_contain_text("The callback was cancelled")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone(browser: Browser, address: str, expect: Expect, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    with context, open_page(context, address) as page:
        for tab in TABS:
            panel = open_tab(page, tab)
            expect(panel.get_by_role("button", name="Send")).to_be_in_viewport()
            assert page.evaluate("document.documentElement.scrollWidth") == 390
