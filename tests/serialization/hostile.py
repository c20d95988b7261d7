"""Texts and values that break frames of a careless encoder, and the check of frames."""

from __future__ import annotations

import json
from typing import Any

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
    Encoder,
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
