"""OpenAI's response without streaming: it equals the events of the same run together, or raises.

Read in a thread and awaited in a coroutine, from every source of chunks. However it ends, the stream is closed.
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    AssistantStreamError,
    ErrorChunk,
    MessageFinishChunk,
    ReasoningDeltaChunk,
    RefusalDeltaChunk,
    RunController,
    RunFailedError,
    RunResult,
    SourceChunk,
    StepFinishChunk,
    StreamUsageError,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    create_run,
    shutdown,
)
from assistant_stream_ce.serialization import OpenAIStreamEncoder, acompletion, completion, openai_stream
from tests.serialization.round_trips import encoded
from tests.support.conversations import ModelError, conversation, perform
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind
from tests.support.random_chunks import random_chunk

each_reader = pytest.mark.parametrize("reader", READER_KINDS)
each_callback = pytest.mark.parametrize("kind", CALLBACK_KINDS)

IDENTITY: dict[str, Any] = {"completion_id": "c1", "created": 1700000000}


def complete(reader: str, stream: Any, *arguments: Any, **options: Any) -> Any:
    """Return a completion that is read in a thread, or awaited in a coroutine."""
    if reader == "for":
        return completion(stream, *arguments, **options)

    async def wait() -> Any:
        return await acompletion(stream, *arguments, **options)

    return asyncio.run(wait())


def message_of(chunks: list[AssistantStreamChunk]) -> dict[str, Any]:
    """Return the message of the completion of chunks."""
    message: dict[str, Any] = completion(chunks)["choices"][0]["message"]
    return message


def finish_of(chunks: list[AssistantStreamChunk]) -> str:
    reason: str = completion(chunks)["choices"][0]["finish_reason"]
    return reason


def say(controller: RunController) -> None:
    controller.append_reasoning("They want ")
    controller.append_reasoning("the weather.")
    controller.append_text("Let me ")
    with controller.add_tool_call("get_weather", "t1") as call:
        call.append_args_text('{"city": ')
        controller.append_text("look.")
        call.append_args_text('"Paris"}')
    controller.add_source("s1", "https://example.org")
    controller.add_message_finish("tool-calls", input_tokens=12, output_tokens=5)


SAID = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "m1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Let me look.",
                "refusal": None,
                "reasoning_content": "They want the weather.",
                "tool_calls": [
                    {
                        "id": "t1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
                    }
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
}


def test_it_is_offered_beside_the_encoder() -> None:
    assert openai_stream.completion is completion
    assert openai_stream.acompletion is acompletion


@each_callback
@each_reader
def test_a_run_becomes_a_completion(kind: str, reader: str) -> None:
    results: list[RunResult] = []
    stream = create_run(as_kind(kind, say), on_finish=results.append)
    assert complete(reader, stream, "m1", **IDENTITY) == SAID
    assert [result.reason for result in results] == ["completed"]


def generate(chunks: Iterable[AssistantStreamChunk]) -> Iterator[AssistantStreamChunk]:
    yield from chunks


async def generate_async(chunks: Iterable[AssistantStreamChunk]) -> AsyncIterator[AssistantStreamChunk]:
    for chunk in chunks:
        yield chunk


@each_reader
@pytest.mark.parametrize("source", [list, tuple, generate, generate_async])
def test_every_source_of_chunks_is_taken(source: Callable[[list[AssistantStreamChunk]], Any], reader: str) -> None:
    answer = complete(reader, source([TextDeltaChunk("a"), TextDeltaChunk("b")]))
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "ab", "refusal": None}


def test_names_are_those_of_the_encoder_when_left_out() -> None:
    first, second = completion([]), completion([])
    assert first["id"].startswith("chatcmpl-")
    assert first["id"] != second["id"]
    assert (first["model"], first["created"]) == ("assistant-stream", 0)


def test_an_empty_message_is_complete() -> None:
    assert completion([], **IDENTITY)["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert completion([])["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


# --- The message ----------------------------------------------------------------------------------

BEGIN = ToolCallBeginChunk("t1", "search")


def test_content_is_null_beside_tool_calls_and_refusals_only() -> None:
    assert message_of([BEGIN])["content"] is None
    assert message_of([RefusalDeltaChunk("I "), RefusalDeltaChunk("will not.")]) == {
        "role": "assistant",
        "content": None,
        "refusal": "I will not.",
    }
    assert message_of([TextDeltaChunk("a"), BEGIN, RefusalDeltaChunk("no")])["content"] == "a"
    assert message_of([ReasoningDeltaChunk("a")]) == {
        "role": "assistant",
        "content": "",
        "refusal": None,
        "reasoning_content": "a",
    }


def test_arguments_without_text_are_an_empty_object() -> None:
    (call,) = message_of([BEGIN])["tool_calls"]
    assert call == {"id": "t1", "type": "function", "function": {"name": "search", "arguments": "{}"}}


def test_arguments_after_a_result_are_left_out() -> None:
    late = ToolCallDeltaChunk("t1", "late")
    (call,) = message_of([BEGIN, ToolCallDeltaChunk("t1", "{}"), ToolResultChunk("t1", 1), late])["tool_calls"]
    assert call["function"]["arguments"] == "{}"


def test_a_whole_call_is_a_call() -> None:
    (call,) = message_of([ToolCallChunk("t1", "search", {"q": 1})])["tool_calls"]
    assert call == {"id": "t1", "type": "function", "function": {"name": "search", "arguments": '{"q":1}'}}


def test_an_unanswered_call_is_the_finish_reason() -> None:
    assert finish_of([BEGIN]) == "tool_calls"
    assert finish_of([BEGIN, ToolResultChunk("t1", 1)]) == "stop"
    assert finish_of([BEGIN, MessageFinishChunk("length")]) == "length"


def test_unsupported_chunks_are_left_out() -> None:
    assert message_of([SourceChunk("s", "u"), ToolResultChunk("earlier", 1)]) == message_of([])


def test_halves_of_a_character_join_and_the_body_is_always_utf_8() -> None:
    chunks: list[AssistantStreamChunk] = [
        TextDeltaChunk("a\ud83d"),
        TextDeltaChunk("\ude00"),
        ReasoningDeltaChunk("\ude00"),
        ToolCallBeginChunk("\ud83d", "\ud83d"),
        ToolCallDeltaChunk("\ud83d", '"\ud83d'),
        ToolCallDeltaChunk("\ud83d", '\ude00"'),
    ]
    answer = completion(chunks)
    # As Starlette writes it.
    json.dumps(answer, ensure_ascii=False).encode()
    message = answer["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("a\U0001f600", "\ufffd")
    (call,) = message["tool_calls"]
    assert call["id"] == "\ufffd"
    assert call["function"] == {"name": "\ufffd", "arguments": '"\U0001f600"'}


# --- The same as the events -----------------------------------------------------------------------


def gathered(data: bytes) -> dict[str, Any]:
    """Return the completion that a client assembles from the events of a stream."""
    events = [json.loads(line.removeprefix("data: ")) for line in data.decode().split("\n\n")[:-2]]
    texts = {"content": "", "refusal": "", "reasoning_content": ""}
    calls: list[dict[str, Any]] = []
    reason = None
    for event in events:
        for choice in event["choices"]:
            delta = choice["delta"]
            texts = {name: text + (delta.get(name) or "") for name, text in texts.items()}
            for piece in delta.get("tool_calls", ()):
                if piece["index"] == len(calls):
                    function = {"name": piece["function"]["name"], "arguments": ""}
                    calls.append({"id": piece["id"], "type": piece["type"], "function": function})
                calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
            reason = choice["finish_reason"] or reason
    said = {**texts, "tool_calls": calls, "finish_reason": reason, "usage": events[-1]["usage"]}
    return {"said": said, **{name: events[-1][name] for name in ("id", "created", "model")}}


def flat(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a completion in the shape of what was gathered."""
    (choice,) = answer["choices"]
    message = choice["message"]
    said = {
        **{name: message.get(name) or "" for name in ("content", "refusal", "reasoning_content")},
        "tool_calls": message.get("tool_calls", []),
        "finish_reason": choice["finish_reason"],
        "usage": answer["usage"],
    }
    return {"said": said, **{name: answer[name] for name in ("id", "created", "model")}}


