"""OpenAI's format: each chunk becomes the completion chunks that its clients document, byte for byte.

The role comes first and once, tool calls are numbered without gaps, the finish reason and the usage come
last, an error has the shape that clients raise, and unsupported chunks are left out.
"""

from __future__ import annotations

import functools
import json
import random
from typing import Any

import pytest

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantStreamChunk,
    DataChunk,
    DataPartChunk,
    ErrorChunk,
    FileChunk,
    MessageFinishChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    ReasoningSignatureChunk,
    RefusalDeltaChunk,
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
    create_run,
)
from assistant_stream_ce.serialization import OpenAIStreamDecoder, OpenAIStreamEncoder
from tests.support.conversations import ModelError, conversation, perform
from tests.support.random_chunks import random_chunk

HEAD = 'data: {"id":"c1","object":"chat.completion.chunk","created":1700000000,"model":"m1","choices":['
DONE = b"data: [DONE]\n\n"

BEGIN = ToolCallBeginChunk("t1", "search")
ARGUMENTS = ToolCallDeltaChunk("t1", "{}")
CLOSE = ToolCallDeltaChunk("t1", "", is_final=True)
RESULT = ToolResultChunk("t1", {"n": 1})


def delta(fields: str) -> bytes:
    """Return the event of a delta."""
    return f'{HEAD}{{"index":0,"delta":{fields},"logprobs":null,"finish_reason":null}}]}}\n\n'.encode()


def finish(reason: str) -> bytes:
    """Return the event of a finish reason."""
    return f'{HEAD}{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"{reason}"}}]}}\n\n'.encode()


def usage(prompt: int, completion: int, total: int) -> bytes:
    """Return the event of the usage."""
    counts = f'"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}'
    return f'{HEAD}],"usage":{{{counts}}}}}\n\n'.encode()


def begin(index: int, call_id: str = "t1", name: str = "search") -> bytes:
    """Return the event of a tool call's begin."""
    function = f'{{"name":"{name}","arguments":""}}'
    return delta(f'{{"tool_calls":[{{"index":{index},"id":"{call_id}","type":"function","function":{function}}}]}}')


def arguments(index: int, text: str = "{}") -> bytes:
    """Return the event of argument text, for a text that JSON writes as it is."""
    return delta(f'{{"tool_calls":[{{"index":{index},"function":{{"arguments":"{text}"}}}}]}}')


ROLE = delta('{"role":"assistant","content":""}')


def make_encoder(include_usage: bool = False) -> OpenAIStreamEncoder:
    """Return an encoder whose output is the same each time."""
    return OpenAIStreamEncoder("m1", include_usage=include_usage, completion_id="c1", created=1700000000)


def encode(*chunks: AssistantStreamChunk, finish: bool = False, include_usage: bool = False) -> bytes:
    """Return what one encoder writes for chunks."""
    encoder = make_encoder(include_usage)
    events = b"".join(map(encoder.encode, chunks))
    return events + encoder.finish() if finish else events


def test_format_is_server_sent_events() -> None:
    encoder = OpenAIStreamEncoder()
    assert encoder.media_type == "text/event-stream"
    assert dict(encoder.headers) == {}
    assert encoder.keepalive is not None
    assert encoder.keepalive.startswith(b":")
    assert encoder.keepalive.endswith(b"\n\n")
    assert encoder.keepalive.count(b"\n") == 2


def test_each_response_has_its_own_id() -> None:
    ids = set()
    for encoder in (OpenAIStreamEncoder(), OpenAIStreamEncoder()):
        events = (encoder.encode(TextDeltaChunk("a")) + encoder.finish()).split(b"\n\n")[:-2]
        ids_of_one = {json.loads(event.removeprefix(b"data: "))["id"] for event in events}
        assert len(ids_of_one) == 1
        ids |= ids_of_one
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("chunk", "event"),
    [
        (TextDeltaChunk("Hel"), delta('{"content":"Hel"}')),
        (TextDeltaChunk("Hel", parent_id="p"), delta('{"content":"Hel"}')),
        (ReasoningDeltaChunk("hm"), delta('{"reasoning_content":"hm"}')),
        (ReasoningDeltaChunk("hm", parent_id="p"), delta('{"reasoning_content":"hm"}')),
        (RefusalDeltaChunk("no"), delta('{"refusal":"no"}')),
        (RefusalDeltaChunk("no", parent_id="p"), delta('{"refusal":"no"}')),
        (BEGIN, begin(0)),
        (ToolCallBeginChunk("t1", "search", parent_id="p"), begin(0)),
    ],
)
def test_role_comes_first(chunk: AssistantStreamChunk, event: bytes) -> None:
    assert encode(chunk) == ROLE + event
    assert encode(TextDeltaChunk("a"), chunk) == ROLE + delta('{"content":"a"}') + event


