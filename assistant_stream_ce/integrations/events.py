"""Read the events of model SDKs: pydantic models, other objects or dicts, without importing any SDK."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from contextlib import suppress
from types import NoneType, SimpleNamespace
from typing import Any, NoReturn

from assistant_stream_ce.errors import AssistantStreamError, ModelStreamError, ToolCallError, shorten
from assistant_stream_ce.integrations.turn import Turn, TurnBuilder, TurnFinish
from assistant_stream_ce.jsonvalue import JSON, MAX_SAFE_INTEGER, plain

_ABSENT: Any = object()

#: The event for a failure at the end of a stream.
AT_END: Any = object()
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


def delta_of(value: Any, name: str) -> str:
    """Return a field that is a piece of the answer; an empty text if it is missing.

    Raises:
        TypeError: it is no text, so that the answer would lack it.
    """
    found = field(value, name)
    if not isinstance(found, (str, NoneType)):
        raise TypeError(f"{name} must be a text, not {shorten(repr(found))}")
    return found or ""


def integer(value: Any, name: str) -> int:
    """Return a field that is a count or an index; 0 for any other value. Some gateways send counts as floats."""
    found = field(value, name)
    if type(found) is float and found.is_integer():
        found = int(found)
    return found if type(found) is int and 0 < found <= MAX_SAFE_INTEGER else 0


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


def native_object(value: Any, *, by_alias: bool = True) -> dict[str, JSON]:
    """Return an object inside an event as plain data; see `native`.

    Raises:
        TypeError: it is no object.
    """
    made = native(value, by_alias=by_alias)
    if not isinstance(made, dict):
        raise TypeError(f"an object was expected, not {shorten(repr(made))}")
    return made


class ApplicationDataError(TypeError):
    """Raised for data of the application in a stream; the model is not to blame, so it passes `forward` unchanged."""


def application_data(value: object, name: str) -> JSON:
    """Return data of the application as JSON.

    Raises:
        ApplicationDataError: it is not JSON.
    """
    try:
        return plain(value, name)
    except TypeError as error:
        raise ApplicationDataError(*error.args) from None


class TurnReader(ABC):
    """Reads the events of one response, without I/O.

    `begin` begins the step, `feed` sends the content of an event to the controller, and `end`, after the last event,
    returns the turn. Events are distinguished by the text of their type, never by their class: SDKs give unknown events
    a wrong class.

    Readers ignore what they do not know: events, parts and fields. An id, a name or a count of a wrong type counts as
    missing. Anything else that is malformed may raise any exception in `feed` and `end`, which the driver passes to
    `reject`.

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

    def flush(self) -> None:
        """Send what was held back, before an error; calls are completed."""
        for call in self.out.calls:
            call.close()

    def fail(self, message: str, code: str | None = None) -> NoReturn:
        """Raise for an error that the provider reports in its stream."""
        raise self._failure(message, code)

    def reject(self, error: Exception, event: Any) -> NoReturn:
        """Raise for an exception that was raised in `feed` or `end`.

        Args:
            error: the exception.
            event: the event that was read; `AT_END` for `end`.

        Raises:
            ModelStreamError: the event is malformed.
            ApplicationDataError: the application has to correct its data.
            AssistantStreamError: another error that is not the model's, for example that the run has ended.
        """
        if isinstance(error, (ApplicationDataError, AssistantStreamError)) and not isinstance(error, ToolCallError):
            raise error
        reason = f"{type(error).__name__}: {shorten(str(error), 200)}"
        raise self._failure(
            f"cannot read {_name_of(event)} of the model's stream ({reason}): "
            "the answer is incomplete. Ask the model again; if that fails too, update its SDK and assistant-stream-ce, "
            "or report the event",
            "malformed",
        ) from error

    def _failure(self, message: str, code: str | None) -> ModelStreamError:
        self.flush()
        return ModelStreamError(message, code=code, turn=self.out.turn("error", self.provider_reason, []))

    def cut(self) -> NoReturn:
        """Raise for a stream that has ended before its finish."""
        self.fail("the model's stream ended before it was finished: the answer is incomplete", "incomplete")


def reason_of(reasons: dict[str, TurnFinish], provider_reason: str | None) -> TurnFinish:
    """Return the finish reason for one of a provider; `other` if it is unknown."""
    return reasons.get(provider_reason or "", "other")


def _name_of(event: Any) -> str:
    """Return the name of an event for an error message."""
    if event is AT_END:
        return "the end"
    name = ""
    # Its fields may be what raises.
    with suppress(Exception):
        kinds = (text_of(event, key) for key in ("type", "event_kind", "object"))
        # Bedrock's events have their type as their only key, and langgraph's are tuples with it.
        parts = event if isinstance(event, (dict, tuple)) else ()
        name = next(filter(None, kinds), "") or ", ".join(part for part in parts if isinstance(part, str))
    return f"the event {shorten(name or type(event).__name__)!r}"
