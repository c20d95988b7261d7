"""The names and signatures of all public modules, as text.

`python -m tests.support.public_surface` writes the snapshot.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support import django_settings  # noqa: F401 - configures Django

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = ROOT / "tests" / "public_surface.txt"
COMMAND = "python -m tests.support.public_surface"
PACKAGE = "assistant_stream_ce"


def public_modules() -> list[str]:
    """Return the names of the modules with `__all__`."""
    names = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in tree.body):
            parts = path.relative_to(ROOT).with_suffix("").parts
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


def surface() -> str:
    """Return a line for each public name and each public member of a class."""
    modules = [importlib.import_module(name) for name in public_modules()]
    return "".join(f"{line}\n" for module in modules for line in _module(module))


def _module(module: ModuleType) -> Iterator[str]:
    yield f"{module.__name__}:"
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if not inspect.isclass(value) and not inspect.isroutine(value):
            yield f"  {name}: {type(value).__name__}"
        elif value.__module__ != module.__name__ and _is_public(value):
            yield f"  {name} = {value.__module__}.{value.__qualname__}"
        elif inspect.isclass(value):
            yield from _class(name, value)
        else:
            yield f"  {_function(name, value)}"


def _is_public(value: Any) -> bool:
    """Return whether the module that defines a value is public: its lines are there."""
    return value.__qualname__ in getattr(importlib.import_module(value.__module__), "__all__", ())


def _class(name: str, value: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
    yield f"  class {name}({bases}): {_signature(value)}"
    for member in sorted(dir(value)):
        owner = next((base for base in value.__mro__ if member in vars(base)), None)
        if member.startswith("_") or owner is None or not owner.__module__.startswith(PACKAGE):
            continue
        if owner is not value and _is_public(owner):
            # Its own lines show it.
            continue
        found = inspect.getattr_static(value, member)
        if isinstance(found, property):
            yield f"    {member}: property{_signature(found.fget)}"
        elif isinstance(found, (classmethod, staticmethod)):
            yield f"    {type(found).__name__} {_function(member, found.__func__)}"
        elif inspect.isroutine(found):
            yield f"    {_function(member, found)}"
        else:
            yield f"    {member}"


def _function(name: str, value: Any) -> str:
    is_async = inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)
    return f"{'async ' if is_async else ''}def {name}{_signature(value)}"


def _signature(value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    parameters = [each.replace(annotation=_Annotation.of(each.annotation)) for each in signature.parameters.values()]
    shown = signature.replace(parameters=parameters, return_annotation=_Annotation.of(signature.return_annotation))
    # A default may show its address.
    return re.sub(r" at 0x[0-9a-f]+", "", str(shown))


class _Annotation:
    """An annotation that is text, shown without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    @classmethod
    def of(cls, annotation: Any) -> Any:
        return cls(annotation) if isinstance(annotation, str) else annotation


if __name__ == "__main__":
    SNAPSHOT.write_text(surface(), encoding="utf-8")
    print(f"{SNAPSHOT} has been written.")
