"""Every reader with one thing wrong in its events: it finishes or raises `ModelStreamError`, and the wire is valid."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations import anthropic, langgraph, openai
from assistant_stream_ce.integrations.driver import drive
from assistant_stream_ce.integrations.events import ApplicationDataError
from assistant_stream_ce.integrations.opentelemetry import _OPERATIONS
from assistant_stream_ce.serialization.formats import FORMATS
from assistant_stream_ce.testing import check_wire
from tests.integrations.mutations import mutations
from tests.integrations.rare_samples import SEQUENCES, AgentRun
from tests.integrations.samples import ANTHROPIC, CHAT
from tests.support.require import require_packages

#: Mutations of each reader, of about 3,000.
CASES = 60


def as_plain(event: Any) -> Any:
    return event


def as_objects(value: Any) -> Any:
    """Return an event with objects for its dicts, as many SDKs have."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: as_objects(item) for name, item in value.items()})
    return [as_objects(item) for item in value] if isinstance(value, list) else value


def as_models(event: Any) -> Any:
    """Return a chunk as the openai package makes it: without validation."""
    require_packages("openai")
    from openai._models import construct_type
    from openai.types.chat import ChatCompletionChunk

    is_chunk = isinstance(event, dict) and "choices" in event
    return construct_type(type_=ChatCompletionChunk, value=event) if is_chunk else event


def as_messages(value: Any) -> Any:
    """Return langchain's chunks in an event."""
    require_packages("langchain_core")
    from langchain_core.messages import AIMessageChunk

    if isinstance(value, tuple):
        return tuple(as_messages(item) for item in value)
    if not isinstance(value, dict) or value.get("type") != "AIMessageChunk":
        return value
    return AIMessageChunk.model_construct(**{**AIMessageChunk("").__dict__, **value})


VARIANTS = [
    *((name, as_plain) for name in SEQUENCES),
    *((name, as_objects) for name in SEQUENCES if name not in ("bedrock", "langchain", "langgraph")),
    ("chat", as_models),
    ("langchain", as_messages),
    ("langgraph", as_messages),
]


class Events:
    """A stream of an SDK, or of an agent's run, that records whether it was closed."""

    def __init__(self, events: list[Any]) -> None:
        self.run = AgentRun()
        self.all_messages = self.run.all_messages
        self.is_closed = False
        self._events = iter(events)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._events)

    def close(self) -> None:
        self.is_closed = True


def read(make: Callable[..., Any], events: list[Any], wire: str) -> list[AssistantStreamChunk]:
    """Return the chunks in the body of events; raise unless the stream is closed and the body valid."""
    stream, body, errors = Events(events), bytearray(), list[ModelStreamError]()
    try:
        for piece in FORMATS[wire].encoder().encode_stream(create_run(lambda run: drive(run, stream, make))):
            body += piece
    except ModelStreamError as error:
        errors.append(error)
    chunks = check_wire(bytes(body), wire)
    assert stream.is_closed
    for error in errors:
        assert error.turn is not None
        assert error.code != "malformed" or "Ask the model again" in str(error)
    return chunks


@pytest.mark.parametrize(("name", "as_events"), VARIANTS)
def test_a_malformed_event(name: str, as_events: Callable[[Any], Any]) -> None:
    make, sequences = SEQUENCES[name]
    cases = [case for sequence in sequences for case in mutations(sequence)]
    chosen = random.Random(name).sample(cases, CASES)
    wires = list(FORMATS)
    for number, (what, events) in enumerate(chosen):
        try:
            read(make, [as_events(event) for event in events], wires[number % len(wires)])
        except ApplicationDataError:
            # Custom events are the application's, and so is a stream that does not begin with a message.
            assert name in ("langchain", "langgraph"), what
        except BaseException as error:
            error.add_note(f"{name}: {what}")
            raise


def test_every_reader_is_tested() -> None:
    tested = {getattr(make, "func", make).__name__ for make, _ in SEQUENCES.values()}
    assert tested == set(_OPERATIONS)


@pytest.mark.parametrize(("name", "as_events"), VARIANTS)
def test_the_events_themselves_are_read(name: str, as_events: Callable[[Any], Any]) -> None:
    make, sequences = SEQUENCES[name]
    for sequence in sequences:
        chunks = read(make, [as_events(event) for event in sequence], "data-stream")
        assert "error" not in {chunk.type for chunk in chunks}


class Broken:
    """An event whose every field raises."""

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)


def chunks_until(error: type[Exception], callback: Callable[[RunController], object]) -> tuple[list[Any], Any]:
    """Return the chunks that a run sends before an exception, and the exception."""
    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(error) as caught:
        for chunk in create_run(callback):
            chunks.append(chunk)
    return chunks, caught.value


