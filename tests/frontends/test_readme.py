"""The chat of README.md in a browser: its application, its page, built by its command, and a model on loopback."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from tests.docs.blocks import ROOT, blocks_of
from tests.docs.clients import SERVER_SECONDS, running, server
from tests.docs.commands import build_commands
from tests.docs.providers import LOOK, REPORT, chat
from tests.integrations.fake_provider import FakeProvider, fake_provider
from tests.support.browser import open_page
from tests.support.require import require, require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Expect, Page

README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDER = Path(__file__).resolve().parent
BUNDLE_SECONDS = 50

#: The commands that serve the chat, and what the routes of each application look like.
COMMANDS = re.findall(r"`((?:gunicorn|uvicorn) [^`]*_chat:\w+)`", README)
ROUTES = {
    "flask_chat.py": '"/api/chat/<thread>/stream")',
    "fastapi_chat.py": '"/api/chat/{thread}/stream")',
    "django_chat.py": "urlpatterns += [",
}

QUESTION = "user: How is the weather in Paris?"
ANSWER = "assistant: Let me look.It is sunny."


def block(language: str, snippet: str) -> str:
    [found] = [one.code for one in blocks_of("README.md") if one.language == language and snippet in one.code]
    return found


def test_example_has_less_than_forty_lines() -> None:
    files = [("python", "# chat.py"), ("python", "# flask_chat.py"), ("tsx", "useChat")]
    lines = [line for file in files for line in block(*file).splitlines()]
    assert len([line for line in lines if line.strip() and not line.startswith(("# ", "// "))]) < 40


def build(folder: Path, chat_page: str) -> None:
    """Build the page of README.md into the folder `static`."""
    require(shutil.which("node"), "Node.js is not installed")
    require((FOLDER / "node_modules").is_dir(), "no front ends: run python3 dev.py test, which installs them")
    (folder / "static").mkdir()
    files = {"main.tsx": block("tsx", "// main.tsx"), "static/index.html": block("html", "main.js")}
    for name, code in {"chat.tsx": chat_page, **files}.items():
        (folder / name).write_text(code, encoding="utf-8")
    (command,) = build_commands("README.md")
    words = [FOLDER / "node_modules/.bin/esbuild", *shlex.split(command)[2:], "--log-level=warning"]
    environment = {**os.environ, "NODE_PATH": str(FOLDER / "node_modules")}
    subprocess.run(words, cwd=folder, env=environment, check=True, timeout=BUNDLE_SECONDS)


def survive_reloads(folder: Path) -> None:
    """Change the files as README.md says, so that an answer survives a reload."""
    start, _, _ = block("python", "# chat.py").partition("def answer(")
    (folder / "chat.py").write_text(start + block("python", "FileStore("), encoding="utf-8")
    for name, snippet in ROUTES.items():
        code = block("python", f"# {name}") + block("python", snippet)
        (folder / name).write_text(code, encoding="utf-8")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    """Serve a model that looks at the weather."""
    require_packages("openai")
    with fake_provider() as provider:
        provider.bodies = [chat(LOOK), chat(REPORT)]
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        yield provider


def ask(page: Page, expect: Expect) -> None:
    page.get_by_role("textbox").fill("How is the weather in Paris?")
    page.get_by_role("textbox").press("Enter")
    expect(page.locator("p")).to_have_text([QUESTION, ANSWER])


def test_each_framework_is_served() -> None:
    assert [command.split()[-1].partition(":")[0] + ".py" for command in COMMANDS] == list(ROUTES)


@pytest.mark.parametrize("command", COMMANDS)
def test_answer_survives_a_reload(
    browser: Browser, expect: Expect, provider: FakeProvider, tmp_path: Path, command: str
) -> None:
    require_packages(command.split()[0], *re.findall(r"(\w+)_chat:", command))
    (call,) = re.findall(r"`(useChat\(\{.*?\}\))`", README)
    build(tmp_path, block("tsx", "// chat.tsx").replace("useChat()", call))
    survive_reloads(tmp_path)
    with running(command, tmp_path) as (_, address), open_page(browser, wait_for_page(address)) as page:
        ask(page, expect)
        page.reload()
        # The question is in the history, which the example does not store.
        expect(page.locator("p")).to_have_text([ANSWER])


def test_answer_is_shown_without_a_store(
    browser: Browser, expect: Expect, provider: FakeProvider, tmp_path: Path
) -> None:
    require_packages("flask", "gunicorn")
    build(tmp_path, block("tsx", "// chat.tsx"))
    with (
        server("README.md", COMMANDS[0], tmp_path) as (_, address),
        open_page(browser, wait_for_page(address)) as page,
    ):
        ask(page, expect)


def wait_for_page(address: str) -> str:
    """Wait until the server has imported the application; return the address of the page."""
    page = f"http://{address}/static/index.html"
    with urlopen(page, timeout=SERVER_SECONDS) as response:
        assert response.status == 200
    return page
