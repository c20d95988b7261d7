"""Validation of whole bodies, frame by frame, by the strict decoder and the rules of the clients."""

from __future__ import annotations

import pytest

from assistant_stream_ce import DecodeError
from assistant_stream_ce.serialization.formats import FORMATS
from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.serialization.validation import (
    Validation,
    Validator,
    json_object,
    refuse_unsafe_keys,
    validate,
)
from tests.support.conversations import conversation
from tests.support.samples import encoded

DATA_STREAM = FORMATS["data-stream"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(5))
def test_the_frames_of_a_body_are_the_body(name: str, seed: int) -> None:
    data = encoded(conversation(seed), name)
    found = list(validate(FORMATS[name], data))
    chunks = [chunk for _, of_frame in found for chunk in of_frame]
    decoder = FORMATS[name].decoder(strict=True)
    assert chunks == [*decoder.feed(data), *decoder.close()]
    offsets = [frame.offset for frame, _ in found]
    assert offsets == sorted(offsets)
    assert offsets[-1] == len(data)


def test_frames_before_a_bad_one_are_yielded() -> None:
    found = []
    with pytest.raises(DecodeError, match="at byte 6"):
        for frame, chunks in validate(DATA_STREAM, b'0:"a"\nbad\n'):
            found.append((frame.data, [chunk.type for chunk in chunks]))
    assert found == [(b'0:"a"', ["text-delta"])]


def test_a_rule_that_is_broken_has_the_frame() -> None:
    body = b'data: {"type":"text-start","id":"1"}\n\ndata: {"type":"text-start","id":"1"}\n\n'
    with pytest.raises(FrameError, match="before it ended") as raised:
        list(validate(FORMATS["ui-message-stream"], body))
    assert raised.value.frame.offset > 0
    assert b"text-start" in raised.value.frame.data


def test_a_body_may_come_in_pieces() -> None:
    validation = Validation(DATA_STREAM)
    found = [frame.data for piece in (b'0:"', b'a"\n0:', b'"b"\n') for frame, _ in validation.feed(piece)]
    assert found == [b'0:"a"', b'0:"b"']
    assert [frame.data for frame, _ in validation.close()] == [b""]


def test_a_validator_without_rules_accepts_everything() -> None:
    (frame, _), *_ = validate(FORMATS["plain-text"], b"anything")
    Validator().check(frame)
    Validator().end()


@pytest.mark.parametrize("data", [b"", b"[DONE]", b"[1]", b"5", b"\xff", b"{"])
def test_a_value_that_is_not_an_object_has_no_fields(data: bytes) -> None:
    assert json_object(data) == {}
    assert json_object(b'{"a":1}') == {"a": 1}


def test_keys_that_reach_a_prototype_are_refused() -> None:
    refuse_unsafe_keys(b'{"constructor":1}')
    for data in (b'{"a":{"__proto__":1}}', b'{"constructor":{"prototype":1}}'):
        with pytest.raises(FrameError, match="__proto__"):
            refuse_unsafe_keys(data)
