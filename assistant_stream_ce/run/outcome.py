"""How a run ended, and who is told what of it: the reader, the log and `on_finish`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from assistant_stream_ce.chunks import ErrorChunk
from assistant_stream_ce.controller.run_controller import RunLink
from assistant_stream_ce.errors import RunCancelled, RunEndedError
from assistant_stream_ce.run.hooks import Hooks, RunReason, RunResult, raisable
from assistant_stream_ce.run.recorder import Recording

__all__ = ("Outcome",)

logger = logging.getLogger("assistant_stream_ce")


class Outcome:
    """Reports the end of one run, and keeps the exception that its reader will raise.

    The run sees to it that the end is reported once.
    """

    def __init__(self, name: str, link: RunLink, hooks: Hooks, recording: Recording | None) -> None:
        self._name = name
        self._link = link
        self._hooks = hooks
        self._recording = recording
        #: How the run ended; None before that.
        self.reason: RunReason | None = None
        self._error: BaseException | None = None

    def report(
        self, error: BaseException | None, *, is_left: bool, is_from_outside: bool, logs_errors: bool
    ) -> Coroutine[Any, Any, None] | None:
        """Report how the callback ended; return what is left to await of `on_finish`.

        Args:
            error: what the callback raised.
            is_left: whether the reader left before it ended.
            is_from_outside: whether a CancelledError is somebody's who cancelled the run's own task.
            logs_errors: whether what the callback raised is logged.
        """
        if is_left:
            if isinstance(error, Exception):
                logger.debug("%s: raised after its reader had left", self._name, exc_info=error)
            return self.finish("cancelled")
        if error is None:
            return self.finish("completed")
        if isinstance(error, asyncio.CancelledError) and is_from_outside:
            # An ending loop cancels all its tasks. If there is a reader still, it must not take this for the end.
            self._error = RunCancelled("the run was cancelled from outside")
            self._send_error(str(self._error))
            return self.finish("cancelled")
        self._error = raisable(error)
        if logs_errors:
            logger.error("%s raised", self._name, exc_info=error)
        self._send_error(self._hooks.error_text(self._error))
        return self.finish("failed", self._error)

    def _send_error(self, text: str) -> None:
        with contextlib.suppress(RunCancelled, RunEndedError):
            self._link.calls.close_all()
            self._link.channel.put(ErrorChunk(text), may_block=False)

    def finish(self, reason: RunReason, error: BaseException | None = None) -> Coroutine[Any, Any, None] | None:
        """Call `on_finish`; return what is left to await of it."""
        self._link.state.end()
        if self._recording is not None:
            self._recording.end(is_cancelled=reason in ("cancelled", "abandoned"))
        # After that: whoever waits for a reason finds a message that has ended.
        self.reason = reason
        try:
            return self._hooks.finish(RunResult.of(reason, error, self._recording))
        except BaseException as raised:
            # It means to end the program: the reader raises it, as if the callback had.
            self._error = raised
            return None

    def raise_error(self) -> None:
        """Raise, once, what the reader has to raise."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            # Its traceback holds this frame: without a cycle both go when the reader is done with them.
            del error

    def forget_error(self) -> None:
        """Let go of the exception: nobody is left to raise it to, and its traceback holds the run."""
        self._error = None
