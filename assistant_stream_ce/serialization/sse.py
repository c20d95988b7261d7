"""Server-sent events, as far as the wires here need them: one `data:` line and a blank line each.

Only LF ends a line: one client splits events on LF LF alone. JSON never holds a raw newline.
"""

from __future__ import annotations

__all__ = ("DONE", "KEEPALIVE", "MEDIA_TYPE", "event")

MEDIA_TYPE = "text/event-stream"

#: A comment, which every client skips. A named event would be fatal in most of them.
KEEPALIVE = b": keepalive\n\n"

#: The terminator of the assistant transport and of OpenAI's format.
DONE = b"data: [DONE]\n\n"


def event(data: bytes) -> bytes:
    """Return one event with JSON data."""
    return b"data: " + data + b"\n\n"
