"""For any bytes, a decoder raises nothing but `DecodeError`, and the result does not depend on their split."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serialization.fuzz_decoders import MATERIAL, broken_stream, check, check_order, valid_stream
from tests.serialization.round_trips import WIRES

each_wire = pytest.mark.parametrize("wire", WIRES)


@each_wire
@given(data=st.binary(max_size=200), is_strict=st.booleans(), seed=st.integers(0, 1000))
def test_any_bytes(wire: str, data: bytes, is_strict: bool, seed: int) -> None:
    check(wire, data, is_strict, seed)


@each_wire
@given(pieces=st.lists(st.sampled_from(MATERIAL), max_size=12), is_strict=st.booleans(), seed=st.integers(0, 1000))
def test_odd_pieces(wire: str, pieces: list[bytes], is_strict: bool, seed: int) -> None:
    check(wire, b"".join(pieces), is_strict, seed)


@each_wire
@given(
    stream=st.integers(0, 50),
    damage=st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 50), st.sampled_from(MATERIAL) | st.binary(max_size=5)),
        max_size=4,
    ),
    is_strict=st.booleans(),
)
def test_damaged_streams(wire: str, stream: int, damage: list[tuple[int, int, bytes]], is_strict: bool) -> None:
    data = valid_stream(wire, stream)
    for place, length, piece in damage:
        start = place % (len(data) + 1)
        data = data[:start] + piece + data[start + length :]
    check(wire, data, is_strict, stream)


@each_wire
def test_a_controller_takes_what_is_read_of_damaged_streams(wire: str) -> None:
    for number in range(150):
        dice = random.Random(number)
        check_order(check(wire, broken_stream(dice, wire), False, number))
