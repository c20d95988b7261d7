"""One body of tests for every store, with `def` and `async def` callbacks, `for` and `async for`."""

from __future__ import annotations

import asyncio
import datetime
import functools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from assistant_stream_ce import (
    ErrorChunk,
    RunCancelled,
    RunController,
    RunFailedError,
    RunResult,
    StreamTooLongError,
    StreamUsageError,
    TextDeltaChunk,
    create_run,
)
from assistant_stream_ce.message import AssistantMessage
from assistant_stream_ce.resumable import FollowedStream, ResumableStreams, StreamStatus
from assistant_stream_ce.resumable.store import Store, StoreOptions, StreamKey
from assistant_stream_ce.serialization import (
    AGUIEncoder,
    AssistantTransportEncoder,
    DataStreamEncoder,
    OpenAIStreamEncoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)
from tests.resumable.worlds import World, read, texts
from tests.support.kinds import CALLBACK_KINDS

SECONDS = 20.0
COUNT = 20
WORDS = [TextDeltaChunk(f"{number} ") for number in range(COUNT)]

ENCODERS: list[Any] = [
    *(DataStreamEncoder, AssistantTransportEncoder, PlainTextEncoder),
    *(UIMessageStreamEncoder, AGUIEncoder, OpenAIStreamEncoder),
]

Workers = Callable[..., ResumableStreams]


