"""A batch of chunks is encoded as its chunks are one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_stream_ce.chunks import (
    AssistantStreamChunk,
    DataChunk,
    ReasoningDeltaChunk,
    StepStartChunk,
    TextDeltaChunk,
)
from assistant_stream_ce.serialization import (
    AGUIEncoder,
    AssistantTransportEncoder,
    DataStreamEncoder,
    Encoder,
    OpenAIStreamEncoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)

ENCODERS: dict[str, Callable[[], Encoder]] = {
    "data-stream": DataStreamEncoder,
    "assistant-transport": AssistantTransportEncoder,
    "openai": lambda: OpenAIStreamEncoder(completion_id="c"),
    "ui-message-stream": lambda: UIMessageStreamEncoder(message_id="m"),
    "ag-ui": lambda: AGUIEncoder(thread_id="t", run_id="r"),
    "plain-text": PlainTextEncoder,
}

# Lone surrogates among them, which are written in another way.
texts = st.text(st.sampled_from('a"\\\u00e9\U0001f600\ud83d\ude00\x00\u2028'), max_size=3)
parents = st.sampled_from([None, None, None, "p"])
deltas = st.builds(TextDeltaChunk, texts, parents) | st.builds(ReasoningDeltaChunk, texts, parents)
others = st.just(DataChunk({"a": 1})) | st.just(StepStartChunk("m"))
batches = st.lists(
    st.lists(st.builds(TextDeltaChunk, texts), max_size=6)
    | st.lists(st.builds(ReasoningDeltaChunk, texts, st.just("p")), max_size=6)
    | st.lists(st.builds(TextDeltaChunk, st.just("a"), parents), min_size=3, max_size=6)
    | st.lists(deltas | others, max_size=6),
    max_size=4,
)


@pytest.mark.parametrize("wire", ENCODERS)
@given(several=batches)
def test_a_batch_is_written_as_its_chunks_are(wire: str, several: list[list[AssistantStreamChunk]]) -> None:
    whole, single = ENCODERS[wire](), ENCODERS[wire]()
    for batch in several:
        frames: list[bytes] = []
        whole.encode_all(batch, frames)
        assert b"".join(frames) == b"".join(map(single.encode, batch))
    assert whole.finish() == single.finish()


@pytest.mark.parametrize("bad", [0, 1, 4])
@pytest.mark.parametrize("wire", [name for name in ENCODERS if name != "plain-text"])
def test_chunks_before_an_invalid_one_are_kept(wire: str, bad: int) -> None:
    batch = [TextDeltaChunk("a") for _ in range(5)]
    batch[bad] = TextDeltaChunk(5)  # type: ignore[arg-type]
    frames: list[bytes] = []
    with pytest.raises(TypeError, match="must be a str"):
        ENCODERS[wire]().encode_all(batch, frames)
    single = ENCODERS[wire]()
    assert b"".join(frames) == b"".join(map(single.encode, batch[:bad]))


@pytest.mark.parametrize("base", [DataStreamEncoder, UIMessageStreamEncoder, AGUIEncoder])
def test_an_encode_of_a_user_writes_each_chunk(base: type[Encoder]) -> None:
    class Loud(base):  # type: ignore[valid-type, misc]
        def encode(self, chunk: AssistantStreamChunk) -> bytes:
            return bytes(super().encode(chunk)).upper()

    frames: list[bytes] = []
    Loud().encode_all([TextDeltaChunk("a") for _ in range(5)], frames)
    assert b"".join(frames).count(b'"A"') == 5


def test_a_burst_is_written_in_one_go() -> None:
    frames: list[bytes] = []
    DataStreamEncoder().encode_all([TextDeltaChunk("a") for _ in range(5)], frames)
    assert frames == [b'0:"a"\n', b"0:", b'"a"\n0:' * 3 + b'"a"', b"\n"]
