"""A strict decoder refuses what the real client refuses, and nothing else but what is listed here with its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce import DecodeError
from assistant_stream_ce.serialization import Decoder, UIMessageStreamDecoder
from tests.conformance.clients import FOLDER, Job, decode_all, require_clients
from tests.serialization.round_trips import decoded


def refusal(decoder: Decoder, data: bytes) -> str | None:
    """Return why a decoder refuses a stream, or None."""
    try:
        decoded(decoder, [data])
    except DecodeError as error:
        return error.reason
    return None


def event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


# --- The UI message stream ------------------------------------------------------------------------

DONE = b"data: [DONE]\n\n"
TEXT = {"type": "text-start", "id": "1"}
DELTA = {"type": "text-delta", "id": "1", "delta": "x"}
END = {"type": "text-end", "id": "1"}
THOUGHT = {"type": "reasoning-start", "id": "1"}
START = {"type": "tool-input-start", "toolCallId": "c", "toolName": "t"}
INPUT_DELTA = {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "{}"}
INPUT = {"type": "tool-input-available", "toolCallId": "c", "toolName": "t", "input": {}}
OUTPUT = {"type": "tool-output-available", "toolCallId": "c", "output": 1}
DENIED = {"type": "tool-output-denied", "toolCallId": "c"}
STEP = {"type": "start-step"}
RESET = {"type": "reset-step"}
URL = {"type": "source", "sourceType": "url", "id": "1", "url": "u"}


def request(approval_id: str) -> dict[str, Any]:
    return {"type": "tool-approval-request", "toolCallId": "c", "approvalId": approval_id}


def response(approval_id: str) -> dict[str, Any]:
    return {"type": "tool-approval-response", "approvalId": approval_id, "approved": False}


def cited(citation: Any) -> list[Any]:
    return [TEXT, {**END, "citations": [citation]}]


#: Each type with the fields that it must have, and some of those that it may have.
FRAMES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "start"}, {"messageId": "m", "messageMetadata": {"a": 1}}),
    (TEXT, {"providerMetadata": {"p": {"a": None}}}),
    (THOUGHT, {"providerMetadata": {"p": {"a": [1]}}}),
    (START, {"dynamic": True, "providerExecuted": False, "title": "t", "inputEncoding": "text",
             "toolMetadata": {"a": None}, "providerMetadata": {}}),
    ({**INPUT, "input": None}, {"dynamic": True, "title": "t", "toolMetadata": {}}),
    ({"type": "tool-input-error", "toolCallId": "c", "toolName": "t", "input": 1, "errorText": "e"},
     {"dynamic": True}),
    ({"type": "source-url", "sourceId": "s", "url": "u"}, {"title": "t"}),
    ({"type": "source-document", "sourceId": "s", "mediaType": "m", "title": "t"}, {"filename": "f"}),
    ({"type": "file", "url": "u", "mediaType": "m"}, {"providerMetadata": {}, "filename": 5}),
    ({"type": "reasoning-file", "url": "u", "mediaType": "m"}, {"providerMetadata": {}}),
    ({"type": "custom", "kind": "a.b"}, {"providerMetadata": {}}),
    ({"type": "steering-message", "id": "1", "parts": [{"type": "text", "text": "a"}]}, {}),
    ({"type": "data-x", "data": 1}, {"id": "i", "transient": True}),
    ({"type": "data-", "data": None}, {}),
    (STEP, {"messageId": 5}),
    ({"type": "finish-step"}, {"finishReason": 5, "usage": 5}),
    ({"type": "message-metadata", "messageMetadata": None}, {}),
    ({"type": "error", "errorText": "e"}, {}),
    ({"type": "abort"}, {"reason": "r"}),
    ({"type": "finish"}, {"finishReason": "interrupted", "messageMetadata": 1}),
]  # fmt: skip


def variations() -> dict[str, list[Any]]:
    """Return each frame whole, without one of its fields, and with null, a number or a list in its place."""
    streams: dict[str, list[Any]] = {}
    for required, optional in FRAMES:
        frame = {**required, **optional}
        streams[frame["type"]] = [required, frame]
        for name in frame:
            streams[f"{frame['type']} without {name}"] = [{key: frame[key] for key in frame if key != name}]
            for value in (None, 5, [], "new"):
                streams[f"{frame['type']} with {value} as {name}"] = [{**frame, name: value}]
    return streams


UI_STREAMS: dict[str, list[Any]] = {
    **variations(),
    "nothing": [],
    "array": [[1]],
    "null": [None],
    "no data": [b""],
    "no JSON": [b"{"],
    "NaN": [b'{"type":"data-x","data":NaN}'],
    "number beyond all": [b'{"type":"data-x","data":1e400}'],
    "unknown type": [{"type": "weird"}],
    "type of an object's prototype": [{"type": "constructor"}],
    "type in capitals": [{"type": "TEXT-START", "id": "1"}],
    "__proto__": [{"type": "data-x", "data": {"__proto__": 1}}],
    "__proto__ in escapes": [b'{"type":"data-x","data":{"\\u005f_proto\\u005F_":1}}'],
    "constructor with prototype": [{"type": "data-x", "data": [{"constructor": {"prototype": 1}}]}],
    "constructor": [{"type": "data-x", "data": {"constructor": {"a": 1}}}],
    "constructor that is a list": [{"type": "data-x", "data": {"constructor": ["prototype"]}}],
    "__proto__ in a text": [{"type": "data-x", "data": '"__proto__":'}],
    "text": [TEXT, DELTA, END],
    "text twice": [TEXT, DELTA, END, TEXT, DELTA, END],
    "delta before start": [DELTA],
    "delta after end": [TEXT, END, DELTA],
    "end before start": [END],
    "two ends": [TEXT, TEXT, END, END],
    "delta of another id": [TEXT, {**DELTA, "id": "2"}],
    "delta of another kind": [TEXT, {**DELTA, "type": "reasoning-delta"}],
    "delta as text": [TEXT, {**DELTA, "delta": 5}],
    "reasoning end before start": [{"type": "reasoning-end", "id": "1"}],
    "texts side by side": [TEXT, {**TEXT, "id": "2"}, THOUGHT, {**DELTA, "id": "2"}, DELTA, END],
    "text over two steps": [STEP, TEXT, {"type": "finish-step"}, STEP, DELTA, END],
    "id of an object's prototype": [{**DELTA, "id": "constructor"}],
    "half a character as id": [{**TEXT, "id": "\ud800"}, {**DELTA, "id": "\ud800"}],
    "citation": cited({"source": URL, "startIndex": 1, "endIndex": 2.0, "citedText": "x"}),
    "citation of a document": cited({"source": {**URL, "sourceType": "document", "mediaType": "m", "title": "t"}}),
    "citation without source": cited({}),
    "citation of an unknown kind": cited({"source": {**URL, "sourceType": "x"}}),
    "citation of no source": cited({"source": {**URL, "type": "x"}}),
    "citation at half a character": cited({"source": URL, "startIndex": 1.5}),
    "citation before the text": cited({"source": URL, "startIndex": -1}),
    "citation far away": cited({"source": URL, "startIndex": 2**60}),
    "call": [START, INPUT_DELTA, INPUT, OUTPUT],
    "call at once": [INPUT, OUTPUT],
    "call that fails": [INPUT, {"type": "tool-output-error", "toolCallId": "c", "errorText": "e"}],
    "call that fails without a text": [INPUT, {"type": "tool-output-error", "toolCallId": "c"}],
    "call of a bad input": [{"type": "tool-input-error", "toolCallId": "c", "toolName": "t", "errorText": "e"}, OUTPUT],
    "call with two outputs": [INPUT, {**OUTPUT, "preliminary": True}, OUTPUT, OUTPUT],
    "call begun twice": [START, INPUT_DELTA, START, INPUT_DELTA, INPUT],
    "input after the input": [START, INPUT, INPUT_DELTA],
    "input in pieces without start": [INPUT, INPUT_DELTA],
    "output of an unknown call": [OUTPUT],
    "output of an object's prototype": [{**OUTPUT, "toolCallId": "__proto__"}],
    "error of an unknown call": [{"type": "tool-output-error", "toolCallId": "c", "errorText": "e"}],
    "output after finish": [INPUT, {"type": "finish"}, OUTPUT],
    "output in a later step": [STEP, INPUT, {"type": "finish-step"}, STEP, OUTPUT],
    "approval": [INPUT, request("a"), response("a"), DENIED],
    "approval without a word": [INPUT, request("a"), {"type": "tool-approval-response", "approvalId": "a"}],
    "approval for an unknown call": [request("a")],
    "answer to no request": [INPUT, request("a"), response("b")],
    "answer to an earlier request": [INPUT, request("a"), request("b"), response("a")],
    "answer to the last request": [INPUT, request("a"), request("b"), response("b")],
    "unknown call denied": [DENIED],
    "delta after a reset": [STEP, TEXT, RESET, DELTA],
    "input after a reset": [START, STEP, RESET, INPUT_DELTA],
    "output after a reset": [STEP, INPUT, RESET, OUTPUT],
    "answer after a reset": [STEP, INPUT, request("a"), RESET, response("a")],
    "output of an earlier step after a reset": [INPUT, STEP, RESET, OUTPUT],
    "reset of a step that took up a call": [INPUT, STEP, START, RESET, OUTPUT],
    "steering file": [{"type": "steering-message", "id": "1", "parts": [
        {"type": "file", "mediaType": "m", "url": "u", "filename": "f", "providerReference": {"p": "x"}}]}],
    "steering image": [{"type": "steering-message", "id": "1", "parts": [{"type": "image"}]}],
    "reason of AI SDK 5": [{"type": "finish", "finishReason": "unknown"}],
    "frames after finish": [{"type": "finish"}, TEXT, DELTA],
}  # fmt: skip

UI_BYTES: dict[str, bytes] = {
    **{name: b"".join(map(event, frames)) + DONE for name, frames in UI_STREAMS.items()},
    "CR LF": (event(TEXT) + event(DELTA) + DONE).replace(b"\n", b"\r\n"),
    "CR": (event(TEXT) + event(DELTA) + DONE).replace(b"\n", b"\r"),
    "byte order mark": b"\xef\xbb\xbf" + event(TEXT) + DONE,
    "comments": b": a\n\n" + event(TEXT) + b":\n" + event(DELTA) + DONE,
    "named event": b"event: ping\n" + event(TEXT) + DONE,
    "named event that is no frame": b"event: ping\ndata: {}\n\n" + DONE,
    "several lines": b'data: {"type":\ndata:"start"}\n\n' + DONE,
}

#: Where the two differ, and why.
UI_EXCEPTIONS: dict[str, tuple[bytes, str]] = {
    "no [DONE]": (event(TEXT), "assistant-ui's reader of the same bytes refuses it"),
    "end in an event": (event(TEXT) + b"data: {}\n", "the client drops the event without a word"),
    "no UTF-8": (
        event(TEXT) + event(b'{"type":"text-delta","id":"1","delta":"\xff"}') + DONE,
        "the client replaces it",
    ),
    "nested deep": (event(b'{"type":"data-x","data":' + b"[" * 300 + b"]" * 300 + b"}") + DONE, "no decoder reads it"),
    "after [DONE]": (DONE + event({"type": "weird"}), "assistant-ui's reader ignores what follows"),
    "another start": (
        b"".join(map(event, (TEXT, {"type": "start", "messageId": "other"}, DELTA))) + DONE,
        "readUIMessageStream begins a new message, useChat goes on",
    ),
    "metadata that cannot be merged": (
        b"".join(event({"type": "message-metadata", "messageMetadata": value}) for value in ("a", {"a": 1})) + DONE,
        "a TypeError in the client",
    ),
}


def test_strict_decoder_refuses_what_ai_sdk_refuses() -> None:
    require_clients()
    results = decode_all([Job("ai-sdk-ui", data) for data in UI_BYTES.values()])
    refused = {name: result["error"] for name, result in zip(UI_BYTES, results, strict=True)}
    for name, error in refused.items():
        reason = refusal(UIMessageStreamDecoder(strict=True), UI_BYTES[name])
        assert (reason is None) == (error is None), f"{name}: {reason}, but the client: {error}"
    # Both kinds are there in numbers.
    assert min(sum(error is None for error in refused.values()), sum(map(bool, refused.values()))) > 50


@pytest.mark.parametrize("name", UI_EXCEPTIONS)
def test_strict_decoder_differs_from_ai_sdk(name: str) -> None:
    require_clients()
    data, _ = UI_EXCEPTIONS[name]
    (result,) = decode_all([Job("ai-sdk-ui", data)])
    assert (refusal(UIMessageStreamDecoder(strict=True), data) is None) != (result["error"] is None)


# --- The inputs of the self-test ------------------------------------------------------------------

BAD_INPUTS = json.loads((FOLDER / "inputs" / "bad" / "index.json").read_text())

#: What is bad there without the client refusing it.
ACCEPTED = {
    "ai-sdk-ui--text-never-ended.txt": "the part stays open",
}


@pytest.mark.parametrize("file", [entry["file"] for entry in BAD_INPUTS if entry["protocol"] == "ai-sdk-ui"])
def test_strict_decoder_refuses_the_bad_inputs(file: str) -> None:
    data = (FOLDER / "inputs" / "bad" / file).read_bytes()
    assert (refusal(UIMessageStreamDecoder(strict=True), data) is None) == (file in ACCEPTED)
