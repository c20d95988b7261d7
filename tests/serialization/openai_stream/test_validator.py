"""Streams of OpenAI-compatible servers that the validator accepts or rejects, as both official clients do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce.serialization.formats import FORMATS
from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.serialization.validation import validate
from tests.serialization.decoding import event

DONE = b"data: [DONE]\n\n"


def choice(delta: dict[str, Any], finish_reason: str | None = None, index: int = 0) -> bytes:
    return event({"choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]})


ROLE = choice({"role": "assistant", "content": ""})
TEXT = choice({"content": "a"})
STOP = choice({}, "stop")
USAGE = event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(ROLE + TEXT + STOP + DONE, id="as documented"),
        pytest.param(ROLE + TEXT + STOP + USAGE + DONE, id="usage"),
        pytest.param(
            ROLE + TEXT + STOP + choice({"content": ""}, "stop") + DONE, id="a choice after the finish reason"
        ),
        pytest.param(ROLE + STOP + TEXT + DONE, id="text after the finish reason"),
        pytest.param(ROLE + TEXT + STOP, id="no [DONE]"),
        pytest.param(ROLE + TEXT + STOP + b"data: [DONE]\n", id="[DONE] with one line end"),
        pytest.param(ROLE + TEXT + STOP + b"data: [DONE]", id="[DONE] without a line end"),
        pytest.param(TEXT + ROLE + STOP + DONE, id="the role later"),
        pytest.param(choice({"role": "", "content": "a"}) + ROLE + STOP + DONE, id="an empty role"),
        pytest.param(
            ROLE + choice({"role": "assistant"}, index=1) + STOP + choice({"content": "b"}, "stop", 1) + DONE,
            id="more than one choice",
        ),
        pytest.param(
            ROLE + event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "error": None}),
            id="no error",
        ),
        pytest.param(event({"error": {"message": "broken"}}), id="an error"),
        pytest.param(ROLE + event({"error": {"message": "broken"}}) + TEXT + DONE, id="more after an error"),
        pytest.param(ROLE + event({"choices": [{"index": 0, "error": {"message": "m"}}]}), id="an error in a choice"),
        pytest.param(
            ROLE + event({"choices": [{"index": 0, "delta": 5, "error": "broken"}]}), id="an error beside a delta"
        ),
        pytest.param(event({"choices": None}) + ROLE + STOP + DONE, id="null for no choices"),
    ],
)
def test_what_both_clients_accept_is_valid(data: bytes) -> None:
    for _ in validate(FORMATS["openai"], data):
        pass


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ROLE + TEXT + DONE, "finish_reason"),
        (TEXT + STOP + DONE, "role assistant"),
        (TEXT + STOP, "role assistant"),
        (ROLE + STOP + choice({"role": "assistant"}, index=1) + DONE, "finish_reason of choice 1"),
        (choice({"role": "user"}), "must be assistant"),
        (event({"choices": [{"delta": {"role": "assistant"}}]}), "must have an index"),
        (USAGE + DONE, "has a choice"),
        (ROLE + STOP + DONE + TEXT, r"nothing is read after \[DONE\]"),
        # Of a second choice the decoder reads nothing.
        (event({"choices": [{"index": 1, "delta": [1]}]}), "delta must be an object"),
        (event({"choices": [{"index": 1, "delta": {"tool_calls": 5}}]}), "tool_calls must be a list"),
        (event({"choices": [{"index": 1, "delta": {"tool_calls": [5]}}]}), "a tool call must be an object"),
        (
            event({"choices": [{"index": 1, "delta": {"tool_calls": [{"index": 0, "function": "f"}]}}]}),
            "function must be an object",
        ),
        (choice({"role": "assistant", "tool_calls": [{"index": 1, "id": "1"}]}), "numbered without gaps"),
        (choice({"role": "assistant", "tool_calls": [{"index": 0, "id": "1", "type": "function"}]}), "function.name"),
    ],
)
def test_invalid_frames_for_a_client_are_reported(data: bytes, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        for _ in validate(FORMATS["openai"], data):
            pass


def test_the_frame_that_is_refused_is_named() -> None:
    bad = choice({"role": "user"})
    with pytest.raises(FrameError) as raised:
        list(validate(FORMATS["openai"], USAGE + bad))
    assert raised.value.frame.offset == len(USAGE)
    assert json.loads(raised.value.frame.data) == json.loads(bad[6:])
