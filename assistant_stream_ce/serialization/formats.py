"""The wires by name: what writes and what reads each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from assistant_stream_ce.serialization.ag_ui import AGUIEncoder
from assistant_stream_ce.serialization.ag_ui.decoder import AGUIDecoder
from assistant_stream_ce.serialization.assistant_transport import AssistantTransportEncoder
from assistant_stream_ce.serialization.assistant_transport_decoder import AssistantTransportDecoder
from assistant_stream_ce.serialization.data_stream import DataStreamEncoder
from assistant_stream_ce.serialization.data_stream_decoder import DataStreamDecoder
from assistant_stream_ce.serialization.decoder import Decoder
from assistant_stream_ce.serialization.encoder import Encoder
from assistant_stream_ce.serialization.framing import LineReader
from assistant_stream_ce.serialization.openai_stream import OpenAIStreamEncoder
from assistant_stream_ce.serialization.openai_stream.decoder import OpenAIStreamDecoder
from assistant_stream_ce.serialization.plain_text import PlainTextEncoder
from assistant_stream_ce.serialization.plain_text_decoder import PlainTextDecoder
from assistant_stream_ce.serialization.sse import MEDIA_TYPE, EventReader
from assistant_stream_ce.serialization.ui_message_stream import UIMessageStreamEncoder
from assistant_stream_ce.serialization.ui_message_stream.decoder import UIMessageStreamDecoder

__all__ = ("WIRES", "Wire")


class Wire(NamedTuple):
    """One wire: its name, and the classes that write and read it."""

    name: str
    encoder: type[Encoder]
    decoder: type[Decoder]

    def reader(self, max_bytes: int) -> EventReader | LineReader:
        """Return what cuts a body into frames, events or lines, which may be so long; 0 for any length."""
        return EventReader(max_bytes) if self.encoder.media_type == MEDIA_TYPE else LineReader(max_bytes)


#: Every wire, by its name.
WIRES: Mapping[str, Wire] = {
    wire.name: wire
    for wire in (
        Wire("data-stream", DataStreamEncoder, DataStreamDecoder),
        Wire("assistant-transport", AssistantTransportEncoder, AssistantTransportDecoder),
        Wire("openai", OpenAIStreamEncoder, OpenAIStreamDecoder),
        Wire("ui-message-stream", UIMessageStreamEncoder, UIMessageStreamDecoder),
        Wire("ag-ui", AGUIEncoder, AGUIDecoder),
        Wire("plain-text", PlainTextEncoder, PlainTextDecoder),
    )
}
