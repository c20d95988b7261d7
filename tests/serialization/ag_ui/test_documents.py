"""Updates of the state and of activities stay small, however many patches there are."""

from __future__ import annotations

import tracemalloc

import pytest

from assistant_stream_ce import DataPartChunk, DecodeError
from assistant_stream_ce.serialization import AGUIDecoder
from tests.serialization.ag_ui.events import RUN, STOPPED, activity, custom, delta, edit, run, snapshot, stream


@pytest.mark.timeout(20)
@pytest.mark.parametrize("is_activity", [False, True])
def test_small_patches_of_a_large_document_do_not_copy_it_each_time(is_activity: bool) -> None:
    large = {"items": ["x" * 10] * 60_000, "a": 0}
    pair = [{"op": "remove", "path": "/a"}], [{"op": "add", "path": "/a", "value": 1}]
    if is_activity:
        events = [activity(large)]
        patches = [
            {"type": "ACTIVITY_DELTA", "messageId": "a", "activityType": "plan", "patch": patch} for patch in pair
        ]
    else:
        events = [snapshot(large)]
        patches = [delta(*patch) for patch in pair]
    data = run(*events, *[event for patch in patches for event in (patch, custom("n", 1))] * 700)
    decoder = AGUIDecoder(strict=True)
    tracemalloc.start()
    found = decoder.feed(data)
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()
    assert sum(isinstance(chunk, DataPartChunk) and chunk.name == "n" for chunk in found) == 1400
    # The last update comes before the end of the run, and is the document as it is then.
    *_, last, finish = found
    assert finish == STOPPED
    if is_activity:
        assert last == DataPartChunk("plan", {**large, "a": 1}, "a")
    else:
        assert last == edit([], {**large, "a": 1})


def test_updates_are_not_held_back_for_longer_than_a_piece_of_the_stream() -> None:
    decoder = AGUIDecoder(state={"items": ["x" * 1000] * 2000, "a": 0})
    patches = [delta({"op": "remove", "path": "/a"}), delta({"op": "add", "path": "/a", "value": 1})] * 5
    for patch in patches:
        assert len(decoder.feed(stream(patch))) == 1
    assert len(decoder.feed(stream(*patches))) < len(patches)
    with pytest.raises(DecodeError) as raised:
        AGUIDecoder(strict=True, state={"items": ["x" * 1000] * 5000, "a": 0}).feed(stream(RUN, *patches, {}))
    assert raised.value.chunks[-1] == edit([], {"items": ["x" * 1000] * 5000, "a": 1})
