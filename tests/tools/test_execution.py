"""One call of a tool."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.chunks import ToolResultChunk
from assistant_stream_ce.tools import Tool, ToolFailure
from assistant_stream_ce.tools.execution import ToolJob, send_failure


def shown(use: Any) -> list[Any]:
    return list(create_run(use))


def double(number: int) -> int:
    return 2 * number


def test_the_result_is_sent_and_kept() -> None:
    jobs: list[ToolJob] = []

    def run(controller: RunController) -> None:
        job = ToolJob(controller, Tool(double), "c1", {"number": 2}, None)
        job.succeed(job.call())
        jobs.append(job)

    assert shown(run) == [ToolResultChunk("c1", 4)]
    assert jobs[0].result == 4


def test_a_result_that_is_not_shown_is_kept() -> None:
    jobs: list[ToolJob] = []

    def run(controller: RunController) -> None:
        jobs.extend(ToolJob(controller, Tool(double), "c1", {"number": 2}, 1.0, is_shown=False) for _ in range(3))
        for job in jobs:
            job.show(1)
        jobs[0].succeed(4)
        jobs[1].fail(ToolFailure("no"))
        jobs[2].expire()

    assert shown(run) == []
    assert [str(job.result) for job in jobs] == ["4", "no", "The tool did not finish within 1 seconds."]


def test_the_tools_timeout_comes_first() -> None:
    def run(controller: RunController) -> None:
        assert ToolJob(controller, Tool(double, timeout=2), "c1", {"number": 2}, 1.0).timeout == 2
        assert ToolJob(controller, Tool(double), "c1", {"number": 2}, 1.0).timeout == 1

    shown(run)


def test_wrong_arguments_raise() -> None:
    def run(controller: RunController) -> None:
        ToolJob(controller, Tool(double), "c1", {"number": "two"}, None)

    with pytest.raises(ToolFailure, match="Expected `int`"):
        shown(run)


def test_a_failure_is_sent() -> None:
    assert shown(lambda controller: send_failure(controller, "c1", ToolFailure("no"))) == [
        ToolResultChunk("c1", "no", is_error=True)
    ]


def test_a_failure_may_be_returned() -> None:
    jobs: list[ToolJob] = []

    def run(controller: RunController) -> None:
        job = ToolJob(controller, Tool(double), "c1", {"number": 2}, None)
        job.show(ToolFailure("no"))
        job.succeed(ToolFailure("no"))
        jobs.append(job)

    assert shown(run) == [ToolResultChunk("c1", "no", is_error=True)]
    assert isinstance(jobs[0].result, ToolFailure)
