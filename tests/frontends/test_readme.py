"""The chat of README.md in a browser: its application, its page, built by its command, and a model on loopback."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import ROOT, blocks_of
from tests.docs.commands import build_commands
from tests.docs.providers import LOOK, REPORT, chat
from tests.integrations.fake_provider import fake_provider
from tests.support.browser import open_page
from tests.support.require import require, require_packages
from tests.support.web_servers import serving_wsgi

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Expect

FOLDER = Path(__file__).resolve().parent
BUNDLE_SECONDS = 50


def block(language: str, snippet: str) -> str:
    [found] = [one.code for one in blocks_of("README.md") if one.language == language and snippet in one.code]
    return found


def test_example_has_less_than_forty_lines() -> None:
    lines = [*block("python", "# chat.py").splitlines(), *block("tsx", "useChat").splitlines()]
    assert len([line for line in lines if line.strip()]) < 40


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Build the page of README.md; give its folder."""
    require(shutil.which("node"), "Node.js is not installed")
    require((FOLDER / "node_modules").is_dir(), "no front ends: run python3 dev.py test, which installs them")
    (tmp_path / "static").mkdir()
    for name, code in {
        "chat.tsx": block("tsx", "// chat.tsx"),
        "main.tsx": block("tsx", "// main.tsx"),
        "static/index.html": block("html", "main.js"),
    }.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    (command,) = build_commands("README.md")
    words = [FOLDER / "node_modules/.bin/esbuild", *shlex.split(command)[2:], "--log-level=warning"]
    environment = {**os.environ, "NODE_PATH": str(FOLDER / "node_modules")}
    subprocess.run(words, cwd=tmp_path, env=environment, check=True, timeout=BUNDLE_SECONDS)
    return tmp_path / "static"


@pytest.fixture
def address(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the application with the page."""
    require_packages("flask", "openai")
    with fake_provider() as provider:
        provider.bodies = [chat(LOOK), chat(REPORT)]
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        module = types.ModuleType("chat")
        module.__file__ = str(ROOT / "chat.py")
        monkeypatch.setitem(sys.modules, "chat", module)
        exec(block("python", "# chat.py"), module.__dict__)
        module.app.static_folder = str(bundle)
        with module.client, serving_wsgi(module.app) as address:
            yield address


def test_answer_is_shown(browser: Browser, expect: Expect, address: str) -> None:
    with open_page(browser, f"{address}/static/index.html") as page:
        page.get_by_role("textbox").fill("How is the weather in Paris?")
        page.get_by_role("textbox").press("Enter")
        expect(page.locator("p")).to_have_text(
            ["user: How is the weather in Paris?", "assistant: Let me look.It is sunny."]
        )
