"""Checks of docs/coming-from.rst."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.docs.blocks import DOCS
from tests.docs.clients import post
from tests.docs.runner import Document

doc = Document("docs/coming-from.rst")
page = doc.page


@doc.after("graph.astream(")
def check_graph_is_sent() -> None:
    reply = post(page.app, "/chat", {"prompt": "How is the weather?"})
    assert '0:"It"' in reply.text
    assert reply.headers["x-vercel-ai-data-stream"] == "v1"


@doc.after("# agent.py")
def check_agent_is_sent() -> None:
    question = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
    reply = post(page.app, "/api/chat", {"id": "t1", "messages": [question], "trigger": "submit-message"})
    assert '"type":"text-delta"' in reply.text
    assert reply.text.endswith("data: [DONE]\n\n")


#: The imports of assistant_stream_ce in the column "After".
AFTER = re.findall(
    r"^     - ``from (assistant_stream_ce[\w.]*) import ([\w, ]+)``", (DOCS / "coming-from.rst").read_text(), re.M
)


@pytest.mark.parametrize(("module", "names"), AFTER)
def test_new_places_exist(module: str, names: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in names.split(", ") if not hasattr(found, name)] == []


test_coming_from = doc.test()
