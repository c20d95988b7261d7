"""Reading fields of events without knowing their classes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pydantic
import pytest

from assistant_stream_ce.integrations.events import delta_of, field, integer, native, native_object, text_of


class Model(pydantic.BaseModel, extra="allow"):
    a: str = "default"
    b: int | None = None


class Struct(msgspec.Struct):
    a: str


@pytest.mark.parametrize("value", [{"a": "x"}, Model(a="x"), Struct("x")])
def test_fields_of_models_objects_and_dicts(value: Any) -> None:
    assert field(value, "a") == "x"
    assert field(value, "absent") is None


def test_an_unknown_field_of_a_model() -> None:
    assert field(Model.model_validate({"new": 1}), "new") == 1


def test_fields_of_a_wrong_type() -> None:
    assert text_of({"a": 1}, "a") == ""
    assert [integer({"a": value}, "a") for value in (1, -1, "1", True, None)] == [1, 0, 0, 0, 0]
    assert [integer({"a": value}, "a") for value in (2.0, 2.5, float("inf"), 2**53)] == [2, 0, 0, 0]
    assert [delta_of({"a": value}, "a") for value in ("x", "", None)] == ["x", "", ""]
    with pytest.raises(TypeError, match="a must be a text, not 1"):
        delta_of({"a": 1}, "a")


def test_only_what_was_sent_goes_back() -> None:
    assert native(Model(a="x")) == {"a": "x"}
    assert native({"list": (Model(a="x"), b"\0")}) == {"list": [{"a": "x"}, "AA=="]}
    assert native([SimpleNamespace(a=1, b=SimpleNamespace(c="x"))]) == [{"a": 1, "b": {"c": "x"}}]


def test_an_object_inside_an_event() -> None:
    assert native_object(Model(a="x")) == {"a": "x"}
    with pytest.raises(TypeError, match="an object was expected, not None"):
        native_object(None)
