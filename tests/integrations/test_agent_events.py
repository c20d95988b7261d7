"""What the readers of agents' events have in common."""

from __future__ import annotations

import pytest

from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.integrations.agent_events import require_event_loop, result_value


def test_a_result_that_is_no_json_is_its_text() -> None:
    assert result_value({"a": (1, b"x")}, "text") == {"a": [1, "eA=="]}
    assert result_value(object(), "text") == "text"


def test_a_thread_is_refused() -> None:
    with pytest.raises(StreamUsageError, match="async def"):
        require_event_loop()


async def test_a_coroutine_is_not() -> None:
    require_event_loop()
