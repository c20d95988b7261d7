"""Rules of AI SDK 5 and 6 beyond those of version 7."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce.serialization.framing import Frame, FrameError
from assistant_stream_ce.serialization.ui_message_stream.validator import UIMessageStreamValidator

START = {"type": "text-start", "id": "1"}
END = {"type": "text-end", "id": "1"}
INPUT = {"type": "tool-input-start", "toolCallId": "c", "toolName": "n"}
STEP = {"type": "start-step"}
STEP_END = {"type": "finish-step"}


def check(*frames: Any) -> None:
    validator = UIMessageStreamValidator()
    for frame in frames:
        validator.check(Frame(0, frame if isinstance(frame, bytes) else json.dumps(frame).encode()))
    validator.end()


def test_a_good_stream_passes() -> None:
    available = {"type": "tool-input-available", "toolCallId": "c", "toolName": "n", "input": {}}
    check({"type": "start"}, STEP, START, END, INPUT, available, STEP_END, {"type": "finish"}, b"[DONE]")
    check()


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([b"[DONE]", START], r"after \[DONE\]"),
        ([{"type": "reasoning-file"}], "fails at a frame of type reasoning-file"),
        ([START, {"type": "start"}], "must be the first frame"),
        ([START, START], "started again before it ended"),
        ([START], "started but not ended"),
        ([START, STEP_END], "started but not ended"),
        ([INPUT, STEP], "started but not ended"),
        ([{"type": "tool-input-delta", "toolCallId": "c"}], "input of this tool call is complete"),
        ([{"type": "finish", "finishReason": "interrupted"}], "finish reason interrupted"),
    ],
)
def test_rejected_frames_are_reported(frames: list[Any], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        check(*frames)
