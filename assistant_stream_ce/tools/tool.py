"""Tools that the server runs, tools that the front end runs, and the failure that a model reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from assistant_stream_ce.controller import validation
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.run.callbacks import is_callable_as, name_of
from assistant_stream_ce.tools.arguments import Parameters


class ToolFailure(Exception):
    """Raised by a tool whose failure the model should read; any other exception is logged, and hidden from the model.

    Args:
        text: the text for the model, shown to the user too.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)


class Tool:
    """A tool that the server runs. Immutable and thread-safe.

    Args:
        function: the function, as `def` or `async def`, or a generator whose values are shown as they come. Its
            annotations make the schema; a parameter annotated `RunController` receives the controller.
        name: the name; the function's own if None.
        description: the description for the model; the docstring if None.
        parameters: a JSON Schema in place of the annotations. The arguments are not checked then.
        needs_approval: whether the user has to approve each call.
        timeout: seconds that a call may take; the limit of `Tools` if None.

    Raises:
        TypeError: it is not callable, a parameter cannot be described to a model, or an argument has a wrong type.
        ValueError: the timeout is not positive.
    """

    def __init__(
        self,
        function: Callable[..., object],
        *,
        name: str | None = None,
        description: str | None = None,
        parameters: Mapping[str, JSON] | None = None,
        needs_approval: bool = False,
        timeout: float | None = None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"a tool must be a function, Tool or FrontendTool, not {type(function).__name__}")
        self.function = function
        self.name: str = _name(name if name is not None else name_of(function).rpartition(".")[2])
        self.description: str | None = _docstring(function) if description is None else _described(description)
        if not isinstance(needs_approval, bool):
            raise TypeError(f"needs_approval must be a bool, not {type(needs_approval).__name__}")
        self.needs_approval = needs_approval
        self.timeout: float | None = checked_timeout(timeout)
        self.is_async: bool = is_callable_as(inspect.iscoroutinefunction, function) or is_callable_as(
            inspect.isasyncgenfunction, function
        )
        self._parameters = Parameters(function, self.name) if parameters is None else None
        self._schema = _schema(parameters or {}) if self._parameters is None else self._parameters.schema

    @property
    def parameters(self) -> dict[str, JSON]:
        """The JSON Schema of the arguments."""
        return self._schema

    def arguments(self, args: dict[str, JSON], controller: RunController) -> dict[str, Any]:
        """Return the keyword arguments of a call.

        Args:
            args: the arguments of the model.
            controller: the controller, for a parameter that receives it.

        Raises:
            ToolFailure: they do not match the parameters.
        """
        if self._parameters is None:
            return dict(args)
        try:
            checked = self._parameters.convert(args)
        except ValueError as error:
            raise ToolFailure(f"The arguments are invalid: {error}") from None
        name = self._parameters.controller
        return checked if name is None else {**checked, name: controller}


class FrontendTool:
    """A tool that the front end runs: the answer ends, and the next request brings the result. Immutable.

    Args:
        name: the name.
        parameters: the JSON Schema of the arguments.
        description: the description for the model.

    Raises:
        TypeError: an argument has a wrong type.
    """

    def __init__(
        self, name: str, *, parameters: Mapping[str, JSON] | None = None, description: str | None = None
    ) -> None:
        self.name: str = _name(name)
        self.description: str | None = None if description is None else _described(description)
        self.parameters: dict[str, JSON] = _schema(parameters or {"type": "object", "properties": {}})


def checked_timeout(timeout: float | None) -> float | None:
    """Return a timeout in seconds, or None.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not positive.
    """
    return None if timeout is None else validation.seconds(timeout, "timeout", is_positive=True)


def _name(name: str) -> str:
    if not isinstance(name, str) or not name or name == "<lambda>":
        raise TypeError(f"a tool needs a name, not {name!r:.80}: pass Tool(function, name=...)")
    return name


def _described(description: object) -> str:
    if not isinstance(description, str):
        raise TypeError(f"description must be a str or None, not {type(description).__name__}")
    return description


def _schema(parameters: Mapping[str, JSON]) -> dict[str, JSON]:
    schema = plain(parameters, "parameters")
    if not isinstance(schema, dict):
        raise TypeError(f"parameters must be a JSON Schema as a dict, not {type(parameters).__name__}")
    return schema


def _docstring(function: object) -> str | None:
    while hasattr(function, "func"):
        function = function.func
    text = getattr(function, "__doc__", None)
    return inspect.cleandoc(text) if isinstance(text, str) else None
