"""How a message ended, for the wires that say so once, at the very end."""

from __future__ import annotations

from assistant_stream_ce import chunks

__all__ = ("Ending",)


class Ending:
    """What the chunks of a message said about its end so far."""

    __slots__ = ("_message_usage", "_step_usage", "has_failed", "reason")

    def __init__(self) -> None:
        #: Why the message ended, in the chunk's own word; None while no chunk has told.
        self.reason: str | None = None
        #: Whether there was an error.
        self.has_failed = False
        self._step_usage = (0, 0)
        self._message_usage = (0, 0)

    @property
    def usage(self) -> tuple[int, int]:
        """The tokens read and written: the message's, or those of its steps together if it told none."""
        return self._message_usage if any(self._message_usage) else self._step_usage

    def add_step(self, chunk: chunks.StepFinishChunk) -> None:
        """Count the usage of a step."""
        read, written = self._step_usage
        self._step_usage = (read + chunk.input_tokens, written + chunk.output_tokens)

    def set_message(self, chunk: chunks.MessageFinishChunk) -> None:
        """Note the end of the message; the last one counts."""
        self.reason = chunk.finish_reason
        self._message_usage = (chunk.input_tokens, chunk.output_tokens)
