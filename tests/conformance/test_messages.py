"""The accumulated message of a stream equals the one that front ends build from its bytes."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from assistant_stream_ce import AssistantMessage, AssistantStreamChunk, StepFinishChunk, accumulate, create_run
from assistant_stream_ce.conversions import to_assistant_ui, to_ui_message
from assistant_stream_ce.message.partial_json import parse_partial
from assistant_stream_ce.serialization import AssistantTransportDecoder, DataStreamDecoder, Decoder
from tests.conformance import random_conversations
from tests.conformance.clients import Job, decode_all, node, require_clients
from tests.conformance.expected import ANY_ID, difference
from tests.conformance.random_conversations import MESSAGE_ID, NO_AI_SDK_MESSAGE, SEEDS, report
from tests.support.conversations import Act, Conversation, ModelError, conversation, perform

DECODERS: dict[str, type[Decoder]] = {
    "data-stream": DataStreamDecoder,
    "assistant-transport": AssistantTransportDecoder,
}


def decoded(decoder: Decoder, data: bytes) -> list[AssistantStreamChunk]:
    return [*decoder.feed(data), *decoder.close()]


@functools.cache
def plain_conversation(seed: int) -> Conversation:
    """Return a conversation without what only our message keeps; `expected.py` has what the clients show of it."""
    talk = conversation(seed)
    return replace(talk, acts=tuple(plain for act in talk.acts for plain in _plain(act)))


def _plain(act: Act) -> Iterator[Act]:
    values = {name: value for name, value in act.values.items() if name != "model_content"}
    values |= dict.fromkeys({"filename", "code", "severity"} & values.keys())
    match act.what:
        case "add_reasoning_signature":
            return
        case "add_data_part" if values["transient"]:
            return
        case "add_data_part":
            values["id"] = None
        case "add_tool_call" if "args" in values:
            # JavaScript would put keys that look like numbers first.
            values["args"] = {"city": "Paris"}
        case "add_reasoning_part" if values["summary"]:
            # An empty parent is none for the start of a part on the data stream, and one for its text.
            act = replace(act, parent_id=act.parent_id or None)
            yield act
            # As text, a summary ends with a blank line only if something follows it.
            act, values = replace(act, what="append_reasoning"), {"text": "."}
        case "add_reasoning_part":
            return
    yield replace(act, values=values)


@functools.cache
def conversations(protocol: str) -> list[tuple[Conversation, bytes]]:
    """Return the conversations with the bytes of a protocol."""
    made = map(plain_conversation, SEEDS)
    encode, make_encoder = random_conversations.encode, random_conversations.make_encoder
    return [(talk, encode(talk, make_encoder(protocol, talk))) for talk in made]


@functools.cache
def message_of_run(seed: int) -> AssistantMessage:
    """Perform a conversation and return the message of its stream."""
    talk = plain_conversation(seed)
    stream = create_run(functools.partial(perform, talk), state=talk.state, message_id=MESSAGE_ID)
    try:
        chunks = list(stream)
    except ModelError:
        return stream.message
    assert stream.message == msgspec.structs.replace(accumulate(chunks, state=talk.state), id=MESSAGE_ID)
    return stream.message


def as_shown_by_assistant_ui(message: AssistantMessage) -> dict[str, Any]:
    """Return a message as its accumulator represents it, which generates missing ids of steps."""
    shown = to_assistant_ui(message)
    steps = [{**step, "messageId": step.get("messageId", ANY_ID)} for step in shown["metadata"]["steps"]]
    parts = shown.pop("content")
    return {**shown, "parts": without_status(parts), "metadata": {**shown["metadata"], "steps": steps}}


def without_status(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return parts without their status, as the decoders of the two wires end parts at different times.

    And without the type of a document, which this client does not keep.
    """
    left_out = {"status", "mediaType"}
    return [{name: value for name, value in part.items() if name not in left_out} for part in parts]


def compare(jobs: list[tuple[Conversation, bytes, dict[str, Any]]], protocol: str) -> None:
    """Hold that assistant-ui shows of bytes what is wanted."""
    results = decode_all([Job(protocol, data, state=talk.state) for talk, data, _ in jobs])
    for (talk, data, wanted), result in zip(jobs, results, strict=True):
        # No bytes, no message.
        shown = result["message"] or {**wanted, "parts": []}
        found = difference(wanted, {**shown, "parts": without_status(shown["parts"])})
        assert not found, report(talk, data, found)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("protocol", DECODERS)
