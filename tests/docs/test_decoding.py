"""Checks of docs/decoding.rst."""

import json
import os

from assistant_stream_ce import chunks as c
from assistant_stream_ce import create_run
from assistant_stream_ce.serialization import (
    AGUIDecoder,
    AGUIEncoder,
    AssistantTransportDecoder,
    AssistantTransportEncoder,
    DataStreamDecoder,
    DataStreamEncoder,
    OpenAIStreamDecoder,
    OpenAIStreamEncoder,
    UIMessageStreamDecoder,
    UIMessageStreamEncoder,
    decode,
)
from tests.docs.clients import post, serve, table
from tests.docs.runner import Document

doc = Document("docs/decoding.rst")
page = doc.page


@doc.after("# proxy.py")
def check_proxy_forwards_text_and_state() -> None:
    from assistant_stream_ce.responses.wsgi import DataStreamResponse

    def answer(controller):
        controller.append_text("Hello")
        controller.state["greetings"] += 1

    def upstream(environ, start_response):
        return DataStreamResponse(create_run(answer, state={"greetings": 1}))(environ, start_response)

    os.environ["UPSTREAM_URL"] = serve(upstream)
    reply = post(page.app, "/chat", {"state": {"greetings": 1}})
    assert reply.status == 200
    assert '"textDelta":"Hello"' in reply.text, reply.text
    assert '"path":["greetings"],"value":2' in reply.text, reply.text
    assert reply.text.endswith("data: [DONE]\n\n")


@doc.before("from assistant_stream_ce.serialization import AGUIDecoder")
def check_table_of_round_trips() -> None:
    begin, args = c.ToolCallBeginChunk("1", "tool"), c.ToolCallDeltaChunk("1", "{}")
    samples = {
        "TextDeltaChunk, ReasoningDeltaChunk": [[c.TextDeltaChunk("x")], [c.ReasoningDeltaChunk("x")]],
        "the same with a parent": [[c.TextDeltaChunk("x", "p")], [c.ReasoningDeltaChunk("x", "p")]],
        "RefusalDeltaChunk": [[c.RefusalDeltaChunk("x")]],
        "ReasoningPartChunk": [[c.ReasoningPartChunk("x", "p")]],
        "ReasoningSignatureChunk": [[c.ReasoningSignatureChunk("x")]],
        "ProviderMetadataChunk": [[c.TextDeltaChunk("x"), c.ProviderMetadataChunk({"p": {"a": 1}}, "text")]],
        "ToolCallChunk": [[c.ToolCallChunk("1", "tool", {"a": 1})]],
        "ToolCallBeginChunk": [[begin]],
        "the same with provider_metadata": [[c.ToolCallBeginChunk("1", "tool", provider_metadata={"p": {"a": 1}})]],
        "the same with provider_executed or dynamic": [
            [c.ToolCallBeginChunk("1", "tool", None, True)],
            [c.ToolCallBeginChunk("1", "tool", None, False, True)],
        ],
        "ToolCallDeltaChunk": [[begin, args]],
        "the same with is_final": [[begin, args, c.ToolCallDeltaChunk("1", "", is_final=True)]],
        "ToolResultChunk": [[begin, c.ToolResultChunk("1", {"a": 1}, [2], True, ["m"])]],
        "the same with denied": [[begin, c.ToolResultChunk("1", "no", is_error=True, denied=True)]],
        "the same with preliminary": [[begin, c.ToolResultChunk("1", 1, preliminary=True)]],
        "ToolApprovalRequestChunk": [[begin, c.ToolApprovalRequestChunk("1", "a", "s")]],
        "SourceChunk, SourceDocumentChunk, FileChunk": [
            [c.SourceChunk("1", "u", "x", "t", "p")],
            [c.SourceDocumentChunk("1", "m", "t", "f", "p")],
            [c.FileChunk("aGk=", "text/plain", "p", "f")],
        ],
        "DataChunk, AnnotationsChunk": [[c.DataChunk(1)], [c.AnnotationsChunk([1, None])]],
        "DataPartChunk": [[c.DataPartChunk("x", 1, "i", parent_id="p")]],
        "a transient DataPartChunk": [[c.DataPartChunk("x", 1, transient=True)]],
        "UpdateStateChunk": [[c.UpdateStateChunk([{"type": "set", "path": ["a"], "value": 1}])]],
        "StepStartChunk, StepFinishChunk": [
            [c.StepStartChunk("m")],
            [c.StepStartChunk("m"), c.StepFinishChunk("stop", 1, 2, True)],
        ],
        "MessageFinishChunk": [[c.MessageFinishChunk("length", 3, 4)]],
        "ErrorChunk": [[c.ErrorChunk("x")]],
        "the same with a code": [[c.ErrorChunk("x", "c")]],
    }
    stand_ins = {
        c.RefusalDeltaChunk: c.TextDeltaChunk,
        c.ReasoningPartChunk: c.ReasoningDeltaChunk,
        c.ToolCallChunk: c.ToolCallBeginChunk,
        c.DataPartChunk: c.DataChunk,
    }
    wires = [
        (DataStreamEncoder, DataStreamDecoder),
        (AssistantTransportEncoder, AssistantTransportDecoder),
        (lambda: OpenAIStreamEncoder(include_usage=True), OpenAIStreamDecoder),
        (lambda: UIMessageStreamEncoder(state={}), UIMessageStreamDecoder),
        (lambda: AGUIEncoder(state={}), AGUIDecoder),
    ]

    def arrival(sample, make_encoder, make_decoder):
        encoder = make_encoder()
        data = b"".join(map(encoder.encode, sample)) + encoder.finish()
        got = list(decode([data], make_decoder(strict=True)))
        if sample[-1] in got:
            return "the same"
        kind = type(sample[-1])
        return "changed" if {kind, stand_ins.get(kind)} & set(map(type, got)) else "not carried"

    rows = table("decoding.rst", "Chunks that were encoded and decoded")
    assert [row[0] for row in rows] == list(samples)
    for name, *words in rows:
        for sample in samples[name]:
            for word, wire in zip(words, wires, strict=True):
                is_changed = word not in ("the same", "not carried")
                assert arrival(sample, *wire) == ("changed" if is_changed else word), (name, word)


