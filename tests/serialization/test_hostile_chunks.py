"""For any contents of a chunk, each frame is one line of strict JSON that every client accepts.

The chunks here are built by hand, so nothing has checked them: numbers that JSON lacks, keys that the
clients refuse, halves of surrogate pairs, line ends of every kind, control characters, texts that look like frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
)
from assistant_stream_ce.serialization import (
    AssistantTransportEncoder,
    DataStreamEncoder,
    Encoder,
    OpenAIStreamEncoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)

each_encoder = pytest.mark.parametrize(
    "make_encoder", [DataStreamEncoder, AssistantTransportEncoder, OpenAIStreamEncoder, UIMessageStreamEncoder]
)

TEXTS = (
    "",
    "\n",
    "\r\n\r\n",
    "a\rb",
    "\u2028\u2029\u0085",
    "".join(map(chr, range(0x20))) + "\x7f",
    "\ud83d",
    "\ude00\ud83d",
    "a\ud83d\ude00b",
    "\U0001f600",
    "\ufeff\ufffe\uffff",
    '"\\u005c"',
    "data: [DONE]\n\n",
    "\n\nevent: error\ndata: {}\n\n",
    '0:"x"\n3:"y"\n',
    '{"__proto__": 1, "constructor": {"prototype": 1}}',
    "NaN",
)

#: What is sent, and what may arrive of it.
VALUES: tuple[tuple[Any, Any], ...] = (
    (float("nan"), None),
    ([float("inf"), -float("inf"), 0.5], [None, None, 0.5]),
    ({"a": {"b": [float("nan")]}}, {"a": {"b": [None]}}),
    ({"__proto__": {"polluted": 1}, "a": 1}, {"a": 1}),
    ([{"a": [{"__proto__": None}]}], [{"a": [{}]}]),
    ({"constructor": {"prototype": {"polluted": 1}}, "a": 1}, {"a": 1}),
    ({"constructor": {"name": "f"}, "prototype": 1}, {"constructor": {"name": "f"}, "prototype": 1}),
    ({"constructor": None}, {"constructor": None}),
    ({"__proto__": 1, "\ud83d": float("nan")}, {"\ud83d": None}),
    ("__proto__", "__proto__"),
    ({"\n\u2028": "\r"}, {"\n\u2028": "\r"}),
    ({7: "a", None: "b", True: "c"}, {"7": "a", "null": "b", "true": "c"}),
    ((1, 2), [1, 2]),
    (b"hi", "aGk="),
)


def frames(encoder: Encoder, data: bytes) -> list[Any]:
    """Return the values of the frames; fail where bytes are not what every client accepts."""
    data.decode()
    assert not any(byte < 0x20 and byte != 0x0A for byte in data)
    if encoder.media_type == "text/plain":
        lines = data.split(b"\n")
        assert lines.pop() == b""
        values = [line.partition(b":")[2] for line in lines]
    else:
        events = data.split(b"\n\n")
        assert events.pop() == b""
        assert all(event.startswith(b"data: ") and b"\n" not in event for event in events)
        values = [event.removeprefix(b"data: ") for event in events if event != b"data: [DONE]"]
    return [json.loads(value, parse_constant=refuse_constant, object_pairs_hook=refuse_keys) for value in values]


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def refuse_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    assert "__proto__" not in value
    constructor = value.get("constructor")
    assert not (isinstance(constructor, dict) and "prototype" in constructor)
    return value


def chunks_of_text(text: str) -> list[AssistantStreamChunk]:
    """Return every type of chunk with a text, with this text in each of its text fields."""
    return [
        TextDeltaChunk(text),
        TextDeltaChunk(text, text),
        ReasoningDeltaChunk(text),
        ReasoningDeltaChunk(text, text),
        RefusalDeltaChunk(text, text),
        ReasoningPartChunk(text, text),
        ReasoningSignatureChunk(text),
        ReasoningDeltaChunk(text),
        ReasoningSignatureChunk(text),
        ToolCallChunk(f"{text}1", text, {text: text}),
        ToolCallChunk(f"{text}2", text, {text: text}, text),
        ToolCallBeginChunk(text, text, text),
        ToolCallDeltaChunk(text, text),
        ToolResultChunk(text, text, text, model_content=[text]),
        SourceChunk(text, text, title=text, parent_id=text),
        SourceDocumentChunk(text, text, text, text, text),
        FileChunk(text, text, text, text),
        DataPartChunk(text, text, text, parent_id=text),
        DataPartChunk(text, text, transient=True),
        DataChunk(text),
        AnnotationsChunk([text]),
        StepStartChunk(text),
        StepFinishChunk(text),
        UpdateStateChunk([{"type": "set", "path": [text], "value": text}]),
        UpdateStateChunk([{"type": "append-text", "path": [text], "value": text}]),
        MessageFinishChunk(text),
        ErrorChunk(text, text),
    ]


def hold_frames(make_encoder: Callable[[], Encoder], chunks: list[AssistantStreamChunk]) -> None:
    """Hold that each chunk writes whole frames, and all of them together a whole wire."""
    encoder = make_encoder()
    for chunk in chunks:
        frames(encoder, encoder.encode(chunk))
    wire = encoder.finish()
    frames(encoder, wire)
    assert wire.endswith(b"data: [DONE]\n\n") == (encoder.media_type == "text/event-stream")


@each_encoder
@pytest.mark.parametrize("text", TEXTS)
def test_text_breaks_no_frame(make_encoder: Callable[[], Encoder], text: str) -> None:
    hold_frames(make_encoder, chunks_of_text(text))


@each_encoder
@given(text=st.text(st.characters(categories=None)))
def test_no_text_at_all_breaks_a_frame(make_encoder: Callable[[], Encoder], text: str) -> None:
    hold_frames(make_encoder, chunks_of_text(text))


@pytest.mark.parametrize("text", TEXTS)
def test_text_arrives_as_it_was(text: str) -> None:
    chunks = [TextDeltaChunk(text), ReasoningDeltaChunk(text), ErrorChunk(text)]
    encoder = DataStreamEncoder()
    assert frames(encoder, b"".join(map(encoder.encode, chunks))) == [joined(text)] * 3


@given(text=st.text(st.characters(categories=None)))
def test_any_text_arrives_as_it_was(text: str) -> None:
    encoder = DataStreamEncoder()
    assert frames(encoder, encoder.encode(TextDeltaChunk(text))) == [joined(text)]


@given(texts=st.lists(st.text(st.characters(categories=None))))
def test_plain_text_is_the_text_however_it_is_cut(texts: list[str]) -> None:
    encoder = PlainTextEncoder()
    data = b"".join(encoder.encode(TextDeltaChunk(text)) for text in texts) + encoder.finish()
    assert data.decode() == "".join(texts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@pytest.mark.parametrize("text", TEXTS)
def test_plain_text_takes_every_chunk(text: str) -> None:
    encoder = PlainTextEncoder()
    (b"".join(map(encoder.encode, chunks_of_text(text))) + encoder.finish()).decode()


@pytest.mark.parametrize("model", TEXTS)
def test_name_of_the_model_breaks_no_frame(model: str) -> None:
    encoder = OpenAIStreamEncoder(model, completion_id=model)
    (role, text) = frames(encoder, encoder.encode(TextDeltaChunk("a")))
    assert role["model"] == text["model"] == joined(model)


@each_encoder
@pytest.mark.parametrize(("value", "arrives"), VALUES)
def test_value_breaks_no_frame(make_encoder: Callable[[], Encoder], value: Any, arrives: Any) -> None:
    chunks: list[AssistantStreamChunk] = [
        DataChunk(value),
        AnnotationsChunk([value]),
        DataPartChunk("x", value),
        DataPartChunk("x", value, transient=True),
        ToolCallChunk("t0", "f", {"a": value}),
        ToolResultChunk("t1", value, artifact=value, model_content=[value]),
        UpdateStateChunk([{"type": "set", "path": ["a"], "value": value}]),
    ]
    hold_frames(make_encoder, chunks)


@pytest.mark.parametrize(("value", "arrives"), VALUES)
def test_value_arrives_but_for_what_clients_refuse(value: Any, arrives: Any) -> None:
    encoder = DataStreamEncoder()
    (data,) = frames(encoder, encoder.encode(DataChunk(value)))
    (part,) = frames(encoder, encoder.encode(DataPartChunk("x", value)))
    (call,) = frames(encoder, encoder.encode(ToolCallChunk("t0", "f", {"a": value})))
    (annotations,) = frames(encoder, encoder.encode(AnnotationsChunk([value, 1])))
    (_, result) = frames(encoder, encoder.encode(ToolResultChunk("t1", value)))
    operation = {"type": "set", "path": ["a"], "value": value}
    (operations,) = frames(encoder, encoder.encode(UpdateStateChunk([operation])))
    assert data == [arrives]
    assert part == {"name": "x", "data": arrives}
    assert call == {"toolCallId": "t0", "toolName": "f", "args": {"a": arrives}}
    assert annotations == [arrives, 1]
    assert result == {"toolCallId": "t1", "result": arrives}
    assert operations == [{"type": "set", "path": ["a"], "value": arrives}]


def joined(text: str) -> str:
    """Join halves of surrogate pairs that stand side by side: they are one character in JSON."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
