"""Read the events of model SDKs: pydantic models, other objects or dicts, without importing any SDK."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from types import SimpleNamespace
from typing import Any, NoReturn

from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations.turn import Turn, TurnBuilder, TurnFinish
from assistant_stream_ce.jsonvalue import JSON

_ABSENT: Any = object()
NO_FIELDS: dict[str, Any] = {}


def field(value: Any, name: str) -> Any:
    """Return a field of an event, or None if it is missing.

    Unknown fields of pydantic models are found too. For a missing field this costs 0.2 us, `getattr` on a model 3 us.
    """
    if type(value) is dict:
        return value.get(name)
    if value is None:
        # An exception for its missing attribute would cost 1 us.
        return None
    try:
        found = value.__dict__.get(name, _ABSENT)
    except AttributeError:
        return getattr(value, name, None)
    if found is not _ABSENT:
        return found
    extra = getattr(value, "__pydantic_extra__", _ABSENT)
    if extra is _ABSENT:
        return getattr(value, name, None)
    return None if extra is None else extra.get(name)


def fields_of(value: Any) -> dict[str, Any]:
    """Return the declared fields of an event, for readers of frequent events: it costs a third of `field`."""
    return value if type(value) is dict else getattr(value, "__dict__", NO_FIELDS)


def text_of(value: Any, name: str) -> str:
    """Return a text field; an empty text for any other value."""
    found = field(value, name)
    return found if isinstance(found, str) else ""


def integer(value: Any, name: str) -> int:
    """Return a field that is a count; 0 for any other value."""
    found = field(value, name)
    return found if type(found) is int and found > 0 else 0


def native(value: Any, *, by_alias: bool = True) -> JSON:
    """Return an event, or a part of one, as plain data: the fields that were sent, in the provider's format.

    Args:
        value: a model, a dict, a list or a scalar.
        by_alias: whether fields of a model have the names of the API; otherwise those of the SDK.
    """
    if isinstance(value, dict):
        return {key: native(item, by_alias=by_alias) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [native(item, by_alias=by_alias) for item in value]
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return native(dump(exclude_unset=True, by_alias=by_alias, warnings=False))
    if isinstance(value, SimpleNamespace):
        # Of a test's model.
        return native(vars(value), by_alias=by_alias)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return value


class TurnReader(ABC):
    """Reads the events of one response, without I/O.

    `begin` begins the step, `feed` sends the content of an event to the controller, and `end`, after the last event,
    returns the turn. Events are distinguished by the text of their type, never by their class: SDKs give unknown events
    a wrong class.

    Args:
        out: receives the content of the events.
    """

    def __init__(self, out: TurnBuilder) -> None:
        self.out = out
        #: The provider's finish reason; None until it arrives.
        self.provider_reason: str | None = None

    def begin(self) -> None:
        """Begin the step; called before the stream is opened."""
        self.out.step_start()

    def opened(self, stream: Any) -> None:  # noqa: B027
        """Receive the object that yields the events, before the first one."""

    @abstractmethod
    def feed(self, event: Any) -> None:
        """Process an event."""

    @abstractmethod
    def end(self) -> Turn:
        """Return the turn.

        Raises:
            ModelStreamError: the stream has ended before the provider finished it.
        """

    def fail(self, message: str, code: str | None = None) -> NoReturn:
        """Raise for an error that the provider reports in its stream."""
        for call in self.out.calls:
            call.close()
        raise ModelStreamError(message, code=code, turn=self.out.turn("error", self.provider_reason, []))

    def cut(self) -> NoReturn:
        """Raise for a stream that has ended before its finish."""
        self.fail("the model's stream ended before it was finished: the answer is incomplete", "incomplete")


def reason_of(reasons: dict[str, TurnFinish], provider_reason: str | None) -> TurnFinish:
    """Return the finish reason for one of a provider; `other` if it is unknown."""
    return reasons.get(provider_reason or "", "other")