def test_parts_of_the_reasoning_have_a_blank_line_between_them() -> None:
    def part(*texts: str) -> bytes:
        return b"".join(delta(f'{{"reasoning_content":"{text}"}}') for text in texts)

    one, summary, other = ReasoningDeltaChunk("a"), ReasoningPartChunk("S", "p"), ReasoningPartChunk()
    assert encode(other, one, other, one) == ROLE + part("a", r"\n\n", "a")
    assert encode(summary, one, summary) == ROLE + part(r"S\n\n", "a", r"\n\nS\n\n")
    text = TextDeltaChunk("t")
    assert encode(text, other, one) == encode(text, one), "no blank line where no reasoning came before"


def test_empty_message_is_complete() -> None:
    assert encode(finish=True) == ROLE + finish("stop") + DONE


@pytest.mark.parametrize(
    "chunk",
    [
        ReasoningSignatureChunk("s"),
        SourceChunk("s", "u"),
        SourceDocumentChunk("s", "m", "T"),
        FileChunk("d", "m", filename="a.txt"),
        DataChunk({"k": 1}),
        DataPartChunk("x", 1, id="i"),
        AnnotationsChunk([1]),
        StepStartChunk("m"),
        StepFinishChunk("stop", 1, 2),
        MessageFinishChunk("stop", 1, 2),
        UpdateStateChunk([{"type": "set", "path": [], "value": 1}]),
        ToolResultChunk("earlier", 1),
    ],
)
def test_unsupported_chunks_are_left_out(chunk: AssistantStreamChunk) -> None:
    assert encode(chunk) == b""
    assert encode(TextDeltaChunk("a"), chunk, finish=True) == encode(TextDeltaChunk("a"), finish=True)


# --- Tool calls -----------------------------------------------------------------------------------


def test_tool_calls_are_numbered_without_gaps_and_may_interleave() -> None:
    other = ToolCallBeginChunk("t2", "f"), ToolCallDeltaChunk("t2", "["), ToolCallDeltaChunk("t2", "]")
    earlier = ToolResultChunk("earlier", 1)
    said = BEGIN, other[0], earlier, other[1], ARGUMENTS, other[2], ToolCallBeginChunk("t3", "g")
    assert encode(*said) == (
        ROLE
        + begin(0)
        + begin(1, "t2", "f")
        + arguments(1, "[")
        + arguments(0)
        + arguments(1, "]")
        + begin(2, "t3", "g")
    )


def test_whole_call_is_one_event() -> None:
    call = ToolCallChunk("t2", "f", {"q": 1}, parent_id="p")
    event = begin(1, "t2", "f").replace(b'"arguments":""', b'"arguments":"{\\"q\\":1}"')
    assert encode(BEGIN, call, ToolCallDeltaChunk("t2", "{}"), call) == ROLE + begin(0) + event


def test_empty_piece_of_arguments_is_not_sent() -> None:
    assert encode(BEGIN, ToolCallDeltaChunk("t1", "")) == ROLE + begin(0)


@pytest.mark.parametrize("end", [CLOSE, RESULT, StepFinishChunk("stop"), MessageFinishChunk("stop")])
def test_arguments_without_text_are_an_empty_object(end: AssistantStreamChunk) -> None:
    assert encode(BEGIN, end) == ROLE + begin(0) + arguments(0)


