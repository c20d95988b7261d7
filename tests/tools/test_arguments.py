"""The schema of a function's parameters, and the check of a model's arguments."""

from __future__ import annotations

import functools
import re
import sys
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal
from unittest.mock import ANY

import msgspec
import pytest

from assistant_stream_ce import RunController
from assistant_stream_ce.tools.arguments import Parameters, normalized
from tests.support.require import require


class Unit(Enum):
    C = "celsius"
    F = "fahrenheit"


@dataclass
class Place:
    city: str
    country: str = "FR"


def forecast(
    place: Place,
    day: date,
    unit: Unit = Unit.C,
    hours: Annotated[int, "how many"] = 24,
    tags: list[str] = ["all"],  # noqa: B006 - a mutable default is what is tested
    mode: Literal["short", "long"] | None = None,
) -> None: ...


def test_annotations_make_the_schema() -> None:
    schema: Any = Parameters(forecast, "forecast").schema
    assert schema["type"] == "object"
    assert schema["required"] == ["place", "day"]
    assert schema["additionalProperties"] is False
    assert "title" not in schema
    properties = schema["properties"]
    assert properties["place"]["required"] == ["city"]
    assert (properties["unit"]["type"], properties["unit"]["enum"]) == ("string", ["celsius", "fahrenheit"])
    assert properties["day"] == {"type": "string", "format": "date"}
    assert properties["hours"] == {"type": "integer", "description": "how many", "default": 24}
    assert properties["tags"] == {"type": "array", "items": {"type": "string"}}
    assert "$ref" not in str(schema)


def test_values_have_the_annotated_types() -> None:
    found = Parameters(forecast, "forecast").convert(
        {"place": {"city": "Paris"}, "day": "2030-01-02", "unit": "celsius"}
    )
    assert found == {
        "place": Place("Paris"),
        "day": date(2030, 1, 2),
        "unit": Unit.C,
        "hours": 24,
        "tags": ["all"],
        "mode": None,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"day": "2030-01-02"}, "missing required field `place`"),
        ({"place": {"city": 1}, "day": "2030-01-02"}, "Expected `str`, got `int` - at `$.place.city`"),
        ({"place": {"city": "x"}, "day": "soon"}, "at `$.day`"),
        ({"place": {"city": "x"}, "day": "2030-01-02", "more": 1}, "unknown field `more`"),
        ({"place": {"city": "x"}, "day": "2030-01-02", "mode": "wide"}, "at `$.mode`"),
        ({"place": {"city": "x"}, "day": "2030-01-02", "hours": "24"}, "Expected `int`"),
    ],
)
def test_wrong_arguments_are_explained(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Parameters(forecast, "forecast").convert(arguments)


def test_integral_floats_are_integers_as_in_javascript() -> None:
    assert Parameters(forecast, "f").convert({"place": {"city": "x"}, "day": "2030-01-02", "hours": 3.0})["hours"] == 3
    assert normalized({"b": [1.0, 1.5], "a": True}) == {"a": True, "b": [1, 1.5]}
    assert list(normalized({"b": 1, "a": 2})) == ["a", "b"]


@pytest.mark.parametrize(
    "annotation",
    [RunController, RunController | None, Annotated[RunController, "progress"], Annotated[RunController | None, "x"]],
)
def test_the_controller_is_not_a_parameter_of_the_model(annotation: Any) -> None:
    def search(query: str, progress: Any = None) -> None: ...

    search.__annotations__["progress"] = annotation
    parameters = Parameters(search, "search")
    assert parameters.controller == "progress"
    assert list(parameters.schema["properties"]) == ["query"]  # type: ignore[arg-type]


def test_parameters_without_annotation_take_any_value() -> None:
    def echo(value, times=1): ...  # type: ignore[no-untyped-def]

    assert Parameters(echo, "echo").convert({"value": [1, {"a": None}]}) == {"value": [1, {"a": None}], "times": 1}


def test_more_arguments_are_taken_where_the_function_takes_them() -> None:
    def log(event: str, **fields: Any) -> None: ...

    parameters = Parameters(log, "log")
    assert parameters.schema.get("additionalProperties") is not False
    assert parameters.convert({"event": "x", "n": 1}) == {"event": "x", "n": 1}


def test_partials_methods_and_callable_objects() -> None:
    class Search:
        def __call__(self, query: str) -> None: ...

        def method(self, page: int) -> None: ...

    def find(query: str, limit: int) -> None: ...

    assert list(Parameters(Search(), "s").schema["properties"]) == ["query"]  # type: ignore[arg-type]
    assert list(Parameters(Search().method, "s").schema["properties"]) == ["page"]  # type: ignore[arg-type]
    schema = Parameters(functools.partial(find, limit=3), "s").schema
    assert schema["required"] == ["query"]


def test_what_a_model_cannot_use_is_a_clear_error() -> None:
    class Opaque: ...

    def opaque(value: Any) -> None: ...

    opaque.__annotations__["value"] = Opaque
    with pytest.raises(TypeError, match="parameters of the tool x have no JSON Schema"):
        Parameters(opaque, "x")
    with pytest.raises(TypeError, match="parameter rest of the tool x has no name"):
        Parameters(lambda *rest: None, "x")

    def undefined(value: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TypeError, match="top of the module"):
        Parameters(undefined, "x")


# Annotations are text, or from Python 3.14 on evaluated when they are read.
STYLES = ["from __future__ import annotations"] + ([""] if sys.version_info >= (3, 14) else [])


def defined(source: str) -> Any:
    """Return the function `tool` of a module."""
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(source, "tools.py", "exec", dont_inherit=True), names)
    return names["tool"]


