"""`check_wire` accepts the output of the encoders, and reports the first invalid frame."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from assistant_stream_ce import TextDeltaChunk
from assistant_stream_ce.responses.headers import header_list
from assistant_stream_ce.serialization.formats import FORMATS
from assistant_stream_ce.testing import WireError, check_wire, collect
from tests.serialization.fuzz_decoders import broken_stream, valid_stream
from tests.serialization.round_trips import WIRES as ROUND_TRIPS
from tests.testing.callbacks import send_all


def response(wire: str, data: bytes, *, status: int = 200, **headers: str | None) -> Any:
    """Return what a test client gives; a header that is None is left out."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {**dict(header_list(FORMATS[wire].encoder(), None)), **given}
    pairs = {name.title(): value for name, value in sent.items() if value is not None}
    return SimpleNamespace(status_code=status, headers=pairs, content=data)


RUN = b'data: {"type":"RUN_STARTED","threadId":"t","runId":"r"}\n\n'


@pytest.mark.parametrize("wire", FORMATS.values(), ids=lambda wire: wire.name)
def test_encoder_output_is_valid(wire: Any) -> None:
    takes_state = wire.name in ("ag-ui", "ui-message-stream")
    encoder = wire.encoder(**({"state": {"text": "a"}} if takes_state else {}))
    data = b"".join(map(encoder.encode, collect(send_all, state={"text": "a"}).chunks)) + encoder.finish()
    beat = encoder.keepalive or b""
    chunks = check_wire(response(wire.name, beat + data), wire.name, state={"text": "a"})
    assert collect(chunks, state={"text": "a"}).text == "Let me look. Sunny."
    assert check_wire(bytearray(data), wire.name, state={"text": "a"}) == chunks


@pytest.mark.parametrize(
    ("wire", "data", "offset", "reason"),
    [
        ("data-stream", b'0:"a"\n0:oops\n', 6, "not JSON"),
        ("data-stream", b'0:"a"\n0:"b"', 6, "in the middle"),
        ("data-stream", b'0:"a"\n2:[{"a":{"__proto__":1}}]\n', 6, "__proto__"),
        ("data-stream", b'2:[{"constructor":{"prototype":1}}]\n', 0, "constructor.prototype"),
        ("data-stream", rb'2:[{"\u005f_proto__":1}]' + b"\n", 0, "__proto__"),
        ("data-stream", b'aui-state:[{"type":"append-text","path":["x"],"value":"b"}]\n', 0, "state.x"),
        ("data-stream", b'\n\n0:"a"\naui-state:[{"type":"set","path":["0"],"value":"b"}]\n' * 2, None, ""),
        (
            "data-stream",
            b'b:{"toolCallId":"1","toolName":"t"}\na:{"toolCallId":"1","result":1}\n' * 2,
            68,
            "begun before",
        ),
        (
            "assistant-transport",
            b'data: {"type":"data","data":[]}\n\n: beat\n\ndata: {"type":"what"}\n\n',
            41,
            "'what' is unknown",
        ),
        ("assistant-transport", b'data: {"type":"data","data":[]}\n\n', 33, r"without \[DONE\]"),
        ("assistant-transport", b"", 0, r"without \[DONE\]"),
        ("assistant-transport", b"data: [DONE]\n\ndata: {}\n\n", 14, r"nothing is read after \[DONE\]"),
        (
            "ui-message-stream",
            b'data: {"type":"custom","kind":"a.b"}\n\n',
            0,
            "a frame of type custom",
        ),
        (
            "ui-message-stream",
            b'data: {"type":"finish","finishReason":"interrupted"}\n\n',
            0,
            "finish reason interrupted",
        ),
        (
            "ui-message-stream",
            b'data: {"type":"text-start","id":"1"}\n\ndata: [DONE]\n\n',
            52,
            "text '1' was started but not ended",
        ),
        (
            "ui-message-stream",
            b'data: {"type":"text-start","id":"1"}\n\ndata: {"type":"finish-step"}\n\n',
            38,
            "text '1' was started but not ended",
        ),
        (
            "openai",
            b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n',
            80,
            "role assistant",
        ),
        ("openai", b'data: {"choices":[]}\n\ndata: [DONE]\n\n', 22, "no chunk before"),
        ("ag-ui", b"data: [DONE]\n\n", 0, r"no \[DONE\]"),
        ("ag-ui", RUN + b'data: {"type":"STATE_DELTA","delta":[{"op":"what"}]}\n\n', len(RUN), "operation 'what'"),
        ("ag-ui", RUN, len(RUN), "without RUN_FINISHED"),
        ("plain-text", b"abc\xffdef", 0, "byte 3 is not UTF-8"),
    ],
)
def test_the_first_frame_that_breaks_a_rule_is_named(wire: str, data: bytes, offset: int | None, reason: str) -> None:
    if offset is None:
        check_wire(data, wire)
        return
    with pytest.raises(WireError, match=reason) as raised:
        check_wire(data, wire)
    assert raised.value.offset == offset
    assert raised.value.frame[:5] in data[offset:].decode(errors="replace")


