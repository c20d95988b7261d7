"""Lines and server-sent events, cut anywhere."""

from __future__ import annotations

import pytest

from assistant_stream_ce import (
    DataChunk,
    DecodeError,
    TextDeltaChunk,
)
from assistant_stream_ce.serialization import (
    AssistantTransportDecoder,
    Decoder,
    OpenAIStreamDecoder,
)
from tests.serialization.decoding import (
    each_but_ag_ui,
    event,
    frame,
    hello,
)
from tests.serialization.round_trips import byte_by_byte, decoded


def test_event_over_several_lines() -> None:
    data = (
        b'event: message\ndata: {"choices":[{"delta":\ndata:{"content":"a"}}\n'
        b"id\ndata\ndata: ]}\nother: 1\n: comment\n\n"
    )
    for pieces in ([data], byte_by_byte(data)):
        assert decoded(OpenAIStreamDecoder(), pieces)[:-1] == [TextDeltaChunk("a")]


def test_named_event_is_unknown_to_the_transport() -> None:
    data = b"event: ping\n" + event({"type": "data", "data": [1]})
    decoder = AssistantTransportDecoder()
    assert decoder.feed(data + event({"type": "data", "data": [2]})) == [DataChunk(2)]
    assert decoder.skipped == 1
    with pytest.raises(DecodeError, match="'ping' is unknown"):
        AssistantTransportDecoder(strict=True).feed(data)


def test_name_without_data_is_no_event() -> None:
    data = b"event: ping\n\n" + event({"type": "data", "data": [2]})
    assert AssistantTransportDecoder(strict=True).feed(data) == [DataChunk(2)]


def test_offset_counts_what_is_no_event() -> None:
    before = b"\xef\xbb\xbf: comment\r\n\r\n" + event({"type": "data", "data": [1]})
    with pytest.raises(DecodeError) as raised:
        AssistantTransportDecoder(strict=True).feed(before + b"\r\r: x\rdata: 5\r\r")
    assert raised.value.offset == len(before) + len(b"\r\r: x\r")


@each_but_ag_ui
def test_a_line_end_that_is_cut_is_one(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder).replace(b"\n", b"\r\n")
    bad = frame(make_decoder, b"bad").replace(b"\n", b"\r\n")
    with pytest.raises(DecodeError) as raised:
        decoded(make_decoder(strict=True), byte_by_byte(data + bad))
    assert raised.value.offset == len(data)