@pytest.mark.parametrize("end", [CLOSE, RESULT, StepFinishChunk("stop"), MessageFinishChunk("stop")])
def test_end_of_arguments_has_no_event_and_what_follows_is_left_out(end: AssistantStreamChunk) -> None:
    said = encode(BEGIN, ARGUMENTS)
    assert said == ROLE + begin(0) + arguments(0)
    assert encode(BEGIN, ARGUMENTS, end, ToolCallDeltaChunk("t1", "more"), CLOSE) == said


def test_arguments_of_an_unknown_call_begin_it() -> None:
    assert encode(ARGUMENTS) == ROLE + begin(0, name="unknown") + arguments(0)


def test_second_begin_is_left_out() -> None:
    assert encode(BEGIN, ToolCallBeginChunk("t1", "other"), ARGUMENTS) == ROLE + begin(0) + arguments(0)


# --- The end --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool-calls", "tool_calls"),
        ("content-filter", "content_filter"),
        ("error", "stop"),
        ("other", "stop"),
        ("unknown", "stop"),
        ("anything else", "stop"),
    ],
)
def test_finish_reason_is_one_that_clients_know(given: str, said: str) -> None:
    assert encode(MessageFinishChunk(given), finish=True) == ROLE + finish(said) + DONE


def test_last_finish_reason_counts() -> None:
    said = encode(MessageFinishChunk("stop"), MessageFinishChunk("length"), finish=True)
    assert said == ROLE + finish("length") + DONE


@pytest.mark.parametrize(("step", "reason"), [("length", "length"), ("tool-calls", "tool_calls"), ("unknown", "stop")])
def test_finish_reason_of_the_last_step_is_that_of_a_message_without_a_finish(step: str, reason: str) -> None:
    assert encode(StepFinishChunk("other"), StepFinishChunk(step), finish=True) == ROLE + finish(reason) + DONE
    assert encode(StepFinishChunk(step), MessageFinishChunk("stop"), finish=True) == ROLE + finish("stop") + DONE


def test_unanswered_call_is_the_finish_reason() -> None:
    other = ToolCallBeginChunk("t2", "f"), ToolCallDeltaChunk("t2", "{}")
    assert encode(BEGIN, RESULT, *other, finish=True).endswith(arguments(1) + finish("tool_calls") + DONE)


def test_answered_calls_are_not() -> None:
    assert encode(BEGIN, RESULT, finish=True) == ROLE + begin(0) + arguments(0) + finish("stop") + DONE


def test_end_closes_the_arguments_of_open_calls() -> None:
    assert encode(BEGIN, finish=True) == ROLE + begin(0) + arguments(0) + finish("tool_calls") + DONE


@pytest.mark.parametrize(
    ("chunks", "counts"),
    [
        ([], (0, 0, 0)),
        ([MessageFinishChunk("stop", 3, 4)], (3, 4, 7)),
        ([StepFinishChunk("stop", 1, 2), StepFinishChunk("stop", 10, 20)], (11, 22, 33)),
        ([StepFinishChunk("stop", 1, 2), MessageFinishChunk("stop", 5, 6)], (5, 6, 11)),
        ([StepFinishChunk("stop", 1, 2), MessageFinishChunk("stop")], (1, 2, 3)),
    ],
    ids=["nothing known", "of the message", "of the steps together", "the message's counts", "only the steps' known"],
)
def test_usage_follows_the_finish_reason(chunks: list[AssistantStreamChunk], counts: tuple[int, int, int]) -> None:
    assert encode(*chunks, finish=True, include_usage=True) == ROLE + finish("stop") + usage(*counts) + DONE


def test_usage_is_sent_only_on_request() -> None:
    assert encode(MessageFinishChunk("stop", 3, 4), finish=True) == ROLE + finish("stop") + DONE


# --- Errors ---------------------------------------------------------------------------------------

ERROR = b'data: {"error":{"message":"boom","type":"server_error","param":null,"code":null}}\n\n'


def test_error_has_the_shape_that_clients_raise() -> None:
    assert encode(ErrorChunk("boom")) == ERROR


def test_after_an_error_there_is_no_finish_reason() -> None:
    said = TextDeltaChunk("a"), ErrorChunk("boom")
    assert encode(*said, finish=True, include_usage=True) == ROLE + delta('{"content":"a"}') + ERROR + DONE


