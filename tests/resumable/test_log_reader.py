"""Reading a log in a thread and in a task: pauses, a close, and long replays."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from assistant_stream_ce import RunController, TextDeltaChunk, create_run
from assistant_stream_ce.resumable import ResumableStreams
from tests.resumable.test_streams import COUNT, SECONDS, Talk, wait_for


def test_a_read_may_end_without_a_chunk(streams: ResumableStreams, talk: Talk) -> None:
    stream = streams.start(talk.run(), "a")
    reader = iter(stream)
    seen: list[Any] = []
    while len(seen) < COUNT // 2:
        seen += reader.read() or []
    assert reader.read(0.01) == []

    async def main() -> None:
        async with await streams.afollow("a") as follower:  # type: ignore[union-attr]
            reader, found = aiter(follower), []
            while len(found) < COUNT // 2:
                found += await reader.read(0.02) or []
            assert await reader.read(0.02) == []
            reader.stop_timer()

    asyncio.run(main())


def test_close_wakes_a_reader_in_another_thread(streams: ResumableStreams, talk: Talk) -> None:
    stream = streams.start(talk.run(), "a")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(stream))
    thread.start()
    wait_for(lambda: len(found) == COUNT // 2)
    stream.cancel()
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert talk.results == []


def test_a_long_replay_comes_in_pieces(streams: ResumableStreams) -> None:
    def run(controller: RunController) -> None:
        for _ in range(5_000):
            controller.append_text("x")

    assert list(streams.start(create_run(run), "a")) == [TextDeltaChunk("x")] * 5_000
    follower = streams.follow("a")
    assert follower is not None
    assert len(iter(follower).read() or []) <= 1_024
