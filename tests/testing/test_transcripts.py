"""A transcript shows every chunk, and is the same for the same conversation."""

from __future__ import annotations

import copy
import random
from itertools import pairwise
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    FileChunk,
    RunController,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
)
from assistant_stream_ce.testing import collect, transcript
from tests.support.example_chunks import EXAMPLES
from tests.support.state_edits import Twins, value

CONVERSATION: list[AssistantStreamChunk] = [
    *EXAMPLES.values(),
    TextDeltaChunk("Dear all,\nyours \u2028"),
    TextDeltaChunk("\ud83d", "id"),
    ToolResultChunk("whole", None, {"map": "x" * 100}, True, [{"type": "text", "text": "one"}]),
    FileChunk("x" * 100, "text/plain", filename="a b"),
    UpdateStateChunk([{"type": "append-text", "path": ["t", "a.b c"], "value": "b"}]),
]

TRANSCRIPT = r"""text "a"
text-part
reasoning "a"
refusal "a"
reasoning-part "In short"
reasoning-signature "c2lnbmVk"
provider-metadata reasoning {"p": {"itemId": "i"}}
tool-call whole name {"a": 1}
tool-call id name
  not JSON: "{"
tool-approval-request whole
  approval "approval"
tool-result id {"r": 1}
source id https://example.org
file text/plain "eA=="
source-document id text/plain
  title "title"
data-part weather [1]
data [1]
annotations [1]
step-start m
step-finish stop
error "boom"
message-finish stop
text
  "Dear all,\n"
  "yours \u2028"
text in id "\ud83d"
set state.a 1
tool-error whole null
  artifact {
    "map": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  }
  model-content [{"type": "text", "text": "one"}]
file text/plain "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... (100 characters, SHA-256 09ecb6ebc8bc)"
  filename "a b"
append-text state.t."a.b c" "b"
"""


def test_a_transcript_shows_every_chunk() -> None:
    assert transcript(CONVERSATION) == TRANSCRIPT
    with pytest.raises(TypeError, match="must yield chunks, not str"):
        transcript(["text"])  # type: ignore[list-item]


def test_a_transcript_does_not_depend_on_how_the_text_was_split() -> None:
    text, args = "Some words, and some more.", '{"q": "a longer question"}'

    def perform(dice: random.Random) -> str:
        def run(controller: RunController) -> None:
            controller.state = {"text": ""}
            for piece in cut(dice, text):
                controller.append_text(piece)
                controller.state["text"] += piece
            # Two calls, whose arguments come at the same time.
            calls = [controller.add_tool_call("search") for _ in range(2)]
            waiting = [cut(dice, args) for _ in calls]
            while any(waiting):
                number = dice.choice([number for number, pieces in enumerate(waiting) if pieces])
                calls[number].append_args_text(waiting[number].pop(0))
            for call in calls:
                call.set_response({"id": call.tool_call_id})

        return transcript(collect(run).chunks)

    transcripts = {perform(random.Random(seed)) for seed in range(20)}
    assert len(transcripts) == 1, transcripts


def cut(dice: random.Random, text: str) -> list[str]:
    """Return a text in random pieces."""
    places = sorted({0, len(text), *(dice.randrange(len(text)) for _ in range(dice.randrange(6)))})
    return [text[start:end] for start, end in pairwise(places)]


def test_a_transcript_does_not_depend_on_how_edits_of_the_state_were_batched() -> None:
    def perform(seed: int, flushes: bool) -> tuple[str, int]:
        start: Any = {"a": [1, 2], "b": "x", "c": value(random.Random(seed))}

        def run(controller: RunController) -> None:
            dice = random.Random(seed)
            twins = Twins(
                lambda: controller.state,
                lambda new: setattr(controller, "state", new),
                controller.append_state_text,
                copy.deepcopy(start),
            )
            for _ in range(12):
                twins.edit(dice)
                if flushes:
                    controller.flush()

        got = collect(run, state=start)
        assert got.error is None
        return transcript(got.chunks), len(got.chunks)

    were_merged = 0
    for seed in range(200):
        (merged, few), (single, many) = perform(seed, flushes=False), perform(seed, flushes=True)
        assert merged == single, seed
        were_merged += few < many
    assert were_merged > 100


def test_a_transcript_numbers_random_ids_everywhere() -> None:
    def run(controller: RunController) -> None:
        call = controller.add_tool_call("search", args={})
        controller.state["calls"] = [{"id": call.tool_call_id}]
        controller.with_parent_id(call.tool_call_id).append_text(f"not in text {'x' * 3}")
        controller.add_step_start("550e8400-e29b-41d4-a716-446655440000")
        controller.add_source("source-1", "https://example.org")
        controller.add_data_part("chart", 1, id="0123456789abcdef")
        controller.add_tool_call("search", "toolu_01A09q90qw90lq917835lq9", args={})

    lines = transcript(collect(run, state={}).chunks).splitlines()
    assert lines == [
        "tool-call call_1 search {}",
        'text in call_1 "not in text xxx"',
        'set state.calls [{"id": "call_1"}]',
        "step-start message_1",
        "source source-1 https://example.org",
        "data-part chart 1",
        '  id "part_1"',
        "tool-call call_2 search {}",
    ]


def test_a_transcript_shows_invalid_edits() -> None:
    odd = UpdateStateChunk(
        [
            {"type": "set", "path": ["a"], "value": 1},
            {"type": "set", "path": ["a", "b"], "value": 2},
            {"type": "append-text", "path": ["a"], "value": "c"},
            {"type": "append-text", "path": ["t"], "value": "c"},
            {"type": "append-text", "path": ["t"], "value": "d"},
            {"type": "set", "path": [], "value": None},
        ]
    )
    assert transcript([UpdateStateChunk([{"type": "set", "path": ["a", 0], "value": 1}])]) == "set state.a.0 1\n"  # type: ignore[list-item]
    assert transcript([odd]) == 'set state null\nset state.a.b 2\nappend-text state.a "c"\n'
    long = "9" * 5000
    assert transcript([UpdateStateChunk([{"type": "set", "path": [long], "value": 1}])]) == f"set state.{long} 1\n"
    late = ToolCallDeltaChunk("x", "{}")
    assert transcript([late]) == "tool-call x (not begun) {}\n"


def test_a_call_in_pieces_and_a_whole_call_have_the_same_transcript() -> None:
    pieces = [ToolCallBeginChunk("1", "t"), ToolCallDeltaChunk("1", '{ "a":1 }')]
    assert transcript(pieces) == transcript([ToolCallChunk("1", "t", {"a": 1})])
