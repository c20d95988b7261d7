"""For any contents of a chunk, each frame is one line of strict JSON that every client accepts.

The chunks here are built by hand, so nothing has checked them: numbers that JSON lacks, keys that the
clients refuse, halves of surrogate pairs, line ends of every kind, control characters, texts that look like frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantStreamChunk,
    DataChunk,
    DataPartChunk,
    ErrorChunk,
    ReasoningDeltaChunk,
    TextDeltaChunk,
    ToolCallChunk,
    ToolResultChunk,
    UpdateStateChunk,
)
from assistant_stream_ce.serialization import (
    AssistantTransportEncoder,
    DataStreamEncoder,
    Encoder,
    OpenAIStreamEncoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)
from tests.serialization.hostile import TEXTS, VALUES, chunks_of_text, frames
from tests.support.conversations import joined

each_encoder = pytest.mark.parametrize(
    "make_encoder", [DataStreamEncoder, AssistantTransportEncoder, OpenAIStreamEncoder, UIMessageStreamEncoder]
)


def hold_frames(make_encoder: Callable[[], Encoder], chunks: list[AssistantStreamChunk]) -> None:
    """Hold that each chunk writes whole frames, and all of them together a whole wire."""
    encoder = make_encoder()
    for chunk in chunks:
        frames(encoder, encoder.encode(chunk))
    wire = encoder.finish()
    frames(encoder, wire)
    assert wire.endswith(b"data: [DONE]\n\n") == (encoder.media_type == "text/event-stream")


@each_encoder
@pytest.mark.parametrize("text", TEXTS)
def test_text_breaks_no_frame(make_encoder: Callable[[], Encoder], text: str) -> None:
    hold_frames(make_encoder, chunks_of_text(text))


@each_encoder
@given(text=st.text(st.characters(categories=None)))
def test_no_text_at_all_breaks_a_frame(make_encoder: Callable[[], Encoder], text: str) -> None:
    hold_frames(make_encoder, chunks_of_text(text))


@pytest.mark.parametrize("text", TEXTS)
def test_text_arrives_as_it_was(text: str) -> None:
    chunks = [TextDeltaChunk(text), ReasoningDeltaChunk(text), ErrorChunk(text)]
    encoder = DataStreamEncoder()
    assert frames(encoder, b"".join(map(encoder.encode, chunks))) == [joined(text)] * 3


@given(text=st.text(st.characters(categories=None)))
def test_any_text_arrives_as_it_was(text: str) -> None:
    encoder = DataStreamEncoder()
    assert frames(encoder, encoder.encode(TextDeltaChunk(text))) == [joined(text)]


@given(texts=st.lists(st.text(st.characters(categories=None))))
def test_plain_text_is_the_text_however_it_is_cut(texts: list[str]) -> None:
    encoder = PlainTextEncoder()
    data = b"".join(encoder.encode(TextDeltaChunk(text)) for text in texts) + encoder.finish()
    assert data.decode() == "".join(texts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@pytest.mark.parametrize("text", TEXTS)
def test_plain_text_takes_every_chunk(text: str) -> None:
    encoder = PlainTextEncoder()
    (b"".join(map(encoder.encode, chunks_of_text(text))) + encoder.finish()).decode()


@pytest.mark.parametrize("model", TEXTS)
def test_name_of_the_model_breaks_no_frame(model: str) -> None:
    encoder = OpenAIStreamEncoder(model, completion_id=model)
    (role, text) = frames(encoder, encoder.encode(TextDeltaChunk("a")))
    assert role["model"] == text["model"] == joined(model)


@each_encoder
@pytest.mark.parametrize(("value", "arrives"), VALUES)
def test_value_breaks_no_frame(make_encoder: Callable[[], Encoder], value: Any, arrives: Any) -> None:
    chunks: list[AssistantStreamChunk] = [
        DataChunk(value),
        AnnotationsChunk([value]),
        DataPartChunk("x", value),
        DataPartChunk("x", value, transient=True),
        ToolCallChunk("t0", "f", {"a": value}),
        ToolResultChunk("t1", value, artifact=value, model_content=[value]),
        UpdateStateChunk([{"type": "set", "path": ["a"], "value": value}]),
    ]
    hold_frames(make_encoder, chunks)


@pytest.mark.parametrize(("value", "arrives"), VALUES)
def test_value_arrives_but_for_what_clients_refuse(value: Any, arrives: Any) -> None:
    encoder = DataStreamEncoder()
    (data,) = frames(encoder, encoder.encode(DataChunk(value)))
    (part,) = frames(encoder, encoder.encode(DataPartChunk("x", value)))
    (call,) = frames(encoder, encoder.encode(ToolCallChunk("t0", "f", {"a": value})))
    (annotations,) = frames(encoder, encoder.encode(AnnotationsChunk([value, 1])))
    (_, result) = frames(encoder, encoder.encode(ToolResultChunk("t1", value)))
    operation = {"type": "set", "path": ["a"], "value": value}
    (operations,) = frames(encoder, encoder.encode(UpdateStateChunk([operation])))
    assert data == [arrives]
    assert part == {"name": "x", "data": arrives}
    assert call == {"toolCallId": "t0", "toolName": "f", "args": {"a": arrives}}
    assert annotations == [arrives, 1]
    assert result == {"toolCallId": "t1", "result": arrives}
    assert operations == [{"type": "set", "path": ["a"], "value": arrives}]
