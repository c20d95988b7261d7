"""The channel: ordered, bounded, readable from a thread and from a loop, and every waiter is woken."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_stream_ce.concurrency.channel import Channel
from assistant_stream_ce.concurrency.sink import PendingItem
from assistant_stream_ce.concurrency.waiters import LoopWaiter, ThreadWaiter, in_event_loop


class Refused(Exception):
    pass


def make(max_pending: int = 1024) -> Channel[object]:
    def refuse() -> None:
        raise Refused

    channel: Channel[object] = Channel(max_pending, refuse, lambda: channel.close())
    return channel


@pytest.fixture
def _eager_switching() -> Iterator[None]:
    """Make threads meet in the worst places."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def drain_sync(channel: Channel[object]) -> list[object]:
    items: list[object] = []
    while (batch := channel.get_sync()) is not None:
        items += batch
    return items


async def drain_async(channel: Channel[object]) -> list[object]:
    items: list[object] = []
    while (batch := await channel.get()) is not None:
        items += batch
    return items


READERS = {
    "for": drain_sync,
    "async for": lambda channel: asyncio.run(drain_async(channel)),
}


@pytest.mark.usefixtures("_eager_switching")
@pytest.mark.parametrize("max_pending", [1, 2, 7, 8, 9, 64, 1024])
@pytest.mark.parametrize("reader", READERS)
def test_threads_keep_their_own_order(reader: str, max_pending: int) -> None:
    channel = make(max_pending)
    per_thread, names = 400, range(6)

    def produce(name: int) -> None:
        for number in range(per_thread):
            channel.put((name, number), 1 + number % 3)

    def produce_all() -> None:
        threads = [threading.Thread(target=produce, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        channel.finish()

    producer = threading.Thread(target=produce_all)
    producer.start()
    items = READERS[reader](channel)
    producer.join()
    for name in names:
        assert [number for who, number in items if who == name] == list(range(per_thread))  # type: ignore[misc]


@given(
    steps=st.lists(st.sampled_from(["put", "heavy", "get", "soft"]), max_size=60),
    max_pending=st.integers(1, 20),
)
def test_the_channel_is_a_queue(steps: list[str], max_pending: int) -> None:
    """One thread is producer and reader at once: it must never wait for itself."""
    channel = make(max_pending)
    put, got = 0, []
    channel.get_sync(timeout=0)
    for step in steps:
        if step == "get":
            got += channel.get_sync(timeout=0) or []
        else:
            channel.put(put, 5 if step == "heavy" else 1, may_block=step != "soft")
            put += 1
    channel.finish()
    got += drain_sync(channel)
    assert got == list(range(put))


@pytest.mark.parametrize("max_pending", [1, 3, 16, 1024])
def test_a_thread_waits_when_the_channel_is_full(max_pending: int) -> None:
    channel = make(max_pending)
    count = 0
    blocked = threading.Event()

    def produce() -> None:
        nonlocal count
        while True:
            if count >= max_pending:
                blocked.set()
            try:
                channel.put(count)
            except Refused:
                return
            count += 1

    producer = threading.Thread(target=produce)
    producer.start()
    assert blocked.wait(10)
    producer.join(0.05)
    assert producer.is_alive()
    assert count == max_pending // (max_pending // 8 or 1) * (max_pending // 8 or 1)
    channel.close()
    producer.join(10)
    assert not producer.is_alive()


async def test_a_coroutine_never_waits_but_may_drain() -> None:
    channel = make(4)
    for number in range(100):
        channel.put(number)
    draining = asyncio.ensure_future(channel.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    channel.finish()
    assert await drain_async(channel) == list(range(100))
    await draining


async def test_drain_returns_at_once_with_free_capacity_and_yields_after_the_end() -> None:
    channel = make(4)
    await channel.drain()
    channel.close()
    ran = asyncio.ensure_future(asyncio.sleep(0))
    await channel.drain()
    await channel.drain()
    assert ran.done()


async def test_drain_on_one_loop_is_woken_by_a_reader_elsewhere() -> None:
    channel = make(1)
    channel.put(1)
    draining = asyncio.ensure_future(channel.drain())
    await asyncio.sleep(0)
    assert await asyncio.to_thread(channel.get_sync) == [1]
    await draining


@pytest.mark.parametrize("end", ["finish", "close"])
def test_a_waiting_thread_receives_the_end(end: str) -> None:
    channel = make()
    result: list[object] = []
    reader = threading.Thread(target=lambda: result.append(channel.get_sync()))
    reader.start()
    getattr(channel, end)()
    reader.join(10)
    assert result == [None]


@pytest.mark.parametrize("end", ["finish", "close"])
async def test_a_waiting_coroutine_receives_the_end_from_another_thread(end: str) -> None:
    channel = make()
    reader = asyncio.ensure_future(channel.get())
    await asyncio.sleep(0)
    threading.Thread(target=getattr(channel, end)).start()
    assert await asyncio.wait_for(reader, 10) is None


def test_finish_keeps_what_was_put_and_close_drops_it() -> None:
    finished, closed = make(), make()
    for channel in (finished, closed):
        channel.put(1)
    finished.finish()
    closed.close()
    assert finished.get_sync() == [1]
    assert finished.get_sync() is None
    assert closed.get_sync() is None


@pytest.mark.parametrize("end", ["finish", "close"])
def test_items_after_the_end_are_refused(end: str) -> None:
    channel = make()
    getattr(channel, end)()
    assert channel.has_ended
    with pytest.raises(Refused):
        channel.put(1)
    assert channel.get_sync() is None


def test_get_sync_gives_an_empty_batch_when_its_time_is_over() -> None:
    channel = make()
    assert channel.get_sync(timeout=0.01) == []
    channel.put(1)
    assert channel.get_sync(timeout=0.01) == [1]


@pytest.mark.usefixtures("_eager_switching")
def test_a_late_wake_up_loses_nothing() -> None:
    """A reader times out at once while three threads put: many wake-ups come late, or during the next wait."""
    channel = make()
    failures: list[BaseException] = []
    has_read = threading.Event()

    def produce(name: str) -> None:
        try:
            for number in range(2000):
                channel.put((name, number))
                has_read.wait(0.0005)
                has_read.clear()
        except BaseException as error:
            failures.append(error)

    producers = [threading.Thread(target=produce, args=(name,)) for name in "abc"]
    for producer in producers:
        producer.start()
    items: list[object] = []
    while len(items) < 6000 and not failures:
        items += channel.get_sync(0.00001) or []
        has_read.set()
    for producer in producers:
        producer.join()
    assert failures == []
    for name in "abc":
        assert [item for item in items if item[0] == name] == [(name, number) for number in range(2000)]  # type: ignore[index]


def test_a_waiter_that_may_still_be_woken_is_not_used_again() -> None:
    channel = make()
    assert channel.get_sync(0) == []
    late = channel._reader
    for number in range(2):
        channel.put(number)
        assert channel.get_sync(0) == [number]
        assert channel.get_sync(0) == []
        assert channel._reader is not late


async def test_wake_reader_gives_an_empty_batch_now_or_at_the_next_get() -> None:
    channel = make()
    waiting = asyncio.ensure_future(channel.get())
    await asyncio.sleep(0)
    channel.wake_reader()
    assert await waiting == []
    channel.wake_reader()
    assert await channel.get() == []
    channel.wake_reader()
    channel.put(1)
    assert await channel.get() == [1]


async def test_a_cancelled_get_loses_nothing() -> None:
    """2,000 items, while every get is cancelled at a random moment."""
    channel = make(8)

    def produce() -> None:
        for number in range(2000):
            channel.put(number)
        channel.finish()

    producer = threading.Thread(target=produce)
    producer.start()
    items: list[object] = []
    ended = False
    while not ended:
        task = asyncio.ensure_future(channel.get())
        await asyncio.sleep(0)
        task.cancel()
        try:
            batch = await task
        except asyncio.CancelledError:
            continue
        ended = batch is None
        items += batch or []
    assert items == list(range(2000))
    producer.join()


async def test_a_fast_thread_does_not_keep_the_loop_from_other_tasks() -> None:
    channel = make(64)
    stop = threading.Event()

    def produce() -> None:
        while not stop.is_set():
            channel.put(0)
        channel.finish()

    turns = 0

    async def other() -> None:
        nonlocal turns
        while turns < 50:
            turns += 1
            await asyncio.sleep(0)
        stop.set()

    producer = threading.Thread(target=produce)
    producer.start()
    task = asyncio.ensure_future(other())
    await drain_async(channel)
    await task
    producer.join()
    assert turns == 50


def test_the_newest_item_is_known_while_it_waits() -> None:
    channel = make()
    first, second = object(), object()
    channel.put(first)
    assert channel.is_newest(first)
    channel.put(second)
    assert not channel.is_newest(first)
    assert channel.get_sync() == [first, second]
    assert not channel.is_newest(second)


def test_an_item_that_has_grown_to_fill_its_batch_takes_no_more() -> None:
    channel = make()
    item = object()
    channel.put(item)
    channel.add_weight(10_000)
    assert not channel.is_newest(item)


class Growing(PendingItem):
    """A text that grows until it is taken."""

    def __init__(self) -> None:
        self.text = "a"
        self._taken: str | None = None

    def resolve(self) -> str:
        self._taken = self._taken or self.text
        return self._taken


@pytest.mark.parametrize("reader", READERS)
def test_a_pending_item_is_resolved_when_it_was_taken(reader: str) -> None:
    channel = make()
    growing = Growing()
    channel.put("first")
    channel.put_pending(growing, 1)
    growing.text = "ab"
    channel.put("last")
    channel.finish()
    assert READERS[reader](channel) == ["first", "ab", "last"]


class Sink:
    """Keeps what it receives, and asks for `process` at each third item."""

    def __init__(self) -> None:
        self.items: list[object] = []
        self.processed = 0

    def write(self, items: list[object]) -> bool:
        self.items.extend(items)
        return len(self.items) >= 3 * (self.processed + 1)

    def process(self) -> None:
        self.processed += 1


@pytest.mark.parametrize("max_pending", [1, 3, 16, 1024])
@pytest.mark.parametrize("end", ["finish", "close"])
def test_each_sink_receives_every_item_once_and_in_order_also_unread_ones(max_pending: int, end: str) -> None:
    channel = make(max_pending)
    sinks = [Sink(), Sink()]
    for sink in sinks:
        channel.add_sink(sink)
    channel.get_sync(timeout=0)
    for number in range(50):
        channel.put(number)
        if number % 7 == 0:
            channel.get_sync()
        if number % 5 == 0:
            channel.flush_sinks()
            assert sinks[0].items == list(range(number + 1))
    getattr(channel, end)()
    channel.flush_sinks()
    assert [sink.items for sink in sinks] == [list(range(50))] * 2
    assert sinks[0].processed > 0


def test_a_closed_loop_counts_as_a_lost_reader() -> None:
    channel = make()

    async def start_reading() -> None:
        task = asyncio.ensure_future(channel.get())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(start_reading())
    channel.put(1)
    assert channel.has_ended


def test_waiters_are_woken_from_anywhere_and_more_than_once() -> None:
    thread_waiter = ThreadWaiter()
    assert not thread_waiter.wait(0)
    assert thread_waiter.wake()
    assert thread_waiter.wait(0)

    async def wake_twice() -> None:
        waiter = LoopWaiter()
        assert waiter.wake()
        assert waiter.wake()
        await waiter.wait()

    asyncio.run(wake_twice())


async def test_in_event_loop() -> None:
    assert in_event_loop()
    assert not await asyncio.to_thread(in_event_loop)


def test_introspection_shows_waiting_items_and_blocked_producers() -> None:
    channel = make(8)
    waiter = ThreadWaiter()
    channel.watch(waiter)
    producer = threading.Thread(target=lambda: [channel.put(number) for number in range(12)])
    producer.start()
    assert waiter.wait(10)
    assert (channel.waiting, channel.is_blocking) == (8, True)
    late = ThreadWaiter()
    channel.watch(late)
    assert late.wait(0)
    assert len(drain_some(channel, 12)) == 12
    producer.join(10)
    assert (channel.waiting, channel.is_blocking) == (0, False)
    last = ThreadWaiter()
    channel.watch(last)
    assert not last.wait(0)
    channel.finish()
    assert last.wait(0)


def drain_some(channel: Channel[object], count: int) -> list[object]:
    items: list[object] = []
    while len(items) < count:
        items += channel.get_sync() or []
    return items


@pytest.mark.parametrize("max_pending", [1, 8, 64])
def test_one_thread_is_woken_for_each_free_slot(max_pending: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 threads wait: to wake all of them for each slot would be 200 times the wake-ups of this bound."""
    woken = 0
    wake = ThreadWaiter.wake

    def counted(waiter: ThreadWaiter) -> bool:
        nonlocal woken
        woken += 1
        return wake(waiter)

    monkeypatch.setattr(ThreadWaiter, "wake", counted)
    channel = make(max_pending)
    threads = [threading.Thread(target=lambda: [channel.put(number) for number in range(10)]) for _ in range(200)]
    for thread in threads:
        thread.start()
    items = drain_some(channel, 2000)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert len(items) == 2000
    assert woken < 3 * 2000


async def test_each_drain_is_woken_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    woken = 0
    wake = LoopWaiter.wake

    def counted(waiter: LoopWaiter) -> bool:
        nonlocal woken
        woken += 1
        return wake(waiter)

    monkeypatch.setattr(LoopWaiter, "wake", counted)
    channel = make(8)

    async def produce() -> None:
        for number in range(10):
            await channel.drain()
            channel.put(number)

    producers = [asyncio.ensure_future(produce()) for _ in range(200)]
    items: list[object] = []
    while len(items) < 2000:
        items += await channel.get() or []
    await asyncio.gather(*producers)
    assert woken < 3 * 2000


async def test_drains_of_several_coroutines_end_when_the_reader_has_taken_everything() -> None:
    channel = make(1)
    channel.put(1)
    draining = [asyncio.ensure_future(channel.drain()) for _ in range(20)]
    await asyncio.sleep(0)
    draining[0].cancel()
    assert await channel.get() == [1]
    async with asyncio.timeout(10):
        await asyncio.wait(draining)
    assert [task.cancelled() for task in draining] == [True] + [False] * 19


def test_a_channel_that_was_full_leaves_nothing_to_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        for end in ("finish", "close"):
            channel = make(4)
            channel.get_sync(0)
            for number in range(20):
                channel.put(number)
            getattr(channel, end)()
            drain_sync(channel)
            # The callbacks of `make` refer to it.
            channel._on_reader_lost = channel._on_closed = lambda: None
            del channel
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_coroutine_on_another_loop_waits_as_a_thread_does() -> None:
    channel = make(1)
    own = asyncio.new_event_loop()
    channel.add_producer_loops(own)

    async def put_twice() -> None:
        channel.put(1)
        channel.put(2)

    own.run_until_complete(put_twice())
    own.close()
    assert channel.get_sync() == [1, 2]
    channel._reader_thread = 0
    producer = threading.Thread(target=lambda: asyncio.run(put_twice()))
    producer.start()
    while not channel.is_blocking:
        producer.join(0.001)
    assert channel.waiting == 1
    assert len(drain_some(channel, 2)) == 2
    producer.join(10)
    assert not producer.is_alive()
