"""`python3 dev.py chat`: each back end serves the page and answers."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from tests.support.processes import serving
from tests.support.require import require_packages

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
