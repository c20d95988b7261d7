"""Groups of edits: one chunk for each, and edits of other threads wait for the end."""

from __future__ import annotations

import threading

import pytest

from tests.support.recorded_state import Recorded, set_


def test_a_group_is_sent_as_one_update_at_its_end() -> None:
    recorded = Recorded({"a": 0, "b": 0})
    with recorded.document.edit(lambda: recorded.state) as state:
        state["a"] = 1
        with recorded.document.edit(lambda: None):
            state["b"] = 2
        assert recorded.operations == []
    assert recorded.operations == [set_(["a"], 1), set_(["b"], 2)]


def test_a_group_whose_value_cannot_be_read_ends() -> None:
    recorded = Recorded({"a": 0})

    def fail() -> None:
        raise ValueError("unreadable")

    with pytest.raises(ValueError, match="unreadable"), recorded.document.edit(fail):
        raise AssertionError("the block must not begin")
    thread = threading.Thread(target=lambda: recorded.state.update(a=1))
    thread.start()
    thread.join(30)
    assert recorded.state == {"a": 1}
