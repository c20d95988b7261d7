"""Lazy attributes of a module (PEP 562): an export is imported when it is first accessed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

#: The type of the `__getattr__` of a module.
ModuleGetattr: TypeAlias = Callable[[str], Any]

#: Where the modules of formats find their Starlette responses, which they re-export.
STARLETTE = "assistant_stream_ce.responses.starlette"


def lazy_exports(module_name: str, exports: Mapping[str, str], moved: Mapping[str, str] | None = None) -> ModuleGetattr:
    """Return the `__getattr__` of a module that imports its exports on first access, and then keeps them.

    Args:
        module_name: the `__name__` of the module that gets the function.
        exports: the name of each export, and the module that defines it.
        moved: names that version 0.0 or `assistant-stream` has here, each with its present place. They raise an
            `ImportError`: an `import` statement replaces the text of an `AttributeError`.
    """

    def __getattr__(name: str) -> Any:
        if moved and name in moved:
            raise ImportError(f"{module_name} has no {name}: use {moved[name]}", name=module_name)
        if name not in exports:
            raise AttributeError(f"module {module_name!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(exports[name]), name)
        setattr(sys.modules[module_name], name, value)
        return value

    return __getattr__
