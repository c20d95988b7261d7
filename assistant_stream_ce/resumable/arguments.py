"""Validation of the arguments of `ResumableStreams`: ids, owners, and what happens without followers."""

from __future__ import annotations

import hashlib
import re
from typing import Literal, TypeAlias, TypeGuard

from assistant_stream_ce.controller.validation import seconds
from assistant_stream_ce.errors import shorten
from assistant_stream_ce.resumable.store import StreamKey, ThreadKey

#: What happens to a run that nobody follows: it goes on, is cancelled, or is cancelled after so many seconds.
OnLeave: TypeAlias = Literal["continue", "stop"] | float

_STREAM_ID = re.compile(r"[A-Za-z0-9_.:-]{1,200}")


def is_stream_id(value: object) -> TypeGuard[str]:
    """Return whether a value is a valid id of a stream."""
    return isinstance(value, str) and _STREAM_ID.fullmatch(value) is not None


def hashed(text: str) -> str:
    """Return a text for keys and file names that nobody can choose."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def owner_hash(owner: object) -> str:
    """Return the part of a key that is the owner's.

    Raises:
        TypeError: the owner is neither a text nor None.
    """
    return "_" if owner is None else hashed(text_of(owner, "owner"))


def name_of(stream_id: object, thread: object, owner: object) -> StreamKey | ThreadKey | None:
    """Return the key of a stream, or of a thread without an id; None if it is not a valid one.

    Raises:
        TypeError: there is neither an id nor a thread, or the owner is neither a text nor None.
    """
    owner_key = owner_hash(owner)
    if stream_id is None and thread is None:
        raise TypeError("pass stream_id, or thread")
    if stream_id is None:
        return ThreadKey(owner_key, hashed(thread)) if isinstance(thread, str) else None
    return StreamKey(owner_key, stream_id) if is_stream_id(stream_id) else None


def text_of(value: object, name: str) -> str:
    """Return a value that is a text.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    return value


def leave_seconds(on_leave: object) -> float | None:
    """Return the seconds without followers after which a run is cancelled; None for never.

    Raises:
        TypeError: it is neither a word nor a number.
        ValueError: it is another word, or negative.
    """
    if isinstance(on_leave, str):
        if on_leave not in ("continue", "stop"):
            raise ValueError(f'on_leave must be "continue", "stop" or seconds, not {shorten(repr(on_leave))}')
        return None if on_leave == "continue" else 0.0
    return seconds(on_leave, "on_leave")
