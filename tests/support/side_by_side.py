"""How the suite is spread over processes by pytest-xdist: `python dev.py test` runs it so.

The tests of a file stay together, in one process: they share servers, browsers and random conversations. Only files
whose tests share nothing are split. What takes longest starts first, so that no process is left alone with it.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Folders whose files share servers, and a file in one that has servers of its own.
TOGETHER = ("tests/servers/",)
APART = ("tests/servers/test_resumable.py",)

#: Files of which each test is a group of its own, and of which those that differ by
#: their last parameter alone are one.
SPLIT = ("tests/servers/test_processes.py", "tests/run/test_loops.py", "tests/test_examples.py")
SPLIT_BY_LAST_PARAMETER = ("tests/conformance/test_random_conversations.py",)

#: The groups that take longest, the longest first.
LONGEST = ("tests/servers/", "tests/frontends/", "tests/conformance/", "tests/docs/", "tests/test_")


def group_of(nodeid: str) -> str:
    """Return the name of the group of a test."""
    path = nodeid.partition("::")[0]
    if path in SPLIT:
        return nodeid
    if path in SPLIT_BY_LAST_PARAMETER:
        return nodeid.rpartition("-")[0]
    if path in APART:
        return path
    return next((folder for folder in TOGETHER if path.startswith(folder)), path)


def rank(nodeid: str) -> int:
    """Return where in the order of groups a test belongs."""
    ranks = (number for number, prefix in enumerate(LONGEST) if nodeid.startswith(prefix))
    return next(ranks, len(LONGEST))


class Scheduler(LoadScopeScheduling):
    """Give each process a group at a time, in the order in which tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduler:
    """Spread groups over processes for any value of `--dist`."""
    config.option.loadscopereorder = False
    return Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first, and refuse a test that might find the servers that it shares stopped by others."""
    strays = [item.nodeid for item in items if _uses_shared_servers(item) and not _is_with_shared_servers(item.nodeid)]
    if strays:
        raise pytest.UsageError(f"start a server with `serving`, the shared ones may have ended: {', '.join(strays)}")
    items.sort(key=lambda item: rank(item.nodeid))


def _uses_shared_servers(item: pytest.Item) -> bool:
    return "farm" in getattr(item, "fixturenames", ())


def _is_with_shared_servers(nodeid: str) -> bool:
    return group_of(nodeid) in TOGETHER
