"""The output of the pages' assistant: one script, performed by a coroutine and by a plain function.

Each part is sent twice: in chunks, and in `state["messages"]`, all that assistant-ui's transport runtime shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from assistant_stream_ce import RunController, ToolCallController
from examples.request_body import prompt_of

PATIENCE_SECONDS = 20

#: A red pixel, whose size a browser knows only once it is decoded.
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"

PLACE = {"city": "Paris"}
FORECAST = {"celsius": 21, "sky": "sunny – ☀️"}
SOURCE = {"sourceType": "url", "id": "s1", "url": "https://example.org/paris", "title": "Forecast for Paris"}
FILE = {"data": PICTURE, "mimeType": "image/png"}
DOCUMENT = {"sourceType": "document", "id": "d1", "mediaType": "application/pdf", "title": "Guide to Paris"}
PROGRESS = {"percent": 50}
SEEN = {"seen": True}
ERROR = "The model broke off."


class Wait(Future[None]):
    """An event that a callback waits for, in a thread or a coroutine."""

    def happen(self) -> None:
        """Let go who waits, of any thread; once or often."""
        if not self.done():
            self.set_result(None)


@dataclass
class Talk:
    """The conversation of one page with its backend."""

    #: The bodies of the page's requests.
    asked: list[dict[str, Any]] = field(default_factory=list)
    #: The state when the last callback ended.
    state: Any = None
    #: The page has shown the first words.
    was_seen: Wait = field(default_factory=Wait)
    #: The callback was cancelled by the disconnect.
    has_left: Wait = field(default_factory=Wait)

    def callback(self, *, is_coroutine: bool) -> Callable[[RunController], Any]:
        """Return what answers the last request."""
        body = self.asked[-1]

        def plain(controller: RunController) -> None:
            for wait in self._script(controller, body):
                wait.result(PATIENCE_SECONDS)

        async def coroutine(controller: RunController) -> None:
            for wait in self._script(controller, body):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await asyncio.shield(asyncio.wrap_future(wait))

        return coroutine if is_coroutine else plain

    def _script(self, controller: RunController, body: dict[str, Any]) -> Iterator[Wait]:
        """Answer a request; each wait that is yielded has to be over before the script goes on."""
        controller.on_cancel(self.has_left.happen)
        speaker = Speaker(controller, body)
        yield from SCRIPTS[speaker.question](self, speaker)
        self.state = controller.state.copy()


class Speaker:
    """Sends each part of the answer in chunks and in the state.

    Args:
        controller: of the run.
        body: what the page asks: a new answer begins, or with the result of the page's own tool the last one goes on.
    """

    def __init__(self, controller: RunController, body: dict[str, Any]) -> None:
        self.controller = controller
        self.picked = picked_city(body)
        if controller.state is None:
            controller.state = body.get("state") or {}
        messages = controller.state.setdefault("messages", [])
        self.question = prompt_of(body) or messages[-2]["content"][0]["text"]
        if self.picked is None:
            messages.append({"role": "user", "content": [{"type": "text", "text": self.question}]})
        if self.picked is None or not messages:
            messages.append({"role": "assistant", "content": []})
        self.parts = messages[-1]["content"]

    def text(self, text: str) -> None:
        """Say more text."""
        self.controller.append_text(text)
        self._extend("text", text)

    def reasoning(self, text: str) -> None:
        """Say more of the reasoning."""
        self.controller.append_reasoning(text)
        self._extend("reasoning", text)

    def get_weather(self) -> None:
        """Call a tool that runs here, and append its result as text."""
        self.call("get_weather", '{"city": ', '"Paris"', "}").set_response(FORECAST)
        self.parts[-1]["result"] = FORECAST

    def call(self, name: str, *pieces: str) -> ToolCallController:
        """Call a tool, with its arguments in pieces."""
        call = self.controller.add_tool_call(name)
        self.parts.append({"type": "tool-call", "toolCallId": call.tool_call_id, "toolName": name, "argsText": ""})
        for piece in pieces:
            call.append_args_text(piece)
            self.parts[-1]["argsText"] += piece
        call.close()
        return call

    def _extend(self, kind: str, text: str) -> None:
        if not self.parts or self.parts[-1]["type"] != kind:
            self.parts.append({"type": kind, "text": ""})
        self.parts[-1]["text"] += text


# --- The scripts, by what the user asks ------------------------------------------------------------


def tell_all(talk: Talk, speaker: Speaker) -> Iterator[Wait]:
    """Say one of everything, in two steps; go on when the page has shown the first words."""
    controller = speaker.controller
    controller.add_step_start("step-1")
    speaker.reasoning("The user wonders ")
    speaker.reasoning("about Paris.")
    speaker.text("Let me ")
    speaker.text("look. ")
    yield talk.was_seen
    speaker.get_weather()
    controller.add_step_finish("tool-calls", input_tokens=12, output_tokens=5, is_continued=True)
    controller.add_step_start("step-2")
    controller.add_source(SOURCE["id"], SOURCE["url"], SOURCE["title"])
    speaker.parts.append({"type": "source", **SOURCE})
    controller.add_file(FILE["data"], FILE["mimeType"])
    speaker.parts.append({"type": "file", **FILE})
    controller.add_source_document(DOCUMENT["id"], DOCUMENT["mediaType"], DOCUMENT["title"])
    speaker.parts.append({"type": "source", **DOCUMENT})
    controller.add_data_part("progress", PROGRESS)
    speaker.parts.append({"type": "data", "name": "progress", "data": PROGRESS})
    controller.add_data(SEEN)
    speaker.text("It is sunny: 21 °C.")
    controller.add_step_finish("stop", input_tokens=30, output_tokens=7)
    controller.add_message_finish("stop", input_tokens=42, output_tokens=12)


def tell_more(talk: Talk, speaker: Speaker) -> Iterator[Wait]:
    """Answer another question in the same thread: with a whole call, and saying nothing of steps."""
    call = speaker.controller.add_tool_call("get_weather", args=PLACE)
    call.set_response(FORECAST)
    part = {"type": "tool-call", "toolCallId": call.tool_call_id, "toolName": "get_weather", "args": PLACE}
    speaker.parts.append({**part, "result": FORECAST})
    speaker.text("Rain ☔ tomorrow.")
    yield from ()


def fail(talk: Talk, speaker: Speaker) -> Iterator[Wait]:
    """Break off."""
    speaker.text("So far, so good.")
    yield talk.was_seen
    raise RuntimeError(ERROR)


def go_on(talk: Talk, speaker: Speaker) -> Iterator[Wait]:
    """Send nothing more, and never end."""
    speaker.text("Once upon a time")
    yield talk.has_left


def let_pick(talk: Talk, speaker: Speaker) -> Iterator[Wait]:
    """Call the page's own tool, and answer the request that brings its result."""
    if speaker.picked is None:
        speaker.text("Which city?")
        speaker.call("pick_city", '{"options": ["Paris", ', '"Rome"]}')
        speaker.controller.add_message_finish("tool-calls")
    else:
        # Not every front end posts the state.
        if speaker.parts:
            speaker.parts[-1]["result"] = speaker.picked
        speaker.text(f"{speaker.picked} it is.")
    yield from ()


SCRIPTS: dict[str, Callable[[Talk, Speaker], Iterator[Wait]]] = {
    "Tell me all": tell_all,
    "And tomorrow?": tell_more,
    "Break off": fail,
    "Tell me a story": go_on,
    "Let me pick": let_pick,
}


def picked_city(body: dict[str, Any]) -> Any:
    """Return what the page's own tool returned, where that is what the request brings, in any front end's words."""
    for command in body.get("commands", ()):
        if command["type"] == "add-tool-result":
            return command["result"]
    last = (body.get("messages") or [{}])[-1]
    if last.get("role") == "tool":
        content = last["content"]
        return content if isinstance(content, str) else content[-1]["output"]["value"]
    for part in last.get("parts", ()):
        if part["type"] == "tool-pick_city":
            return part["output"]
    return None
