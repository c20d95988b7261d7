"""The formats: encoders that write chunks as bytes, and decoders that read bytes to chunks. Sans-I/O.

The names are imported on first access, so that a program loads only the formats that it uses.
"""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import ModuleGetattr, lazy_exports

if TYPE_CHECKING:
    from assistant_stream_ce.serialization.ag_ui import AGUIDecoder, AGUIEncoder
    from assistant_stream_ce.serialization.assistant_transport import (
        AssistantTransportDecoder,
        AssistantTransportEncoder,
    )
    from assistant_stream_ce.serialization.data_stream import DataStreamDecoder, DataStreamEncoder
    from assistant_stream_ce.serialization.decoder import Decoder
    from assistant_stream_ce.serialization.encoder import Encoder
    from assistant_stream_ce.serialization.openai_stream import (
        OpenAIStreamDecoder,
        OpenAIStreamEncoder,
        acompletion,
        completion,
    )
    from assistant_stream_ce.serialization.plain_text import PlainTextDecoder, PlainTextEncoder
    from assistant_stream_ce.serialization.streaming import EncodedStream, decode
    from assistant_stream_ce.serialization.ui_message_stream import UIMessageStreamDecoder, UIMessageStreamEncoder

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
    "acompletion",
    "completion",
    "decode",
)

_MODULES = {
    "ag_ui": ("AGUIDecoder", "AGUIEncoder"),
    "assistant_transport": ("AssistantTransportDecoder", "AssistantTransportEncoder"),
    "data_stream": ("DataStreamDecoder", "DataStreamEncoder"),
    "decoder": ("Decoder",),
    "encoder": ("Encoder",),
    "openai_stream": ("OpenAIStreamDecoder", "OpenAIStreamEncoder", "acompletion", "completion"),
    "plain_text": ("PlainTextDecoder", "PlainTextEncoder"),
    "streaming": ("EncodedStream", "decode"),
    "ui_message_stream": ("UIMessageStreamDecoder", "UIMessageStreamEncoder"),
}

__getattr__: ModuleGetattr = lazy_exports(
    __name__,
    {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names},
    moved={
        name: f"assistant_stream_ce.responses.starlette.{name}"
        for name in ("AssistantTransportResponse", "DataStreamResponse", "OpenAIStreamResponse")
    },
)