@pytest.mark.parametrize("wire", ROUND_TRIPS)
def test_encoder_output_is_valid_and_damage_is_reported(wire: str) -> None:
    for seed in range(200):
        assert broken_rule(valid_stream(wire, seed), wire) is None
        data = broken_stream(random.Random(seed), wire)
        error = broken_rule(data, wire)
        assert error is None or (error.offset is not None and 0 <= error.offset <= len(data))


def broken_rule(data: bytes, wire: str) -> WireError | None:
    try:
        check_wire(data, wire)
    except WireError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"status": 500}, 'the status is 500, not 200: 0:"a"'),
        ({"content_type": "text/html"}, "the content type is text/html, not text/plain"),
        ({"content_type": None}, "the content type is missing"),
        ({"content_type": "text/plain; charset=latin-1"}, "charset=latin-1"),
        ({"x_vercel_ai_data_stream": None}, "x-vercel-ai-data-stream must be v1"),
        ({"content_encoding": "gzip"}, r"compressed \(gzip\)"),
        ({"cache_control": "max-age=60"}, "cache-control"),
    ],
)
def test_a_status_and_headers_are_checked(given: dict[str, Any], reason: str) -> None:
    good = b'0:"a"\n'
    assert check_wire(response("data-stream", good), "data-stream") == [TextDeltaChunk("a")]
    with pytest.raises(WireError, match=reason) as raised:
        check_wire(response("data-stream", good, **given), "data-stream")
    assert raised.value.offset is None


def test_check_wire_rejects_unsupported_values() -> None:
    with pytest.raises(ValueError, match="there is no format 'sse': use one of data-stream, "):
        check_wire(b"", "sse")
    with pytest.raises(TypeError, match="must be bytes, or have status_code and headers, not str"):
        check_wire("", "data-stream")
    with pytest.raises(TypeError, match="must have its body as bytes in content or data"):
        check_wire(response("data-stream", None), "data-stream")  # type: ignore[arg-type]


BIG = "x" * 1_000_000
EVENT = 'data: {"type":"%s"}\n\n'


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        ("data-stream", f'aui-state:[{{"type":"{BIG}","path":[],"value":1}}]\n'),
        ("data-stream", f'aui-state:[{{"type":"append-text","path":["{BIG}"],"value":""}}]\n'),
        ("data-stream", f"{BIG}:1\n"),
        ("assistant-transport", EVENT % BIG),
        ("openai", f'data: {{"choices":[{{"index":0,"delta":{{"role":"{BIG}"}}}}]}}\n\n'),
        ("ui-message-stream", EVENT % BIG),
        ("ui-message-stream", f'data: {{"type":"finish","finishReason":"{BIG}"}}\n\n'),
        ("ag-ui", EVENT % BIG),
        ("plain-text", f"{BIG}\ud800"),
    ],
)
def test_errors_never_quote_megabytes(wire: str, body: str) -> None:
    with pytest.raises(WireError) as raised:
        check_wire(body.encode(errors="surrogatepass"), wire)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize("name", ["content_type", "content_encoding", "cache_control"])
def test_errors_never_quote_long_headers(name: str) -> None:
    with pytest.raises(WireError) as raised:
        check_wire(response("data-stream", b"", **{name: BIG}), "data-stream")
    assert len(str(raised.value)) < 1000
