"""The openai_stream format."""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import STARLETTE, lazy_exports
from assistant_stream_ce.serialization.openai_stream.completion import completion
from assistant_stream_ce.serialization.openai_stream.decoder import OpenAIStreamDecoder
from assistant_stream_ce.serialization.openai_stream.encoder import OpenAIStreamEncoder

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import OpenAIStreamResponse

__all__ = ("OpenAIStreamDecoder", "OpenAIStreamEncoder", "OpenAIStreamResponse", "completion")

__getattr__ = lazy_exports(__name__, {"OpenAIStreamResponse": STARLETTE})
