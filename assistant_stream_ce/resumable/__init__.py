"""Resumable streams: answers that continue when the page is reloaded, the network drops or another worker is picked."""

from assistant_stream_ce.resumable.memory import MemoryStore

__all__ = ("MemoryStore",)
