"""The lock class of this version of Python that an exception cannot leave locked."""

from __future__ import annotations

import sys
import threading

if sys.version_info >= (3, 14):
    from _thread import RLock

    class Lock(RLock):
        """Lock for `with` that stays unlocked if a signal handler or another thread raises an exception at its start.

        CPython 3.14 checks for pending exceptions after each call of a function in C. For `with lock:` that is after
        the lock is taken and before the block begins. It does not check when a function in Python returns.
        """

        __slots__ = ()

        def __enter__(self) -> bool:
            try:
                return self.acquire()
            except BaseException:
                # Only a lock that knows its owner can answer whether the exception came before or after.
                if self._is_owned():
                    self.release()
                raise

else:
    Lock = threading.Lock
