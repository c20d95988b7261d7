"""The ag_ui format."""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import to_starlette
from assistant_stream_ce.serialization.ag_ui.decoder import AGUIDecoder
from assistant_stream_ce.serialization.ag_ui.encoder import AGUIEncoder

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import AGUIResponse

__all__ = ("AGUIDecoder", "AGUIEncoder", "AGUIResponse")

__getattr__ = to_starlette("AGUIResponse")
