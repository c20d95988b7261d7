"""The cost of a step or frame does not grow with the number of earlier ones: function calls are counted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import StepFinishChunk, StepStartChunk, ToolCallBeginChunk, ToolCallDeltaChunk, ToolResultChunk
from assistant_stream_ce.serialization.formats import FORMATS
from assistant_stream_ce.serialization.openai_stream.tool_calls import ToolCallDeltas
from tests.serialization.round_trips import WIRES

each_wire = pytest.mark.parametrize("wire", [wire for wire in WIRES if wire != "plain-text"])


def calls_made(work: Callable[[], Any]) -> int:
    """Return how many functions a piece of work calls, and how many items they pass on."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


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


def assert_linear(work: Callable[[int], Any]) -> None:
    work(10)
    few, many = calls_made(lambda: work(100)), calls_made(lambda: work(1000))
    assert many < 11 * few


@each_wire
def test_encoding_many_steps(wire: str) -> None:
    assert_linear(lambda number: steps(wire, number))


@each_wire
def test_decoding_many_steps(wire: str) -> None:
    data = {number: steps(wire, number) for number in (10, 100, 1000)}

    def read(number: int) -> None:
        decoder = WIRES[wire][1]()
        decoder.feed(data[number])
        decoder.close()

    assert_linear(read)


@each_wire
def test_validating_many_steps(wire: str) -> None:
    data = {number: steps(wire, number) for number in (10, 100, 1000)}

    def check(number: int) -> None:
        validator = FORMATS[wire].validator()
        reader = FORMATS[wire].reader(0)
        assert reader is not None
        for frame in reader.feed(data[number]):
            validator.check(frame)

    assert_linear(check)


@pytest.mark.parametrize("name", [None, "f"])
def test_tool_call_deltas_of_many_calls(name: str | None) -> None:
    def read(number: int) -> None:
        calls = ToolCallDeltas()
        for index in range(number):
            list(calls.add({"index": index, "id": str(index), "function": {"name": name, "arguments": ""}}))
            list(calls.add({"index": index // 2, "function": {"arguments": "{}"}}))
        list(calls.end())

    assert_linear(read)
