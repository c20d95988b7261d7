"""Feeds decoders with broken streams until the time is up: `python -m tests.serialization.fuzz_decoders --seconds 600`.

Each stream is made from a number, so that a finding can be seen again with `--first`. `check` says what must hold of
any bytes; the tests use it too.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import random
import re
import time
import tracemalloc
from collections.abc import Iterable

import msgspec

from assistant_stream_ce import (
    AssistantStreamChunk,
    DecodeError,
    RunController,
    StateError,
    UpdateStateChunk,
    create_run,
)
from assistant_stream_ce.serialization import Decoder
from tests.serialization.round_trips import WIRES, byte_by_byte, cut, encoded
from tests.support.random_chunks import random_chunk

MAX_FRAME_BYTES = 4096

#: What is put into valid streams.
MATERIAL = (
    b"", b"\n", b"\r", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\x00", b":", b"data: ",
    b"data:", b"event: error\n", b"event: ping\n", b"id: 1\n", b"retry: 5\n", b": x\n\n", b"data: [DONE]\n\n",
    b"[" * 300, b'{"a":' * 300, b"null", b"true", b"-1", b"1e400", b"NaN", b"{}", b"[]", b'""', b'"\\ud83d"',
    b'"__proto__":1,', b'"constructor":', b"9" * 5000, b'0:"x"\n', b"0:null\n", b"2:{}\n",
    b'9:{"toolCallId":"a","toolName":"t","args":{}}\n', b'c:{"toolCallId":"zz","argsTextDelta":""}\n',
    b'a:{"toolCallId":"a"}\n', b'e:{"finishReason":"stop"}\n', b'aui-state:[{"type":"set","path":[0,"a"]}]\n',
    b'j:{"signature":1}\n', b'aui-reasoning-part-start:{"unstable_summary":"s"}\n', b'aui-data:{"name":"x"}\n',
    b'h:{"sourceType":"document","id":"s","mediaType":"m","title":"t"}\n', b'"code":429,"severity":"fatal",',
    b'data: {"type":"part-start","part":{"type":"reasoning"}}\n\n', b"x" * 5000,
    b'"path":[0]', b'"path":[-1]', b'"path":[true]', b'"index":0', b'"choices":[null]', b'"delta":null',
    b'"usage":{"prompt_tokens":1e300}', b'data: {"type":"part-start","part":{"type":"x"}}\n\n',
    b'data: {"type":"result","path":[0]}\n\n',
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":5,"id":"a"}]}}]}\n\n', b'data: {"error":"x"}\n\n',
    b'data: {"type":"text-start","id":"1"}\n\n', b'data: {"type":"text-delta","id":"1","delta":"x"}\n\n',
    b'data: {"type":"tool-input-delta","toolCallId":"a","inputTextDelta":"{"}\n\n', b'"delta":5,', b'"id":null,',
    b'data: {"type":"tool-input-available","toolCallId":"a","toolName":"t","input":5}\n\n',
    b'data: {"type":"tool-output-available","toolCallId":"z","output":1,"preliminary":true}\n\n',
    b'data: {"type":"tool-approval-request","toolCallId":"a","approvalId":"p"}\n\n', b'"providerMetadata":{"p":1},',
    b'data: {"type":"reset-step"}\n\n', b'data: {"type":"data-state","id":"state","data":[]}\n\n',
    b'data: {"type":"file","url":"data:,x","mediaType":"m"}\n\n', b'data: {"type":"finish"}\n\n',
    b'data: {"type":"RUN_STARTED","threadId":"t","runId":"r"}\n\n', b'"subagentRunId":"s",', b'"metadata":[],',
    b'data: {"type":"RUN_FINISHED","threadId":"t","runId":"r","outcome":{"type":"interrupt"}}\n\n',
    b'data: {"type":"TEXT_MESSAGE_CHUNK","messageId":"m","delta":"x"}\n\n', b'"role":"user",',
    b'data: {"type":"TOOL_CALL_CHUNK","delta":"x"}\n\n', b'data: {"type":"THINKING_END"}\n\n',
    b'data: {"type":"STATE_DELTA","delta":[{"op":"remove","path":"/a"},{"op":"add","path":"","value":[]}]}\n\n',
    b'data: {"type":"STATE_DELTA","delta":[{"op":"copy","from":"","path":"/a"},{"op":"test","path":"/b"}]}\n\n',
    b'data: {"type":"CUSTOM","name":"source","value":{"id":1}}\n\n', b'{"op":"move","from":"/a/0","path":"/a/-"},',
    b'data: {"type":"ACTIVITY_DELTA","messageId":"m","activityType":"a","patch":[]}\n\n',
)  # fmt: skip


def check(wire: str, data: bytes, is_strict: bool, seed: int) -> list[AssistantStreamChunk]:
    """Hold what must be true of any bytes; return their chunks.

    Nothing but a DecodeError is raised, where the bytes are cut does not matter, every wire can carry the chunks, and a
    controller takes them but for edits of a state that it does not have.
    """
    _, make_decoder = WIRES[wire]

    def outcome(pieces: Iterable[bytes]) -> tuple[list[AssistantStreamChunk], tuple[str, int, str] | None, int]:
        chunks, error, skipped = read(make_decoder(strict=is_strict, max_frame_bytes=MAX_FRAME_BYTES), pieces)
        return numbered(chunks), error, skipped

    whole = outcome([data])
    assert outcome(cut(data, seed)) == whole
    if len(data) < 2000:
        assert outcome(byte_by_byte(data)) == whole
    chunks, error, _ = whole
    assert error is None or 0 <= error[1] <= len(data)
    for make_encoder, _ in WIRES.values():
        encoder = make_encoder()
        for chunk in chunks:
            # AG-UI's encoder needs the state that edits refer to.
            with contextlib.suppress(StateError):
                encoder.encode(chunk)
        encoder.finish()
    return chunks


def read(
    decoder: Decoder, pieces: Iterable[bytes]
) -> tuple[list[AssistantStreamChunk], tuple[str, int, str] | None, int]:
    """Return the chunks, the error as far as it does not depend on the pieces, and how many frames were left out."""
    chunks: list[AssistantStreamChunk] = []
    try:
        for piece in pieces:
            chunks += decoder.feed(piece)
        chunks += decoder.close()
    except DecodeError as error:
        # Of a frame that is too large, how much has come depends on the pieces.
        shown = "" if "more than" in error.reason else error.frame
        return [*chunks, *error.chunks], (error.reason, error.offset, shown), decoder.skipped
    return chunks, None, decoder.skipped


def numbered(chunks: list[AssistantStreamChunk]) -> list[AssistantStreamChunk]:
    """Return chunks with numbers for the tool call ids that a decoder makes up, which are new each time."""
    made_up: dict[str, str] = {}
    found: list[AssistantStreamChunk] = []
    for chunk in chunks:
        call_id = getattr(chunk, "tool_call_id", "")
        if re.fullmatch("call_[0-9a-f]{32}", call_id):
            chunk = msgspec.structs.replace(chunk, tool_call_id=made_up.setdefault(call_id, f"made up {len(made_up)}"))
        found.append(chunk)
    return found


def check_order(chunks: list[AssistantStreamChunk]) -> None:
    """Hold that a controller takes chunks."""

    def run(controller: RunController) -> None:
        for chunk in chunks:
            with contextlib.suppress(StateError):
                controller.add_chunk(chunk)

    list(create_run(run))


def broken_stream(dice: random.Random, wire: str) -> bytes:
    """Return a valid stream with some damage, or none."""
    data = valid_stream(wire, dice.randrange(500)) if dice.random() < 0.95 else bytes(dice.choices(range(256), k=200))
    for _ in range(dice.choice((0, 1, 1, 2, 5, 20))):
        start = dice.randrange(len(data) + 1)
        stop = min(len(data), start + dice.choice((0, 0, 1, 1, 2, 10, 100)))
        piece = dice.choice((dice.choice(MATERIAL), data[start:stop] * 2, bytes([dice.randrange(256)])))
        data = data[:start] + piece + data[stop:]
    return data


@functools.cache
def valid_stream(wire: str, seed: int) -> bytes:
    """Return a stream as an encoder writes it."""
    dice = random.Random(seed)
    encoder = WIRES[wire][0]()
    first = UpdateStateChunk([{"type": "set", "path": [], "value": {"a": {}}}])
    chunks = [first, *(random_chunk(dice) for _ in range(dice.choice((1, 3, 10, 30))))]
    return encoded(encoder, chunks)


def main() -> None:
    """Read broken streams until the time is up, and print their number."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    number, peak, counts = options.first, 0, {"streams": 0, "bytes": 0, "chunks": 0}
    tracemalloc.start()
    while time.monotonic() < end:
        dice = random.Random(number)
        wire, is_strict = dice.choice(list(WIRES)), dice.random() < 0.3
        data = broken_stream(dice, wire)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        try:
            chunks = check(wire, data, is_strict, number)
            check_order(chunks)
        except BaseException:
            print(f"stream {number}, {wire}, {'strict' if is_strict else 'lenient'}: {data!r}")
            raise
        peak = max(peak, tracemalloc.get_traced_memory()[1] - before)
        counts["streams"] += 1
        counts["bytes"] += len(data)
        counts["chunks"] += len(chunks)
        number += 1
    print(f"{counts}, at most {peak:,} bytes of memory for one stream")


if __name__ == "__main__":
    main()
