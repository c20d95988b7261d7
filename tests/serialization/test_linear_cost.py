"""The cost of a step or frame does not grow with the number of earlier ones: counted instead of timed."""

from __future__ import annotations

import pytest

from assistant_stream_ce import StepFinishChunk, StepStartChunk, ToolCallBeginChunk, ToolCallDeltaChunk, ToolResultChunk
from assistant_stream_ce.serialization.formats import FORMATS
from assistant_stream_ce.serialization.openai_stream.tool_calls import ToolCallDeltas
from tests.serialization.round_trips import WIRES
from tests.support.growth import assert_linear

each_wire = pytest.mark.parametrize("wire", [wire for wire in WIRES if wire != "plain-text"])


def steps(wire: str, number: int) -> bytes:
    """Return the bytes of many steps, each with a call; every second call has a result."""
    encoder = WIRES[wire][0]()
    frames = []
    for i in range(number):
        frames.append(encoder.encode(StepStartChunk(f"m{i}")))
        frames.append(encoder.encode(ToolCallBeginChunk(f"c{i}", "f")))
        frames.append(encoder.encode(ToolCallDeltaChunk(f"c{i}", "{}")))
        if i % 2:
            frames.append(encoder.encode(ToolResultChunk(f"c{i}", 1)))
        frames.append(encoder.encode(StepFinishChunk("stop")))
    return b"".join([*frames, encoder.finish()])


@each_wire
def test_encoding_many_steps(wire: str) -> None:
    assert_linear(lambda number: steps(wire, number))


@each_wire
def test_decoding_many_steps(wire: str) -> None:
    def read(data: bytes) -> None:
        decoder = WIRES[wire][1]()
        decoder.feed(data)
        decoder.close()

    assert_linear(read, lambda number: steps(wire, number))


@each_wire
def test_validating_many_steps(wire: str) -> None:
    def check(data: bytes) -> None:
        validator = FORMATS[wire].validator()
        reader = FORMATS[wire].reader(0)
        assert reader is not None
        for frame in reader.feed(data):
            validator.check(frame)

    assert_linear(check, lambda number: steps(wire, number))


@pytest.mark.parametrize("name", [None, "f"])
def test_tool_call_deltas_of_many_calls(name: str | None) -> None:
    def read(number: int) -> None:
        calls = ToolCallDeltas()
        for index in range(number):
            list(calls.add({"index": index, "id": str(index), "function": {"name": name, "arguments": ""}}))
            list(calls.add({"index": index // 2, "function": {"arguments": "{}"}}))
        list(calls.end())

    assert_linear(read)