@doc.before("from assistant_stream_ce.serialization import AGUIDecoder")
def check_table_of_ui_frames() -> None:
    frames = {
        "tool-input-available without a start": (
            [{"type": "tool-input-available", "toolCallId": "1", "toolName": "t", "input": {}}],
            c.ToolCallChunk("1", "t", {}),
        ),
        "tool-input-available with another input than the deltas": (
            [
                {"type": "tool-input-start", "toolCallId": "1", "toolName": "t"},
                {"type": "tool-input-delta", "toolCallId": "1", "inputTextDelta": "{}"},
                {"type": "tool-input-available", "toolCallId": "1", "toolName": "t", "input": {"a": 1}},
            ],
            c.ToolCallDeltaChunk("1", "", True, {"a": 1}),
        ),
        "toolCallId of an earlier step in a new tool-input-...": (
            [
                {"type": "tool-input-available", "toolCallId": "call-1", "toolName": "t", "input": {}},
                {"type": "start-step"},
                {"type": "tool-input-available", "toolCallId": "call-1", "toolName": "t", "input": {}},
            ],
            c.ToolCallChunk("call-1-2", "t", {}),
        ),
        "providerExecuted, dynamic": (
            [
                {
                    "type": "tool-input-start",
                    "toolCallId": "1",
                    "toolName": "t",
                    "providerExecuted": True,
                    "dynamic": True,
                }
            ],
            c.ToolCallBeginChunk("1", "t", None, True, True),
        ),
        "tool-output-available with preliminary": (
            [{"type": "tool-output-available", "toolCallId": "1", "output": 1, "preliminary": True}],
            c.ToolResultChunk("1", 1, preliminary=True),
        ),
        "tool-input-error, tool-output-error": (
            [{"type": "tool-output-error", "toolCallId": "1", "errorText": "e"}],
            c.ToolResultChunk("1", "e", is_error=True),
        ),
        "tool-output-denied": (
            [{"type": "tool-output-denied", "toolCallId": "1"}],
            c.ToolResultChunk("1", "Tool execution denied.", is_error=True, denied=True),
        ),
        "tool-approval-request": (
            [
                {"type": "tool-input-available", "toolCallId": "1", "toolName": "t", "input": {}},
                {"type": "tool-approval-request", "toolCallId": "1", "approvalId": "a"},
            ],
            c.ToolApprovalRequestChunk("1", "a"),
        ),
        "file with a base64 data: URL": (
            [{"type": "file", "url": "data:a/b;base64,aGk=", "mediaType": "a/b"}],
            c.FileChunk("aGk=", "a/b"),
        ),
        "data-state with the id state": (
            [{"type": "data-state", "id": "state", "data": 1}],
            c.UpdateStateChunk([{"type": "set", "path": [], "value": 1}]),
        ),
        "data-data, data-annotations": ([{"type": "data-data", "data": 1}], c.DataChunk(1)),
        "any other data-...": ([{"type": "data-x", "data": 1}], c.DataPartChunk("x", 1)),
        "finish, abort": ([{"type": "abort"}], c.MessageFinishChunk("interrupted")),
        "providerMetadata of a text or reasoning": (
            [{"type": "text-end", "id": "1", "providerMetadata": {"p": {"itemId": "i"}}}],
            c.ProviderMetadataChunk({"p": {"itemId": "i"}}),
        ),
        "the same of reasoning, with a signature": (
            [{"type": "reasoning-end", "id": "1", "providerMetadata": {"p": {"signature": "s"}}}],
            c.ReasoningSignatureChunk("s"),
        ),
        "usage in the message's metadata": (
            [{"type": "finish", "messageMetadata": {"usage": {"inputTokens": 1}}}],
            c.MessageFinishChunk("unknown", 1),
        ),
    }
    rows = table("decoding.rst", "Frames of other servers")
    assert [row[0] for row in rows] == list(frames)
    for values, wanted in frames.values():
        lines = [f"data: {json.dumps(value)}\n\n".encode() for value in values]
        assert list(decode(lines, UIMessageStreamDecoder()))[-1:] == ([wanted] if wanted else []), values


