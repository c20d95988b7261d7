"""The UI message stream format of AI SDK 5, 6 and 7: its encoder, decoder, schemas and validator."""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import STARLETTE, ModuleGetattr, lazy_exports
from assistant_stream_ce.serialization.ui_message_stream.decoder import UIMessageStreamDecoder
from assistant_stream_ce.serialization.ui_message_stream.encoder import UIMessageStreamEncoder

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import UIMessageStreamResponse

__all__ = ("UIMessageStreamDecoder", "UIMessageStreamEncoder", "UIMessageStreamResponse")

__getattr__: ModuleGetattr = lazy_exports(__name__, {"UIMessageStreamResponse": STARLETTE})
