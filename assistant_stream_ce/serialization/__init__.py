"""The wires: encoders that write chunks as bytes, decoders that read them. No I/O, no framework, no clock."""

from assistant_stream_ce.serialization.ag_ui import AGUIEncoder
from assistant_stream_ce.serialization.ag_ui.decoder import AGUIDecoder
from assistant_stream_ce.serialization.assistant_transport import AssistantTransportDecoder, AssistantTransportEncoder
from assistant_stream_ce.serialization.data_stream import DataStreamDecoder, DataStreamEncoder
from assistant_stream_ce.serialization.decoder import Decoder
from assistant_stream_ce.serialization.encoder import Encoder
from assistant_stream_ce.serialization.openai_stream import OpenAIStreamEncoder
from assistant_stream_ce.serialization.openai_stream.completion import completion
from assistant_stream_ce.serialization.openai_stream.decoder import OpenAIStreamDecoder
from assistant_stream_ce.serialization.plain_text import PlainTextDecoder, PlainTextEncoder
from assistant_stream_ce.serialization.streaming import EncodedStream, decode
from assistant_stream_ce.serialization.ui_message_stream import UIMessageStreamEncoder
from assistant_stream_ce.serialization.ui_message_stream.decoder import UIMessageStreamDecoder

__all__ = (
    "AGUIDecoder",
    "AGUIEncoder",
    "AssistantTransportDecoder",
    "AssistantTransportEncoder",
    "DataStreamDecoder",
    "DataStreamEncoder",
    "Decoder",
    "EncodedStream",
    "Encoder",
    "OpenAIStreamDecoder",
    "OpenAIStreamEncoder",
    "PlainTextDecoder",
    "PlainTextEncoder",
    "UIMessageStreamDecoder",
    "UIMessageStreamEncoder",
    "completion",
    "decode",
)
