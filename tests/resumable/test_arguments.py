"""Arguments of resumable streams."""

from __future__ import annotations

import pytest

from assistant_stream_ce.resumable.arguments import (
    bytes_of,
    hashed,
    is_stream_id,
    leave_seconds,
    name_of,
    owner_hash,
    seconds_of,
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


def test_numbers_keep_their_meaning() -> None:
    assert (seconds_of(1, "x"), bytes_of(1), leave_seconds("stop"), leave_seconds("continue")) == (1.0, 1, 0.0, None)
    assert leave_seconds(2) == 2.0
    with pytest.raises(ValueError, match="more than 0"):
        seconds_of(0, "x", is_positive=True)
    with pytest.raises(ValueError, match="0 or more"):
        seconds_of(float("nan"), "x")
