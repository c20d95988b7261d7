"""Cursors: how many chunks of a stream a client has, as the `id:` of a server-sent event.

A browser's `EventSource` sends the last one back in the header `Last-Event-ID`.
"""

from __future__ import annotations

from typing import Final

#: Version of the encoders: frames of another one may differ, so its cursors mean the whole stream.
_VERSION: Final = "1"

# Characters of a run's id that tell a stream from the next one of its conversation.
_RUN_LENGTH: Final = 8


def cursor(count: int, run_id: str | None = None) -> str:
    """Return the cursor behind so many chunks.

    Args:
        count: the number of chunks.
        run_id: the id of the run, of which a part is in the cursor; None for a stream that cannot be followed.
    """
    return f"{_VERSION}.{count}.{run_id[:_RUN_LENGTH]}" if run_id else f"{_VERSION}.{count}"


def chunks_before(after: int | str | None, run_id: str | None = None) -> int:
    """Return the number of chunks that a cursor skips; 0 for a text that is not a cursor of this version and run.

    Args:
        after: a number of chunks, a text that `cursor` has returned, or None.
        run_id: the id of the run that is followed; None if it is not known yet.

    Raises:
        TypeError: it is neither an int, a text nor None.
        ValueError: it is negative.
    """
    if after is None:
        return 0
    if isinstance(after, str):
        version, _, rest = after.partition(".")
        number, _, run = rest.partition(".")
        is_known = version == _VERSION and number.isascii() and number.isdecimal() and len(number) < 16
        is_of_run = not run or run_id is None or run == run_id[:_RUN_LENGTH]
        return int(number) if is_known and is_of_run else 0
    if isinstance(after, bool) or not isinstance(after, int):
        raise TypeError(f"after must be an int or a text, not {type(after).__name__}")
    if after < 0:
        raise ValueError(f"after must be 0 or more chunks, not {after}")
    return after


def with_cursor(frames: bytes, count: int, run_id: str | None = None) -> bytes:
    """Return server-sent events whose last one has the cursor behind so many chunks.

    Args:
        frames: whole events; none stay none.
        count: the number of chunks up to them.
        run_id: as in `cursor`.
    """
    if not frames:
        return frames
    start = frames.rfind(b"\n\n", 0, -2) + 2 if b"\n\n" in frames[:-2] else 0
    return b"%sid: %s\n%s" % (frames[:start], cursor(count, run_id).encode(), frames[start:])
