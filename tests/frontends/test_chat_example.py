"""The pages of `examples/chat` in a browser, with its Flask back end and SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.frontends.chat_pages import build_pages, log_in, shown_parts
from tests.support.browser import open_page
from tests.support.processes import serving
from tests.support.require import require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Expect, Page

#: The front ends, with the bundle of each.
CHATS = [
    ("use-chat", "dist"),
    ("use-chat", "v6"),
    ("use-chat", "v5"),
    ("data-stream", "dist"),
    ("assistant-transport", "dist"),
    ("ag-ui", "dist"),
]

#: The tool that waits for the user: its call, and the result of a yes and of a no.
MAIL = 'send_mail {"to":"me@example.org","text":"Send a mail"}'
APPROVAL = MAIL, '"Sent to me@example.org."', '"The user did not approve this call."'
QUESTION = 'confirm {"question":"Send it?"}', "true", "false"


def weather_turn(city: str) -> list[list[str]]:
    """Return what a page shows of a question about the weather and its answer."""
    weather = f'{{"city":"{city}","celsius":21,"sky":"sunny"}}'
    answer = ["(I should look.)", "Let me look.", f'get_weather {{"city":"{city}"}} {weather}', returned(weather)]
    return [["user", f"What is the weather in {city}?"], *(["assistant", part] for part in answer)]


def returned(result: str) -> str:
    """Return what the model says about the result of a tool."""
    text = json.loads(result) if result.startswith('"') else result
    return f"The tool returned {text}"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the pages and run the application."""
    require_packages("flask")
    folder = tmp_path_factory.mktemp("chat")
    build_pages(folder)
    server = ("flask", "--app", str(folder / "flask_app"), "run", "--port", "0")
    with serving(*server, CHAT_DATABASE=str(folder / "chat.sqlite3"), CHAT_STORE=str(folder / "streams")) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Give the pages one cache, for the bundles."""
    with browser.new_context() as context:
        yield context


@dataclass(frozen=True)
class Chat:
    """The page of a front end."""

    front_end: str
    page: Page
    expect: Expect
    #: The call of the tool that waits for the user, the result of a yes and of a no; None without such a tool.
    tool_that_waits: tuple[str, str, str] | None

    def click(self, name: str) -> None:
        """Click the last button of a name."""
        self.page.get_by_role("button", name=name, exact=True).last.click()

    def ask(self, words: str) -> None:
        """Type a message and send it."""
        self.page.get_by_label("Message", exact=True).fill(words)
        self.click("Send")

    def edit(self, words: str, which: int = -1) -> None:
        """Edit a message of the user, by default the last one."""
        self.page.get_by_role("button", name="Edit", exact=True).nth(which).click()
        if self.front_end == "use-chat":
            self.ask(words)
        else:
            self.page.get_by_label("Edited message").fill(words)
            self.click("Save")

    def wait_for(self, words: str) -> None:
        """Wait until an answer ends with some words."""
        last = self.page.locator("[data-role=assistant]").last.locator("p").last
        self.expect(last).to_have_text(words)
        self.expect(self.page.get_by_role("button", name="Stop")).to_have_count(0)

    def shown(self) -> list[list[str]]:
        """Return the parts of all messages as they are shown, each with the role."""
        return shown_parts(self.page)

    def reload(self) -> None:
        """Load the page again."""
        self.page.reload()
        self.expect(self.page.locator("[data-role=assistant]").first).to_be_visible()


_threads = count(1)


@pytest.fixture(params=CHATS, ids="-".join)
def chat(request: pytest.FixtureRequest, address: str, context: BrowserContext, expect: Expect) -> Iterator[Chat]:
    """Open a new thread in a front end."""
    front_end, bundle = request.param
    context.clear_cookies()
    with open_page(context, f"{address}/{bundle}.html?front-end={front_end}&thread={next(_threads)}") as page:
        log_in(page)
        waits = QUESTION if front_end in ("data-stream", "assistant-transport") else APPROVAL
        yield Chat(front_end, page, expect, waits if bundle != "v5" else None)


def test_conversation_survives_a_reload(chat: Chat) -> None:
    chat.ask("What is the weather in Paris?")
    chat.wait_for(weather_turn("Paris")[-1][1])
    shown = weather_turn("Paris")
    assert chat.shown() == shown

    if chat.tool_that_waits is not None:
        call, result, _ = chat.tool_that_waits
        chat.ask("Send a mail")
        chat.click("Yes")
        chat.wait_for(returned(result))
        shown += [["user", "Send a mail"], ["assistant", f"{call} {result}"], ["assistant", returned(result)]]
        assert chat.shown() == shown

    chat.ask("Hello")
    chat.wait_for("You said: Hello")
    chat.edit("Hello again")
    chat.wait_for("You said: Hello again")
    if chat.front_end != "assistant-transport":  # which has no regeneration
        chat.click("Regenerate")
        chat.wait_for("You said: Hello again")
    shown += [["user", "Hello again"], ["assistant", "You said: Hello again"]]
    assert chat.shown() == shown
    chat.reload()
    assert chat.shown() == shown

    chat.ask("Bye")
    chat.wait_for("You said: Bye")
    shown += [["user", "Bye"], ["assistant", "You said: Bye"]]
    assert chat.shown() == shown
    chat.reload()
    assert chat.shown() == shown


def test_edit_of_the_first_message_begins_anew(chat: Chat) -> None:
    chat.ask("Hello")
    chat.wait_for("You said: Hello")
    chat.ask("Bye")
    chat.wait_for("You said: Bye")
    chat.reload()
    chat.expect(chat.page.get_by_role("link").last).to_have_text("New thread")
    chat.edit("What is the weather in Rome?", which=0)
    chat.wait_for(weather_turn("Rome")[-1][1])
    assert chat.shown() == weather_turn("Rome")
    chat.reload()
    assert chat.shown() == weather_turn("Rome")


def test_tool_waits_for_the_user_across_a_reload(chat: Chat) -> None:
    if chat.tool_that_waits is None:
        return  # AI SDK 5 has no approvals
    call, _, result = chat.tool_that_waits
    chat.ask("Send a mail")
    chat.expect(chat.page.get_by_role("button", name="No")).to_be_visible()
    if chat.front_end != "ag-ui":  # whose runtime keeps open approvals in the page
        chat.reload()
    chat.click("No")
    chat.wait_for(returned(result))
    shown = chat.shown()
    assert shown[1][1].startswith(call)
    assert chat.page.get_by_role("button", name="No").count() == 0
    chat.reload()
    assert chat.shown() == shown
    chat.ask("Hello")
    chat.wait_for("You said: Hello")


def test_stopped_answer_is_stored(chat: Chat) -> None:
    chat.ask("Tell me a story")
    chat.expect(chat.page.locator("[data-role=assistant] p")).to_contain_text("another one")
    chat.click("Stop")
    chat.expect(chat.page.get_by_role("button", name="Stop")).to_have_count(0)
    chat.ask("Hello")
    chat.wait_for("You said: Hello")
    chat.reload()
    (_, _), (_, story), *rest = chat.shown()
    assert story.startswith("Once upon a time")
    assert rest == [["user", "Hello"], ["assistant", "You said: Hello"]]


def test_error_is_shown_without_its_text(chat: Chat) -> None:
    chat.ask("Please fail")
    alert = chat.page.get_by_role("alert")
    chat.expect(alert).to_be_visible()
    assert "1234" not in alert.inner_text()
