"""Exports that are imported on first access."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

from assistant_stream_ce._lazy import lazy_exports


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module with one lazy export."""
    made = ModuleType("lazy_example")
    monkeypatch.setitem(sys.modules, "lazy_example", made)
    made.__dict__["__getattr__"] = lazy_exports(
        "lazy_example", {"OrderedDict": "collections"}, moved={"Deque": "collections.deque"}
    )
    return made


def test_an_export_is_imported_on_first_access_and_kept(module: ModuleType) -> None:
    from collections import OrderedDict

    assert "OrderedDict" not in vars(module)
    assert module.OrderedDict is OrderedDict
    assert vars(module)["OrderedDict"] is OrderedDict


def test_other_names_are_missing(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'lazy_example' has no attribute 'Counter'"):
        _ = module.Counter


def test_the_import_of_a_name_that_has_moved_names_its_place(module: ModuleType) -> None:
    with pytest.raises(ImportError, match=r"lazy_example has no Deque: use collections\.deque"):
        exec("from lazy_example import Deque")


@pytest.mark.parametrize(
    ("module_name", "name"),
    [
        *(
            ("assistant_stream_ce", name)
            for name in (
                "AddMessageCommand",
                "AddToolResultCommand",
                "AssistantStreamResponse",
                "ChatRequest",
                "MessagePart",
                "UserMessage",
                "append_langgraph_event",
                "get_tool_call_subgraph_state",
            )
        ),
        *(
            ("assistant_stream_ce.serialization", name)
            for name in ("AssistantTransportResponse", "DataStreamResponse", "OpenAIStreamResponse")
        ),
    ],
)
def test_names_of_version_0_0_have_a_place(module_name: str, name: str) -> None:
    with pytest.raises(ImportError) as caught:
        getattr(importlib.import_module(module_name), name)
    place, _, attribute = str(caught.value).rpartition("use ")[2].rpartition(".")
    assert hasattr(importlib.import_module(place), attribute)
