"""The servers that the tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import pytest

from tests.servers.servers import ALL, SERVERS, Farm, Running, require_server

Scenario: TypeAlias = Callable[[Running], Any]
SideBySide: TypeAlias = Callable[[Scenario], Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stop the servers when all else is done."""
    items.sort(key=lambda item: item.path.name == "test_stopping.py")


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """The servers that tests share."""
    shared = Farm(tmp_path_factory.mktemp("servers"))
    yield shared
    shared.kill()


@pytest.fixture
def running(name: str, farm: Farm) -> Running:
    """The server that the test is about, running."""
    require_server(name)
    return farm.get(name)


@pytest.fixture(scope="session")
def outcomes() -> dict[tuple[Scenario, str], Future[Any]]:
    """What scenarios came to, on each server."""
    return {}


@pytest.fixture
def side_by_side(
    name: str, farm: Farm, request: pytest.FixtureRequest, outcomes: dict[tuple[Scenario, str], Future[Any]]
) -> SideBySide:
    """Run a scenario on the server that the test is about.

    The first of a test's parameters runs it on all servers that were selected, at the same time: most of it is waiting.
    """
    require_server(name)

    def names() -> list[str]:
        calls = [item.callspec for item in request.session.items if _function(item) is _function(request.node)]
        return [call.params["name"] for call in calls if SERVERS[call.params["name"]].is_installed]

    def run(scenario: Scenario) -> Any:
        if (scenario, name) not in outcomes:
            pool = ThreadPoolExecutor(len(ALL))
            for one in names():
                outcomes[scenario, one] = pool.submit(_run, scenario, farm, one)
            pool.shutdown(wait=False)
        return outcomes[scenario, name].result()

    return run


def _run(scenario: Scenario, farm: Farm, name: str) -> Any:
    return scenario(farm.get(name))


def _function(item: Any) -> Any:
    return getattr(item, "function", None)
