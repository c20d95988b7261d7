"""A strict decoder rejects what the real client rejects; the exceptions are listed here with reasons."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce import DecodeError
from assistant_stream_ce.serialization import AGUIDecoder, Decoder, UIMessageStreamDecoder
from tests.conformance.clients import FOLDER, Job, decode_all, require_clients
from tests.serialization.round_trips import decoded


def refusal(decoder: Decoder, data: bytes) -> str | None:
    """Return why a decoder refuses a stream, or None."""
    try:
        decoded(decoder, [data])
    except DecodeError as error:
        return error.reason
    return None


def assert_agree(protocol: str, make_decoder: type[Decoder], streams: dict[str, bytes]) -> None:
    """Hold that a strict decoder and a client refuse the same streams, and take the same."""
    results = decode_all([Job(protocol, data) for data in streams.values()])
    errors = {name: result["error"] for name, result in zip(streams, results, strict=True)}
    reasons = {name: refusal(make_decoder(strict=True), data) for name, data in streams.items()}
    differ = {name: (reasons[name], errors[name]) for name in streams if bool(reasons[name]) != bool(errors[name])}
    assert not differ
    # Both kinds are there in numbers.
    assert min(sum(map(bool, errors.values())), sum(not error for error in errors.values())) > 50


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
    assert_agree("ai-sdk-ui", UIMessageStreamDecoder, UI_BYTES)


@pytest.mark.parametrize("name", UI_EXCEPTIONS)
def test_strict_decoder_differs_from_ai_sdk(name: str) -> None:
    require_clients()
    data, _ = UI_EXCEPTIONS[name]
    (result,) = decode_all([Job("ai-sdk-ui", data)])
    assert (refusal(UIMessageStreamDecoder(strict=True), data) is None) != (result["error"] is None)


# --- AG-UI ----------------------------------------------------------------------------------------

RUN = {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}
FINISHED = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}
FAILED = {"type": "RUN_ERROR", "message": "e"}
MESSAGE = {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}
PIECE = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "x"}
MESSAGE_END = {"type": "TEXT_MESSAGE_END", "messageId": "m"}
SHORT_TEXT = {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m", "delta": "x"}
SPAN = {"type": "REASONING_START", "messageId": "m"}
SPAN_END = {"type": "REASONING_END", "messageId": "m"}
REASONING = {"type": "REASONING_MESSAGE_START", "messageId": "m", "role": "reasoning"}
REASONING_PIECE = {"type": "REASONING_MESSAGE_CONTENT", "messageId": "m", "delta": "x"}
REASONING_END = {"type": "REASONING_MESSAGE_END", "messageId": "m"}
SHORT_REASONING = {"type": "REASONING_MESSAGE_CHUNK", "messageId": "m", "delta": "x"}
SIGNATURE = {"type": "REASONING_ENCRYPTED_VALUE", "subtype": "message", "entityId": "m", "encryptedValue": "v"}
CALL = {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "t"}
ARGS = {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": "{}"}
CALL_END = {"type": "TOOL_CALL_END", "toolCallId": "c"}
SHORT_CALL = {"type": "TOOL_CALL_CHUNK", "toolCallId": "c", "toolCallName": "t", "delta": "{}"}
RESULT = {"type": "TOOL_CALL_RESULT", "messageId": "tm", "toolCallId": "c", "content": "1", "role": "tool"}
SNAPSHOT = {"type": "STATE_SNAPSHOT", "snapshot": {"a": {"b": 1}, "l": [1, 2]}}
STEP_STARTED = {"type": "STEP_STARTED", "stepName": "s"}
STEP_FINISHED = {"type": "STEP_FINISHED", "stepName": "s"}
ACTIVITY = {"type": "ACTIVITY_SNAPSHOT", "messageId": "a", "activityType": "plan", "content": {"a": 1}}
CUSTOM = {"type": "CUSTOM", "name": "n", "value": None}
SUBAGENT = {"type": "SUBAGENT_STARTED", "subagentRunId": "s1", "name": "n"}
SUBAGENT_END = {"type": "SUBAGENT_FINISHED", "subagentRunId": "s1"}


def of(subagent: str, event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "subagentRunId": subagent}


def delta(*operations: Any) -> dict[str, Any]:
    return {"type": "STATE_DELTA", "delta": list(operations)}


def outcome(kind: str, **fields: Any) -> dict[str, Any]:
    return {**FINISHED, "outcome": {"type": kind, **fields}}


def messages(*values: Any) -> dict[str, Any]:
    return {"type": "MESSAGES_SNAPSHOT", "messages": list(values)}


def asked(*values: Any, **fields: Any) -> dict[str, Any]:
    """Return the start of a run with what the client has asked."""
    return {**RUN, "input": {"threadId": "t", "runId": "r", "messages": list(values), **fields}}


def content(*parts: Any) -> dict[str, Any]:
    return {**RESULT, "content": list(parts)}


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


USER = {"id": "u", "role": "user", "content": "hi"}
ASSISTANT = {"id": "am", "role": "assistant", "toolCalls": [
    {"id": "c", "type": "function", "function": {"name": "t", "arguments": "{}"}}]}  # fmt: skip
PLAN = {"id": "a", "role": "activity", "activityType": "plan", "content": {}}

#: Each type with the fields that it must have, some of those that it may have, what must come before it and after.
EVENTS: list[tuple[dict[str, Any], dict[str, Any], list[Any], list[Any]]] = [
    (RUN, {"protocolVersion": "1", "parentRunId": "p", "subagentRunId": "s1"}, [], []),
    (STEP_STARTED, {}, [RUN], [STEP_FINISHED]),
    (STEP_FINISHED, {}, [RUN, STEP_STARTED], []),
    (MESSAGE, {"name": "n"}, [RUN], [MESSAGE_END]),
    (PIECE, {}, [RUN, MESSAGE], [MESSAGE_END]),
    (MESSAGE_END, {}, [RUN, MESSAGE], []),
    (SHORT_TEXT, {"role": "assistant", "name": "n"}, [RUN], []),
    (SPAN, {}, [RUN], [SPAN_END]),
    (SPAN_END, {}, [RUN, SPAN], []),
    (REASONING, {}, [RUN], [REASONING_END]),
    (REASONING_PIECE, {}, [RUN, REASONING], [REASONING_END]),
    (SHORT_REASONING, {}, [RUN], []),
    (SIGNATURE, {}, [RUN], []),
    (CALL, {"parentMessageId": "p"}, [RUN], [CALL_END]),
    (ARGS, {}, [RUN, CALL], [CALL_END]),
    (CALL_END, {}, [RUN, CALL], []),
    (SHORT_CALL, {"parentMessageId": "p"}, [RUN], []),
    (RESULT, {}, [RUN], []),
    (SNAPSHOT, {}, [RUN], []),
    (delta({"op": "replace", "path": "", "value": 1}), {}, [RUN, SNAPSHOT], []),
    (messages(), {}, [RUN], []),
    (ACTIVITY, {"replace": False}, [RUN], []),
    ({"type": "ACTIVITY_DELTA", "messageId": "a", "activityType": "plan", "patch": []}, {}, [RUN, ACTIVITY], []),
    ({"type": "RAW", "event": 1}, {"source": "s"}, [RUN], []),
    (CUSTOM, {}, [RUN], []),
    (SUBAGENT, {"description": "d", "parentToolCallId": "c", "parentMessageId": "m"}, [RUN], [SUBAGENT_END]),
    (SUBAGENT_END, {"result": 1, "outcome": {"type": "success"}}, [RUN, SUBAGENT], []),
    ({"type": "SUBAGENT_ERROR", "subagentRunId": "s1", "message": "e"}, {"code": "c"}, [RUN, SUBAGENT], []),
    (FAILED, {"code": "c", "usage": []}, [RUN], []),
    (FINISHED, {"result": 1, "outcome": {"type": "success"}, "usage": [{"inputTokens": 1}]}, [RUN], []),
]


def varied_events() -> dict[str, list[Any]]:
    """Return each event whole, without one of its fields, and with something else in the place of each."""
    streams: dict[str, list[Any]] = {}
    for required, optional, before, after in EVENTS:
        kind = required["type"]
        event = {**required, **optional, "timestamp": 1, "metadata": {"a": None}, "rawEvent": None, "more": 1}
        end = [] if kind in ("RUN_FINISHED", "RUN_ERROR") else [FINISHED]
        variations: dict[str, Any] = {"": required, " with all": event}
        for name in event:
            if name == "type":
                continue
            variations[f" without {name}"] = {key: event[key] for key in event if key != name}
            for value in (None, 5, 1.5, [], {}, "a"):
                variations[f" with {value} as {name}"] = {**event, name: value}
        for name, variation in variations.items():
            streams[f"{kind}{name}"] = [*before, variation, *after, *end]
    return streams


def in_run(*events: Any) -> list[Any]:
    return [RUN, *events, FINISHED]


AG_UI_STREAMS: dict[str, list[Any]] = {
    **varied_events(),
    "run": [RUN, FINISHED],
    "array": [[1]],
    "null": [None],
    "no type": [{}],
    "empty type": [{"type": ""}],
    "no JSON": [b"{"],
    "NaN": in_run(b'{"type":"CUSTOM","name":"n","value":NaN}'),
    "__proto__": in_run({**CUSTOM, "value": {"__proto__": 1}}),
    "[DONE]": [RUN, FINISHED, b"[DONE]"],
    # Runs.
    "no start": [MESSAGE, MESSAGE_END, FINISHED],
    "error first": [FAILED],
    "two starts": [RUN, RUN, FINISHED],
    "two runs": [RUN, FINISHED, RUN, FINISHED],
    "event after the end": [RUN, FINISHED, CUSTOM],
    "error after the end": [RUN, FINISHED, FAILED],
    "event after an error": [RUN, FAILED, CUSTOM],
    "error after an error": [RUN, FAILED, FAILED],
    "run after an error": [RUN, MESSAGE, FAILED, RUN, MESSAGE, MESSAGE_END, FINISHED],
    "error while all is open": [RUN, MESSAGE, CALL, SPAN, REASONING, STEP_STARTED, SUBAGENT, FAILED],
    "open text": in_run(MESSAGE),
    "open call": in_run(CALL),
    "open reasoning": in_run(SPAN),
    "open reasoning message": in_run(REASONING),
    "open step": in_run(STEP_STARTED),
    "open subagent": in_run(SUBAGENT),
    "open short text": in_run(SHORT_TEXT),
    # What is opened and ended.
    "text": in_run(MESSAGE, PIECE, {**PIECE, "delta": ""}, MESSAGE_END),
    "text of a user": in_run({**MESSAGE, "role": "user"}, PIECE, MESSAGE_END),
    "text of a tool": in_run({**MESSAGE, "role": "tool"}, PIECE, MESSAGE_END),
    "text twice": in_run(MESSAGE, MESSAGE_END, MESSAGE, PIECE, MESSAGE_END),
    "text opened twice": in_run(MESSAGE, MESSAGE, MESSAGE_END),
    "piece without start": in_run(PIECE),
    "end without start": in_run(MESSAGE_END),
    "piece after the end": in_run(MESSAGE, MESSAGE_END, PIECE),
    "texts side by side": in_run(
        MESSAGE, {**MESSAGE, "messageId": "n"}, PIECE, {**PIECE, "messageId": "n"}, MESSAGE_END,
        {**MESSAGE_END, "messageId": "n"}),
    "text and reasoning of one id": in_run(MESSAGE, SPAN, REASONING, PIECE, REASONING_PIECE, REASONING_END, SPAN_END,
                                           MESSAGE_END),
    "reasoning opened twice": in_run(REASONING, REASONING, REASONING_END),
    "span opened twice": in_run(SPAN, SPAN, SPAN_END),
    "reasoning in no span": in_run(REASONING, REASONING_PIECE, REASONING_END),
    "span without start": in_run(SPAN_END),
    "reasoning piece in a span": in_run(SPAN, REASONING_PIECE, SPAN_END),
    "call opened twice": in_run(CALL, CALL, CALL_END),
    "call twice": in_run(CALL, CALL_END, CALL, ARGS, CALL_END),
    "arguments without start": in_run(ARGS),
    "call ended twice": in_run(CALL, CALL_END, CALL_END),
    "calls side by side": in_run(CALL, {**CALL, "toolCallId": "d"}, ARGS, CALL_END, {**CALL_END, "toolCallId": "d"}),
    "result of an unknown call": in_run(RESULT),
    "two results": in_run(RESULT, RESULT),
    "step opened twice": in_run(STEP_STARTED, STEP_STARTED, STEP_FINISHED),
    "step without start": in_run(STEP_FINISHED),
    # Short events.
    "short text": in_run(SHORT_TEXT, {"type": "TEXT_MESSAGE_CHUNK", "delta": "y"}),
    "short text without id": in_run({"type": "TEXT_MESSAGE_CHUNK", "delta": "y"}),
    "short text after another event": in_run(SHORT_TEXT, CUSTOM, {"type": "TEXT_MESSAGE_CHUNK", "delta": "y"}),
    "short text after raw": in_run(
        SHORT_TEXT, {"type": "RAW", "event": 1}, {"type": "TEXT_MESSAGE_CHUNK", "delta": "y"}),
    "short text of another role": in_run(SHORT_TEXT, {**SHORT_TEXT, "role": "user"}),
    "short text of the same role": in_run(SHORT_TEXT, {**SHORT_TEXT, "role": "assistant"}),
    "short text of another name": in_run(SHORT_TEXT, {**SHORT_TEXT, "name": "n"}),
    "short text beside a long one": in_run(MESSAGE, SHORT_TEXT, MESSAGE_END),
    "short text then long end": in_run(SHORT_TEXT, MESSAGE_END),
    "short texts of two ids": in_run(SHORT_TEXT, {**SHORT_TEXT, "messageId": "n"}, SHORT_TEXT),
    "short call": in_run(SHORT_CALL, {"type": "TOOL_CALL_CHUNK", "delta": "y"}),
    "short call without name": in_run({"type": "TOOL_CALL_CHUNK", "toolCallId": "c", "delta": "y"}),
    "short call of another name": in_run(SHORT_CALL, {**SHORT_CALL, "toolCallName": "u"}),
    "short call of another message": in_run(SHORT_CALL, {**SHORT_CALL, "parentMessageId": "n"}),
    "short call then text": in_run(SHORT_CALL, SHORT_TEXT, {"type": "TOOL_CALL_CHUNK", "delta": "y"}),
    "short reasoning": in_run(SHORT_REASONING, SIGNATURE, {"type": "REASONING_MESSAGE_CHUNK", "delta": "y"}),
    "short reasoning in a span": in_run(SPAN, SHORT_REASONING, SPAN_END),
    "short texts of two subagents": in_run(
        of("s1", SHORT_TEXT), of("s2", {**SHORT_TEXT, "messageId": "n"}), {"type": "TEXT_MESSAGE_CHUNK", "delta": "y"}),
    "short text that finds its subagent": in_run(
        of("s1", SHORT_TEXT), {"type": "TEXT_MESSAGE_CHUNK", "delta": "y"}, SHORT_TEXT),
    "short text of another subagent": in_run(of("s1", SHORT_TEXT), of("s2", SHORT_TEXT)),
    "short text that its subagent ends": in_run(
        SUBAGENT, of("s1", SHORT_TEXT), SUBAGENT_END, {"type": "TEXT_MESSAGE_CHUNK", "delta": "y"}),
    # Subagents.
    "subagent": in_run(SUBAGENT, of("s1", MESSAGE), of("s1", PIECE), MESSAGE_END, SUBAGENT_END),
    "subagent started twice": in_run(SUBAGENT, SUBAGENT, SUBAGENT_END),
    "subagent started again": in_run(SUBAGENT, SUBAGENT_END, SUBAGENT),
    "subagent ended without start": in_run(SUBAGENT_END),
    "subagent of an unknown one": in_run({**SUBAGENT, "parentSubagentRunId": "s0"}, SUBAGENT_END),
    "subagent of a known one": in_run(
        SUBAGENT, {**SUBAGENT, "subagentRunId": "s2", "parentSubagentRunId": "s1"}, SUBAGENT_END,
        {**SUBAGENT_END, "subagentRunId": "s2"}),
    "subagent suspended": in_run(
        SUBAGENT, {**SUBAGENT_END, "outcome": {"type": "suspended", "interruptIds": ["i"]}}),
    "subagent suspended by a number": in_run(
        SUBAGENT, {**SUBAGENT_END, "outcome": {"type": "suspended", "interruptIds": [5]}}),
    "piece of another subagent": in_run(MESSAGE, of("s1", PIECE), MESSAGE_END),
    "end of another subagent": in_run(of("s1", MESSAGE), of("s2", MESSAGE_END)),
    "text again by another subagent": in_run(of("s1", MESSAGE), MESSAGE_END, of("s2", MESSAGE), MESSAGE_END),
    "step of another subagent": in_run(of("s1", STEP_STARTED), STEP_FINISHED),
    "step of two subagents": in_run(
        of("s1", STEP_STARTED), STEP_STARTED, STEP_FINISHED, of("s1", STEP_FINISHED)),
    "call in a message of a subagent": in_run(
        of("s1", MESSAGE), MESSAGE_END, {**CALL, "parentMessageId": "m"}, of("s1", ARGS), CALL_END),
    "call in a message of another subagent": in_run(
        MESSAGE, MESSAGE_END, of("s1", {**CALL, "parentMessageId": "m"}), CALL_END),
    "call again in a message of another": in_run(
        of("s1", MESSAGE), MESSAGE_END, CALL, CALL_END, {**CALL, "parentMessageId": "m"}, CALL_END),
    "signature of another subagent": in_run(of("s1", REASONING), REASONING_END, of("s2", SIGNATURE)),
    "signature of a call of another": in_run(
        of("s1", CALL), CALL_END, of("s2", {**SIGNATURE, "subtype": "tool-call", "entityId": "c"})),
    "text with the id of a result": in_run(RESULT, of("s1", {**MESSAGE, "messageId": "tm"}),
                                           {**MESSAGE_END, "messageId": "tm"}),
    "activity of another subagent": in_run(
        ACTIVITY, of("s1", {"type": "ACTIVITY_DELTA", "messageId": "a", "activityType": "plan", "patch": []})),
    "text of a message of the past": [
        asked({**USER, "subagentRunId": "s1"}), of("s2", {**MESSAGE, "messageId": "u"}),
        {**MESSAGE_END, "messageId": "u"}, FINISHED],
    "call of a message of the past": in_run(messages({**ASSISTANT, "subagentRunId": "s1"}), of("s2", CALL), CALL_END),
    # Unions discriminated by a field.
    "add": in_run(SNAPSHOT, delta({"op": "add", "path": "/a/c", "value": None, "more": 1})),
    "add without a value": in_run(SNAPSHOT, delta({"op": "add", "path": "/a/c"})),
    "remove": in_run(SNAPSHOT, delta({"op": "remove", "path": "/l/0"})),
    "move": in_run(SNAPSHOT, delta({"op": "move", "from": "/a", "path": "/c"})),
    "move from nowhere": in_run(SNAPSHOT, delta({"op": "move", "path": "/c"})),
    "copy": in_run(SNAPSHOT, delta({"op": "copy", "from": "/a", "path": "/l/-"})),
    "test": in_run(SNAPSHOT, delta({"op": "test", "path": "/a/b", "value": 1})),
    "path that is no pointer": in_run(SNAPSHOT, delta({"op": "remove", "path": "a"})),
    "path with a wrong escape": in_run(SNAPSHOT, delta({"op": "remove", "path": "/~2"})),
    "path with a newline": in_run(SNAPSHOT, delta({"op": "add", "path": "/a\n", "value": 1})),
    "operation of an unknown kind": in_run(SNAPSHOT, delta({"op": "new", "path": 5})),
    "operation that is text": in_run(SNAPSHOT, delta("add")),
    "patch that is an object": in_run(SNAPSHOT, {"type": "STATE_DELTA", "delta": {}}),
    "success": [RUN, outcome("success", pendingToolCallIds=["c"])],
    "success with a number": [RUN, outcome("success", pendingToolCallIds=[5])],
    "interrupt": [RUN, outcome("interrupt", interrupts=[{"id": "i", "reason": "r", "responseSchema": {}}])],
    "interrupt without one": [RUN, outcome("interrupt", interrupts=[])],
    "interrupt without a reason": [RUN, outcome("interrupt", interrupts=[{"id": "i"}])],
    "cancelled": [RUN, outcome("cancelled")],
    "outcome of an unknown kind": [RUN, outcome("new", interrupts=5)],
    "outcome that is text": [RUN, {**FINISHED, "outcome": "success"}],
    "usage": [RUN, {**FINISHED, "usage": [{"model": "m", "inputTokens": 1, "outputTokens": 2.0}]}],
    "usage below zero": [RUN, {**FINISHED, "usage": [{"inputTokens": -1}]}],
    "usage that is an object": [RUN, {**FINISHED, "usage": {"inputTokens": 1}}],
    "result in parts": in_run(content({"type": "text", "text": "a"}, image(type="url", value="u"))),
    "result of a part without text": in_run(content({"type": "text"})),
    "result of text with null metadata": in_run(content({"type": "text", "text": "a", "metadata": None})),
    "result of an image without source": in_run(content({"type": "image"})),
    "result of an image with bytes": in_run(content(image(type="data", value="u", mimeType="m"))),
    "result of an image without type": in_run(content(image(type="data", value="u"))),
    "result of an image of a new kind": in_run(content({**image(type="new"), "id": 5})),
    "result of an image in a text": in_run(content({"type": "image", "source": "u"})),
    "result of an image with null metadata": in_run(content({**image(type="url", value="u"), "metadata": None})),
    "result of a new kind": in_run(content({"type": "new"})),
    "result of a text in a list": in_run(content("a")),
    "result that is an object": in_run({**RESULT, "content": {}}),
    "messages": in_run(messages(USER, ASSISTANT, PLAN, {"id": "x", "role": "reasoning", "content": "x"},
                                {"id": "y", "role": "tool", "content": "x", "toolCallId": "c"})),
    "message without id": in_run(messages({"role": "user", "content": "hi"})),
    "message of a new kind": in_run(messages({"role": "new"})),
    "message of a kind that is a list": in_run(messages({"role": [], "id": 5})),
    "message that is text": in_run(messages("hi")),
    "message of nobody": in_run(messages({**USER, "subagentRunId": None})),
    "message with a call of another kind": in_run(
        messages({**ASSISTANT, "toolCalls": [{**ASSISTANT["toolCalls"][0], "type": "new"}]})),
    "message with an image": in_run(messages({**USER, "content": [image(type="url", value="u")]})),
    "message with an image and null metadata": in_run(
        messages({**USER, "content": [{**image(type="url", value="u"), "metadata": None}]})),
    "message with a binary of the past": in_run(
        messages({**USER, "content": [{"type": "binary", "mimeType": "image/png", "url": "u"}]})),
    "input": [
        asked(USER, tools=[{"name": "n", "description": "d", "parameters": None}], context=[], state=None,
              forwardedProps=None, resume=[{"interruptId": "i", "status": "resolved", "payload": None}]),
        FINISHED],
    "input with a tool without description": [asked(tools=[{"name": "n"}]), FINISHED],
    "input with an unknown resume": [asked(resume=[{"interruptId": "i", "status": "new"}]), FINISHED],
    "input without messages": [{**RUN, "input": {"threadId": "t", "runId": "r"}}, FINISHED],
    "input that is null": [{**RUN, "input": None}, FINISHED],
    # Events of the past.
    "thinking": in_run(
        {"type": "THINKING_START", "title": "t"}, {"type": "THINKING_TEXT_MESSAGE_START"},
        {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "x"}, {"type": "THINKING_TEXT_MESSAGE_END"},
        {"type": "THINKING_END"}),
    "thinking that never ends": in_run({"type": "THINKING_START"}),
    "thinking without start": in_run({"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "x"}),
    "thinking without a text": in_run({"type": "THINKING_TEXT_MESSAGE_START"},
                                      {"type": "THINKING_TEXT_MESSAGE_CONTENT"}),
    "thinking ended without start": in_run({"type": "THINKING_END"}),
}  # fmt: skip

AG_UI_BYTES: dict[str, bytes] = {
    **{name: b"".join(map(event, events)) for name, events in AG_UI_STREAMS.items()},
    "CR LF": (event(RUN) + event(FINISHED)).replace(b"\n", b"\r\n"),
    "CR": (event(RUN) + event(FINISHED)).replace(b"\n", b"\r"),
    "CR before LF LF": event(RUN).replace(b"\n\n", b"\r\n\n") + event(FINISHED),
    "CR LF at the very end": event(RUN) + event(FINISHED).replace(b"\n", b"\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + event(RUN) + event(FINISHED),
    "comments": b": a\n\n" + event(RUN) + b":\n" + event(FINISHED),
    "named event": b"event: ping\nid: 5\n" + event(RUN) + event(FINISHED),
    "several lines": b'data: {"type":\ndata:"RUN_ERROR","message":"e"}\n\n',
    "end in an event": event(RUN) + event(FINISHED).rstrip(b"\n"),
    "end in a text": event(RUN) + event(FINISHED)[:-10],
}

#: Where the two differ, and why.
AG_UI_EXCEPTIONS: dict[str, tuple[bytes, str]] = {
    "unknown type": (b"".join(map(event, in_run({"type": "NEW"}))), "dropped with a warning; 0.0.59 refuses it"),
    "patch that does not fit": (
        b"".join(map(event, in_run(SNAPSHOT, delta({"op": "remove", "path": "/x"})))),
        "dropped with a warning",
    ),
    "patch of an unknown activity": (
        b"".join(map(event, in_run({"type": "ACTIVITY_DELTA", "messageId": "a", "activityType": "plan", "patch": []}))),
        "dropped with a warning",
    ),
    "run without an end": (event(RUN), "the client cannot distinguish it from a lost connection, and requires no end"),
    "no UTF-8": (
        b"".join(map(event, (RUN, b'{"type":"CUSTOM","name":"\xff","value":1}', FINISHED))),
        "the client replaces it",
    ),
    "nested deep": (
        b"".join(map(event, (RUN, b'{"type":"RAW","event":' + b"[" * 300 + b"]" * 300 + b"}", FINISHED))),
        "no decoder reads it",
    ),
}


def test_strict_decoder_refuses_what_ag_ui_refuses() -> None:
    require_clients()
    assert_agree("ag-ui", AGUIDecoder, AG_UI_BYTES)


@pytest.mark.parametrize("name", AG_UI_EXCEPTIONS)
def test_strict_decoder_differs_from_ag_ui(name: str) -> None:
    require_clients()
    data, _ = AG_UI_EXCEPTIONS[name]
    assert refusal(AGUIDecoder(strict=True), data) is not None
    assert decode_all([Job("ag-ui", data)])[0]["error"] is None


def test_strict_decoder_refuses_an_event_that_is_too_large_for_ag_ui() -> None:
    require_clients()
    data = b"".join(map(event, in_run({**CUSTOM, "value": "x" * 11 * 1024 * 1024})))
    assert refusal(AGUIDecoder(strict=True), data) is not None
    (result,) = decode_all([Job("ag-ui", data, fragment=1024 * 1024)])
    assert "exceeded maximum limit of 10 MB" in result["error"]


# --- The inputs of the self-test ------------------------------------------------------------------

BAD_INPUTS = json.loads((FOLDER / "inputs" / "bad" / "index.json").read_text())

#: What is bad there without the client refusing it.
ACCEPTED = {
    "ai-sdk-ui--text-never-ended.txt": "the part stays open",
}


@pytest.mark.parametrize(
    ("file", "make_decoder"),
    [
        (entry["file"], make_decoder)
        for protocol, make_decoder in (("ai-sdk-ui", UIMessageStreamDecoder), ("ag-ui", AGUIDecoder))
        for entry in BAD_INPUTS
        if entry["protocol"] == protocol
    ],
)
def test_strict_decoder_refuses_the_bad_inputs(file: str, make_decoder: type[Decoder]) -> None:
    data = (FOLDER / "inputs" / "bad" / file).read_bytes()
    assert (refusal(make_decoder(strict=True), data) is None) == (file in ACCEPTED)
