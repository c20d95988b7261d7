"""The language model: OpenAI's, if OPENAI_API_KEY is set, or a script that needs no key and no network."""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any

SECONDS_PER_WORD = 0.02
_call_numbers = itertools.count(1)


def ask(messages: list[Any], tools: list[Any]) -> Any:
    """Return the events of a streamed chat completion of OpenAI's API."""
    if "OPENAI_API_KEY" not in os.environ:
        return script(messages, {tool["function"]["name"] for tool in tools})
    from openai import OpenAI

    model = os.environ.get("OPENAI_MODEL", "gpt-5-mini")
    return OpenAI().chat.completions.create(model=model, messages=messages, tools=tools, stream=True)


def script(messages: list[Any], tools: set[str]) -> Iterator[dict[str, Any]]:
    """Answer the last message, word by word."""
    last = messages[-1]
    text = last["content"] if isinstance(last["content"], str) else last["content"][0]["text"]
    finish_reason = "stop"
    if last["role"] == "tool":
        yield from say(f"The tool returned {text}")
    elif match := re.search(r"weather in (\w+)", text):
        yield from say("I should look.", "reasoning_content")
        yield from say("Let me look. ")
        yield call("get_weather", {"city": match[1]})
        finish_reason = "tool_calls"
    elif "mail" in text:
        wanted = {"to": "me@example.org", "text": text}
        yield call("send_mail", wanted) if "send_mail" in tools else call("confirm", {"question": "Send it?"})
        finish_reason = "tool_calls"
    elif "story" in text:
        yield from say("Once upon a time there was a word, and another one followed. " * 200)
    elif "fail" in text:
        yield from say("So far, so good. ")
        raise ConnectionError("the password of the model's server is 1234")
    else:
        yield from say(f"You said: {text}")
    yield event({}, finish_reason)


def say(text: str, field: str = "content") -> Iterator[dict[str, Any]]:
    """Yield a text word by word."""
    for word in re.findall(r"\S+\s*", text):
        time.sleep(SECONDS_PER_WORD)
        yield event({field: word})


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a tool call."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return event({"tool_calls": [{"index": 0, "id": f"call-{next(_call_numbers)}", "function": function}]})


def event(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    """Return an event of a streamed completion."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
