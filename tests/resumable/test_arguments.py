"""Arguments of resumable streams."""

from __future__ import annotations

import pytest

from assistant_stream_ce.resumable.arguments import (
    hashed,
    is_stream_id,
    leave_seconds,
    name_of,
    owner_hash,
)
from assistant_stream_ce.resumable.store import StreamKey, ThreadKey


def test_ids_and_owners() -> None:
    assert is_stream_id("A-Z.a_z:0-9")
    assert not is_stream_id(None)
    assert name_of("a", None, None) == StreamKey("_", "a")
    assert name_of(None, "any text at all", "u") == ThreadKey(owner_hash("u"), hashed("any text at all"))
    assert name_of("/", None, None) is name_of(None, 1, None) is None
    assert owner_hash(None) == "_"
    assert len({owner_hash(""), owner_hash("a"), hashed("a\ud800")}) == 3
    assert len(owner_hash("a")) == 32


def test_seconds_without_followers() -> None:
    assert (leave_seconds("stop"), leave_seconds(2), leave_seconds("continue")) == (0.0, 2.0, None)
    with pytest.raises(ValueError, match='on_leave must be "continue", "stop" or seconds'):
        leave_seconds("go on")
    with pytest.raises(ValueError, match="on_leave must be 0 or more seconds"):
        leave_seconds(-1)
