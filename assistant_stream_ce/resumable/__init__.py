"""Resumable streams: answers that continue when the page is reloaded, the network drops or another worker is picked."""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import lazy_exports
from assistant_stream_ce.resumable.memory import MemoryStore

if TYPE_CHECKING:
    from assistant_stream_ce.resumable.redis import RedisStore

__all__ = ("MemoryStore", "RedisStore")

# Imported when it is used, because it needs the package redis.
__getattr__ = lazy_exports(__name__, {"RedisStore": "assistant_stream_ce.resumable.redis"})
