"""A model for `examples/chat` whose pauses end when the test opens a gate, in whatever process the model is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

GATE_SECONDS = 60


def ask(messages: list[Any], tools: list[Any]) -> Iterator[dict[str, Any]]:
    """Answer in three parts, with a gate before the second and the third; or tell a story that only a stop ends."""
    content = messages[-1]["content"]
    question = content if isinstance(content, str) else content[0]["text"]
    yield event(f"{question}: the first part, ")
    while "story" in question:
        yield event("and on ")
        # Slow enough for pages on a busy machine, which render each piece.
        time.sleep(0.2)
    pass_gate(f"{question}/2")
    yield event("the second part, ")
    pass_gate(f"{question}/3")
    yield event("the third part.")
    yield event("", "stop")


def pass_gate(name: str) -> None:
    """Wait until the test opens a gate."""
    with urlopen(f"{os.environ['GATES']}/{quote(name)}", timeout=GATE_SECONDS) as response:
        response.read()


def event(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    """Return an event of a streamed completion."""
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]}