# --- What holds of any chunks -----------------------------------------------------------------------


def conversed(seed: int) -> list[AssistantStreamChunk]:
    """Return the chunks of a random conversation."""
    chunks: list[AssistantStreamChunk] = []
    said = conversation(seed)
    try:
        for chunk in create_run(functools.partial(perform, said), state=said.state):
            chunks.append(chunk)
    except ModelError:
        pass
    return chunks


def in_any_order(seed: int) -> list[AssistantStreamChunk]:
    """Return chunks that no controller has put in order."""
    dice = random.Random(seed)
    return [random_chunk(dice) for _ in range(dice.choice((1, 5, 40)))]


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize("make_chunks", [conversed, in_any_order])
def test_every_stream_is_what_the_clients_demand(make_chunks: Any, include_usage: bool) -> None:
    for seed in range(150):
        chunks = make_chunks(seed)
        data = encode(*chunks, finish=True, include_usage=include_usage)
        *lines, done, rest = data.decode().split("\n\n")
        assert (done, rest) == ("data: [DONE]", "")
        events = [json.loads(line.removeprefix("data: ")) for line in lines]
        errors = [event for event in events if "error" in event]
        assert bool(errors) == any(isinstance(chunk, ErrorChunk) for chunk in chunks)
        told = [event for event in events if "error" not in event]
        assert_identified(told)
        if not errors:
            assert [event["choices"] == [] for event in told].count(True) == include_usage
            if include_usage:
                assert told.pop()["usage"].keys() >= {"prompt_tokens", "completion_tokens", "total_tokens"}
        assert_choices([event["choices"] for event in told], has_failed=bool(errors))


def assert_identified(events: list[dict[str, Any]]) -> None:
    """Hold that every event names the same completion."""
    names = ("id", "object", "created", "model")
    assert {tuple(event[name] for name in names) for event in events} <= {
        ("c1", "chat.completion.chunk", 1700000000, "m1")
    }


def assert_choices(choices: list[list[dict[str, Any]]], has_failed: bool) -> None:
    """Hold what must be true of the choices of one stream: one each, the role first, the finish reason last."""
    assert all(len(one) == 1 and one[0]["index"] == 0 for one in choices)
    deltas = [one[0]["delta"] for one in choices]
    assert [number for number, delta in enumerate(deltas) if "role" in delta] == ([0] if deltas else [])
    reasons = [one[0]["finish_reason"] for one in choices]
    if has_failed:
        assert not any(reasons)
    else:
        assert reasons[-1] in ("stop", "length", "tool_calls", "content_filter")
        assert not any(reasons[:-1])
        assert deltas[-1] == {}
    assert_calls([call for delta in deltas for call in delta.get("tool_calls", ())], has_failed)


def assert_calls(pieces: list[dict[str, Any]], has_failed: bool) -> None:
    """Hold that calls are numbered without gaps, begin once, and have arguments at the end."""
    arguments: dict[int, str] = {}
    ids: list[str] = []
    for piece in pieces:
        if "id" in piece:
            assert piece["index"] == len(arguments)
            assert piece["type"] == "function"
            assert isinstance(piece["function"]["name"], str)
            ids.append(piece["id"])
        else:
            assert piece["index"] in arguments
            assert piece.keys() == {"index", "function"}
        arguments[piece["index"]] = arguments.get(piece["index"], "") + piece["function"]["arguments"]
    assert len(set(ids)) == len(ids) == len(arguments)
    assert has_failed or all(arguments.values())


def test_a_source_with_a_place_is_an_annotation() -> None:
    encoder, decoder = OpenAIStreamEncoder(), OpenAIStreamDecoder(strict=True)
    source = SourceChunk("s", "https://example.org", title="Page", start_index=0, end_index=4)
    data = encoder.encode(SourceChunk("other", "https://example.com")) + encoder.encode(source)
    assert data.count(b"url_citation") == 2
    assert b"example.com" not in data
    chunks = decoder.feed(data + encoder.finish())
    assert chunks[0] == SourceChunk("https://example.org", "https://example.org", "url", "Page", None, 0, 4)
