"""A model for the examples without a key: a script behind the APIs of OpenAI, Anthropic and Ollama, on this machine.

It calls `get_weather` if the request offers that tool, tells a long story if asked for one, and fails if asked to.
The examples start it themselves; for other programs:

python -m examples.local_model [--port N]
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

SECONDS_PER_WORD = 0.04
STORY = "Once upon a time a word set out along a wire, and behind it came another. "

Piece = tuple[str, str]
"""A kind, `reasoning`, `text`, `call` or `failure`, and a text; that of a call is its arguments as JSON."""

_numbers = count(1)


def options(variable: str, path: str = "") -> dict[str, Any]:
    """Return the arguments of an SDK's client: none if the variable with its key is set, else the local model's."""
    return {} if os.environ.get(variable) else {"base_url": address() + path, "api_key": "none"}


@cache
def address() -> str:
    """Start the server, once in each process, and return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, name="local-model", daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Streams one answer, with a pause after each piece."""

    def do_POST(self) -> None:
        """Answer in the format of the path's API."""
        content_type, write = APIS[self.path.partition("?")[0]]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.end_headers()
        for data in write(list(script(body)), body["model"]):
            self.wfile.write(data)
            time.sleep(SECONDS_PER_WORD)

    def handle(self) -> None:
        """Let a client leave."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


# --- The script ---------------------------------------------------------------------------------


def script(body: dict[str, Any]) -> Iterator[Piece]:
    """Return the answer to a request of any of the APIs."""
    last = body["messages"][-1]
    content = last["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    text = "".join(part.get("text", "") for part in parts)
    tools = {tool.get("function", tool)["name"] for tool in body.get("tools") or ()}
    if last["role"] == "tool" or parts[-1]["type"] == "tool_result":
        return _report(parts[-1].get("content", text))
    if "fail on purpose" in text.lower():
        return _failure()
    if "story" in text.lower():
        return _story()
    return _weather(text) if "get_weather" in tools else _words("text", f"I have no tools, but I read: {text}")


def _weather(question: str) -> Iterator[Piece]:
    named = re.search(r"\bin ([A-Z][\w-]*)", question)
    city = named[1] if named else "Paris"
    yield from _words("reasoning", f"The user wonders about {city}. The forecast knows more than I do.")
    yield from _words("text", f"Let me look up the weather in {city}. ")
    yield "call", json.dumps({"city": city})


def _report(result: str) -> Iterator[Piece]:
    try:
        weather = json.loads(result)
        report = f"It is {weather['celsius']} °C and {weather['sky']} in {weather['city']}. "
    except (ValueError, TypeError, KeyError):
        report = f"The tool reported: {result}. "
    yield from _words("text", report + "You will not need an umbrella, and a walk along the water would be nice.")


def _story() -> Iterator[Piece]:
    yield from _words("reasoning", "A long story, then: there is time to press Stop.")
    for _ in range(40):
        yield from _words("text", STORY)


def _failure() -> Iterator[Piece]:
    yield from _words("text", "So far everything is fine, and then ")
    yield "failure", "The model broke off, as it was asked to."


def _words(kind: str, text: str) -> Iterator[Piece]:
    return ((kind, word) for word in re.findall(r"\S+\s*", text))


# --- The APIs -----------------------------------------------------------------------------------


def openai_chat(pieces: list[Piece], model: str) -> Iterator[bytes]:
    """Write chunks of a chat completion."""
    identity = {"id": "chatcmpl-local", "object": "chat.completion.chunk", "created": int(time.time()), "model": model}

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        return _event({**identity, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})

    for kind, text in pieces:
        if kind == "failure":
            yield _event({"error": {"message": text, "type": "server_error", "param": None, "code": None}})
            return
        if kind == "call":
            function = {"name": "get_weather", "arguments": ""}
            call_id = f"call-{next(_numbers)}"
            yield chunk({"tool_calls": [{"index": 0, "id": call_id, "type": "function", "function": function}]})
            for piece in re.findall(r".{1,4}", text):
                yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        else:
            # Not a field of OpenAI's own API: compatible servers send reasoning under this name.
            yield chunk({"reasoning_content" if kind == "reasoning" else "content": text})
    yield chunk({}, "tool_calls" if calls(pieces) else "stop")
    usage = {"prompt_tokens": 20, "completion_tokens": len(pieces), "total_tokens": 20 + len(pieces)}
    yield _event({**identity, "choices": [], "usage": usage}) + b"data: [DONE]\n\n"


def anthropic_messages(pieces: list[Piece], model: str) -> Iterator[bytes]:
    """Write the events of a message: each kind of piece is a content block."""
    message = {"id": "msg_local", "type": "message", "role": "assistant", "model": model, "content": []}
    usage = {"input_tokens": 20, "output_tokens": 1}
    yield _named({"type": "message_start", "message": {**message, "stop_reason": None, "usage": usage}})
    index, open_kind = -1, ""
    for kind, text in pieces:
        if kind == "failure":
            yield _named({"type": "error", "error": {"type": "api_error", "message": text}})
            return
        if kind != open_kind:
            if open_kind:
                yield _named({"type": "content_block_stop", "index": index})
            index, open_kind = index + 1, kind
            yield _named({"type": "content_block_start", "index": index, "content_block": _empty_block(kind)})
        kinds = {"reasoning": ("thinking_delta", "thinking"), "call": ("input_json_delta", "partial_json")}
        name, field = kinds.get(kind, ("text_delta", "text"))
        yield _named({"type": "content_block_delta", "index": index, "delta": {"type": name, field: text}})
    yield _named({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": "tool_use" if calls(pieces) else "end_turn", "stop_sequence": None}
    yield _named({"type": "message_delta", "delta": delta, "usage": {"output_tokens": len(pieces)}})
    yield _named({"type": "message_stop"})


def _empty_block(kind: str) -> dict[str, Any]:
    if kind == "call":
        return {"type": "tool_use", "id": f"toolu_{next(_numbers)}", "name": "get_weather", "input": {}}
    if kind == "reasoning":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def ollama_chat(pieces: list[Piece], model: str) -> Iterator[bytes]:
    """Write the lines of a chat; calls are whole."""
    for kind, text in pieces:
        message: dict[str, Any] = {"role": "assistant", "content": text if kind == "text" else ""}
        if kind == "failure":
            yield _line({"error": text})
            return
        if kind == "reasoning":
            message["thinking"] = text
        elif kind == "call":
            message["tool_calls"] = [{"function": {"name": "get_weather", "arguments": json.loads(text)}}]
        yield _line({"model": model, "message": message, "done": False})
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 20, "eval_count": len(pieces)}
    yield _line({"model": model, "message": {"role": "assistant", "content": ""}, **end})


def calls(pieces: list[Piece]) -> bool:
    """Return whether an answer calls the tool."""
    return any(kind == "call" for kind, _ in pieces)


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _named(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\n".encode() + _event(data)


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"


APIS: dict[str, tuple[str, Callable[[list[Piece], str], Iterator[bytes]]]] = {
    "/v1/chat/completions": ("text/event-stream", openai_chat),
    "/v1/messages": ("text/event-stream", anthropic_messages),
    "/api/chat": ("application/x-ndjson", ollama_chat),
}


def main() -> None:
    """Serve the model until interrupted."""
    parser = ArgumentParser(prog="python -m examples.local_model", description="Serve a scripted model.")
    parser.add_argument("--port", type=int, default=8001)
    with ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler) as server:
        print(f"The model is at http://127.0.0.1:{server.server_port} (stop it with Ctrl-C)", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
