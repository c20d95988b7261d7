"""The recorded message of a run that ends concurrently."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assistant_stream_ce import AssistantMessage, RunController, create_run
from assistant_stream_ce.message import MessageStatus, TextPart
from assistant_stream_ce.message.accumulator import MessageAccumulator
from assistant_stream_ce.run.recorder import MessageRecorder


@pytest.mark.parametrize("is_before", [True, False])
def test_a_run_that_ends_while_its_message_is_folded_is_not_reported_complete(
    monkeypatch: pytest.MonkeyPatch, *, is_before: bool
) -> None:
    fold: Callable[[MessageRecorder], MessageAccumulator] = MessageRecorder._fold

    def say(controller: RunController) -> None:
        controller.append_text("a")

    stream = create_run(say)

    def fold_at_the_end(recorder: MessageRecorder) -> MessageAccumulator:
        """Fold, and let the run go from its start to its end before or after that."""
        monkeypatch.setattr(MessageRecorder, "_fold", fold)
        accumulator = None if is_before else recorder._fold()
        list(stream)
        return accumulator or recorder._fold()

    monkeypatch.setattr(MessageRecorder, "_fold", fold_at_the_end)
    running = MessageStatus("running")
    seen = AssistantMessage([TextPart("a", status="running")] if is_before else [], running)
    assert stream.message == seen
    assert stream.message == AssistantMessage([TextPart("a")])


def test_a_run_with_a_reason_has_a_message_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    end, reasons = MessageRecorder.end, []
    stream = create_run(lambda controller: None)

    def note_reason(recorder: MessageRecorder, *, is_cancelled: bool) -> None:
        reasons.append(stream.reason)
        end(recorder, is_cancelled=is_cancelled)

    monkeypatch.setattr(MessageRecorder, "end", note_reason)
    assert list(stream) == []
    assert (reasons, stream.reason) == ([None], "completed")
