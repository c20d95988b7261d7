"""A store whose faults a test chooses, around a `MemoryStore`: away, replies that are lost, data that is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assistant_stream_ce.errors import StoreUnavailableError
from assistant_stream_ce.resumable import MemoryStore
from assistant_stream_ce.resumable.store import Event, Store, StoreOptions, StreamKey

KEY = StreamKey("_", "a")


class FlakyStore(Store):
    """Sessions of a `MemoryStore` that fail as the attributes say."""

    is_inline = False

    def __init__(self, data: MemoryStore | None = None) -> None:
        self.memory = MemoryStore() if data is None else data
        #: Whether every call fails.
        self.is_away = False
        #: Calls whose reply is lost: each so many-th.
        self.lost_replies = 0
        #: Streams that `find_dead` calls dead.
        self.dead: set[StreamKey] = set()
        self.calls: list[str] = []
        #: Called once, before the next call of a method with this name.
        self.before: dict[str, Callable[[], object]] = {}

    def connect(self, worker: str, options: StoreOptions) -> Any:
        """Return a session."""
        return _Session(self, self.memory.connect(worker, options))

    @property
    def data(self) -> Any:
        """The data of the store."""
        (data,) = self.memory._data.values()
        return data

    def lose(self, key: StreamKey = KEY) -> None:
        """Lose a log, as a server that was restarted without its data."""
        with self.data.lock:
            del self.data.logs[key]
            for session in self.data.sessions:
                session._notify(key)

    def lose_tail(self, count: int, key: StreamKey = KEY) -> None:
        """Lose the last entries of a log, as a failover does."""
        with self.data.lock:
            del self.data.logs[key].entries[-count:]


class _Session:
    def __init__(self, store: FlakyStore, inner: Any) -> None:
        self._store = store
        self._inner = inner

    def find_dead(self, keys: Any) -> set[StreamKey]:
        self._store.calls.append("find_dead")
        self._check()
        return self._inner.find_dead(keys) | (self._store.dead & set(keys))

    def request_repair(self, key: StreamKey) -> None:
        with self._store.data.lock:
            producer = self._store.data.logs[key].producer
            if producer is not None:
                producer._add(Event(key, "repair"))

    def _check(self) -> None:
        if self._store.is_away:
            raise StoreUnavailableError("the test took the store away")

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name in ("close", "wake", "watch", "watch_run", "unwatch"):
            return method
        store = self._store

        def call(*args: Any) -> Any:
            store.calls.append(name)
            store.before.pop(name, lambda: None)()
            self._check()
            result = method(*args)
            if name != "poll":
                self._check()
                if store.lost_replies and len(store.calls) % store.lost_replies == 0:
                    raise StoreUnavailableError("the test lost a reply")
            return result

        return call
