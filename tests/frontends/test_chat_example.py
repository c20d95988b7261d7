"""The page of `examples/chat` in a browser: what its user can do, in each front end and with each back end.

A page stays open for all tests of a front end and a back end, and its thread grows.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.frontends.chat_pages import FRONT_ENDS, Chat, logged_in, serving_chat
from tests.frontends.conversation import PICTURE
from tests.support.browser import open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Expect

#: How the page is used with each back end.
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 720}
USES: dict[str, dict[str, Any]] = {
    "flask": {"viewport": DESKTOP, "color_scheme": "light"},
    "fastapi": {"viewport": PHONE, "color_scheme": "dark"},
    "django": {"viewport": PHONE, "color_scheme": "light"},
}
#: The back end with which the keyboard alone is used.
BY_KEYBOARD = "django"
TIME_ZONE = "Europe/Lisbon"

#: Back end, front end and bundle.
CHATS = [
    *((back_end, front_end, "dist") for back_end in USES for front_end in FRONT_ENDS),
    ("flask", "use-chat", "v6"),
    ("fastapi", "use-chat", "v5"),
]

#: The tool that waits for the user: its call, and the result of a yes and of a no.
MAIL = 'send_mail {"to":"me@example.org","text":"Send a mail"}'
APPROVAL = MAIL, '"Sent to me@example.org."', '"The user did not approve this call."'
QUESTION = 'confirm {"question":"Send it?"}', "true", "false"

NOTE = "Apples, bread, milk. " * 10
#: Records each text that the last note had.
WATCH_NOTE = """
window.notes = new Set();
new MutationObserver(() => window.notes.add([...document.querySelectorAll("aside p")].at(-1)?.textContent ?? ""))
  .observe(document, { subtree: true, childList: true, characterData: true });
