"""Every exception that the library raises of its own.

A wrong *type* of argument is Python's `TypeError`; everything else is here. Each message
says what was wrong and what to do next.
"""

from __future__ import annotations

from typing import Any

__all__ = (
    "AssistantStreamError",
    "DecodeError",
    "MissingExtraError",
    "RunCancelled",
    "RunEndedError",
    "RunFailedError",
    "StateError",
    "StreamUsageError",
    "ToolCallError",
)


# What the user is told where the exception's own text must not, or cannot, be shown.
UNKNOWN_ERROR = "Something went wrong."

RUN_HAS_ENDED = "the run has ended: use its controller only while the callback runs"


class AssistantStreamError(Exception):
    """Base of the library's errors, so that one `except` catches them all."""


class StreamUsageError(AssistantStreamError, RuntimeError):
    """A stream was read in a way it cannot be: twice, or with `for` inside a running event loop."""


class RunEndedError(AssistantStreamError, RuntimeError):
    """A controller was used after its run had ended, so nobody could receive the chunk."""


class RunFailedError(AssistantStreamError, RuntimeError):
    """A stream told of an error where a whole answer was wanted. The text is the error's, as the user may read it.

    Attributes:
        code: the word by which programs know the error, or None.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class ToolCallError(AssistantStreamError, ValueError):
    """A tool call was used out of order: an id twice, arguments after the end, a second result."""


class StateError(AssistantStreamError, ValueError):
    """A state edit that the front end could not apply. The state stays as it was."""


class DecodeError(AssistantStreamError, ValueError):
    """A decoder was fed what its format does not allow, or a frame that is too large.

    Attributes:
        reason: what is wrong.
        offset: the place of the frame's first byte in the stream.
        frame: how the frame begins.
        chunks: what the same call had decoded before it came to the frame.
    """

    def __init__(self, reason: str, offset: int, frame: str, chunks: list[Any]) -> None:
        super().__init__(f"cannot decode the frame at byte {offset:,}, {frame!r}: {reason}")
        self.reason = reason
        self.offset = offset
        self.frame = frame
        self.chunks = chunks


class MissingExtraError(AssistantStreamError, ImportError):
    """A module needs a package that is installed as one of the library's extras."""

    def __init__(self, module: str, extra: str) -> None:
        """Name the module that cannot be imported and the extra that brings what it needs."""
        super().__init__(
            f"{module} needs a package that is not installed. "
            f'Install it with: pip install "assistant-stream-ce[{extra}]"'
        )


class RunCancelled(BaseException):
    """Raised by controller calls in a worker thread once the reader has left.

    It derives from `BaseException`, as `asyncio.CancelledError` does, so that an
    `except Exception` around a model call does not swallow it. Let it pass.
    """
