"""The house: a room imports only rooms above it, and each dangerous thing has one room."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "assistant_stream_ce"

# From the ground up. A room may import rooms that stand before it here, and modules of its own room.
ROOMS = [
    ["_lazy"],
    ["errors"],
    ["jsonvalue"],
    ["chunks"],
    ["concurrency"],
    ["cancellation"],
    ["controller", "state"],
    ["message"],
    ["run", "create_run"],
    ["serialization"],
    ["conversions"],
    ["responses"],
    ["integrations"],
    ["testing"],
    ["inspector"],
    ["__main__"],
]
RANK = {name: rank for rank, names in enumerate(ROOMS) for name in names}

# A wire's module names its Starlette response, for type checkers only; at run time it is found by name.
DOORWAYS = {"ag_ui", "data_stream", "assistant_transport", "openai_stream", "plain_text", "ui_message_stream"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(tree: ast.AST) -> list[str]:
    """Return what a module imports, as dotted names; `from a import b` counts as `a.b` too."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def imported_rooms(path: Path) -> set[str]:
    names = imported_modules(ast.parse(path.read_text()))
    rooms = {name.split(".")[1] for name in names if name.startswith("assistant_stream_ce.")}
    return rooms & RANK.keys()


def test_every_module_stands_in_a_room() -> None:
    assert {room_of(path) for path in MODULES} - {"__init__"} == RANK.keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    allowed = {name for name in RANK if RANK[name] <= RANK[room]}
    if room == "serialization" and (path.stem in DOORWAYS or path.parent.name in DOORWAYS):
        allowed.add("responses")
    assert imported_rooms(path) <= allowed


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("janus", {"concurrency/channel.py"}),
        ("msgspec.json", {"jsonvalue.py"}),
        ("starlette", {"responses/starlette.py"}),
        ("flask", {"responses/flask.py"}),
        ("werkzeug", {"responses/flask.py"}),
        ("django", {"responses/django.py"}),
        ("asgiref", {"responses/django.py"}),
        ("rich", {"inspector/live_view.py"}),
    ],
)
def test_a_library_is_imported_by_one_module(library: str, owners: set[str]) -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for name in imported_modules(ast.parse(path.read_text()))
        if name == library or name.startswith(f"{library}.")
    }
    assert found == owners


def test_threads_tasks_and_loops_are_started_in_one_room() -> None:
    starters = {"Thread", "create_task", "ensure_future", "new_event_loop", "run_coroutine_threadsafe"}
    found = {
        room_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in starters
    }
    assert found == {"responses", "run"}


def test_encoders_have_no_clock_and_no_io() -> None:
    forbidden = {"time", "datetime", "socket", "os", "threading", "asyncio", "io"}
    for path in (PACKAGE / "serialization").glob("*.py"):
        names = {name.split(".")[0] for name in imported_modules(ast.parse(path.read_text()))}
        assert not names & forbidden, path


def test_nothing_sleeps_and_polls() -> None:
    for path in MODULES:
        assert "time.sleep" not in path.read_text(), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_public_module_lists_its_names(path: Path) -> None:
    tree = ast.parse(path.read_text())
    lists = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    if path.parent.name == "responses" and path.stem == "__init__":
        return
    assert len(lists) == 1
    assert isinstance(lists[0], ast.Tuple)


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
