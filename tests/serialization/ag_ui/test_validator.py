"""The order of AG-UI's events, and what its client skips."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.serialization.ag_ui.validator import AGUIValidator, RunOrder
from assistant_stream_ce.serialization.framing import Frame, FrameError

RUN: dict[str, Any] = {"type": "RUN_STARTED"}
END: dict[str, Any] = {"type": "RUN_FINISHED"}
TEXT: dict[str, Any] = {"type": "TEXT_MESSAGE_START", "messageId": "m"}
PIECE: dict[str, Any] = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m"}
TEXT_END: dict[str, Any] = {"type": "TEXT_MESSAGE_END", "messageId": "m"}


def check(*events: dict[str, Any]) -> None:
    order = RunOrder()
    for event in events:
        order.check(event["type"], event)


def test_runs_may_follow_each_other() -> None:
    check(RUN, TEXT, PIECE, TEXT_END, END, RUN, TEXT, TEXT_END, END)


def test_an_error_may_come_instead_of_a_run() -> None:
    check({"type": "RUN_ERROR"})


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([TEXT], "first event must be RUN_STARTED"),
        ([RUN, RUN], "previous run has not finished"),
        ([RUN, END, TEXT], "only RUN_STARTED may follow RUN_FINISHED"),
        ([RUN, TEXT, END], "text message 'm'"),
        ([RUN, PIECE], "m"),
        ([RUN, TEXT, TEXT], "m"),
        ([RUN, TEXT, {**PIECE, "subagentRunId": "s"}], "subagent"),
    ],
)
def test_an_event_out_of_order_is_refused(events: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        check(*events)


def test_unknown_operations_of_a_patch_are_skipped_by_clients() -> None:
    validator = AGUIValidator()
    validator.check(Frame(0, b'{"type":"STATE_DELTA","delta":[{"op":"add","path":"/a","value":1}]}'))
    with pytest.raises(FrameError, match="'new'"):
        validator.check(Frame(0, b'{"type":"STATE_DELTA","delta":[{"op":"new"}]}'))