def valid(value: Any) -> Any:
    """Return a value without halves of characters."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def assert_same(chunks: list[AssistantStreamChunk]) -> None:
    first_error = next((chunk for chunk in chunks if isinstance(chunk, ErrorChunk)), None)
    if first_error is not None:
        with pytest.raises(RunFailedError) as raised:
            completion(chunks)
        assert (str(raised.value), raised.value.code) == (first_error.error, first_error.code)
        return
    wire = encoded(OpenAIStreamEncoder("m1", include_usage=True, **IDENTITY), chunks)
    assert flat(completion(chunks, "m1", **IDENTITY)) == valid(gathered(wire))


def test_it_equals_the_events_of_random_conversations() -> None:
    for seed in range(150):
        chunks: list[AssistantStreamChunk] = []
        conversed = conversation(seed)
        try:
            for chunk in create_run(functools.partial(perform, conversed), state=conversed.state):
                chunks.append(chunk)
        except ModelError:
            pass
        assert_same(chunks)


def test_it_equals_the_events_of_chunks_in_any_order() -> None:
    dice = random.Random(1)
    for _ in range(200):
        chunks = [random_chunk(dice) for _ in range(dice.choice((1, 5, 40)))]
        assert_same(chunks)
        assert_same([chunk for chunk in chunks if not isinstance(chunk, ErrorChunk)])


# --- Errors ---------------------------------------------------------------------------------------


@each_callback
@each_reader
def test_an_exception_of_the_callback_is_raised(kind: str, reader: str) -> None:
    results: list[RunResult] = []

    def fail(controller: RunController) -> None:
        controller.append_text("a")
        controller.add_error("told before")
        raise ModelError("boom")

    with pytest.raises(ModelError, match="boom"):
        complete(reader, create_run(as_kind(kind, fail), on_finish=results.append))
    assert [result.reason for result in results] == ["failed"]


@each_callback
@each_reader
def test_an_error_without_an_exception_is_raised_when_the_run_has_ended(kind: str, reader: str) -> None:
    results: list[RunResult] = []

    def fail(controller: RunController) -> None:
        controller.add_error("too many questions", code="rate_limit")
        controller.add_error("another")
        controller.append_text("a")

    with pytest.raises(RunFailedError) as raised:
        complete(reader, create_run(as_kind(kind, fail), on_finish=results.append))
    assert (str(raised.value), raised.value.code) == ("too many questions", "rate_limit")
    assert isinstance(raised.value, AssistantStreamError)
    assert [result.reason for result in results] == ["completed"]


@each_reader
def test_system_exit_is_raised(reader: str) -> None:
    def leave(controller: RunController) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        complete(reader, create_run(leave))


@each_reader
def test_an_item_that_is_not_a_chunk_is_rejected_and_the_source_closed(reader: str) -> None:
    closed = threading.Event()

    def source() -> Iterator[Any]:
        try:
            yield TextDeltaChunk("a")
            while True:
                yield "text"
        finally:
            closed.set()

    with pytest.raises(TypeError, match="must yield chunks, not str"):
        complete(reader, source())
    assert closed.wait(10)


@pytest.mark.parametrize("source", [None, "text", 5, {"a": 1}, say])
@each_reader
def test_a_value_that_is_not_a_source_is_rejected(reader: str, source: Any) -> None:
    with pytest.raises(TypeError, match="must be an AssistantStream or an iterable of chunks"):
        complete(reader, source)


# --- Leaving --------------------------------------------------------------------------------------


@each_callback
async def test_cancelling_the_wait_leaves_the_run(kind: str) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    results: list[RunResult] = []

    def finish(result: RunResult) -> None:
        results.append(result)
        loop.call_soon_threadsafe(ended.set)

    def block(controller: RunController) -> None:
        loop.call_soon_threadsafe(begun.set)
        controller.cancelled_event.wait_sync()

    async def wait(controller: RunController) -> None:
        begun.set()
        await controller.cancelled_event.wait()

    task = asyncio.ensure_future(acompletion(create_run(block if kind == "def" else wait, on_finish=finish)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ended.wait()
    assert [result.reason for result in results] == ["cancelled"]


async def test_completion_in_a_coroutine_names_its_twin() -> None:
    with pytest.raises(StreamUsageError, match="await acompletion"):
        completion([])


@each_reader
def test_half_an_answer_is_none(reader: str) -> None:
    def talk(controller: RunController) -> None:
        controller.append_text("half an ")
        stream.cancel()
        controller.cancelled_event.wait_sync()

    stream = create_run(talk)
    with pytest.raises(RunFailedError, match="closed before its end"):
        complete(reader, stream)


@each_reader
def test_a_shutdown_is_an_error(reader: str) -> None:
    def talk(controller: RunController) -> None:
        controller.append_text("half an ")
        ending.start()
        controller.cancelled_event.wait_sync()

    ending = threading.Thread(target=shutdown, args=(10,))
    with pytest.raises(RunFailedError, match="The server is shutting down"):
        complete(reader, create_run(talk))
    ending.join()


def test_the_usage_of_steps_is_added_up() -> None:
    answer = completion([StepFinishChunk("stop", 1, 2), StepFinishChunk("stop", 10, 20)])
    assert answer["usage"] == {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}
