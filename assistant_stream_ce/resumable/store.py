"""The interface of a store: where the chunks of resumable streams are kept.

A store is a set of logs. Each has a header, entries of chunks with increasing numbers, and at most one terminal entry.
`Store` is the configuration; `Store.connect` returns a `StoreSession`, which does the I/O for one process.

A session has blocking calls only: it starts no thread, calls no user code, keeps no queue and never retries. The engine
around it (`ResumableStreams`) owns the threads, the retries and both kinds of readers, so a store is written once for
threads and event loops.

**Threads.** The engine makes three kinds of calls, of each kind one at a time:

- the *writer's*: `append`, `finish`, `reseed`, `renew`, from a thread of the engine;
- the *reader's*: `watch`, `watch_run`, `unwatch`, `expect`, `poll`, from another one;
- the *commands*: all others, from any thread, but never two at once.

So three connections, or locks around shared fields, suffice. Only `wake` may be called from any thread. The session of
a store with `is_inline` is called from any thread, event loops included, except for the reader's
calls. The threads exist only while there is work: a `poll` is active while this process produces a stream, watches one
or expects one.

**Processes.** `connect` is called at the first use, in each process, and again in a child process after a fork. The
child drops the parent's session without calling it: its connections must not be used there, nor its locks kept. A store
that holds locks closes their files in the child by `os.register_at_fork`, and in `connect` when the process id differs,
because uWSGI forks without that hook.

**Failures.** Every method raises `StoreUnavailableError`, with the cause, when the store cannot be reached, does not
answer within some seconds, or is full. The call may have been executed nevertheless; the engine repeats it, with equal
arguments, later. All methods are idempotent in this sense. Nothing else may be raised for a fault of the store.

**Death of a producer.** `find_dead` returns the streams that have no producer now. Where a lease has expired, that
proves little: the store itself may have been frozen. Such a store sets `looks` to 2, and the engine calls a producer
dead only when it was missing at two successful calls, half of `StoreOptions.lease` apart, with no entry in between. A
lock that the kernel releases is proof: `looks` is 1, and an event "look" of `poll` has the engine look at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import msgspec

from assistant_stream_ce.resumable.records import Entry

__all__ = (
    "Append",
    "Event",
    "Outcome",
    "Started",
    "Store",
    "StoreOptions",
    "StoreSession",
    "StoredStream",
    "StreamKey",
    "ThreadKey",
)


class StreamKey(NamedTuple):
    """The key of a stream. Both texts are safe in keys and file names: `owner` is a hash, or `_` without one.

    Attributes:
        owner: 32 hexadecimal digits, or `_`.
        stream_id: 1 to 200 of `A-Z a-z 0-9 _ - . :`.
    """

    owner: str
    stream_id: str


class ThreadKey(NamedTuple):
    """The key of a thread pointer, which has the id of the newest stream of a conversation.

    Attributes:
        owner: as in `StreamKey`.
        thread: 32 hexadecimal digits: the hash of the thread's name.
    """

    owner: str
    thread: str


class StoreOptions(msgspec.Struct, frozen=True):
    """Settings of the streams for their store, all in seconds.

    Attributes:
        lease: a producer that has not called `renew` for so long counts as missing. It is renewed three times as often.
        retention: a log is deleted so long after its end.
        message_retention: a summary is deleted so long after the end of its log's retention.
        thread_retention: a thread pointer is deleted so long after the end of its stream.
        stop_retention: a `stop` before the start of its stream counts for so long.
        gone_retention: `reseed` is refused for so long after `delete`.
        live_retention: a log without an end, which nobody renews, is deleted after so long.
    """

    lease: float = 7.5
    retention: float = 600.0
    message_retention: float = 86400.0
    thread_retention: float = 10.0
    stop_retention: float = 10.0
    gone_retention: float = 60.0
    live_retention: float = 3600.0


class StoredStream(NamedTuple):
    """What `read` has found.

    Attributes:
        header: the bytes of the header.
        entries: the entries behind the cursor, in order.
        terminal: the bytes of the terminal entry; None without one.
    """

    header: bytes
    entries: list[Entry]
    terminal: bytes | None


class Append(NamedTuple):
    """One entry to be appended to a stream, by its producer.

    Attributes:
        key: the stream.
        run: `Header.run` of the producer.
        entry: the entry.
    """

    key: StreamKey
    run: str
    entry: Entry


#: The result of `StoreSession.start`.
Started: TypeAlias = Literal["created", "exists", "stopped"]

#: The result of a write: it is stored, perhaps by an earlier call ("ok"); the stream has a terminal entry, or
#: another producer ("fenced"); the stream is not there ("missing").
Outcome: TypeAlias = Literal["ok", "fenced", "missing"]


class Event(NamedTuple):
    """What `poll` has noticed of one stream.

    Attributes:
        key: the stream.
        kind: "arrived": `entries` follow the watch's cursor, then `terminal` ends the log;
            "stop": a `stop` for a stream that this session has started;
            "look": the producer may have died: the engine calls `find_dead` at once;
            "missing": the watched log was lost or deleted: it is read again, until its producer has written it anew;
            "deleted": in place of "missing" where the store knows that it was deleted: its followers are at the end;
            "repair": a process asks the producer for a `reseed`, see `request_repair`;
            "started": a stream or thread of `expect` is there; `key` has the two texts of its name.
        entries: for "arrived", in order, without a gap to one another; may be empty.
        terminal: for "arrived": the bytes of the terminal entry; None without one.
    """

    key: StreamKey
    kind: Literal["arrived", "stop", "look", "missing", "deleted", "repair", "started"]
    entries: Sequence[Entry] = ()
    terminal: bytes | None = None


class Store(ABC):
    """Base class of stores. Opens nothing before `connect`. Thread-safe.

    Run the checks `assistant_stream_ce.testing.STORE_CHECKS` against a store of your own.
    """

    #: The successful calls of `find_dead`, half a lease apart, in which a dead producer must be missing.
    looks: ClassVar[int] = 2

    #: Whether no method of its sessions but `poll` ever blocks, and all are thread-safe: the engine needs no threads
    #: for them.
    is_inline: ClassVar[bool] = False

    #: Whether its data stays until `sweep` is called: at the first use, and when a retention is over.
    needs_sweep: ClassVar[bool] = False

    @abstractmethod
    def connect(self, worker: str, options: StoreOptions) -> StoreSession:
        """Return a session for one engine in this process. It connects lazily, at the first call that needs it.

        Args:
            worker: the name of the session, unique among all processes: 1 to 60 of `A-Z a-z 0-9 - _ .`.
            options: the settings.

        Raises:
            StoreUnavailableError: the store cannot work here, for example no directory can be made.
        """


class StoreSession(ABC):
    """One engine's use of a store. The module's documentation has the rules for threads, processes and failures."""

    @abstractmethod
    def close(self) -> None:
        """Release what is open, and give up the leases and locks of streams that have not ended. Never raises.

        Called once, when no other call is active.
        """

    # --- commands ---

    @abstractmethod
    def start(self, key: StreamKey, header: bytes, run: str, thread: ThreadKey | None) -> Started:
        """Begin a stream, unless its log is there: exactly one of racing callers gets something else than "exists".

        Its summary of an earlier run and the mark of `delete` are removed. This session is its producer from now on:
        it holds the lease or lock. Repeated with an equal `run` it returns what the first call has.

        Args:
            key: the stream.
            header: the bytes of the header.
            run: `Header.run`.
            thread: the pointer to set to this stream, in the same step or right after it; None for none.

        Returns:
            "created"; "exists": the log is there, with or without an end; "stopped": created, and a `stop` came at most
            `stop_retention` seconds before.
        """

    @abstractmethod
    def read(self, key: StreamKey, after: int = 0) -> StoredStream | None:
        """Read a log.

        Args:
            key: the stream.
            after: a number of chunks: entries are returned from the one that has the chunk behind these.

        Returns:
            What was found; None where there is no log.
        """

    @abstractmethod
    def read_summary(self, key: StreamKey) -> bytes | None:
        """Return the summary that `finish` or `reap` has stored; None without one, or after its retention.

        Args:
            key: the stream.
        """

    @abstractmethod
    def find_thread(self, thread: ThreadKey) -> str | None:
        """Return the id of the stream to which a thread points; None without one.

        Args:
            thread: the pointer.
        """

    @abstractmethod
    def stop(self, key: StreamKey) -> bool:
        """Ask the producer of a stream to stop: `poll` of its session returns a "stop" event, within milliseconds.

        The request is also kept, so that `renew` returns it if the event is lost. Without a log, it is kept for
        `stop_retention` seconds, for `start`.

        Args:
            key: the stream.

        Returns:
            Whether there is a log without an end.
        """

    @abstractmethod
    def find_dead(self, keys: Collection[StreamKey]) -> set[StreamKey]:
        """Return those streams whose log is there, without an end, and has no producer now; see `looks`.

        Never blocks for long, and has no effect.

        Args:
            keys: the streams.
        """

    @abstractmethod
    def reap(self, key: StreamKey, last: int, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> bool:
        """Write the terminal entry of a stream whose producer is dead, atomically.

        Args:
            key: the stream.
            last: the number of chunks in the log; refused if there are others.
            terminal: the bytes of the terminal entry.
            summary: as in `finish`.
            thread: as in `finish`.

        Returns:
            Whether this call has written it: False if there is a producer, a terminal entry or another last chunk.
        """

    @abstractmethod
    def delete(self, key: StreamKey) -> bool:
        """Delete the log, the summary and requests of a stream; return whether there was a log or a summary.

        `start` may follow at once. Until then, for `gone_retention` seconds, `reseed` is refused. A producer that is
        alive gets "missing" or "fenced" at its next write; watches get "deleted" or "missing".

        Args:
            key: the stream.
        """

    @abstractmethod
    def announce(self, keys: Collection[StreamKey], seconds: float) -> None:
        """Note that this process follows these streams for so many seconds; a longer note is never shortened.

        Args:
            keys: the streams.
            seconds: how long the note is in force.
        """

    @abstractmethod
    def find_followed(self, keys: Collection[StreamKey]) -> set[StreamKey]:
        """Return those streams for which a note of `announce` by any process is in force.

        Args:
            keys: the streams.
        """

    @abstractmethod
    def request_repair(self, key: StreamKey) -> None:
        """Ask the producer of a stream, by a "repair" event, to `reseed` a log that has lost entries.

        A store that cannot lose entries does nothing.

        Args:
            key: the stream.
        """

    @abstractmethod
    def sweep(self) -> None:
        """Delete what is past its retention. Called if `Store.needs_sweep`; a store whose data expires does nothing."""

    # --- writer ---

    @abstractmethod
    def append(self, appends: Sequence[Append]) -> list[Outcome]:
        """Store one entry for each of several streams; the outcomes are in the same order.

        An entry whose `last` is stored already is "ok", and not stored again. The entries of one stream come in order,
        each once it is certain that the one before is stored. After `StoreUnavailableError` any of them may be stored.

        Args:
            appends: at most one entry for each stream.
        """

    @abstractmethod
    def finish(self, key: StreamKey, run: str, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> Outcome:
        """End a stream of this producer: store the summary, then the terminal entry, then give up the lease.

        In this order, so that a process that sees the terminal entry finds the summary. Sets the retention times.
        Repeated after it has succeeded, it is "ok".

        Args:
            key: the stream.
            run: `Header.run`.
            terminal: the bytes of the terminal entry.
            summary: the bytes of the summary.
            thread: the pointer that expires after `thread_retention`, if it still points at this stream.
        """

    @abstractmethod
    def reseed(
        self, key: StreamKey, header: bytes, run: str, entries: Iterable[Entry], thread: ThreadKey | None
    ) -> Outcome:
        """Write a log anew that was lost or has lost entries, atomically, with the same numbers.

        Args:
            key: the stream.
            header: the bytes of the header.
            run: `Header.run`.
            entries: all entries so far.
            thread: the pointer, as in `start`.

        Returns:
            "ok"; "fenced" if there is a log of another run or with an end; "missing" if it was deleted on purpose.
        """

    @abstractmethod
    def renew(self, runs: Mapping[StreamKey, str]) -> set[StreamKey]:
        """Renew the leases of live streams; return those with a `stop` request, also one that was returned before.

        Args:
            runs: `Header.run` of each stream. A stream that is not there, or is another producer's, is left alone.
        """

    # --- reader ---

    @abstractmethod
    def watch(self, key: StreamKey, after: int) -> None:
        """Have `poll` return what is appended to a log behind so many chunks. Never blocks on a connection.

        Args:
            key: the stream, which a `read` has found.
            after: the `last` of the last entry that was read, 0 before the first.
        """

    def watch_run(self, key: StreamKey, after: int, run: str) -> None:
        """Watch the log of one run; as `watch`, but "missing" comes if the log is that of another run by now.

        The base class calls `watch`. A store overrides it if ids are begun anew after `delete` or their retention.

        Args:
            key: the stream.
            after: as in `watch`.
            run: `Header.run`.
        """
        self.watch(key, after)

    @abstractmethod
    def unwatch(self, key: StreamKey) -> None:
        """End a watch. A watch whose terminal entry, or loss, was returned has ended by itself.

        Args:
            key: the stream.
        """

    def expect(self, names: Collection[StreamKey | ThreadKey]) -> bool:
        """Have `poll` return a "started" event for each of these that begins, and for each that is there already.

        Followers wait for them. The event may come more than once.

        Args:
            names: all that are expected; they replace those of the call before.

        Returns:
            Whether the store can do this. Without it, as in this method of the base class, the engine calls `read` or
            `find_thread` every 50 ms while somebody waits.
        """
        return False

    @abstractmethod
    def poll(self, timeout: float) -> list[Event]:
        """Wait for events of the watches and of the streams that this object has started; return all that are there.

        No timer where the system has a notification. A "stop" event may be repeated; "arrived" entries are returned
        once, unless the call before raised.

        Args:
            timeout: seconds after which `[]` is returned.
        """

    @abstractmethod
    def wake(self) -> None:
        """Make `poll` return at once, or the next one if none is active. From any thread; never blocks for long."""
