"""The language model: OpenAI's, if OPENAI_API_KEY is set, or a script that needs no key and no network."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

SECONDS_PER_WORD = 0.02
SUN = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="80" height="80"><circle cx="40" cy="40" r="36" fill="gold"/></svg>'
)
PICTURE = f"data:image/svg+xml;base64,{base64.b64encode(SUN).decode()}"
SOURCE = {"url": "https://example.org/forecast", "title": "The forecast"}


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
    content = last["content"] if isinstance(last["content"], list) else [{"type": "text", "text": last["content"]}]
    text = " ".join(part["text"] for part in content if part["type"] == "text")
    finish_reason = "stop"
    if last["role"] == "tool":
        yield from say(f"The tool returned {text}")
    elif match := re.search(r"weather in (\w+)", text):
        yield from say("I should look.", "reasoning_content")
        yield from say("Let me look. ")
        yield from call("get_weather", {"city": match[1]})
        finish_reason = "tool_calls"
    elif "mail" in text:
        wanted = {"to": "me@example.org", "text": text}
        is_approved = "send_mail" in tools
        yield from call("send_mail", wanted) if is_approved else call("confirm", {"question": "Send it?"})
        finish_reason = "tool_calls"
    elif "note" in text:
        yield from call("write_note", {"title": "Shopping", "text": "Apples, bread, milk. " * 10})
        finish_reason = "tool_calls"
    elif "time zone" in text:
        yield from call("get_time_zone", {})
        finish_reason = "tool_calls"
    elif "source" in text:
        yield from say("The forecast promises sun.")
        yield event({"annotations": [{"type": "url_citation", "url_citation": SOURCE}]})
    elif "picture" in text:
        yield from say("This is the sun.")
        yield event({"images": [{"type": "image_url", "image_url": {"url": PICTURE}}]})
    elif "story" in text:
        yield from say("Once upon a time there was a word, and another one followed. " * 200)
    elif "fail" in text:
        yield from say("So far, so good. ")
        raise ConnectionError("the password of the model's server is 1234")
    else:
        yield from say("I see your picture. " if any(part["type"] == "image_url" for part in content) else "")
        yield from say(f"You said: {text}")
    yield event({}, finish_reason)


def say(text: str, field: str = "content") -> Iterator[dict[str, Any]]:
    """Yield a text word by word."""
    for word in re.findall(r"\S+\s*", text):
        time.sleep(SECONDS_PER_WORD)
        yield event({field: word})


def call(name: str, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a tool call, its arguments word by word."""
    yield piece_of_call({"name": name, "arguments": ""}, id=f"call-{uuid4().hex}")
    for word in re.findall(r"\S+\s*", json.dumps(arguments)):
        time.sleep(SECONDS_PER_WORD)
        yield piece_of_call({"arguments": word})


def piece_of_call(function: dict[str, str], **fields: str) -> dict[str, Any]:
    """Return the event of a piece of a tool call."""
    return event({"tool_calls": [{"index": 0, "function": function, **fields}]})


def event(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    """Return an event of a streamed completion."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
