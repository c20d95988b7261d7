"""The wires: encoders that write chunks as bytes, decoders that read them. No I/O, no framework, no clock."""

from assistant_stream_ce.serialization.ag_ui import AGUIEncoder
from assistant_stream_ce.serialization.ag_ui.decoder import AGUIDecoder
from assistant_stream_ce.serialization.assistant_transport import AssistantTransportEncoder
from assistant_stream_ce.serialization.assistant_transport_decoder import AssistantTransportDecoder
from assistant_stream_ce.serialization.data_stream import DataStreamEncoder
from assistant_stream_ce.serialization.data_stream_decoder import DataStreamDecoder
from assistant_stream_ce.serialization.decoder import Decoder, decode
from assistant_stream_ce.serialization.encoder import EncodedStream, Encoder
from assistant_stream_ce.serialization.openai_stream import OpenAIStreamEncoder
from assistant_stream_ce.serialization.openai_stream.completion import completion
from assistant_stream_ce.serialization.openai_stream.decoder import OpenAIStreamDecoder
from assistant_stream_ce.serialization.plain_text import PlainTextEncoder
from assistant_stream_ce.serialization.plain_text_decoder import PlainTextDecoder
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
