"""The library's logger. A logging handler that raises does not stop a run."""

from __future__ import annotations

import logging
import traceback
from typing import Any


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """Logger that reports the exception of a handler on stderr, as `logging` does for its own handlers.

    A run logs in the middle of its end: an exception there would keep the reader waiting.
    """

    def log(self, level: int, msg: object, *args: object, **options: Any) -> None:
        """Log a message.

        Args:
            level: the level, as in `logging`.
            msg: the message.
            args: its arguments.
            options: the options of `Logger.log`.
        """
        # The caller of `error` and its siblings, whose frames `logging` skips itself.
        options.setdefault("stacklevel", 2)
        try:
            super().log(level, msg, *args, **options)
        except Exception:
            if logging.raiseExceptions:
                traceback.print_exc()


logger: RunLogger = RunLogger(logging.getLogger("assistant_stream_ce"), {})
