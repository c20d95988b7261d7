"""A decoder reads the chunks that an encoder wrote, except for what the format does not support."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    MessageFinishChunk,
    ProviderMetadataChunk,
    ReasoningDeltaChunk,
    RunController,
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    TextDeltaChunk,
    TextPartChunk,
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
    create_run,
)
from assistant_stream_ce.serialization import decode
from tests.serialization.arrivals import arrived, same
from tests.serialization.round_trips import WIRES, byte_by_byte, cut, decoded, encoded
from tests.support.conversations import Flavor, ModelError, conversation, perform
from tests.support.random_chunks import random_chunk

each_wire = pytest.mark.parametrize("wire", WIRES)
CUTS: dict[str, Callable[[bytes, int], list[bytes]]] = {
    "whole": lambda data, seed: [data],
    "byte by byte": lambda data, seed: byte_by_byte(data),
    "anywhere": cut,
}


@functools.cache
def said(flavor: Flavor) -> list[list[AssistantStreamChunk]]:
    """Return the chunks of random conversations."""
    streams = []
    for seed in range(200):
        conversed = conversation(seed, flavor)
        chunks: list[AssistantStreamChunk] = [whole_state(conversed.state)]
        try:
            for chunk in create_run(functools.partial(perform, conversed), state=conversed.state):
                chunks.append(chunk)
        except ModelError:
            assert conversed.acts[-1].what == "raise"
        streams.append(chunks)
    return streams


# Fields that only a few formats carry; those in any order have them.
NOT_IN_CONVERSATIONS = {
    (TextPartChunk, "parent_id"),
    (ToolCallBeginChunk, "provider_executed"),
    (ToolCallBeginChunk, "dynamic"),
    (ToolCallChunk, "provider_executed"),
    (ToolCallChunk, "dynamic"),
    (ToolCallDeltaChunk, "args"),
    *(
        (kind, f"{name}_tokens")
        for kind in (StepFinishChunk, MessageFinishChunk)
        for name in ("cached", "cache_write", "reasoning")
    ),
    *((ProviderMetadataChunk, field) for field in ("provider_metadata", "part", "parent_id")),
    (ToolCallBeginChunk, "provider_metadata"),
    (ToolCallChunk, "provider_metadata"),
    *((kind, name) for kind in (SourceChunk, SourceDocumentChunk) for name in ("start_index", "end_index")),
    (ToolResultChunk, "denied"),
    (ToolResultChunk, "preliminary"),
    *((ToolApprovalRequestChunk, field) for field in ("tool_call_id", "approval_id", "signature")),
}


@functools.cache
def in_any_order() -> list[list[AssistantStreamChunk]]:
    """Return streams of chunks that no controller has put in order."""
    dice = random.Random(1)
    first = whole_state({"a": {}})
    return [[first, *(random_chunk(dice) for _ in range(dice.choice((1, 5, 40))))] for _ in range(200)]


def whole_state(state: Any) -> UpdateStateChunk:
    """Return the chunk that sets the initial state of a run."""
    return UpdateStateChunk([{"type": "set", "path": [], "value": state}])


@pytest.mark.parametrize("make_streams", [lambda: said("assistant-ui"), in_any_order], ids=["said", "in any order"])
def test_streams_hold_every_chunk_with_every_field(
    make_streams: Callable[[], list[list[AssistantStreamChunk]]],
) -> None:
    given = {
        (type(chunk), field.name)
        for chunks in make_streams()
        for chunk in chunks
        for field in msgspec.structs.fields(type(chunk))
        if getattr(chunk, field.name) != field.default
    }
    wanted = {
        (kind, field.name)
        for kind in get_args(AssistantStreamChunk)
        for field in msgspec.structs.fields(kind)
        # No caller can set it.
        if (kind, field.name) != (SourceChunk, "source_type")
    }
    assert wanted - given <= NOT_IN_CONVERSATIONS, wanted - given


@each_wire
@pytest.mark.parametrize("cutting", CUTS)
@pytest.mark.parametrize("flavor", ["assistant-ui", "ai-sdk-v4"])
def test_conversations_arrive(flavor: Flavor, cutting: str, wire: str) -> None:
    assert_arrive(said(flavor), cutting, wire)


@each_wire
@pytest.mark.parametrize("cutting", CUTS)
def test_chunks_in_any_order_arrive(cutting: str, wire: str) -> None:
    assert_arrive(in_any_order(), cutting, wire)


def assert_arrive(streams: list[list[AssistantStreamChunk]], cutting: str, wire: str) -> None:
    make_encoder, make_decoder = WIRES[wire]
    # Byte by byte is slow; the cuts anywhere cover the other streams.
    for seed, stream in enumerate(streams[:60] if cutting == "byte by byte" else streams):
        chunks = list(map(as_models_call, stream)) if wire == "openai" else stream
        data = encoded(make_encoder(), chunks)
        decoder = make_decoder(strict=True)
        got = list(map(same, decoded(decoder, CUTS[cutting](data, seed))))
        assert got == arrived(wire, chunks), f"stream {seed}"
        assert decoder.skipped == 0


def as_models_call(chunk: AssistantStreamChunk) -> AssistantStreamChunk:
    """Return a chunk with a name for a call without one, and arguments that are not text in quotes.

    The decoder of OpenAI's format waits for the name, and for what follows the first quote.
    """
    if isinstance(chunk, (ToolCallBeginChunk, ToolCallChunk)):
        return msgspec.structs.replace(chunk, tool_name=chunk.tool_name or "f")
    if isinstance(chunk, ToolCallDeltaChunk) and chunk.args_text_delta.strip() == '"':
        return msgspec.structs.replace(chunk, args_text_delta="{")
    return chunk


@each_wire
def test_recorded_pieces_are_read_back_unchanged(wire: str) -> None:
    make_encoder, make_decoder = WIRES[wire]
    for chunks in (*said("assistant-ui"), *in_any_order()):
        once = decoded(make_decoder(), [encoded(make_encoder(), chunks)])
        data = encoded(make_encoder(), once)
        twice = decoded(make_decoder(), [data])
        again = encoded(make_encoder(), twice)
        # Where a message ends, beside the end of arguments, no chunk tells.
        assert again == data or (wire == "ag-ui" and decoded(make_decoder(), [again]) == twice)


@each_wire
def test_line_ends_of_every_kind_mean_the_same(wire: str) -> None:
    make_encoder, make_decoder = WIRES[wire]
    # AG-UI's client knows LF only, and so does its strict decoder.
    is_strict = wire != "ag-ui"
    for seed, chunks in enumerate(said("assistant-ui")[:20]):
        data = encoded(make_encoder(), chunks)
        wanted = decoded(make_decoder(), [data])
        for end in (b"\r\n", b"\r"):
            other = b"\xef\xbb\xbf" + data.replace(b"\n", end)
            assert decoded(make_decoder(strict=is_strict), cut(other, seed)) == wanted
            assert decoded(make_decoder(strict=is_strict), byte_by_byte(other)) == wanted


@each_wire
def test_a_conversation_passes_through_a_controller(wire: str) -> None:
    # As in a proxy: nothing that was decoded is out of order for `add_stream`.
    make_encoder, make_decoder = WIRES[wire]
    for seed in range(60):
        conversed = conversation(seed)
        source = create_run(functools.partial(perform, conversed), state=conversed.state, on_error=lambda error: "e!")
        options = {"state": conversed.state} if wire == "ag-ui" else {}
        pieces = collected(make_encoder(**options).encode_stream(source))

        def run(controller: RunController, pieces: list[bytes] = pieces) -> None:
            controller.add_stream(decode(pieces, make_decoder()))

        passed = list(create_run(run, state=conversed.state))
        assert said_by(wire, passed) == said_by(wire, decoded(make_decoder(), pieces))


def said_by(wire: str, chunks: list[AssistantStreamChunk]) -> list[AssistantStreamChunk]:
    """Return chunks without empty texts and without the state's edits, which may be encoded differently."""
    return [
        chunk
        for chunk in arrived(wire, chunks)
        if not isinstance(chunk, UpdateStateChunk)
        and not (isinstance(chunk, TextDeltaChunk) and not chunk.text_delta)
        and not (isinstance(chunk, ReasoningDeltaChunk) and not chunk.reasoning_delta)
    ]


def collected(stream: object) -> list[bytes]:
    pieces: list[bytes] = []
    try:
        for data in stream:  # type: ignore[attr-defined]
            pieces.append(data)
    except ModelError:
        pass
    return pieces
