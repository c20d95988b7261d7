"""The library's exceptions. A wrong type of argument raises Python's `TypeError` instead.

Each message has the cause and the next step, and never quotes more than the beginning of a value.
"""

from __future__ import annotations

from typing import Any

__all__ = (
    "AssistantStreamError",
    "DecodeError",
    "MissingExtraError",
    "ModelStreamError",
    "RunCancelled",
    "RunEndedError",
    "RunFailedError",
    "StateError",
    "StoreUnavailableError",
    "StreamTooLongError",
    "StreamUsageError",
    "ToolCallError",
)


#: Fallback shown to users when the exception's text is unavailable or unsafe.
UNKNOWN_ERROR = "Something went wrong."

RUN_HAS_ENDED = "the run has ended: use its controller only while the callback runs"

READER_HAS_LEFT = "the reader has left"


def shorten(text: str, limit: int = 80) -> str:
    """Return a text for an error message, shortened to a number of characters."""
    return text if len(text) <= limit else f"{text[:limit]}..."


class AssistantStreamError(Exception):
    """Base class of the library's errors."""


class StreamUsageError(AssistantStreamError, RuntimeError):
    """Raised when a stream is read twice, or with `for` inside a running event loop."""


class RunEndedError(AssistantStreamError, RuntimeError):
    """Raised by a controller whose run has ended, so that no reader can receive the chunk."""


class RunFailedError(AssistantStreamError, RuntimeError):
    """Raised when a complete answer was requested but the stream reported an error.

    The message is the user-visible error text.

    Args:
        message: the text.
        code: the machine-readable code of the error, or None.

    Attributes:
        code: the code of the error, or None.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class ToolCallError(AssistantStreamError, ValueError):
    """Raised when a tool call is used out of order: an id twice, arguments after the end, a second result."""


class StateError(AssistantStreamError, ValueError):
    """Raised for a state edit that the front end could not apply. The state is unchanged."""


class DecodeError(AssistantStreamError, ValueError):
    """Raised by a decoder for an invalid frame: one that its format does not allow, or that is too large.

    Args:
        reason: the problem.
        offset: the position of the frame's first byte in the stream.
        frame: the beginning of the frame.
        chunks: the chunks that the same call decoded before the frame.

    Attributes:
        reason: the problem.
        offset: the position of the frame's first byte in the stream.
        frame: the beginning of the frame.
        chunks: the chunks that the same call decoded before the frame.
    """

    def __init__(self, reason: str, offset: int, frame: str, chunks: list[Any]) -> None:
        super().__init__(f"cannot decode the frame at byte {offset:,}, {shorten(frame)!r}: {shorten(reason, 500)}")
        self.reason = reason
        self.offset = offset
        self.frame = frame
        self.chunks = chunks


class ModelStreamError(AssistantStreamError, RuntimeError):
    """Raised when a model's stream ends before its finish, reports an error, or has an event that cannot be read.

    Attributes:
        code: the provider's code, `"incomplete"` for a stream that was cut off, or `"malformed"` for one with an event
            that cannot be read; the exception that it caused is the `__cause__`.
        turn: the output of the model until then.
    """

    def __init__(self, message: str, *, code: str | None = None, turn: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.turn = turn


class StoreUnavailableError(AssistantStreamError, ConnectionError):
    """Raised when the store of resumable streams cannot be reached, does not answer, or is full. Try again later."""


class StreamTooLongError(AssistantStreamError, RuntimeError):
    """Raised by a controller whose resumable stream has reached `max_bytes`. The answer ends as failed."""


class MissingExtraError(AssistantStreamError, ImportError):
    """Raised when a module needs a package that one of the library's extras installs.

    Args:
        module: the module that cannot be imported.
        extra: the extra that installs the package.
    """

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"{module} needs a package that is not installed. "
            f'Install it with: pip install "assistant-stream-ce[{extra}]>=0.1"'
        )


class RunCancelled(BaseException):
    """Raised by controller calls in a worker thread once the reader has left.

    It derives from `BaseException`, as `asyncio.CancelledError` does, so that an
    `except Exception` around a model call does not swallow it. Let it pass.
    """
