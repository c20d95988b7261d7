"""The AG-UI format: its encoder, decoder, schemas and validator."""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import STARLETTE, ModuleGetattr, lazy_exports
from assistant_stream_ce.serialization.ag_ui.decoder import AGUIDecoder
from assistant_stream_ce.serialization.ag_ui.encoder import AGUIEncoder

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import AGUIResponse

__all__ = ("AGUIDecoder", "AGUIEncoder", "AGUIResponse")

__getattr__: ModuleGetattr = lazy_exports(__name__, {"AGUIResponse": STARLETTE})
