"""The architecture: layers that import downwards only, one owner for each library, and limits of size."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "assistant_stream_ce"

# From the lowest. A module may import from its own package, from those in its row, and from the rows above it.
LAYERS = [
    ["_lazy", "assistant_stream_chunk", "modules"],
    ["errors"],
    ["jsonvalue"],
    ["chunks"],
    ["concurrency"],
    ["cancellation"],
    ["controller", "state"],
    ["message"],
    ["run", "create_run"],
    ["serialization"],
    ["resumable"],
    ["conversions"],
    ["chat_requests"],
    ["responses"],
    ["integrations", "tools"],
    ["testing"],
    ["inspector"],
    ["__main__"],
]
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}

# The only import upwards: the module of a format offers its Starlette response, by a lazy re-export.
RE_EXPORTED = "assistant_stream_ce.responses.starlette"

MODULES = sorted(PACKAGE.rglob("*.py"))

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


PATHS = {name_of(path): path for path in MODULES}


def layer_of(name: str) -> str:
    """Return the module or package under the top package to which a module belongs."""
    return name.split(".")[1] if "." in name else "__init__"


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def nodes(node: ast.AST, *, typing: bool, functions: bool) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, with or without those for type checkers only and those inside functions."""
    yield node
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not typing:
        children = list(node.orelse)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not functions:
        children = []
    for child in children:
        yield from nodes(child, typing=typing, functions=functions)


@functools.cache
def imports_of(path: Path, *, typing: bool = True, functions: bool = True) -> set[str]:
    """Return what a module imports, as dotted names; `from a import b` is `a.b`."""
    names: set[str] = set()
    for node in nodes(tree_of(path), typing=typing, functions=functions):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def module_in(name: str) -> str:
    """Return the module of the package that an imported name is, or comes from; "" for another library's."""
    while name and name not in PATHS:
        name = name.rpartition(".")[0]
    return name


@functools.cache
def loaded_by(name: str) -> set[str]:
    """Return the modules that a module imports when it is imported; the top package apart, which always is."""
    names = {module_in(name) for name in imports_of(PATHS[name], typing=False, functions=False)}
    return names - {"", "assistant_stream_ce"}


def reached_from(name: str, *, packages: bool) -> set[str]:
    """Return what a module imports, directly or not, with or without the packages that the modules are in."""
    reached: set[str] = set()
    waiting = {name}
    while waiting:
        found = set().union(*map(loaded_by, waiting))
        if packages:
            found |= {name.rpartition(".")[0] for name in found} - {"assistant_stream_ce"}
        waiting = found - reached
        reached |= found
    return reached


def test_every_module_belongs_to_a_layer() -> None:
    assert {layer_of(name) for name in PATHS} - {"__init__"} == LAYER_OF.keys()


@each_module
def test_a_module_imports_from_lower_layers_only(path: Path) -> None:
    layer = layer_of(name_of(path))
    if layer == "__init__":
        return
    imported = {module_in(name) for name in imports_of(path)} - {"", "assistant_stream_ce"}
    if layer == "serialization":
        imported.discard(RE_EXPORTED)
    own = {name for name in imported if layer_of(name) == layer}
    assert {name for name in imported - own if LAYER_OF[layer_of(name)] > LAYER_OF[layer]} == set()


# The only modules of `serialization` that read streams; all others are functions on plain data.
READ_STREAMS = {"streaming", "completions"}


@pytest.mark.parametrize("name", [name for name in PATHS if layer_of(name) == "serialization"])
def test_a_format_reaches_no_run_and_no_thread(name: str) -> None:
    if name.rpartition(".")[2] in READ_STREAMS:
        return
    reached = reached_from(name, packages=True) | {name}
    assert {layer_of(found) for found in reached} <= {
        *("_lazy", "errors", "jsonvalue", "chunks", "message", "state", "serialization")
    }
    imported = {found for module in reached for found in imports_of(PATHS[module], typing=False)}
    libraries = {found.split(".")[0] for found in imported - {"os.PathLike", "os.fsdecode"}}
    assert not libraries & {"asyncio", "threading", "concurrent", "janus", "time", "datetime", "socket", "os", "io"}


