"""The headers and the heartbeat of a streamed response, the same for every framework."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from assistant_stream_ce.serialization import Encoder

__all__ = ("Headers", "Heartbeat", "header_list", "heartbeat_seconds")

#: Extra headers, as a mapping or as pairs.
Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

#: True for the default, False for none, or seconds.
Heartbeat: TypeAlias = bool | float

# Proxies commonly cut a connection that is quiet for 30 to 60 s.
_HEARTBEAT_SECONDS = 15.0


def header_list(encoder: Encoder, extra: Headers | None) -> list[tuple[str, str]]:
    """Return the headers of a response.

    Args:
        encoder: the encoder of the body.
        extra: further headers; they replace those of the same name, in upper or lower case.
    """
    pairs = list(extra.items() if isinstance(extra, Mapping) else extra or ())
    replaced = {name.lower() for name, _ in pairs}
    headers = {
        "content-type": f"{encoder.media_type}; charset=utf-8",
        # Neither store nor compress: both would hold the stream back.
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        **encoder.headers,
    }
    if encoder.headers:
        # CORS: a page of another origin may read only exposed headers.
        headers["access-control-expose-headers"] = ", ".join(encoder.headers)
    return [*((name, value) for name, value in headers.items() if name not in replaced), *pairs]


def heartbeat_seconds(heartbeat: Heartbeat) -> float | None:
    """Return the seconds between two heartbeats of a quiet stream; None for no heartbeat.

    Args:
        heartbeat: True for 15 seconds, False for none, or seconds.

    Raises:
        TypeError: it is neither a bool nor a number.
        ValueError: it is not positive.
    """
    if heartbeat is True:
        return _HEARTBEAT_SECONDS
    if heartbeat is False:
        return None
    if not isinstance(heartbeat, (int, float)):
        raise TypeError(f"heartbeat must be True, False or seconds, not {type(heartbeat).__name__}")
    if not heartbeat > 0:
        raise ValueError(f"heartbeat must be more than 0 seconds, not {heartbeat}")
    # Longer timeouts overflow `threading`.
    return min(float(heartbeat), threading.TIMEOUT_MAX)
