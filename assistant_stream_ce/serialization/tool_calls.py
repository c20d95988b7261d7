"""The progress of one tool call in a response, shared by encoders and decoders."""

from __future__ import annotations


class ToolCallState:
    """The id of a tool call, its number in the response, and its progress."""

    __slots__ = ("call_id", "has_args", "has_result", "has_started", "number", "provider_executed")

    def __init__(self, call_id: str, number: int) -> None:
        self.call_id: str = call_id
        self.number: int = number
        #: Whether any argument text was seen.
        self.has_args: bool = False
        self.has_result: bool = False
        #: Whether its approval was requested, or a result was seen, be it preliminary.
        self.has_started: bool = False
        #: Whether the model provider runs the tool, so that no result is expected.
        self.provider_executed: bool = False