"""
#: The texts of the page, each with its colour and the background, as numbers of red, green and blue.
COLOURS = """
() => [...document.querySelectorAll("body, a, p, pre, h2, button:enabled, input, textarea")].map((element) => {
  const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const isOpaque = (colour) => numbers(colour).length === 3;
  let behind = element;
  while (!isOpaque(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  return [
    element.textContent.slice(0, 40),
    numbers(getComputedStyle(element).color),
    numbers(getComputedStyle(behind).backgroundColor),
  ];
})
"""


def weather_turn(city: str) -> list[list[str]]:
    """Return what a page shows of a question about the weather and its answer."""
    weather = f'{{"city":"{city}","celsius":21,"sky":"sunny"}}'
    answer = ["(I should look.)", "Let me look.", f'get_weather {{"city":"{city}"}} {weather}', returned(weather)]
    return [["user", f"What is the weather in {city}?"], *(["assistant", part] for part in answer)]


def turn(question: str, *answer: str) -> list[list[str]]:
    """Return what a page shows of a question and its answer."""
    return [["user", question], *(["assistant", part] for part in answer)]


def returned(result: str) -> str:
    """Return what the model says about the result of a tool."""
    text = json.loads(result) if result.startswith('"') else result
    return f"The tool returned {text}"


# --- The pages --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BackEnd:
    """A back end, and the tabs of its user."""

    address: str
    context: BrowserContext


@pytest.fixture(scope="module")
def start(
    browser: Browser, expect: Expect, built_chat: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], BackEnd]]:
    """Return a function that starts a back end, once, and logs in."""
    data = tmp_path_factory.mktemp("chats")
    with ExitStack() as stack:

        @cache
        def start(name: str) -> BackEnd:
            address = stack.enter_context(serving_chat(name, built_chat, data / name))
            options = {"by_keyboard": name == BY_KEYBOARD, "timezone_id": TIME_ZONE, **USES[name]}
            return BackEnd(address, stack.enter_context(logged_in(browser, expect, address, **options)))

        yield start


@pytest.fixture(scope="module", params=CHATS, ids="-".join)
def chat(request: pytest.FixtureRequest, start: Callable[[str], BackEnd], expect: Expect) -> Iterator[Chat]:
    """Open a new thread of a front end."""
    name, front_end, bundle = request.param
    back_end = start(name)
    path = f"{bundle}.html?front-end={front_end}&thread={front_end}-{bundle}"
    with open_page(back_end.context, f"{back_end.address}/{path}") as page:
        page.get_by_label("Message", exact=True).wait_for()
        yield Chat(page, expect, front_end, name == BY_KEYBOARD)


@pytest.fixture
def tool_that_waits(chat: Chat) -> tuple[str, str, str] | None:
    """Return the call of the tool that waits for the user, and the results of a yes and of a no, if there is one."""
    if "/v5.html" in chat.page.url:
        return None  # AI SDK 5 has no approvals
    return QUESTION if chat.front_end in ("data-stream", "assistant-transport") else APPROVAL


# --- The tests --------------------------------------------------------------------------------------


def test_text_reasoning_and_tool_are_shown(chat: Chat) -> None:
    before = chat.shown()
    chat.ask("What is the weather in Paris?")
    chat.wait_for(weather_turn("Paris")[-1][1])
    assert chat.shown() == before + weather_turn("Paris")
    chat.expect(chat.page.get_by_label("Weather").last.get_by_role("heading")).to_have_text("Weather in Paris")


def test_arguments_are_shown_while_they_grow(chat: Chat) -> None:
    chat.page.evaluate(WATCH_NOTE)
    chat.ask("Write a note")
    chat.wait_for("The tool returned The note is written.")
    texts = chat.page.evaluate("[...window.notes]")
    assert all(NOTE.startswith(text) for text in texts)
    assert len(texts) > 2
    note = chat.page.get_by_label("Note").last
    chat.expect(note.get_by_role("heading")).to_have_text("Shopping")
    chat.expect(note.locator("p")).to_have_text(NOTE)
    chat.expect(chat.page.get_by_label("State")).to_contain_text("Notes: Shopping")


def test_tool_of_the_page_runs_there(chat: Chat) -> None:
    chat.ask("What is my time zone?")
    chat.wait_for(f"The tool returned {TIME_ZONE}")


def test_sources_and_pictures_are_shown(chat: Chat) -> None:
    chat.ask("Name a source")
    chat.wait_for("The forecast promises sun.")
    source = chat.last_answer.get_by_role("link", name="The forecast")
    chat.expect(source).to_have_attribute("href", "https://example.org/forecast")
    chat.ask("Show a picture")
    chat.wait_for("This is the sun.")
    picture = chat.last_answer.get_by_role("img", name="Picture")
    chat.expect(picture).to_have_js_property("naturalWidth", 80)
    # The page follows the answer.
    chat.expect(picture).to_be_in_viewport()


def test_picture_of_the_user_is_sent(chat: Chat, tmp_path: Path) -> None:
    (tmp_path / "pixel.png").write_bytes(b64decode(PICTURE))
    chat.attach(tmp_path / "pixel.png")
    chat.ask("Look")
    chat.wait_for("I see your picture. You said: Look")
    picture = chat.page.locator("[data-role=user]").last.get_by_role("img")
    chat.expect(picture).to_have_js_property("naturalWidth", 1)


def test_tool_waits_for_the_user(chat: Chat, tool_that_waits: tuple[str, str, str] | None) -> None:
    if tool_that_waits is None:
        return
    call, result, _ = tool_that_waits
    before = chat.shown()
    chat.ask("Send a mail")
    chat.click("Yes")
    chat.wait_for(returned(result))
    assert chat.shown() == before + turn("Send a mail", f"{call} {result}", returned(result))


def test_tool_waits_for_the_user_across_a_reload(chat: Chat, tool_that_waits: tuple[str, str, str] | None) -> None:
    if tool_that_waits is None:
        return
    call, _, result = tool_that_waits
    before = chat.shown()
    chat.ask("Send a mail")
    chat.expect(chat.button("No")).to_be_visible()
    chat.reload()
    chat.click("No")
    chat.wait_for(returned(result))
    question, answer, *_ = chat.shown()[len(before) :]
    assert question == ["user", "Send a mail"]
    assert answer[1].startswith(call)
    assert chat.button("No").count() == 0


def test_edited_and_regenerated_messages_are_replaced(chat: Chat) -> None:
    before = chat.shown()
    chat.ask("Hello")
    chat.wait_for("You said: Hello")
    chat.edit("Hello again")
    chat.wait_for("You said: Hello again")
    chat.regenerate()
    chat.wait_for("You said: Hello again")
    assert chat.shown() == before + turn("Hello again", "You said: Hello again")


def test_stored_messages_are_shown_as_before(chat: Chat) -> None:
    shown = chat.shown()
    chat.reload()
    assert chat.shown() == shown
    note = chat.page.get_by_label("Note").last
    chat.expect(note.get_by_role("heading")).to_have_text("Shopping")
    chat.expect(note.locator("p")).to_have_text(NOTE)
    source = chat.page.get_by_role("link", name="The forecast")
    chat.expect(source).to_have_attribute("href", "https://example.org/forecast")
    widths = [picture.evaluate("(picture) => picture.naturalWidth") for picture in chat.page.get_by_role("img").all()]
    assert widths == [80, 1]
    chat.expect(chat.page.get_by_label("State")).to_contain_text("Notes: Shopping")

    chat.ask("Bye")
    chat.wait_for("You said: Bye")
    assert chat.shown() == shown + turn("Bye", "You said: Bye")


def test_page_fits_the_screen_and_is_legible(chat: Chat) -> None:
    assert chat.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    colours = chat.page.evaluate(COLOURS)
    _, text, background = colours[0]
    assert contrast(luminance(text), luminance(background)) > 7
    is_dark = chat.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (luminance(text) > luminance(background)) == is_dark
    for text, colour, background in colours:
        # The ratio that WCAG 2 demands.
        assert contrast(luminance(colour), luminance(background)) >= 4.5, text


def test_stopped_answer_is_stored(chat: Chat) -> None:
    before = chat.shown()
    chat.ask("Tell me a story")
    chat.wait_for_part("and on")
    chat.stop()
    chat.wait_for_end()
    if chat.by_keyboard:
        chat.expect(chat.page.get_by_label("Message", exact=True)).to_be_focused()
    chat.ask("Hello")
    chat.wait_for("You said: Hello")
    chat.reload()
    (_, _), (_, story), *rest = chat.shown()[len(before) :]
    assert story.startswith("Once upon a time")
    assert rest == turn("Hello", "You said: Hello")


def test_error_is_shown_without_its_text(chat: Chat) -> None:
    before = chat.shown()
    chat.ask("Please fail")
    alert = chat.page.get_by_role("alert").last
    chat.expect(alert).to_be_visible()
    assert "1234" not in alert.inner_text()
    chat.ask("Hello")
    chat.wait_for("You said: Hello")
    shown = chat.shown()
    assert (shown[: len(before)], shown[-2:]) == (before, turn("Hello", "You said: Hello"))


def test_edit_of_the_first_message_begins_anew(chat: Chat) -> None:
    chat.reload()
    chat.edit("What is the weather in Rome?", which=0)
    chat.wait_for(weather_turn("Rome")[-1][1])
    assert chat.shown() == weather_turn("Rome")
    chat.reload()
    assert chat.shown() == weather_turn("Rome")


def test_thread_is_in_the_list(chat: Chat) -> None:
    links = chat.page.get_by_role("navigation", name="Threads").get_by_role("link")
    chat.expect(links.last).to_have_text("New thread")
    (shown,) = [link.inner_text() for link in links.all() if link.get_attribute("aria-current")]
    assert shown in chat.page.url


@pytest.mark.parametrize("name", USES)
def test_front_ends_show_the_same_thread(start: Callable[[str], BackEnd], expect: Expect, name: str) -> None:
    back_end = start(name)
    with open_page(back_end.context, f"{back_end.address}/?thread=shared") as page:
        chat = Chat(page, expect, "use-chat")
        chat.ask("Hello")
        chat.wait_for("You said: Hello")
        links = page.get_by_role("navigation", name="Front ends").get_by_role("link")
        expect(links).to_have_count(len(FRONT_ENDS))
        for index in range(len(FRONT_ENDS)):
            links.nth(index).click()
            expect(links.nth(index)).to_have_attribute("aria-current", "page")
            chat.wait_for("You said: Hello")


# --- Colours ----------------------------------------------------------------------------------------


def luminance(colour: list[float]) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    red, green, blue = (
        value / 12.92 if value <= 0.04 else ((value + 0.055) / 1.055) ** 2.4 for value in scaled(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def scaled(colour: list[float]) -> list[float]:
    return [value / 255 for value in colour[:3]]


def contrast(first: float, second: float) -> float:
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)
