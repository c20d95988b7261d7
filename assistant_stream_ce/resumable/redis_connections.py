"""Connections of one `RedisStore` session: two that commands share, and one of the reader that waits for entries."""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

try:
    import redis
    import redis.backoff
    import redis.connection
    import redis.retry
except ImportError as _error:
    from assistant_stream_ce.errors import MissingExtraError

    raise MissingExtraError("assistant_stream_ce.resumable.redis", "redis") from _error

from assistant_stream_ce.errors import StoreUnavailableError
from assistant_stream_ce.resumable.waker import Waker

# What a user's client contributes: where the server is, and how to log in. Retries, decoding and the protocol are ours:
# a client that repeats a command, or converts a reply, would break what is stored.
_KEPT: Final = frozenset(
    {
        "host", "port", "path", "db", "username", "password", "credential_provider", "client_name", "connection_pool",
        "socket_timeout", "socket_connect_timeout", "socket_keepalive", "socket_type",
    }
)  # fmt: skip

# What a server of a cluster answers to keys of several slots, or of another server.
_CLUSTER: Final = (
    redis.exceptions.AskError,
    redis.exceptions.ClusterCrossSlotError,
    redis.exceptions.ClusterError,
)

# Seconds in which the server must answer, where the client sets none.
_TIMEOUT: Final = 5.0

# The most seconds of one blocking read. The server ends it, so a connection that was lost is noticed.
_BLOCK: Final = 4.0


def settings_of(source: Any) -> tuple[type[redis.connection.AbstractConnection], dict[str, Any]]:
    """Return the class and the settings of connections to the server of a URL, client or pool.

    Args:
        source: a URL, a `redis.Redis`, a `redis.asyncio.Redis`, or the pool of one.

    Raises:
        TypeError: it is something else.
    """
    pool = redis.ConnectionPool.from_url(source) if isinstance(source, str) else source
    pool = getattr(pool, "connection_pool", pool)
    if not hasattr(pool, "connection_kwargs") or not hasattr(pool, "connection_class"):
        raise TypeError(
            f"RedisStore needs a URL, a client or a connection pool of redis-py, not {type(source).__name__}; "
            "a cluster client cannot be used: pass the URL of one server"
        )
    # An asynchronous client is used for its settings; its classes have the names of the synchronous ones.
    name = pool.connection_class.__name__
    cls = getattr(redis.connection, name, None) or pool.connection_class
    given = pool.connection_kwargs
    kept = {key: given[key] for key in given if (key in _KEPT or key.startswith("ssl_")) and given[key] is not None}
    return cls, {
        "socket_timeout": _TIMEOUT,
        "socket_connect_timeout": _TIMEOUT,
        **kept,
        "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        "decode_responses": False,
        "protocol": 2,
    }


