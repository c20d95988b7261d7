"""What the front ends refuse or drop of a wire, although it can be read."""

from __future__ import annotations

from collections.abc import Callable

from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES
from assistant_stream_ce.serialization.formats import WIRES
from assistant_stream_ce.serialization.framing import Frame, beginning
from assistant_stream_ce.serialization.validation import RULES, BrokenRuleError, Rules

__all__ = ("ClientRules", "Refusal")


class Refusal(Exception):
    """A client refuses or drops a frame; the text says why. At the end of the stream the frame is empty."""

    def __init__(self, reason: str, offset: int, data: bytes) -> None:
        super().__init__(reason)
        self.offset = offset
        self.frame = beginning(data)


class ClientRules:
    """The rules for one body, as long as the strict decoder reads it too."""

    def __init__(self, wire: str) -> None:
        self._rules = RULES.get(wire, Rules)()
        self._reader = WIRES[wire].reader(MAX_FRAME_BYTES)
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """Check what comes next, a line at most.

        Raises:
            Refusal: a client does not take it.
        """
        self._bytes += len(data)
        for frame in self._reader.feed(data):
            if frame.data.strip():
                _check(frame, lambda frame=frame: self._rules.check(frame))  # type: ignore[misc]

    def end(self) -> None:
        """Check that the stream may end here.

        Raises:
            Refusal: a client waits for more.
        """
        _check(Frame(self._bytes, b""), self._rules.end)


def _check(frame: Frame, check: Callable[[], None]) -> None:
    try:
        check()
    except BrokenRuleError as error:
        raise Refusal(str(error), frame.offset, frame.data) from None
