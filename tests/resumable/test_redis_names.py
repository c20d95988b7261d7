"""Names of keys."""

from __future__ import annotations

from assistant_stream_ce.resumable.redis_names import Names
from assistant_stream_ce.resumable.store import StreamKey, ThreadKey


def test_all_keys_of_a_stream_have_its_hash_tag() -> None:
    names, key = Names("app"), StreamKey("_", "a:b")
    assert names.all(key, "", "lease") == ["app:{_:a:b}", "app:{_:a:b}:lease"]
    thread = ThreadKey("_", "0" * 32)
    assert names.note(thread).startswith(names.thread(thread))
    (add, _) = names.letter("w", "stop", key)
    assert add[1] == names.inbox("w")
    assert add[-4:] == ("k", "stop", "i", "_:a:b")
