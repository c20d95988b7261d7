"""Encoders that track the full state: the initial state, and edits."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import RunController, TextDeltaChunk, create_run
from assistant_stream_ce.serialization import AGUIEncoder, DataStreamEncoder, Encoder, UIMessageStreamEncoder


def edit(controller: RunController) -> None:
    controller.state["list"].append(1)


def written(encoder: Encoder, state: Any) -> bytes:
    return b"".join(encoder.encode_stream(create_run(edit, state=state)))


@pytest.mark.parametrize("make", [UIMessageStreamEncoder, AGUIEncoder])
def test_it_is_learned_from_the_stream(make: Any) -> None:
    assert b'{"list":[1],"kept":true}' in written(make(), {"list": [], "kept": True})


@pytest.mark.parametrize("make", [UIMessageStreamEncoder, AGUIEncoder])
def test_another_one_that_was_passed_is_kept(make: Any) -> None:
    assert b'{"list":[1],"passed":true}' in written(make(state={"list": [], "passed": True}), {"list": []})


@pytest.mark.parametrize("make", [UIMessageStreamEncoder, AGUIEncoder])
def test_later_edits_of_the_callback_do_not_change_the_encoders_state(make: Any) -> None:
    state: dict[str, Any] = {"list": []}
    stream = create_run(edit, state=state)
    encoder = make()
    data = b"".join(encoder.encode_stream(stream))
    assert data.count(b'{"list":[1]}') == 1
    assert stream.state == {"list": [1]}
    assert state == {"list": []}


def test_an_iterable_of_chunks_has_none() -> None:
    assert b'"delta":"a"' in b"".join(UIMessageStreamEncoder().encode_stream([TextDeltaChunk("a")]))


def test_the_others_ask_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = DataStreamEncoder()
    monkeypatch.setattr(
        encoder, "start_state", lambda state: pytest.fail("a copy of the state for nothing"), raising=False
    )
    assert written(encoder, {"list": []}) == b'aui-state:[{"type":"set","path":["list","0"],"value":1}]\n'
