"""The recorded message of a run, also of one that ends concurrently, and its id."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import AssistantMessage, RunController, TextDeltaChunk, create_run
from assistant_stream_ce.message import MessageStatus, TextPart
from assistant_stream_ce.message.accumulator import MessageAccumulator
from assistant_stream_ce.run.recorder import MessageRecorder, StreamHeader, header_of


@pytest.mark.parametrize("is_before", [True, False])
def test_a_run_that_ends_while_its_message_is_folded_is_not_reported_complete(
    monkeypatch: pytest.MonkeyPatch, *, is_before: bool
) -> None:
    fold: Callable[[MessageRecorder], MessageAccumulator] = MessageRecorder._fold

    def say(controller: RunController) -> None:
        controller.append_text("a")

    stream = create_run(say, message_id="m")

    def fold_at_the_end(recorder: MessageRecorder) -> MessageAccumulator:
        """Fold, and let the run go from its start to its end before or after that."""
        monkeypatch.setattr(MessageRecorder, "_fold", fold)
        accumulator = None if is_before else recorder._fold()
        list(stream)
        return accumulator or recorder._fold()

    monkeypatch.setattr(MessageRecorder, "_fold", fold_at_the_end)
    running = MessageStatus("running")
    seen = AssistantMessage([TextPart("a", status="running")] if is_before else [], running, id="m")
    assert stream.message == seen
    assert stream.message == AssistantMessage([TextPart("a")], id="m")


def test_a_run_with_a_reason_has_a_message_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    end, reasons = MessageRecorder.end, []
    stream = create_run(lambda controller: None)

    def note_reason(recorder: MessageRecorder, *, is_cancelled: bool) -> None:
        reasons.append(stream.reason)
        end(recorder, is_cancelled=is_cancelled)

    monkeypatch.setattr(MessageRecorder, "end", note_reason)
    assert list(stream) == []
    assert (reasons, stream.reason) == ([None], "completed")


# --- The id ---------------------------------------------------------------------------------------


def test_a_message_id_is_given_or_generated() -> None:
    stream = create_run(lambda controller: None, message_id="m1")
    assert (stream.message_id, stream.header) == ("m1", StreamHeader("m1", is_continued=True))
    stream, other = (create_run(lambda controller: None) for _ in range(2))
    assert re.fullmatch("msg_[0-9a-f]{32}", stream.message_id)
    assert (stream.message_id, stream.header) == (stream.message.id, StreamHeader(stream.message_id))
    assert stream.message_id != other.message_id


def test_all_threads_see_the_same_id() -> None:
    stream, barrier, ids = create_run(lambda controller: None), threading.Barrier(8), set()

    def read() -> None:
        barrier.wait()
        ids.add(stream.message_id)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids == {stream.message_id}


@pytest.mark.parametrize(
    ("message_id", "error", "text"),
    [(1, TypeError, "message_id must be a str, not int"), ("", ValueError, "message_id must not be empty")],
)
def test_a_message_id_of_a_wrong_type_is_refused(message_id: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        create_run(lambda controller: None, message_id=message_id)


def test_on_finish_gets_the_message_with_its_id() -> None:
    ids: list[str | None] = []
    stream = create_run(lambda controller: None, on_finish=lambda result: ids.append(result.message.id))
    assert list(stream) == []
    assert ids == [stream.message_id]


def test_an_iterable_of_chunks_has_no_header() -> None:
    assert header_of([TextDeltaChunk("a")]) is None
    assert header_of(create_run(lambda controller: None, message_id="m")) == StreamHeader("m", is_continued=True)