@pytest.mark.parametrize("style", STYLES)
def test_a_result_may_be_imported_for_type_checkers_only(style: str) -> None:
    tool = defined(f"{style}\ndef tool(count: int = 1) -> Report: ...")
    assert Parameters(tool, "t").schema["properties"] == {"count": {"type": "integer", "default": 1}}
    assert Parameters(functools.wraps(tool)(lambda **given: None), "t").convert({"count": 2.0}) == {"count": 2}


@pytest.mark.parametrize("style", STYLES)
def test_a_parameter_may_not(style: str) -> None:
    with pytest.raises(TypeError, match=r"tool t cannot be evaluated .*'Report'.* not under TYPE_CHECKING"):
        Parameters(defined(f"{style}\ndef tool(report: Report | None = None) -> None: ..."), "t")


# Type statements are new in Python 3.12.
if sys.version_info >= (3, 12):

    @pytest.mark.parametrize("style", STYLES)
    def test_type_statements(style: str) -> None:
        aliases = "from typing import Annotated\ntype Note = Annotated[list[Word], 'words']\ntype Word = str"
        schema = Parameters(defined(f"{style}\n{aliases}\ndef tool(note: Note): ..."), "t").schema
        assert schema["properties"] == {"note": {"type": "array", "items": {"type": "string"}, "description": "words"}}
        tree = f"{style}\ntype Tree = dict[str, Tree] | None\ndef tool(tree: Tree): ..."
        with pytest.raises(TypeError, match=r"type alias in the parameters of the tool t contains itself"):
            Parameters(defined(tree), "t")


def test_structs_and_recursive_types() -> None:
    parameters = Parameters(grow, "grow")
    assert parameters.convert({"tree": {"children": [{}]}}) == {"tree": Tree([Tree()]), "root": None}
    schema: Any = parameters.schema
    assert schema["properties"] == {"tree": {"$ref": "#/$defs/Tree"}, "root": ANY}
    assert schema["properties"]["root"]["anyOf"][0]["properties"]["city"] == {"type": "string"}
    assert list(schema["$defs"]) == ["Tree"]


class Tree(msgspec.Struct):
    children: list[Tree] = []


def grow(tree: Tree, root: Place | None = None) -> None: ...


def test_pydantic_models() -> None:
    try:
        import pydantic
    except ImportError:
        require(False, "the package pydantic")

    class Inner(pydantic.BaseModel):
        x: int

    class Outer(pydantic.BaseModel):
        inner: Inner

    def tool(outer: Any) -> None: ...

    tool.__annotations__["outer"] = Outer
    parameters = Parameters(tool, "tool")
    schema: Any = parameters.schema
    assert schema["properties"]["outer"]["properties"]["inner"]["properties"]["x"]["type"] == "integer"
    assert parameters.convert({"outer": {"inner": {"x": 1}}})["outer"].inner.x == 1
    with pytest.raises(ValueError, match=r"\$\.outer"):
        parameters.convert({"outer": {"inner": {"x": "one"}}})
