"""The first chat of README.md in a browser: its Flask application and its component, and a model on loopback."""

from __future__ import annotations

import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import ROOT, blocks_of
from tests.docs.providers import LOOK, REPORT, chat
from tests.integrations.fake_provider import fake_provider
from tests.support.browser import open_page
from tests.support.require import require, require_packages
from tests.support.web_servers import serving_wsgi

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Expect

FOLDER = Path(__file__).resolve().parent
BUNDLE_SECONDS = 50

MAIN = """
import { createRoot } from "react-dom/client";
import { Chat } from "./chat";
createRoot(document.getElementById("root")!).render(<Chat />);
"""
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Chat</title><link rel="icon" href="data:,">
<div id="root"></div><script type="module" src="/static/main.js"></script></html>
"""


def block(language: str, snippet: str) -> str:
    [found] = [one.code for one in blocks_of("README.md") if one.language == language and snippet in one.code]
    return found


def test_example_has_less_than_forty_lines() -> None:
    lines = [*block("python", "# chat.py").splitlines(), *block("tsx", "useChat").splitlines()]
    assert len([line for line in lines if line.strip()]) < 40


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Bundle the component of README.md; give the folder of the bundle."""
    require(shutil.which("node"), "Node.js is not installed")
    require((FOLDER / "node_modules").is_dir(), "no front ends: run python3 dev.py test, which installs them")
    (tmp_path / "chat.tsx").write_text(block("tsx", "useChat"), encoding="utf-8")
    (tmp_path / "main.tsx").write_text(MAIN, encoding="utf-8")
    # esbuild looks for packages beside the files.
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    esbuild = [FOLDER / "node_modules/.bin/esbuild", "main.tsx", "--bundle", "--format=esm", "--jsx=automatic"]
    out = ["--outfile=static/main.js", "--define:process.env={}", "--preserve-symlinks", "--log-level=warning"]
    subprocess.run([*esbuild, *out], cwd=tmp_path, check=True, timeout=BUNDLE_SECONDS)
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
        module.app.get("/")(lambda: PAGE)
        with module.client, serving_wsgi(module.app) as address:
            yield address


def test_answer_is_shown(browser: Browser, expect: Expect, address: str) -> None:
    with open_page(browser, address) as page:
        page.get_by_role("textbox").fill("How is the weather in Paris?")
        page.get_by_role("textbox").press("Enter")
        expect(page.locator("p")).to_have_text(
            ["user: How is the weather in Paris?", "assistant: Let me look.It is sunny."]
        )