@contextlib.contextmanager
def reported_failures() -> Iterator[None]:
    """Turn every failure of the server or the connection into a `StoreUnavailableError`."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> StoreUnavailableError:
    """Return the error for a failure of the server or the connection."""
    if isinstance(error, _CLUSTER):
        return StoreUnavailableError("this is a Redis cluster, which RedisStore does not support: use a single server")
    return StoreUnavailableError(f"Redis does not do its part ({type(error).__name__}): {str(error)[:200]}")


class Commands:
    """Runs commands and scripts. Thread-safe: two threads use a connection each, a third one waits.

    Args:
        cls: the class of the connections.
        settings: their settings.
    """

    def __init__(self, cls: type[redis.connection.AbstractConnection], settings: dict[str, Any]) -> None:
        #: How many connections were opened so far: a new one may lead to another server, after a failover.
        self.opened: int = 0
        pool = redis.BlockingConnectionPool(
            max_connections=2,
            timeout=_TIMEOUT,
            connection_class=cls,
            **{**settings, "redis_connect_func": self._on_connect},
        )
        self._client = redis.Redis(connection_pool=pool)
        # Plain replies, equal in all versions of the package.
        self._client.response_callbacks.clear()
        # Scripts that the server knows; forgotten when it was restarted.
        self._digests: dict[str, str] = {}

    def _on_connect(self, connection: Any) -> None:
        connection.on_connect()
        self.opened += 1

    def run(self, *commands: Sequence[Any]) -> list[Any]:
        """Send commands in one go and return their replies, errors among them.

        Raises:
            StoreUnavailableError: the server did not answer.
        """
        with reported_failures():
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return pipeline.execute(raise_on_error=False)

    def run_checked(self, *commands: Sequence[Any]) -> list[Any]:
        """Send commands in one go and return their replies.

        Raises:
            StoreUnavailableError: the server did not answer, is full, or refused one.
        """
        return [checked(reply) for reply in self.run(*commands)]

    def run_script(self, script: str, *calls: tuple[Sequence[Any], Sequence[Any]]) -> list[Any]:
        """Run a script once for each pair of keys and arguments, in one go.

        Raises:
            StoreUnavailableError: the server did not answer, is full, or refused.
        """
        replies = self.run(*(self._command(script, keys, arguments) for keys, arguments in calls))
        for number, reply in enumerate(replies):
            if isinstance(reply, redis.exceptions.NoScriptError):
                # Sent whole once: loading it would need one more right. Nothing was done for this call.
                keys, arguments = calls[number]
                (replies[number],) = self.run(("EVAL", script, len(keys), *keys, *arguments))
        return [checked(reply) for reply in replies]

    def _command(self, script: str, keys: Sequence[Any], arguments: Sequence[Any]) -> Sequence[Any]:
        digest = self._digests.get(script)
        if digest is None:
            digest = self._digests[script] = self._client.register_script(script).sha
        return ("EVALSHA", digest, len(keys), *keys, *arguments)

    def close(self) -> None:
        """Close the connections."""
        self._client.connection_pool.disconnect()


def checked(reply: Any) -> Any:
    """Return a reply, or raise the error that it is."""
    if isinstance(reply, Exception):
        raise unavailable(reply) from reply
    return reply


class Reader:
    """Waits for one blocking read, which another thread can interrupt. Used by one thread, but for `wake`.

    Args:
        cls: the class of the connection.
        settings: its settings.
    """

    def __init__(self, cls: type[redis.connection.AbstractConnection], settings: dict[str, Any]) -> None:
        self._connection = cls(**settings)
        self._timeout: float = settings["socket_timeout"]
        # When the server ends the blocking read, and when the wait for its reply ends; 0 when none is active.
        self._due = 0.0
        self._selector = selectors.DefaultSelector()
        self._waker = Waker(self._selector)
        #: End the wait, or the next one. Thread-safe; never blocks.
        self.wake: Callable[[], None] = self._waker.wake
        self._socket: Any = None

    @property
    def is_reading(self) -> bool:
        """Whether a blocking read was sent whose reply has not come."""
        return self._due > 0

    def send(self, *command: Any) -> None:
        """Send an XREAD without BLOCK, which is added; the connection is opened if necessary.

        Raises:
            StoreUnavailableError: the connection cannot be opened, or is lost.
        """
        try:
            with reported_failures():
                if self._socket is None:
                    self._connection.connect()
                    self._socket = self._connection._sock
                    self._selector.register(self._socket, selectors.EVENT_READ)
                self._connection.send_command("XREAD", "BLOCK", int(_BLOCK * 1000), *command)
        except BaseException:
            self.disconnect()
            raise
        self._due = time.monotonic() + _BLOCK + self._timeout

    def wait(self, timeout: float) -> tuple[Any, bool]:
        """Wait for the reply of the read that was sent.

        Args:
            timeout: the most seconds.

        Returns:
            The reply, None without one; whether `wake` was called.

        Raises:
            StoreUnavailableError: the connection is lost, or the server has not answered in time.
        """
        ready = {key.fd for key, _ in self._selector.select(max(0.0, timeout))}
        is_woken = self._waker.fileno() in ready
        if is_woken:
            self._waker.clear()
        if not self.is_reading:
            return None, is_woken
        try:
            with reported_failures():
                # TLS may have received a part that is no data.
                if self._socket is not None and self._socket.fileno() in ready and self._connection.can_read(0):
                    self._due = 0.0
                    return checked(self._connection.read_response()) or [], is_woken
            if time.monotonic() > self._due:
                raise StoreUnavailableError("Redis has not answered a blocking read in time")
        except BaseException:
            self.disconnect()
            raise
        return None, is_woken

    def disconnect(self) -> None:
        """Give up the connection; the next read opens a new one."""
        if self._socket is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._socket)
            self._socket = None
        self._due = 0.0
        with contextlib.suppress(redis.RedisError, OSError):
            self._connection.disconnect()

    def close(self) -> None:
        """Close everything."""
        self.disconnect()
        self._selector.close()
        self._waker.close()
