"""The wires: encoders that write chunks as bytes. No I/O, no framework, no clock."""

from assistant_stream_ce.serialization.ag_ui import AGUIEncoder
from assistant_stream_ce.serialization.assistant_transport import AssistantTransportEncoder
from assistant_stream_ce.serialization.base import EncodedStream, Encoder
from assistant_stream_ce.serialization.data_stream import DataStreamEncoder
from assistant_stream_ce.serialization.openai_stream import OpenAIStreamEncoder
from assistant_stream_ce.serialization.plain_text import PlainTextEncoder
from assistant_stream_ce.serialization.ui_message_stream import UIMessageStreamEncoder

__all__ = (
    "AGUIEncoder",
    "AssistantTransportEncoder",
    "DataStreamEncoder",
    "EncodedStream",
    "Encoder",
    "OpenAIStreamEncoder",
    "PlainTextEncoder",
    "UIMessageStreamEncoder",
)
