"""Headers, status and heartbeat of a streamed response, for all frameworks."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from assistant_stream_ce.create_run import AssistantStream
from assistant_stream_ce.errors import shorten
from assistant_stream_ce.serialization import Encoder

__all__ = ("Headers", "Heartbeat", "header_list", "heartbeat_seconds")

#: Extra headers, as a mapping or as pairs.
Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

#: True for the default, False for none, or seconds.
Heartbeat: TypeAlias = bool | float

# Proxies commonly cut a connection that is quiet for 30 to 60 s.
_HEARTBEAT_SECONDS = 15.0

# RFC 9110, sections 5.1 and 5.5; values as latin-1.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_STATUS_LINE = re.compile(r"\d{3}( [\t\x20-\x7e\x80-\xff]*)?")

_OF_THE_SERVER = {"content-length", "transfer-encoding"}


def header_list(encoder: Encoder, extra: Headers | None, stream: object = None) -> list[tuple[str, str]]:
    """Return the headers of a response.

    Args:
        encoder: the encoder of the body.
        extra: further headers; they replace those of the same name, in upper or lower case.
        stream: the source of the body; a stream may have headers of its own.

    Raises:
        TypeError: `extra` is not a mapping, or pairs, of texts.
        ValueError: a name or value cannot be sent in a header.
    """
    extra = extra.items() if isinstance(extra, Mapping) else () if extra is None else extra
    if not isinstance(extra, Iterable):
        raise TypeError(f"headers must be a dict of texts, or pairs of them, not {type(extra).__name__}")
    pairs = [_checked(pair) for pair in extra]
    replaced = {name.lower() for name, _ in pairs}
    special = {**encoder.headers, **(stream.response_headers(encoder) if isinstance(stream, AssistantStream) else {})}
    headers = {
        "content-type": f"{encoder.media_type}; charset=utf-8",
        # No caching and no compression: both would delay the stream.
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        **special,
    }
    if special:
        # CORS: a page of another origin may read only exposed headers.
        headers["access-control-expose-headers"] = ", ".join(special)
    return [*((name, value) for name, value in headers.items() if name not in replaced), *pairs]


def _checked(pair: object) -> tuple[str, str]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
        raise TypeError(f"headers must be a dict of texts, or pairs of them, not {shorten(repr(pair))}")
    name, value = pair
    if not _NAME.fullmatch(name):
        raise ValueError(f"headers has a name that HTTP does not allow: {shorten(name)!r}")
    if name.lower() in _OF_THE_SERVER:
        raise ValueError(f"headers must not have {name}: the length of a stream is unknown, the server frames it")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"headers has a value for {name} that HTTP does not allow: {shorten(value)!r}; encode it first"
        )
    return name, value


def check_status(status: object, *, allows_line: bool = False) -> None:
    """Check the status of a response.

    Args:
        status: the status code.
        allows_line: whether it may also be a status line, such as `"200 OK"`.

    Raises:
        TypeError: it has a wrong type.
        ValueError: it is not a final status code.
    """
    number = status
    if allows_line and isinstance(status, str):
        number = int(status[:3]) if _STATUS_LINE.fullmatch(status) else -1
    elif isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"status must be an int{' or a status line' * allows_line}, not {type(status).__name__}")
    if not 200 <= number <= 599:  # type: ignore[operator]
        raise ValueError(f"status must be from 200 to 599, not {shorten(repr(status))}")


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