class Talk:
    """A callback that says words, the second half once it may."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.may_go_on = threading.Event()
        self.results: list[RunResult] = []
        self.calls = 0

    def _say(self, controller: RunController, first: int, last: int) -> None:
        for number in range(first, last):
            controller.append_text(f"{number} ")

    def run(self, **options: Any) -> Any:
        """Return a run of it."""

        def say(controller: RunController) -> None:
            self.calls += 1
            self._say(controller, 0, COUNT // 2)
            while not self.may_go_on.wait(0.01):
                controller.raise_if_cancelled()
            self._say(controller, COUNT // 2, COUNT)

        async def say_async(controller: RunController) -> None:
            self.calls += 1
            self._say(controller, 0, COUNT // 2)
            while not self.may_go_on.is_set():
                await asyncio.sleep(0.01)
            self._say(controller, COUNT // 2, COUNT)

        callback = say if self.kind == "def" else say_async
        return create_run(callback, on_finish=self.results.append, **options)


@pytest.fixture(params=CALLBACK_KINDS)
def talk(request: pytest.FixtureRequest) -> Iterator[Talk]:
    talk = Talk(request.param)
    yield talk
    talk.may_go_on.set()


def wait_for(condition: Callable[[], Any]) -> Any:
    """Return the first true result of a condition that another thread or process will make true."""
    deadline = time.monotonic() + SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    return result


# --- following ---


def test_everyone_reads_everything_in_every_worker(world: World, talk: Talk, make_worker: Workers) -> None:
    first, second = make_worker(), make_worker()
    producer = world.call(first, "start", talk.run(), "chat:1")
    local, remote = world.call(first, "follow", "chat:1"), world.call(second, "follow", "chat:1")
    early: list[Any] = []
    world.read_into(remote, early, COUNT // 2)
    assert early == WORDS[: COUNT // 2]
    running = world.call(second, "status", "chat:1")
    assert (running.state, running.chunks, running.message) == ("running", COUNT // 2, None)
    talk.may_go_on.set()
    assert [read(world, stream) for stream in (producer, local)] == [WORDS, WORDS]
    assert early + read(world, remote) == WORDS
    late = world.call(second, "follow", "chat:1")
    assert read(world, late) == WORDS
    followers: list[FollowedStream] = [producer, local, remote, late]
    assert [stream.is_producer for stream in followers] == [True, False, False, False]
    assert {stream.stream_id for stream in followers} == {"chat:1"}
    assert {stream.reason for stream in followers} == {"completed"}
    assert len({(stream.message_id, stream.header) for stream in followers}) == 1
    assert {stream.message.text for stream in followers} == {texts(WORDS)}
    assert [result.reason for result in talk.results] == ["completed"]


def test_a_status_outlives_the_log(world: World, talk: Talk, make_worker: Workers) -> None:
    streams = make_worker(retention=0.0, message_retention=60.0)
    before = datetime.datetime.now(datetime.UTC)
    talk.may_go_on.set()
    read(world, world.call(streams, "start", talk.run(state={"a": 1}), "a"))
    wait_for(lambda: world.call(streams, "follow", "a") is None)
    status: StreamStatus = world.call(streams, "status", "a")
    assert (status.state, status.stream_id, status.chunks) == ("completed", "a", COUNT)
    assert (status.initial_state, status.message.text) == ({"a": 1}, texts(WORDS))  # type: ignore[union-attr]
    assert status.message is not None
    assert status.message.id == status.message_id
    assert before - datetime.timedelta(seconds=5) < status.started_at < before + datetime.timedelta(seconds=60)


@pytest.mark.parametrize("worker", [0, 1])
def test_a_cursor_skips_exactly_what_was_read(world: World, make_worker: Workers, worker: int) -> None:
    workers = make_worker(), make_worker()
    talk = Talk("def")
    talk.may_go_on.set()
    read(world, world.call(workers[0], "start", talk.run(), "a"))
    wait_for(lambda: world.call(workers[1], "status", "a").state == "completed")
    for count in range(COUNT):
        stream = world.call(workers[worker], "follow", "a", after=count)
        assert read(world, stream) == WORDS[count:]
        assert stream.skipped == WORDS[:count]
        assert stream.message.text == texts(WORDS)
    assert world.call(workers[worker], "follow", "a", after=COUNT) is None
    assert world.call(workers[worker], "follow", "a", after=f"1.{COUNT}") is None
    for unknown in (COUNT + 1, f"0.{COUNT}", "7", "1.x", "", None):
        assert read(world, world.call(workers[worker], "follow", "a", after=unknown)) == WORDS
    assert read(world, world.call(workers[worker], "follow", "a", after="1.7")) == WORDS[7:]


def test_a_follower_may_wait_for_its_stream(world: World, make_worker: Workers) -> None:
    first, second = make_worker(), make_worker()
    talk = Talk("def")
    talk.may_go_on.set()
    assert world.call(second, "follow", "a", wait=0.01) is None
    with ThreadPoolExecutor(3) as pool:
        names: list[Any] = [{"stream_id": "a"}, {"thread": "t"}]
        found = [pool.submit(second.follow, **name, owner="u", wait=SECONDS) for name in names]
        found.append(pool.submit(first.follow, "a", owner="u", wait=SECONDS))
        wait_for(lambda: len(second._started_engine().reading._waiting) == 2)
        first.start(talk.run(), "a", thread="t", owner="u")
        streams = [each.result(SECONDS) for each in found]
    assert [list(stream) for stream in streams if stream is not None] == [WORDS] * 3


def test_a_replay_has_the_bytes_of_the_first_response(world: World, talk: Talk, make_worker: Workers) -> None:
    first, second = make_worker(), make_worker()

    def run(controller: RunController) -> None:
        controller.state["n"] = 0
        for number in range(30):
            controller.append_text(f"{number} ")
            controller.state["n"] += 1
        with controller.add_tool_call("search", "c1") as call:
            call.append_args_text("{}")
            call.set_response([1])

    options: dict[str, Any] = {"state": {"n": 0}}
    for encoder in ENCODERS:
        plain = b"".join(encoder().encode_stream(create_run(run, **options)))
        producer = world.call(first, "start", create_run(run, **options), encoder.__name__)
        bodies = [b"".join(encoder().encode_stream(producer))]
        for worker in (first, second):
            bodies.append(b"".join(encoder().encode_stream(world.call(worker, "follow", encoder.__name__))))
        assert bodies[1:] == bodies[:1] * 2
        # Others have the state, whose edits are merged while they wait, or ids.
        assert encoder not in (DataStreamEncoder, PlainTextEncoder) or bodies[0] == plain


def test_behind_a_cursor_the_tail_completes_the_body(world: World, make_worker: Workers) -> None:
    first, second = make_worker(), make_worker()

    def run(controller: RunController) -> None:
        controller.append_reasoning("hm")
        controller.append_text("a")
        controller.state["n"] = 1
        with controller.add_tool_call("search", "c1") as call:
            call.append_args_text("{")
            call.append_args_text("}")
            call.set_response([1])
        controller.append_text("b")
        controller.state["n"] += 1
        controller.append_text("c")

    chunks = read(world, world.call(first, "start", create_run(run, state={"n": 0}), "a"))
    wait_for(lambda: world.call(second, "status", "a").state == "completed")
    for encoder in ENCODERS:
        whole = b"".join(encoder().encode_stream(world.call(second, "follow", "a")))
        tails = [
            b"".join(encoder().encode_stream(world.call(second, "follow", "a", after=count)))
            for count in range(1, len(chunks))
        ]
        assert all(whole.endswith(tail) for tail in tails)
        sizes = [len(whole), *map(len, tails)]
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(sizes)) > 2


def test_a_state_is_that_of_the_reader(world: World, make_worker: Workers) -> None:
    streams = make_worker()

    def run(controller: RunController) -> None:
        controller.state["n"] = 1
        controller.append_text("a")
        controller.state["n"] = 2

    world.call(streams, "start", create_run(run, state={"n": 0}), "a")
    stream = wait_for(lambda: world.call(streams, "follow", "a"))
    assert (stream.state, stream.initial_state) == ({"n": 0}, {"n": 0})
    read(world, stream)
    assert (stream.state, stream.initial_state, stream.message.state) == ({"n": 2}, {"n": 0}, {"n": 2})


# --- names ---


def test_a_thread_points_at_its_newest_stream(world: World, make_worker: Workers) -> None:
    first, second = make_worker(), make_worker()
    old, new = Talk("def"), Talk("def")
    world.call(first, "start", old.run(), thread="chat")
    newest = world.call(first, "start", new.run(), thread="chat")
    found = world.call(second, "follow", thread="chat")
    assert found.stream_id == newest.stream_id
    assert world.call(second, "status", thread="chat").stream_id == newest.stream_id
    assert world.call(second, "stop", thread="chat")
    read(world, found)
    assert (found.reason, old.results) == ("stopped", [])
    assert world.call(second, "follow", thread="other") is None
    old.may_go_on.set()


def test_another_owner_s_stream_does_not_exist(world: World, make_worker: Workers) -> None:
    streams = make_worker()
    talk = Talk("def")
    world.call(streams, "start", talk.run(), "a", owner="ann", thread="t")
    for owner in ("bob", "", None):
        assert world.call(streams, "follow", "a", owner=owner) is None
        assert world.call(streams, "follow", thread="t", owner=owner) is None
        assert world.call(streams, "status", "a", owner=owner) is None
        assert not world.call(streams, "delete", "a", owner=owner)
        assert not world.call(streams, "stop", "a", owner=owner)
    assert world.call(streams, "stop", "a", owner="ann")


@pytest.mark.parametrize("name", ["", "a" * 201, "a/b", "../a", "a\0", "{a}", "ä", "a\n", 5, b"a"])
def test_what_is_no_id_is_unknown(world: World, make_worker: Workers, name: Any) -> None:
    streams = make_worker()
    assert world.call(streams, "follow", name) is None
    assert world.call(streams, "status", name) is None
    assert not world.call(streams, "stop", name)
    assert not world.call(streams, "delete", name)
    with pytest.raises((ValueError, TypeError), match="stream_id must be"):
        world.call(streams, "start", create_run(lambda controller: None), name)


def test_one_of_racing_starts_runs_its_callback(make_worker: Workers) -> None:
    workers = [make_worker() for _ in range(4)]
    talks = [Talk("def") for _ in range(12)]
    barrier = threading.Barrier(len(talks))

    def race(number: int) -> tuple[bool, list[Any]]:
        talks[number].may_go_on.set()
        barrier.wait()
        stream = workers[number % 4].start(talks[number].run(), "a")
        return stream.is_producer, list(stream)

    with ThreadPoolExecutor(len(talks)) as pool:
        results = list(pool.map(race, range(len(talks))))
    assert sum(is_producer for is_producer, _ in results) == 1
    assert all(chunks == WORDS for _, chunks in results)
    assert sum(talk.calls for talk in talks) == 1
    assert sum(len(talk.results) for talk in talks) == 1


# --- the end ---


@pytest.mark.parametrize("worker", [0, 1])
def test_a_stop_reaches_the_run_from_any_worker(world: World, talk: Talk, make_worker: Workers, worker: int) -> None:
    workers = make_worker(), make_worker()
    producer = world.call(workers[0], "start", talk.run(), "a")
    remote = world.call(workers[1], "follow", "a")
    world.read_into(producer, [], COUNT // 2)
    assert world.call(workers[worker], "stop", "a")
    assert (read(world, producer), read(world, remote)) == ([], WORDS[: COUNT // 2])
    assert (producer.reason, remote.reason) == ("stopped", "stopped")
    assert remote.is_cancelled
    assert [result.reason for result in talk.results] == ["cancelled"]
    wait_for(lambda: world.call(workers[1], "status", "a").state == "stopped")
    assert not world.call(workers[worker], "stop", "a")
    assert world.call(workers[1], "status", "a").message.status.reason == "cancelled"


def test_a_stop_that_overtakes_its_start_wins(world: World, talk: Talk, make_worker: Workers) -> None:
    first, second = make_worker(), make_worker()
    assert not world.call(second, "stop", "a")
    stream = world.call(first, "start", talk.run(), "a")
    assert read(world, stream) == []
    assert (stream.reason, talk.calls) == ("stopped", 0)
    assert [result.reason for result in talk.results] == ["cancelled"]
    wait_for(lambda: world.call(second, "status", "a").state == "stopped")


def test_a_stop_is_for_the_run_that_it_finds(make_worker: Workers) -> None:
    """Also where others delete the stream and begin it anew in the moment of its end."""
    first, second = make_worker(), make_worker()
    for _ in range(15):
        endless = create_run(lambda controller: controller.cancelled_event.wait_sync(SECONDS))
        for run, reason in ((endless, "stopped"), (create_run(lambda controller: None), "completed")):
            stream = first.start(run, "a")
            assert stream.is_producer
            if reason == "stopped":
                assert second.stop("a")
            assert (list(stream), stream.reason) == ([], reason)
            assert second.delete("a")


def test_a_failure_is_raised_where_the_callback_ran(world: World, make_worker: Workers) -> None:
    first, second = make_worker(), make_worker()

    def fail(controller: RunController) -> None:
        controller.append_text("a")
        raise ZeroDivisionError("by zero")

    producer = world.call(first, "start", create_run(fail, on_error=lambda error: "sorry"), "a")
    remote = world.call(second, "follow", "a")
    for stream, kind in ((producer, ZeroDivisionError), (remote, RunFailedError)):
        chunks: list[Any] = []
        with pytest.raises(kind, match=r"by zero|sorry"):
            world.read_into(stream, chunks)
        assert chunks == [TextDeltaChunk("a"), ErrorChunk("sorry")]
        assert stream.reason == "failed"
    wait_for(lambda: world.call(second, "status", "a").state == "failed")
    assert world.call(second, "status", "a").message.error.message == "sorry"


def test_leaving_changes_nothing(world: World, talk: Talk, make_worker: Workers) -> None:
    streams = make_worker()
    world.close_stream(world.call(streams, "start", talk.run(), "a"))
    for _ in range(20):
        stream = world.call(streams, "follow", "a")
        world.read_into(stream, [], 1)
        world.close_stream(stream)
        assert read(world, stream) == [] or stream.reason is None
    talk.may_go_on.set()
    assert read(world, world.call(streams, "follow", "a")) == WORDS
    assert [result.reason for result in talk.results] == ["completed"]
    wait_for(lambda: streams.stats()["followers"] == 0)


@pytest.mark.parametrize("on_leave", ["stop", 0.05])
def test_a_run_may_be_cancelled_when_nobody_follows(
    world: World, talk: Talk, make_worker: Workers, on_leave: Any
) -> None:
    streams = make_worker()
    producer = world.call(streams, "start", talk.run(), "a", on_leave=on_leave)
    follower = world.call(streams, "follow", "a")
    world.close_stream(producer)
    world.read_into(follower, [], COUNT // 2)
    assert talk.results == []
    world.close_stream(follower)
    wait_for(lambda: [result.reason for result in talk.results] == ["cancelled"])
    wait_for(lambda: world.call(streams, "status", "a").state == "stopped")


def test_a_follower_of_another_worker_keeps_a_run_alive(world: World, make_worker: Workers) -> None:
    first, second = make_worker(), make_worker()
    talk = Talk("def")
    producer = world.call(first, "start", talk.run(), "a", on_leave=0.1)
    remote = world.call(second, "follow", "a")
    wait_for(lambda: first._engine.session.find_followed([first._engine.local(_key("a")).key]))  # type: ignore[union-attr]
    world.close_stream(producer)
    wait_for(lambda: first._engine.local(_key("a")).leave_at > time.monotonic() + 0.2)  # type: ignore[union-attr,operator]
    assert talk.results == []
    talk.may_go_on.set()
    assert read(world, remote) == WORDS


def _key(name: str) -> Any:
    from assistant_stream_ce.resumable.store import StreamKey

    return StreamKey("_", name)


def test_a_dropped_follower_has_left(make_worker: Workers) -> None:
    streams = make_worker()
    talk = Talk("def")
    streams.start(talk.run(), "a", on_leave="stop")
    wait_for(lambda: [result.reason for result in talk.results] == ["cancelled"])


@pytest.mark.parametrize("begins_anew", [False, True])
def test_followers_elsewhere_of_a_deleted_stream_are_at_its_end(
    talk: Talk, make_worker: Workers, make_store: Callable[[], Store], begins_anew: bool
) -> None:
    """Also where the end was deleted before they have read it: at once, not after the lease of the producer."""
    make_worker(lease=SECONDS).start(talk.run(), "a")
    follower = make_worker(lease=SECONDS).follow("a")
    assert follower is not None
    assert next(follower) == WORDS[0]
    with closing(make_store().connect("other", StoreOptions(lease=SECONDS))) as session:
        assert session.delete(StreamKey("_", "a"))
    if begins_anew:
        assert make_worker().start(create_run(lambda controller: None), "a").is_producer
    list(follower)
    assert follower.reason == "stopped"


@pytest.mark.parametrize("worker", [0, 1])
def test_a_deleted_stream_is_gone_and_its_id_free(world: World, talk: Talk, make_worker: Workers, worker: int) -> None:
    workers = make_worker(), make_worker()
    stream = world.call(workers[0], "start", talk.run(), "a")
    assert world.call(workers[worker], "delete", "a")
    read(world, stream)
    assert (stream.reason, [result.reason for result in talk.results]) == ("stopped", ["cancelled"])
    for streams in workers:
        # The producer drops its log a moment after its end is stored.
        wait_for(lambda streams=streams: world.call(streams, "status", "a") is None)
        assert world.call(streams, "follow", "a") is None
    assert not world.call(workers[worker], "delete", "a")
    again = Talk("def")
    again.may_go_on.set()
    assert read(world, world.call(workers[1], "start", again.run(), "a")) == WORDS


def test_a_drain_waits_and_then_interrupts(world: World, talk: Talk, make_worker: Workers) -> None:
    streams, other = make_worker(), make_worker()
    stream = world.call(streams, "start", talk.run(), "a")
    remote = world.call(other, "follow", "a")
    assert not world.call(streams, "drain", 0.05)
    for follower in (stream, remote):
        chunks: list[Any] = []
        with pytest.raises(RunFailedError, match="shutting down"):
            world.read_into(follower, chunks)
        assert chunks[-1] == ErrorChunk("The server is shutting down.")
        assert follower.reason == "interrupted"
    assert [result.reason for result in talk.results] == ["cancelled"]
    assert world.call(streams, "status", "a").state == "interrupted"
    with pytest.raises(StreamUsageError, match="drained"):
        world.call(streams, "start", talk.run(), "b")
    assert world.call(streams, "drain", 0.0)


def test_a_drain_lets_a_run_end_by_itself(world: World, talk: Talk, make_worker: Workers) -> None:
    streams = make_worker()
    stream = world.call(streams, "start", talk.run(), "a")
    talk.may_go_on.set()
    assert world.call(streams, "drain", SECONDS)
    assert read(world, stream) == WORDS


def test_closed_streams_say_so(world: World, make_worker: Workers) -> None:
    streams = make_worker()
    world.call(streams, "close")
    world.call(streams, "close")
    for name in ("follow", "stop", "status", "delete"):
        with pytest.raises(StreamUsageError, match="closed"):
            world.call(streams, name, "a")


def test_a_killed_producer_is_noticed_once(world: World, make_worker: Workers) -> None:
    reports: list[Any] = []
    first = make_worker()
    others = [make_worker(lease=2.0, on_interrupted=lambda *report: reports.append(report)) for _ in range(3)]
    talk = Talk("def")
    world.call(first, "start", talk.run(), "a")
    followers = [world.call(other, "follow", "a") for other in others]
    seen: list[Any] = []
    world.read_into(followers[0], seen, COUNT // 2)
    kill(first)
    for follower in followers:
        with pytest.raises(RunFailedError, match="interrupted"):
            world.read_into(follower, seen)
        assert follower.reason == "interrupted"
    assert seen[-1] == ErrorChunk("The answer was interrupted.")
    status = world.call(others[0], "status", "a")
    assert (status.state, status.chunks) == ("interrupted", COUNT // 2)
    ((stream_id, message),) = wait_for(lambda: reports)
    assert (stream_id, message.text) == ("a", texts(WORDS[: COUNT // 2]))
    assert message == status.message
    talk.may_go_on.set()


def test_a_killed_producer_that_nobody_followed_is_noticed_at_the_next_call(make_worker: Workers) -> None:
    reports: list[Any] = []

    async def report(stream_id: str, message: AssistantMessage | None) -> None:
        reports.append(stream_id)
        raise ValueError("is logged")

    first, second = make_worker(lease=2.0), make_worker(lease=2.0, on_interrupted=report)
    talk = Talk("def")
    world_stream = first.start(talk.run(), "a")
    wait_for(lambda: len(list(world_stream.message.text)) > 5)
    kill(first)
    wait_for(lambda: second.status("a").state == "interrupted")  # type: ignore[union-attr]
    wait_for(lambda: reports == ["a"])
    assert not second.stop("a")
    talk.may_go_on.set()


def kill(streams: ResumableStreams) -> None:
    """Let a worker lose its store as if its process were killed."""
    engine = streams._engine
    assert engine is not None
    engine.writing.stop()
    engine.reading.stop()
    engine.session.close()
    streams._engine = None


def test_a_stream_that_is_too_long_fails(world: World, make_worker: Workers) -> None:
    streams = make_worker(max_bytes=5_000)
    raised: list[BaseException] = []

    def run(controller: RunController) -> None:
        try:
            while True:
                controller.append_text("x" * 100)
                time.sleep(0)
        except StreamTooLongError as error:
            raised.append(error)
            raise

    stream = world.call(streams, "start", create_run(run), "a")
    chunks: list[Any] = []
    with pytest.raises(StreamTooLongError, match="max_bytes"):
        world.read_into(stream, chunks)
    assert len(raised) == 1
    assert (stream.reason, type(chunks[-1])) == ("failed", ErrorChunk)
    assert len(texts(chunks)) >= 3_000


# --- use ---


def test_a_blocking_word_in_a_loop_names_the_other(make_worker: Workers) -> None:
    streams = make_worker()

    async def main() -> None:
        calls: dict[str, Any] = {
            "start": functools.partial(streams.start, create_run(lambda controller: None)),
            "follow": functools.partial(streams.follow, "a"),
            "stop": functools.partial(streams.stop, "a"),
            "status": functools.partial(streams.status, "a"),
            "delete": functools.partial(streams.delete, "a"),
            "drain": functools.partial(streams.drain, 0.0),
            "close": streams.close,
        }
        for name, call in calls.items():
            with pytest.raises(StreamUsageError, match=f"await streams.a{name}"):
                call()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"lease": 0}, ValueError),
        ({"retention": -1}, ValueError),
        ({"message_retention": "1"}, TypeError),
        ({"max_bytes": 0}, ValueError),
        ({"max_bytes": 1.5}, TypeError),
        ({"drain_seconds": True}, TypeError),
        ({"on_interrupted": 1}, TypeError),
        ({"store": "redis://"}, TypeError),
    ],
)
def test_wrong_settings_are_refused(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="must be"):
        ResumableStreams(**options)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on_leave": "sometimes"}, ValueError),
        ({"on_leave": -1}, ValueError),
        ({"on_leave": None}, TypeError),
        ({"thread": 1}, TypeError),
        ({"owner": 1}, TypeError),
    ],
)
def test_wrong_arguments_of_a_start_are_refused(options: Any, error: type[Exception]) -> None:
    with ResumableStreams() as streams, pytest.raises(error, match="must be"):
        streams.start(create_run(lambda controller: None), **options)


def test_wrong_arguments_of_a_follow_are_refused() -> None:
    with ResumableStreams() as streams:
        with pytest.raises(ValueError, match="after must be"):
            streams.follow("a", after=-1)
        with pytest.raises(TypeError, match="after must be"):
            streams.follow("a", after=1.5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="wait must be"):
            streams.follow("a", wait=-1)
        with pytest.raises(TypeError, match="pass stream_id"):
            streams.follow()


def test_only_an_unread_stream_is_started(world: World, make_worker: Workers) -> None:
    streams = make_worker()
    stream = create_run(lambda controller: None)
    world.call(streams, "start", stream, "a")
    with pytest.raises(StreamUsageError, match="already"):
        world.call(streams, "start", stream, "b")
    with pytest.raises(StreamUsageError, match="already"):
        list(stream)
    with pytest.raises(TypeError, match="did you mean create_run"):
        world.call(streams, "start", lambda controller: None)


def test_nothing_is_opened_before_the_first_use() -> None:
    before = threading.active_count()
    streams = ResumableStreams()
    assert streams.stats()["live"] == 0
    assert (streams._engine, threading.active_count()) == (None, before)
    streams.close()


def test_counters_tell_what_happened(world: World, make_worker: Workers) -> None:
    streams = make_worker()
    talk = Talk("def")
    stream = world.call(streams, "start", talk.run(), "a")
    stats = streams.stats()
    assert (stats["live"], stats["followed"], stats["followers"], stats["started"]) == (1, 1, 1, 1)
    world.call(streams, "stop", "a")
    read(world, stream)
    wait_for(lambda: streams.stats()["live"] == 0)
    assert streams.stats()["stopped"] == 1
    assert (streams.stats()["append_p99"] > 0) != streams._store.is_inline


def test_a_hundred_followers_and_no_thread_is_left(world: World, make_worker: Workers) -> None:
    first, second = make_worker(), make_worker()
    talk = Talk("def")
    producer = world.call(first, "start", talk.run(), "a")
    followers = [world.call(streams, "follow", "a") for streams in (first, second) for _ in range(50)]
    talk.may_go_on.set()
    for follower in (producer, *followers):
        assert read(world, follower) == WORDS
    wait_for(lambda: first.stats()["live"] == second.stats()["remote"] == 0)


def test_a_callback_that_ignores_its_stop_is_abandoned(world: World, make_worker: Workers) -> None:
    streams = make_worker()
    release = threading.Event()

    def hang(controller: RunController) -> None:
        release.wait(SECONDS)

    results: list[RunResult] = []
    stream = world.call(streams, "start", create_run(hang, on_finish=results.append), "a")
    assert world.call(streams, "stop", "a")
    assert read(world, stream) == []
    assert (stream.reason, [result.reason for result in results]) == ("stopped", ["abandoned"])
    release.set()


def test_the_controller_raises_after_a_stop(world: World, make_worker: Workers) -> None:
    streams = make_worker()
    told: list[str] = []

    def run(controller: RunController) -> None:
        controller.on_cancel(lambda: told.append("on_cancel"))
        controller.append_text("a")
        try:
            controller.cancelled_event.wait_sync(SECONDS)
            controller.append_text("b")
        except RunCancelled:
            told.append("RunCancelled")
            raise

    stream = world.call(streams, "start", create_run(run), "a")
    world.read_into(stream, [], 1)
    world.call(streams, "stop", "a")
    assert read(world, stream) == []
    assert sorted(told) == ["RunCancelled", "on_cancel"]
