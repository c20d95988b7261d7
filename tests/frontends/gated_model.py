"""The model of `examples/chat` for tests: its script, with gates that a test opens and a story that only a stop ends.

It replaces `model.py`, which is `script.py` beside it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import script

GATE_SECONDS = 60

# A browser renders several words at once: a third of the work.
script.SECONDS_PER_WORD = 0.005


def ask(messages: list[Any], tools: list[Any]) -> Iterator[dict[str, Any]]:
    """Answer the last message."""
    content = messages[-1]["content"]
    if "story" in content:
        return tell_story()
    if isinstance(content, str) and content.startswith("Question"):
        return answer_in_parts(content)
    answer: Iterator[dict[str, Any]] = script.ask(messages, tools)
    return answer


def tell_story() -> Iterator[dict[str, Any]]:
    """Answer until the stop."""
    yield script.event({"content": "Once upon a time "})
    while True:
        # Slow enough for pages on a busy machine, which render each piece.
        time.sleep(0.2)
        yield script.event({"content": "and on "})


def answer_in_parts(question: str) -> Iterator[dict[str, Any]]:
    """Answer in three parts, with a gate before the second and the third."""
    yield script.event({"content": f"{question}: the first part, "})
    pass_gate(f"{question}/2")
    yield script.event({"content": "the second part, "})
    pass_gate(f"{question}/3")
    yield script.event({"content": "the third part."})
    yield script.event({}, "stop")


def pass_gate(name: str) -> None:
    """Wait until the test opens a gate, in whatever process this is."""
    with urlopen(f"{os.environ['GATES']}/{quote(name)}", timeout=GATE_SECONDS) as response:
        response.read()