@doc.before("from assistant_stream_ce.serialization import AGUIDecoder")
def check_table_of_ag_ui_events() -> None:
    start = {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}
    end = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}
    interrupts = [{"id": "i", "reason": "r"}]
    events = {
        "TEXT_MESSAGE_CHUNK, TOOL_CALL_CHUNK, REASONING_MESSAGE_CHUNK": (
            {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m", "delta": "x"},
            [c.TextDeltaChunk("x")],
        ),
        "THINKING_TEXT_MESSAGE_CONTENT": (
            {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "x"},
            [c.ReasoningDeltaChunk("x")],
        ),
        "TOOL_CALL_RESULT": (
            {"type": "TOOL_CALL_RESULT", "messageId": "m", "toolCallId": "1", "content": "[1]"},
            [c.ToolResultChunk("1", [1])],
        ),
        "STATE_SNAPSHOT": (
            {"type": "STATE_SNAPSHOT", "snapshot": 1},
            [c.UpdateStateChunk([{"type": "set", "path": [], "value": 1}])],
        ),
        "STATE_DELTA": (
            {"type": "STATE_DELTA", "delta": [{"op": "add", "path": "/a", "value": 1}]},
            [c.UpdateStateChunk([{"type": "set", "path": ["a"], "value": 1}])],
        ),
        "ACTIVITY_SNAPSHOT, ACTIVITY_DELTA": (
            {"type": "ACTIVITY_SNAPSHOT", "messageId": "m", "activityType": "a", "content": {"b": 1}},
            [c.DataPartChunk("a", {"b": 1}, "m")],
        ),
        "MESSAGES_SNAPSHOT": (
            {"type": "MESSAGES_SNAPSHOT", "messages": [{"id": "a", "role": "assistant", "content": "x"}]},
            [c.TextDeltaChunk("x")],
        ),
        "CUSTOM named source, source-document, file, data or annotations": (
            {"type": "CUSTOM", "name": "source", "value": {"id": "1", "url": "u"}},
            [c.SourceChunk("1", "u")],
        ),
        "CUSTOM with another name": ({"type": "CUSTOM", "name": "x", "value": 1}, [c.DataPartChunk("x", 1)]),
        "REASONING_ENCRYPTED_VALUE of the last reasoning": (
            {"type": "REASONING_ENCRYPTED_VALUE", "subtype": "message", "entityId": "", "encryptedValue": "s"},
            [c.ReasoningSignatureChunk("s")],
        ),
        "RUN_FINISHED that was interrupted": (
            {**end, "outcome": {"type": "interrupt", "interrupts": interrupts}},
            [c.DataPartChunk("interrupts", interrupts), c.MessageFinishChunk("tool-calls")],
        ),
        "RUN_FINISHED that was cancelled": (
            {**end, "outcome": {"type": "cancelled"}},
            [c.MessageFinishChunk("interrupted")],
        ),
    }
    rows = table("decoding.rst", "Events of other servers")
    assert [row[0] for row in rows] == list(events)
    for event, wanted in events.values():
        lines = [f"data: {json.dumps(value)}\n\n".encode() for value in (start, event)]
        assert list(decode(lines, AGUIDecoder())) == wanted, event


test_decoding = doc.test()