# The others ignore an event without fields, or have refused it before.
@pytest.mark.parametrize("name", ["chat", "responses", "anthropic", "ollama", "openai_agents", "pydantic_ai"])
def test_nothing_that_was_sent_is_lost(name: str) -> None:
    make, sequences = SEQUENCES[name]
    for sequence in sequences:
        events = [*sequence[:-1], Broken()]
        chunks, error = chunks_until(ModelStreamError, lambda run, events=events: drive(run, Events(events), make))
        assert error.code == "malformed"
        assert isinstance(error.__cause__, LookupError)
        assert "the event 'Broken'" in str(error)
        assert "".join(chunk.text_delta for chunk in chunks if chunk.type == "text-delta") == error.turn.text
        begun = [chunk.tool_call_id for chunk in chunks if chunk.type == "tool-call-begin"]
        assert [call.id for call in error.turn.message.tool_calls] == begun
        assert {call.id for call in error.turn.tool_calls} <= set(begun)


def test_a_call_whose_name_was_held_back_is_in_the_turn() -> None:
    _, error = chunks_until(ModelStreamError, lambda run: openai.forward(run, [*CHAT[:5], {"choices": 5}]))
    assert [(call.name, call.provider_id, call.args) for call in error.turn.tool_calls] == [("weather", "c1", {})]
    assert error.turn.provider_finish_reason is None


async def test_an_asynchronous_stream() -> None:
    closed: list[bool] = []

    async def events() -> Any:
        try:
            for event in [*CHAT[:4], {**CHAT[0], "choices": [{"delta": {"content": 5}}]}, *CHAT[4:]]:
                yield event
        finally:
            closed.append(True)

    async def run(controller: RunController) -> None:
        with pytest.raises(ModelStreamError, match=r"the event 'chat.completion.chunk' .*TypeError") as caught:
            await openai.forward(controller, events())
        assert caught.value.turn.text == "Let me look."

    assert [chunk async for chunk in create_run(run)]
    assert closed == [True]


def test_a_failure_at_the_end_is_one_of_the_model() -> None:
    block = {"type": "content_block_start", "index": [1], "content_block": {"type": "text", "text": "a"}}
    text = {"type": "content_block_delta", "index": "1", "delta": {"type": "text_delta", "text": "b"}}
    _, error = chunks_until(
        ModelStreamError, lambda run: anthropic.forward(run, [ANTHROPIC[0], block, text, *ANTHROPIC[-2:]])
    )
    assert "the end of the model's stream" in str(error)
    assert error.turn.text == "ab"


def turn_of(make: Callable[..., Any], events: list[Any]) -> Any:
    """Return the turn of events."""
    turns: list[Any] = []
    list(create_run(lambda run: turns.append(drive(run, Events(events), make))))
    return turns[0]


@pytest.mark.parametrize(
    ("name", "begin"),
    [("anthropic", "content_block_start"), ("responses", "output_item"), ("bedrock", "contentBlockStart")],
)
def test_arguments_without_their_call_are_no_whole_answer(name: str, begin: str) -> None:
    make, (events, _) = SEQUENCES[name]
    left = [event for event in events if begin not in str(event) and "completed" not in str(event)]
    end = [{"type": "response.completed", "response": {}}] if name == "responses" else []
    with pytest.raises(ModelStreamError, match="arguments without a tool call"):
        turn_of(make, [*left, *end])


@pytest.mark.parametrize("name", ["anthropic", "bedrock", "responses"])
def test_a_repeated_event_begins_no_second_call(name: str) -> None:
    make, sequences = SEQUENCES[name]
    for events in sequences:
        # The pieces of a text may be the same, and are not repeated.
        twice = [event for event in events for _ in range(1 if "delta" in str(event).lower() else 2)]
        once, again = turn_of(make, events), turn_of(make, twice)
        assert [(call.name, call.args) for call in again.tool_calls] == [
            (call.name, call.args) for call in once.tool_calls
        ]
        assert len(again.message.tool_calls) == len(once.message.tool_calls)


def test_a_call_without_a_name_has_one() -> None:
    block = {"type": "tool_use", "id": "c1", "input": {"a": 1}}
    events = [{"type": "content_block_start", "index": 0, "content_block": block}, *ANTHROPIC[-2:]]
    [call] = turn_of(SEQUENCES["anthropic"][0], events).tool_calls
    assert (call.name, call.args) == ("unknown", {"a": 1})


def test_errors_of_others_pass_unchanged() -> None:
    """Of the SDK while it reads, and of the application's data and state."""

    def stream() -> Iterator[Any]:
        yield CHAT[0]
        raise KeyError("of the SDK")

    assert chunks_until(KeyError, lambda run: openai.forward(run, stream()))[1].args == ("of the SDK",)
    _, error = chunks_until(TypeError, lambda run: langgraph.forward(run, [("custom", object())]))
    assert "data is not JSON" in str(error)

    def write_state(run: RunController) -> None:
        run.state = []
        langgraph.forward(run, [("updates", {"node": {"title": "t"}})], updates="state")

    assert "needs a dict in controller.state" in str(chunks_until(TypeError, write_state)[1])


@pytest.mark.parametrize("first", [None, "x", {}, {"type": "ping"}, 5])
def test_what_is_unknown_is_ignored_before_the_format_is_known(first: Any) -> None:
    make, (events, _) = SEQUENCES["responses"]
    assert turn_of(make, [first, *events]).text == "Let me look."
