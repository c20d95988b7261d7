"""Encoders of the formats that have no word for an edit of the state: they have to know what is edited."""

from __future__ import annotations

from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.serialization.tool_calls import ToolCallEncoder

__all__ = ("StateEncoder",)


class StateEncoder(ToolCallEncoder):
    """An encoder that keeps the state.

    Args:
        state: where the state starts; copied. None where `encode_stream` or a response is to learn it from the stream.

    Raises:
        TypeError: `state` is not JSON.
    """

    needs_state = True

    def __init__(self, state: object) -> None:
        super().__init__()
        # The only item is the state, as `operations.resolve` takes it.
        self._state = [plain(state, "state")]
        self._was_told = state is not None

    def start_state(self, state: JSON) -> None:
        """Take the state that the stream starts with, unless another one was passed."""
        if not self._was_told:
            self._state[0] = state
