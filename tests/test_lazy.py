"""Exports that are imported on first access."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from assistant_stream_ce._lazy import lazy_exports


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module with one lazy export."""
    made = ModuleType("lazy_example")
    monkeypatch.setitem(sys.modules, "lazy_example", made)
    made.__dict__["__getattr__"] = lazy_exports("lazy_example", {"OrderedDict": "collections"})
    return made


def test_an_export_is_imported_on_first_access_and_kept(module: ModuleType) -> None:
    from collections import OrderedDict

    assert "OrderedDict" not in vars(module)
    assert module.OrderedDict is OrderedDict
    assert vars(module)["OrderedDict"] is OrderedDict


def test_other_names_are_missing(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'lazy_example' has no attribute 'Counter'"):
        _ = module.Counter
