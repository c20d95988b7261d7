"""Resumable streams: answers that continue when the page is reloaded, the network drops or another worker is picked."""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import ModuleGetattr, lazy_exports
from assistant_stream_ce.resumable.arguments import OnLeave
from assistant_stream_ce.resumable.followed import FollowedStream
from assistant_stream_ce.resumable.memory import MemoryStore
from assistant_stream_ce.resumable.status import StreamStatus
from assistant_stream_ce.resumable.streams import ResumableStreams

if TYPE_CHECKING:
    from assistant_stream_ce.resumable.files import FileStore
    from assistant_stream_ce.resumable.redis import RedisStore

__all__ = (
    "FileStore",
    "FollowedStream",
    "MemoryStore",
    "OnLeave",
    "RedisStore",
    "ResumableStreams",
    "StreamStatus",
)

# Imported when they are used: one needs POSIX, the other the package redis.
__getattr__: ModuleGetattr = lazy_exports(
    __name__,
    {"FileStore": "assistant_stream_ce.resumable.files", "RedisStore": "assistant_stream_ce.resumable.redis"},
)
