"""The public surface: `__all__`, the API reference and the docstrings agree.

A module with `__all__` is public, and every name in it is documented in `docs/reference`. Internal modules define none.
Names and signatures are those of `tests/public_surface.txt`.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec
import pytest

from assistant_stream_ce.chunks import AssistantStreamChunk, ChunkHandler
from tests.support.public_surface import COMMAND, SNAPSHOT, public_modules, surface
from tests.support.require import require

ROOT = Path(__file__).parent.parent

# A directive, whether it hides the arguments of a class, and its options.
_DIRECTIVE = re.compile(r"^( *)\.\. (?:py:)?(\w+):: +([\w.]+)(\(\))?.*\n((?:\1   :.*\n)*)", re.MULTILINE)
_DOCUMENTS = {"autofunction", "autoclass", "autoexception", "autodata", "data"}


MODULES = public_modules()


class Entry(NamedTuple):
    """How the API reference documents a name."""

    hides_arguments: bool
    options: str

    def has_member(self, name: str) -> bool:
        """Return whether a member of a class is documented."""
        listed = re.search(r" :members:(.*)", self.options)
        excluded = re.search(rf":exclude-members:.*\b{name}\b", self.options)
        return listed is not None and not excluded and (not listed[1].strip() or name in re.split(r"[,\s]+", listed[1]))


def documented_names() -> dict[str, Entry]:
    """Return the dotted names that the API reference documents."""
    names: dict[str, Entry] = {}
    for page in sorted((ROOT / "docs" / "reference").glob("*.rst")):
        module = ""
        for _, directive, name, hidden, options in _DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            if directive == "module":
                module = name
            elif directive in _DOCUMENTS:
                path = name if name.startswith("assistant_stream_ce.") else f"{module}.{name}"
                names[path] = Entry(bool(hidden), options)
    return names


DOCUMENTED = documented_names()


def found(dotted_name: str) -> Any:
    module, _, name = dotted_name.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_name_is_public(name: str) -> None:
    module, _, last = name.rpartition(".")
    assert module in MODULES, "document it where it is in __all__"
    assert last in importlib.import_module(module).__all__


@pytest.mark.parametrize("module", MODULES)
def test_a_public_name_is_documented(module: str) -> None:
    documented: dict[str, list[Any]] = {}
    for name in DOCUMENTED:
        documented.setdefault(name.rpartition(".")[2], []).append(found(name))
    missing = [
        name
        for name in importlib.import_module(module).__all__
        if not any(found(f"{module}.{name}") is value for value in documented.get(name, []))
    ]
    assert missing == [], "document it in docs/reference, or remove `__all__` from an internal module"


# Methods that are called with a chunk of their type.
_CHUNK_METHODS = {kind.type.replace("-", "_") for kind in get_args(AssistantStreamChunk)} | {"unhandled"}

# Methods that do what a dict's or list's do.
_OF_CONTAINERS = {*dir(dict), *dir(list)}


def parameters_of(name: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield what is documented of a name: a function, a class, its methods; with its parameters and its docstring."""
    value, entry = found(name), DOCUMENTED[name]
    if inspect.isfunction(value):
        yield name, [*inspect.signature(value).parameters], inspect.getdoc(value) or ""
    if not inspect.isclass(value):
        return
    if not entry.hides_arguments and "__init__" in vars(value) and not issubclass(value, msgspec.Struct):
        yield name, [*inspect.signature(value).parameters], inspect.getdoc(value) or ""
    for member, method in inspect.getmembers(value, inspect.isroutine):
        is_handler = issubclass(value, ChunkHandler) and member in _CHUNK_METHODS
        if not member.startswith("_") and entry.has_member(member) and member not in _OF_CONTAINERS and not is_handler:
            yield f"{name}.{member}", [*inspect.signature(method).parameters], inspect.getdoc(method) or ""


CALLABLES = {
    name: (parameters, text) for documented in DOCUMENTED for name, parameters, text in parameters_of(documented)
}


@pytest.mark.parametrize("name", CALLABLES)
def test_a_docstring_names_every_parameter(name: str) -> None:
    parameters, text = CALLABLES[name]
    assert text, "it has no docstring"
    module, _, last = name.rpartition(".")
    if last.startswith("a") and f"`{last[1:]}`" in text:
        # The twin for coroutines refers to the other one.
        assert parameters == CALLABLES[f"{module}.{last[1:]}"][0]
        return
    assert [name for name in parameters if name != "self" and not re.search(rf"^ {{4}}{name}: ", text, re.M)] == []


def test_a_change_of_the_surface_is_deliberate() -> None:
    require(sys.version_info[:2] == (3, 11), "signatures are shown as Python 3.11 shows them")
    found, wanted = surface().splitlines(), SNAPSHOT.read_text(encoding="utf-8").splitlines()
    assert found == wanted, f"if the change of the public surface is wanted, run `{COMMAND}` and commit the file"
