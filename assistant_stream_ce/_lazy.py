"""The one upward arrow of the house: a wire's module offers its Starlette response.

`from assistant_stream_ce.serialization.data_stream import DataStreamResponse` is how FastAPI users import
it. Starlette is imported when the name is first touched, so a Flask user never loads it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ("to_starlette",)


def to_starlette(*names: str) -> Callable[[str], Any]:
    """Return a module's `__getattr__` that finds the names in `assistant_stream_ce.responses.starlette`."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"no attribute {name!r}")
        return getattr(importlib.import_module("assistant_stream_ce.responses.starlette"), name)

    return find