def test_assistant_ui_shows_the_message(protocol: str) -> None:
    require_clients()
    jobs = []
    for talk, data in conversations(protocol):
        message = message_of_run(talk.seed)
        message = msgspec.structs.replace(message, id=None)
        again = accumulate(decoded(DECODERS[protocol](), data), state=talk.state)
        found = difference(to_assistant_ui(message), to_assistant_ui(again))
        assert not found, report(talk, data, found)
        jobs.append((talk, data, as_shown_by_assistant_ui(message)))
    compare(jobs, protocol)


@pytest.mark.timeout(180)
def test_assistant_ui_shows_the_message_of_a_stream_that_was_cut() -> None:
    require_clients()
    jobs = []
    for talk, data in conversations("data-stream"):
        lines = data.splitlines(keepends=True)
        head = b"".join(lines[: random.Random(talk.seed).randrange(len(lines) + 1)])
        chunks = decoded(DataStreamDecoder(), head)
        shown = as_shown_by_assistant_ui(accumulate(chunks, state=talk.state))
        # Without a finish of the message, the client ignores the reasons of its steps.
        others = [chunk for chunk in chunks if not isinstance(chunk, StepFinishChunk)]
        shown["status"] = as_shown_by_assistant_ui(accumulate(others, state=talk.state))["status"]
        jobs.append((talk, head, shown))
    compare(jobs, "data-stream")


# --- AI SDK ---------------------------------------------------------------------------------------

# They stand where they came, and we have them at the end; the encoder lets steps wait for the input of all calls.
BESIDE = ("data-data", "data-annotations", "data-state", "step-start")


def as_shown_by_ai_sdk(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without what only one of both knows."""
    parts: list[dict[str, Any]] = []
    for part in message["parts"]:
        if part["type"] in BESIDE:
            continue
        if part["type"] in ("text", "reasoning"):
            text = parts.pop()["text"] if parts and parts[-1]["type"] == part["type"] else ""
            # Version 7 numbers the reasoning.
            part = {"type": part["type"], "text": text + part["text"], "state": part["state"]}
        parts.append(part)
    return {**message, "parts": parts}


@pytest.mark.timeout(180)
def test_ai_sdk_shows_the_message() -> None:
    require_clients()
    # The encoder ends all parts at an error, because `useChat` reads no further.
    written = [
        (talk, data)
        for talk, data in conversations("ai-sdk-ui")
        if not any(act.what == "add_error" for act in talk.acts)
    ]
    results = decode_all([Job("ai-sdk-ui", data) for _, data in written])
    for (talk, data), result in zip(written, results, strict=True):
        wanted = as_shown_by_ai_sdk(to_ui_message(message_of_run(talk.seed)))
        found = difference(wanted, as_shown_by_ai_sdk(result["message"] or NO_AI_SDK_MESSAGE))
        assert not found, report(talk, data, found)


# --- Arguments ------------------------------------------------------------------------------------

TOKENS = ('"', "{", "}", "[", "]", ",", ":", " ", "x", "t", "nul", "fa", "1", "-", "e", ".", "\n", "NaN", "01", "1e5")


def pieces_of_arguments(seed: int) -> list[str]:
    """Return argument text in pieces: most often whole or cut off, sometimes broken."""
    dice = random.Random(seed)
    talk = [act.values for act in conversation(seed % 50).acts if act.what in ("add_data", "tool.set_response")]
    indent, is_ascii = dice.choice((None, 1)), dice.random() < 0.5
    text = json.dumps(dice.choice(talk) if talk else {"a": [1, "b"]}, ensure_ascii=is_ascii, indent=indent)
    if dice.random() < 0.4:
        at = dice.randrange(len(text) + 1)
        text = text[:at] + dice.choice(TOKENS) + text[at + dice.randrange(3) :]
    text = text[: dice.randrange(len(text) + 1)]
    cuts = sorted(dice.randrange(len(text) + 1) for _ in range(dice.randrange(4)))
    return [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@pytest.mark.timeout(60)
def test_assistant_ui_shows_the_same_arguments() -> None:
    from assistant_stream_ce import ToolCallBeginChunk, ToolCallDeltaChunk

    require_clients()
    calls = [pieces_of_arguments(seed) for seed in range(2_000)]
    with node("arguments.mjs") as process:
        output, _ = process.communicate(json.dumps(calls).encode(), 50)
    assert process.returncode == 0
    for pieces, shown in zip(calls, json.loads(output), strict=True):
        deltas = [ToolCallDeltaChunk("c", piece) for piece in pieces]
        args = accumulate([ToolCallBeginChunk("c", "t"), *deltas]).tool_calls[0].args
        assert not difference(args, shown), (pieces, args, shown)
        assert parse_partial("".join(pieces)) in (None, args)
