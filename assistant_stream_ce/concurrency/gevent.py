"""The lock that guards a moment, and whether threads are greenlets here."""

from __future__ import annotations

import importlib
import sys
import threading

__all__ = ("guard", "is_gevent")


def is_gevent() -> bool:
    """Return whether gevent has made the threads of this process greenlets."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def guard() -> threading.Lock:
    """Return a lock for a few steps, in which nobody waits and no greenlet gives way to another.

    Under gevent it is one of the operating system: coroutine callbacks run in a native thread there, and gevent's own
    locks lose wake-ups when a native thread and a greenlet contend for one.
    """
    # The first look is for the ten locks of each run: it saves one of their 31 us.
    if "gevent.monkey" in sys.modules and is_gevent():
        lock: threading.Lock = importlib.import_module("gevent.monkey").get_original("_thread", "allocate_lock")()
        return lock
    return threading.Lock()
