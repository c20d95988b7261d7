"""The cost of an answer or a history is linear in its calls, parts, steps and messages: counted instead of timed."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantStreamChunk,
    DataPartChunk,
    FileChunk,
    ReasoningDeltaChunk,
    SourceChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    accumulate,
    conversions,
    create_run,
)
from assistant_stream_ce.chat_requests import parse
from assistant_stream_ce.inspector.inspection import Inspection
from assistant_stream_ce.inspector.sources import Origin, Piece
from assistant_stream_ce.inspector.views import JSONView, PlainView
from assistant_stream_ce.message import AssistantMessage, Message, TextPart, ToolCallPart, UserMessage, message_from
from assistant_stream_ce.serialization import DataStreamEncoder
from tests.support.growth import assert_linear

FORMATS = ["openai_chat", "openai_responses", "anthropic", "google", "bedrock"]
FRONT_ENDS = ["ui_messages", "assistant_ui_messages", "ag_ui_messages"]


def in_steps(number: int) -> Iterator[AssistantStreamChunk]:
    """Yield steps, each with a call and its result."""
    for i in range(number):
        yield StepStartChunk(f"m{i}")
        yield TextDeltaChunk("Let me look.")
        yield ToolCallBeginChunk(f"c{i}", "f")
        yield ToolCallDeltaChunk(f"c{i}", "{}")
        yield ToolResultChunk(f"c{i}", i)
        yield StepFinishChunk("tool-calls")


def at_once(number: int) -> Iterator[AssistantStreamChunk]:
    """Yield calls of one step, which are all open before the first one is complete."""
    for i in range(number):
        yield ToolCallBeginChunk(f"c{i}", "f")
    for i in range(number):
        yield ToolCallDeltaChunk(f"c{i}", "{}")
    for i in range(number):
        yield ToolResultChunk(f"c{i}", i)


def in_parts(number: int) -> Iterator[AssistantStreamChunk]:
    """Yield parts of all kinds."""
    for i in range(number):
        yield TextDeltaChunk("a")
        yield ReasoningDeltaChunk("b")
        yield SourceChunk(f"s{i}", "https://example.org")
        yield FileChunk("aGk=", "text/plain")
        yield DataPartChunk("d", i, id=f"d{i}")
        yield AnnotationsChunk([i])


ANSWERS: dict[str, Callable[[int], Iterator[AssistantStreamChunk]]] = {
    "steps": in_steps,
    "calls at once": at_once,
    "parts": in_parts,
}

each_answer = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)


def turns(number: int) -> list[Message]:
    """Return a history of questions, and answers with calls."""
    call = ToolCallPart("c", "f", "{}", {}, "answered", 1)
    answers = [AssistantMessage([TextPart("Let me look."), call, TextPart("Done.")], id=f"a{i}") for i in range(number)]
    return [message for one in answers for message in (UserMessage([TextPart("Look!")], id=f"u{one.id}"), one)]


HISTORIES: dict[str, Callable[[int], list[Message]]] = {
    "turns": turns,
    **{name: lambda number, answer=answer: [accumulate(answer(number))] for name, answer in ANSWERS.items()},  # type: ignore[misc]
}

each_history = pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)


@each_answer
def test_accumulating(answer: Any) -> None:
    assert_linear(accumulate, lambda number: list(answer(number)))


@each_answer
def test_storing_and_continuing_a_message(answer: Any) -> None:
    def work(message: AssistantMessage) -> None:
        message_from(json.loads(message.to_json())).continued_by(message)

    assert_linear(work, lambda number: accumulate(answer(number)))


class Here(Executor):
    """Runs a callback in the thread that starts it."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **options))
        return future


@each_answer
def test_sending_again(answer: Any) -> None:
    def work(chunks: list[AssistantStreamChunk]) -> None:
        stream = create_run(lambda controller: controller.add_stream(iter(chunks)), executor=Here(), max_pending=10_000)
        assert len(list(stream)) >= len(chunks)

    assert_linear(work, lambda number: list(answer(number)))


@each_history
@pytest.mark.parametrize("name", FORMATS + FRONT_ENDS)
def test_converting_a_history(name: str, history: Any) -> None:
    write, read = getattr(conversions, f"to_{name}"), getattr(conversions, f"from_{name}")

    def work(messages: list[Message]) -> None:
        written = write(messages)
        read(written[-1] if isinstance(written, tuple) else written)

    assert_linear(work, history)


@each_history
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_parsing_a_request(name: str, history: Any) -> None:
    written = getattr(conversions, f"to_{name}")
    work = functools.partial(parse, max_messages=10_000)
    assert_linear(work, lambda number: json.dumps({"runId": "r", "messages": written(history(number))}))


def test_parsing_commands() -> None:
    result = {"type": "add-tool-result", "toolName": "f", "result": 1}
    assert_linear(
        parse, lambda number: json.dumps({"commands": [{**result, "toolCallId": f"c{i}"} for i in range(number)]})
    )


@each_answer
def test_inspecting(answer: Any) -> None:
    def work(data: bytes) -> None:
        views = [PlainView(io.StringIO()), JSONView(io.StringIO())]
        inspection = Inspection(Origin("a file", is_timed=False), "data-stream")
        for events in (inspection.begin(), inspection.feed(Piece(0.0, data)), inspection.end(0.0, "complete")):
            for event in events:
                for view in views:
                    view.show(event)

    # More than the lines that may grow at once.
    assert_linear(work, lambda number: b"".join(DataStreamEncoder().encode_stream(answer(number))), few=100)
