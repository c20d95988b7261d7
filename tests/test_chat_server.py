"""`python3 dev.py chat`: each back end serves the page and answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from tests.support.processes import serving
from tests.support.require import require_packages

CHAT = Path(__file__).resolve().parents[1] / "examples" / "chat"
SECONDS = 20
QUESTION = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}


@pytest.mark.parametrize("back_end", ["flask", "fastapi", "django"])
def test_each_back_end_serves_the_page_and_answers(back_end: str, tmp_path: Path) -> None:
    require_packages("fastapi", "uvicorn", back_end)
    browser = build_opener(HTTPCookieProcessor())
    data = {"CHAT_DATABASE": str(tmp_path / "chat.sqlite3"), "CHAT_STORE": str(tmp_path / "chat-streams")}
    with serving("examples.chat_server", back_end, "--port", "0", "--no-browser", **data) as address:
        with browser.open(address, timeout=SECONDS) as response:
            assert '<div id="root">' in response.read().decode()
        login = json.dumps({"user": "demo", "password": "demo"}).encode()
        with browser.open(f"{address}/api/login", login, SECONDS) as response:
            token = json.load(response)["csrf"]
        body = json.dumps({"id": "1", "trigger": "submit-message", "messages": [QUESTION]}).encode()
        request = Request(f"{address}/api/threads/1/use-chat", body, {"x-csrftoken": token})
        with browser.open(request, timeout=SECONDS) as response:
            assert '"delta":"Hello"' in response.read().decode()


def test_the_chat_needs_neither_redis_nor_openai(tmp_path: Path) -> None:
    code = "import sys; sys.modules.update(redis=None, openai=None); import chat; print(chat.STREAMS)"
    path = os.pathsep.join(map(str, (CHAT, CHAT.parents[1])))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CHAT_", "OPENAI_"))}
    environment["PYTHONPATH"] = path
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert "ResumableStreams" in done.stdout, done.stderr
