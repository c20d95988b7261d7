"""The JSON boundary: valid values arrive unchanged, and invalid ones raise an error with their path."""

from __future__ import annotations

import array
import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import json
import math
import pathlib
import re
import subprocess
import sys
import types
import uuid
from collections import OrderedDict, UserDict, UserString
from typing import Any

import babel.support
import bson
import flask_babel.speaklater
import msgspec
import numpy as np
import pydantic
import pytest
import yarl
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy
from hypothesis import given

from assistant_stream_ce.jsonvalue import (
    clone,
    dumps,
    list_index,
    object_or_empty,
    objects_in,
    plain,
)
from tests.jsonvalue.samples import Text, json_values
from tests.support import django_settings  # noqa: F401 - configures Django


class Linked(pydantic.BaseModel):
    next: Any = None


@dataclasses.dataclass
class Node:
    next: Any = None


class Failing:
    def model_dump(self, **options: Any) -> Any:
        raise OSError("the database is gone")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: int
    inner: object


class Struct(msgspec.Struct):
    name: str


class Model(pydantic.BaseModel):
    when: datetime.datetime
    share: float


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (Text("sub"), "sub"),
        (1.5, 1.5),
        (math.nan, None),
        (-math.inf, None),
        (10**400, None),
        (int(sys.float_info.max), int(sys.float_info.max)),
        (2**53, 2**53),
        ((1, 2), [1, 2]),
        ({1}, [1]),
        (range(3), [0, 1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (UserDict(a=(1,)), {"a": [1]}),
        ({1: "a", None: "b", Level.HIGH: "c"}, {"1": "a", "null": "b", "3": "c"}),
        ({True: "x"}, {"true": "x"}),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (b"xx", "eHg="),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.50"), "1.50"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Point(1, Struct("n")), {"x": 1, "inner": {"name": "n"}}),
        (Model(when=datetime.datetime(2026, 1, 2), share=math.inf), {"when": "2026-01-02T00:00:00", "share": None}),
        ([Model(when=datetime.datetime(2026, 1, 2), share=0.5)], [{"when": "2026-01-02T00:00:00", "share": 0.5}]),
        (Point(1, Model(when=datetime.datetime(2026, 1, 2), share=1)), None),
        ({"__proto__": 1, "a": [{"__proto__": 2}]}, {"a": [{}]}),
        ({"constructor": {"prototype": 1}}, {}),
        ({"constructor": {"x": 1}, "prototype": 2}, {"constructor": {"x": 1}, "prototype": 2}),
        ({Text("k"): Text("v")}, {"k": "v"}),
    ],
)
def test_plain(value: object, expected: object) -> None:
    if isinstance(value, Point) and isinstance(value.inner, Model):
        expected = {"x": 1, "inner": {"when": "2026-01-02T00:00:00", "share": 1.0}}
    result = plain(value)
    assert result == expected
    assert json.loads(json.dumps(result)) == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"result is not JSON: cannot send builtins\.object"),
        ({"a": [1, object()]}, r"result\.a\[1\] is not JSON"),
        ((n for n in ()), "generator"),
        ({1: "a", "1": "b"}, "two keys that both become '1'"),
        ({(1, 2): "a"}, "key of type tuple"),
        (len, "builtin_function_or_method"),
        (Point, "builtins.type"),
        (Linked(next=object()), r"result is not JSON: Unable to serialize"),
        ({"a": [Failing()]}, r"result\.a\[0\] is not JSON: the database is gone"),
    ],
)
def test_a_value_that_is_not_json_is_reported_with_its_path(value: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        plain(value, "result")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(5), 5),
        (np.uint8(5), 5),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.float32("nan"), None),
        (np.longdouble(0.5), 0.5),
        (np.longdouble("nan"), None),
        (np.array([0.5], np.longdouble), [0.5]),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(1.5), 1.5),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (array.array("i", [1, 2]), [1, 2]),
        (pathlib.Path("/tmp") / "a.txt", "/tmp/a.txt"),
        (pathlib.PureWindowsPath("C:/a"), "C:\\a"),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (bson.ObjectId("0" * 24), "0" * 24),
        (pydantic.TypeAdapter(pydantic.AnyUrl).validate_python("https://example.org"), "https://example.org/"),
        (yarl.URL("https://example.org/a"), "https://example.org/a"),
        (gettext_lazy("Hello"), "Hello"),
        (format_lazy("{}!", gettext_lazy("Hello")), "Hello!"),
        (flask_babel.speaklater.LazyString(lambda: "Hello"), "Hello"),
        (babel.support.LazyProxy(lambda: "Hello", enable_cache=False), "Hello"),
        (collections.deque([1]), [1]),
        (UserString("a"), "a"),
        (type("Bytes", (bytes,), {})(b"xx"), "eHg="),
        (type("Timestamp", (datetime.datetime,), {})(2026, 1, 2), "2026-01-02T00:00:00"),
        (type("Day", (datetime.date,), {})(2026, 1, 2), "2026-01-02"),
        (type("Time", (datetime.time,), {})(1, 2), "01:02:00"),
        (type("Duration", (datetime.timedelta,), {})(seconds=90), "PT90S"),
        (type("Money", (decimal.Decimal,), {})("1.50"), "1.50"),
        (type("Id", (uuid.UUID,), {})(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.timedelta(seconds=90), "PT90S"),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_common_types_of_other_libraries_are_converted_wherever_they_are(value: Any, expected: object) -> None:
    assert plain(value) == expected
    assert json.loads(dumps([value])) == [expected]
    assert plain({"a": [value]}) == {"a": [expected]}
    assert plain(Point(1, [value])) == {"x": 1, "inner": [expected]}
    is_key = isinstance(expected, (str, int, float)) and not isinstance(expected, bool)
    if is_key and type(value).__hash__ is not None:
        assert plain({value: 1}) == {str(expected): 1}


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        (object(), "str(value)"),
        (ValueError("boom"), "str(value)"),
        (1j, "str(value)"),
        ({"a": 1}.keys(), "list(value)"),
        (map(str, []), "list(value)"),
        (types.SimpleNamespace(a=1), "str(value)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_error_for_other_types_names_a_fix(value: object, fix: str) -> None:
    for nested in value, [value], Point(1, value):
        with pytest.raises(TypeError, match=re.escape(f"for example with {fix}")):
            plain(nested)


@pytest.mark.parametrize(
    "value",
    [
        {"k" * 10_000_000: object()},
        {"k" * 10_000_000: [[object()]]},
        {1: "a", "1": {"k" * 10_000_000: {1, object()}}},
        {("k" * 10_000_000,): 1},
        {"k" * 10_000_000: {("a",): 1}},
        {b"k" * 10_000_000: 1, base64.b64encode(b"k" * 10_000_000).decode(): 2},
        type("T" * 100_000, (), {})(),
    ],
    ids=["key", "path", "two keys", "tuple", "nested tuple", "equal keys", "type"],
)
def test_no_error_quotes_megabytes(value: object) -> None:
    with pytest.raises(TypeError) as raised:
        plain(value)
    assert len(str(raised.value)) < 1_500


def test_a_cycle_is_refused() -> None:
    cycle: list[Any] = []
    cycle.append({"deeper": cycle})
    node, linked = Node(), Linked()
    node.next, linked.next = node, linked
    for value, message in ((cycle, "contains itself"), (node, "contains itself"), (linked, "Circular reference")):
        with pytest.raises(TypeError, match=message):
            plain(value, "state")


def test_plain_copies() -> None:
    inner = [1]
    value = {"a": inner}
    copy = plain(value)
    inner.append(2)
    assert copy == {"a": [1]}


@given(json_values)
def test_clone_equals_and_shares_nothing(value: Any) -> None:
    original = plain(value)
    copy = clone(original)
    assert copy == original
    if isinstance(original, (dict, list)):
        assert copy is not original


@pytest.mark.parametrize(("segment", "index"), [("0", 0), ("7", 7), ("10", 10), ("9" * 15, 10**15 - 1)])
def test_a_list_index_is_a_canonical_decimal(segment: str, index: int) -> None:
    assert list_index(segment) == index


@pytest.mark.parametrize("segment", ["", "00", "01", "-1", "-", "1.0", " 1", "٣", "²", "9" * 16, "9" * 5000])
def test_other_segments_are_no_list_index(segment: str) -> None:
    assert list_index(segment) is None


def test_objects_in_any_value() -> None:
    assert objects_in([{"a": 1}, 5, None, {}]) == [{"a": 1}, {}]
    assert objects_in({"a": 1}) == objects_in(None) == []
    assert object_or_empty({"a": 1}) == {"a": 1}
    assert object_or_empty([1]) == object_or_empty(None) == {}


FIRST_USES = """
import sys, threading
from assistant_stream_ce import AssistantMessage, AssistantStreamChunk, TextDeltaChunk
from assistant_stream_ce.message import TextPart
from assistant_stream_ce.resumable import records

message = AssistantMessage(parts=[TextPart("Hello")]).to_json()
entry = records.encode([TextDeltaChunk("Hello")])
start = threading.Barrier(8)

def use():
    start.wait()
    AssistantMessage.from_json(message)
    records.decode(entry, list[AssistantStreamChunk])

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_may_be_the_first_to_use_a_type() -> None:
    # In a process of its own, which a race would kill.
    done = subprocess.run([sys.executable, "-c", FIRST_USES], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@dataclasses.dataclass
class Order:
    city: str
    country: str | None = None
    when: datetime.date = datetime.date(2026, 1, 2)


@dataclasses.dataclass
class Noted(Order):
    note: str = dataclasses.field(init=False)


def test_a_dataclass_has_its_fields_also_where_msgspec_has_made_it() -> None:
    """The arguments of a tool are made so: their defaults are values of the class only."""
    whole = {"city": "Rome", "country": None, "when": "2026-01-02"}
    made = msgspec.convert([{"city": "Rome"}], list[Order])
    assert plain(made) == [whole]
    # A field without a value is left out.
    assert plain({"order": Noted("Rome")}) == {"order": whole}
