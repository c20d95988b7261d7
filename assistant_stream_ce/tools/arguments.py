"""Parameters of a tool: their JSON Schema, made from a function's signature, and the check of a model's arguments."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import shorten
from assistant_stream_ce.jsonvalue import JSON, describe_types

_SCALARS = (type(None), bool, int, float, str)

if sys.version_info >= (3, 14):
    from annotationlib import Format

    def _signature(function: Callable[..., object]) -> inspect.Signature:
        """Return a signature whose annotations may have undefined names: they are evaluated when they are read."""
        return inspect.signature(function, annotation_format=Format.FORWARDREF)
else:
    _signature = inspect.signature


class Parameters:
    """The parameters of a function that a model calls.

    Args:
        function: the function.
        name: the name of the tool, for messages.

    Raises:
        TypeError: a parameter cannot be described to a model.
    """

    def __init__(self, function: Callable[..., object], name: str) -> None:
        #: The name of the parameter that receives the controller, or None.
        self.controller: str | None = None
        self._name = name
        self._accepts_more = False
        fields = [self._field(parameter, hint) for parameter, hint in _hinted(function, name)]
        self._struct = msgspec.defstruct(
            "arguments",
            [field for field in fields if field is not None],
            kw_only=True,
            forbid_unknown_fields=not self._accepts_more,
        )
        #: The JSON Schema.
        self.schema: dict[str, JSON] = self._schema()
        describe_types(self._struct)

    def _field(self, parameter: inspect.Parameter, hint: Any) -> tuple[str, Any] | tuple[str, Any, Any] | None:
        if _is_controller(hint):
            self.controller = parameter.name
            return None
        if parameter.kind is parameter.VAR_KEYWORD:
            self._accepts_more = True
            return None
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise TypeError(
                f"the parameter {parameter.name} of the tool {self._name} has no name for a model to use: "
                "make it an ordinary or keyword-only parameter"
            )
        default = parameter.default
        if default is parameter.empty:
            return parameter.name, hint
        if not isinstance(default, _SCALARS):
            return parameter.name, hint, msgspec.field(default_factory=lambda: default)
        return parameter.name, hint, default

    def _schema(self) -> dict[str, JSON]:
        definitions: dict[str, Any] = {}

        def describe(kind: Any) -> dict[str, Any]:
            make = getattr(kind, "model_json_schema", None)
            if make is None:
                raise NotImplementedError
            schema: dict[str, Any] = make(ref_template="#/$defs/{model}")
            definitions.update(schema.pop("$defs", {}))
            return schema

        try:
            _, components = msgspec.json.schema_components(
                [self._struct], schema_hook=describe, ref_template="#/$defs/{name}"
            )
        except TypeError as error:
            raise TypeError(f"the parameters of the tool {self._name} have no JSON Schema: {error}") from None
        except RecursionError:
            raise TypeError(
                f"a type alias in the parameters of the tool {self._name} contains itself: make it a dataclass or a "
                "msgspec struct"
            ) from None
        schema = components.pop("arguments")
        del schema["title"]
        return _inlined(schema, definitions | components)

    def convert(self, arguments: dict[str, JSON]) -> dict[str, Any]:
        """Return checked arguments as keyword arguments; values have the annotated types.

        Raises:
            ValueError: they do not match the annotations; the message is for the model.
        """
        normal = normalized(arguments)
        try:
            checked = msgspec.convert(normal, self._struct, dec_hook=_validated)
        except msgspec.ValidationError as error:
            raise ValueError(shorten(str(error), 500)) from None
        names = self._struct.__struct_fields__
        more = {name: value for name, value in normal.items() if name not in names}
        return {name: getattr(checked, name) for name in names} | more


def _inlined(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, JSON]:
    """Return a schema with its definitions in place, because some models ignore references.

    Only types that contain themselves stay definitions.
    """
    recursive = {name for name in definitions if name in _reached(definitions[name], definitions)}

    def inline(value: Any) -> Any:
        if isinstance(value, list):
            return [inline(item) for item in value]
        if not isinstance(value, dict):
            return value
        made = {key: inline(item) for key, item in value.items()}
        name = _name_of(made.get("$ref"))
        if name is not None and name not in recursive:
            del made["$ref"]
            made = inline(definitions[name]) | made
        if isinstance(values := made.get("enum"), list) and all(isinstance(one, str) for one in values):
            # Some models require the type.
            made.setdefault("type", "string")
        return made

    found: dict[str, JSON] = inline(schema)
    if used := sorted(_reached(schema, definitions) & recursive):
        found["$defs"] = {name: inline(definitions[name]) for name in used}
    return found


def _reached(schema: Any, definitions: dict[str, Any]) -> set[str]:
    """Return the definitions that a schema refers to, directly or not."""
    reached: set[str] = set()
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value
        name = _name_of(value.get("$ref")) if isinstance(value, dict) else None
        if name is not None and name not in reached:
            reached.add(name)
            waiting.append(definitions[name])
    return reached


def _name_of(reference: Any) -> str | None:
    return reference.rpartition("/")[2] if isinstance(reference, str) else None


def _hinted(function: Callable[..., object], name: str) -> list[tuple[inspect.Parameter, Any]]:
    """Return the parameters of a function, each with its annotation.

    That of the result is not evaluated: often its type is imported for type checkers only.
    """
    target: Any = function
    while hasattr(target, "func"):
        target = target.func
    if not inspect.isroutine(target):
        target = target.__call__
    parameters = _signature(function).parameters.values()
    owner = types.SimpleNamespace(
        __annotations__={one.name: one.annotation for one in parameters if one.annotation is not one.empty},
        __type_params__=getattr(target, "__type_params__", ()),
    )
    try:
        hints = typing.get_type_hints(owner, getattr(inspect.unwrap(target), "__globals__", {}), include_extras=True)
        return [(parameter, _described(hints.get(parameter.name, Any))) for parameter in parameters]
    except NameError as error:
        raise TypeError(
            f"the annotations of the tool {name} cannot be evaluated ({error}): define and import their types at the "
            "top of the module, not under TYPE_CHECKING"
        ) from None


def _is_controller(hint: Any) -> bool:
    """Return whether an annotation is `RunController`, also in `Annotated` or beside None."""
    if typing.get_origin(hint) in (Annotated, typing.Union, types.UnionType):
        return any(map(_is_controller, typing.get_args(hint)))
    return hint is RunController


def _described(hint: Any) -> Any:
    """Return an annotation, or the value of a type alias, with the texts of `Annotated` as descriptions."""
    # The class of `type` statements is new in Python 3.12.
    while type(hint).__name__ == "TypeAliasType":
        hint = hint.__value__
    if typing.get_origin(hint) is not Annotated:
        return hint
    kind, *extras = typing.get_args(hint)
    for extra in extras:
        kind = Annotated[kind, msgspec.Meta(description=extra) if isinstance(extra, str) else extra]
    return kind


def _validated(kind: Any, value: Any) -> Any:
    """Convert a value to a pydantic model."""
    return kind.model_validate(value)


def normalized(value: JSON) -> Any:
    """Return a value with its keys sorted and integral floats as integers: JavaScript does not distinguish them."""
    if isinstance(value, dict):
        return {key: normalized(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [normalized(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
