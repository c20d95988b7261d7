"""OpenAI's chat completions: the stream of `chat.completion.chunk` events, and the whole `chat.completion`."""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import STARLETTE, ModuleGetattr, lazy_exports

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import OpenAIStreamResponse
    from assistant_stream_ce.serialization.openai_stream.completions import acompletion, completion
    from assistant_stream_ce.serialization.openai_stream.decoder import OpenAIStreamDecoder
    from assistant_stream_ce.serialization.openai_stream.encoder import OpenAIStreamEncoder

__all__ = ("OpenAIStreamDecoder", "OpenAIStreamEncoder", "OpenAIStreamResponse", "acompletion", "completion")

__getattr__: ModuleGetattr = lazy_exports(
    __name__,
    {
        "OpenAIStreamDecoder": f"{__name__}.decoder",
        "OpenAIStreamEncoder": f"{__name__}.encoder",
        "OpenAIStreamResponse": STARLETTE,
        "acompletion": f"{__name__}.completions",
        "completion": f"{__name__}.completions",
    },
)