def test_no_modules_import_each_other() -> None:
    assert [name for name in PATHS if name in reached_from(name, packages=False)] == []


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("janus", {"concurrency/channel.py"}),
        ("msgspec.json", {"jsonvalue/text.py"}),
        ("starlette", {"responses/starlette.py"}),
        ("flask", {"responses/flask.py"}),
        ("werkzeug", set()),
        ("django", {"responses/django.py"}),
        ("asgiref", {"responses/django.py"}),
        ("rich", {"inspector/live_view.py"}),
    ],
)
def test_a_library_is_imported_by_one_module(library: str, owners: set[str]) -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        for name in imports_of(path, typing=False)
        if name == library or name.startswith(f"{library}.")
    }
    assert found == owners


def test_threads_tasks_and_loops_are_started_in_two_packages() -> None:
    starters = {"Thread", "create_task", "ensure_future", "new_event_loop", "run_coroutine_threadsafe"}
    found = {
        layer_of(name_of(path))
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in starters
    }
    assert found == {"responses", "run"}


def test_locks_are_made_in_one_module() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("threading.Lock", "threading.RLock", "Lock")
    }
    # The other two wait for a lock that another thread releases.
    assert found == {"concurrency/gevent.py", "concurrency/waiters.py", "run/loops.py"}


def test_nothing_sleeps_and_polls() -> None:
    found = {path.name for path in MODULES if "time.sleep" in path.read_text(encoding="utf-8")}
    # A file lock cannot be waited for with a timeout.
    assert found == {"file_log.py"}


LENGTHS = {path.relative_to(PACKAGE): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}

# What was added on top of the core: adapters, conversions and parsers, a module for each format of others.
EXTENSIONS = {"chat_requests", "conversions", "integrations", "resumable", "tools"}


def test_modules_are_short_and_the_top_level_is_small() -> None:
    assert {path: length for path, length in LENGTHS.items() if length > 480} == {}
    assert len([path for path in LENGTHS if len(path.parts) == 1]) <= 9


def test_the_core_does_not_grow() -> None:
    """A new feature that needs more raises the limits in its own commit; nothing else does."""
    core = [length for path, length in LENGTHS.items() if path.parts[0] not in EXTENSIONS]
    assert len(core) <= 114
    assert sum(core) <= 20_850


def test_each_scenario_of_a_production_user_has_a_test_that_is_there() -> None:
    scenarios: set[int] = set()
    for line in (TESTS / "servers" / "__init__.py").read_text().splitlines():
        if match := re.fullmatch(r"\| ([\d, ]+) .*\| `(.+)::(.+)` \|", line):
            numbers, path, name = match.groups()
            tree = ast.parse((TESTS / path).read_text())
            functions = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
            assert name in functions, line
            scenarios.update(map(int, numbers.split(",")))
        else:
            assert "::" not in line, line
    assert scenarios == set(range(1, 26))


#: What works out by itself what must come of a run.
ORACLES = [
    *(TESTS / "conformance").glob("expected*.py"),
    TESTS / "serialization" / "ag_ui_arrival.py",
    TESTS / "serialization" / "arrivals.py",
    TESTS / "support" / "plain.py",
]


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.name)
def test_an_oracle_imports_nothing_that_it_judges(path: Path) -> None:
    imports = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom | ast.Import)]
    assert not [node for node in imports if isinstance(node, ast.Import) and "assistant_stream_ce" in ast.unparse(node)]
    names = {
        f"{node.module}.{alias.name}"
        for node in imports
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("assistant_stream_ce")
        for alias in node.names
    }
    assert all(re.fullmatch(r"assistant_stream_ce\.\w+Chunk", name) for name in names)


def own_tests(path: Path) -> list[Path]:
    """Return where the tests of a module may be: a package's own are named after it."""
    folder = TESTS / path.relative_to(PACKAGE).parent
    names = ("init", folder.name) if path.stem == "__init__" else (path.stem.strip("_"),)
    return [folder / f"test_{name}.py" for name in names]


def has_code(path: Path) -> bool:
    """Return whether a module has more than re-exports, or the error of a place that version 0.0 had."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = tree_of(path).body
    if isinstance(body[-1], ast.Raise):
        return False
    return path.stem != "__init__" or any(isinstance(node, definitions) for node in body)


@pytest.mark.parametrize("path", [*filter(has_code, MODULES)], ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_has_a_test_file_of_its_name(path: Path) -> None:
    assert any(file.exists() for file in own_tests(path)), f"write {own_tests(path)[0].relative_to(TESTS.parent)}"
