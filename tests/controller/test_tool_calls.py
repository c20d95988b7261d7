"""A tool call's chunks are sent in an order that clients accept; calls out of order raise."""

from __future__ import annotations

import re

import pytest

from assistant_stream_ce import (
    RunController,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    ToolCallError,
    ToolResultChunk,
    create_run,
)
from assistant_stream_ce.testing import collect


async def test_await_is_optional_and_all_blocks_close() -> None:
    async def run(controller: RunController) -> None:
        tool = await controller.add_tool_call("search", "1")
        assert (tool.tool_call_id, tool.tool_name) == ("1", "search")
        async with controller.add_tool_call("search", "2") as second:
            second.append_args_text("{}")
        with controller.add_tool_call("search", "3") as third:
            third.set_response(None)
        tool.append_args_text("{")
        tool.close()
        tool.close()

    assert [chunk async for chunk in create_run(run)] == [
        ToolCallBeginChunk("1", "search"),
        ToolCallBeginChunk("2", "search"),
        ToolCallDeltaChunk("2", "{}"),
        ToolCallDeltaChunk("2", "", is_final=True),
        ToolCallBeginChunk("3", "search"),
        ToolResultChunk("3", None),
        ToolCallDeltaChunk("1", "{"),
        ToolCallDeltaChunk("1", "", is_final=True),
    ]


def test_a_call_without_an_id_gets_a_fresh_one() -> None:
    first, second = collect(lambda controller: [controller.add_tool_call("t") for _ in range(2)] and None).chunks
    assert isinstance(first, ToolCallBeginChunk)
    assert isinstance(second, ToolCallBeginChunk)
    assert re.fullmatch(r"call_[0-9a-f]{24}", first.tool_call_id)
    assert first.tool_call_id != second.tool_call_id


def test_a_result_may_follow_the_close() -> None:
    def run(controller: RunController) -> None:
        with controller.add_tool_call("t", "id") as tool:
            tool.append_args_text("{}")
        tool.set_response({"late": True}, artifact=1, is_error=True)

    assert collect(run).chunks[-1] == ToolResultChunk("id", {"late": True}, 1, True)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (lambda c: (c.add_tool_call("t", "id"), c.add_tool_call("t", "id")), "exists already"),
        (lambda c: c.add_tool_call("t", "id").set_response(1) or c.add_tool_result("id", 2), "has its result already"),
        (lambda c: c.add_tool_result("old", 1) or c.add_tool_result("old", 2), "has its result already"),
        (lambda c: c.add_tool_result("old", 1) or c.add_tool_call("t", "old"), "exists already"),
    ],
)
def test_steps_that_clients_reject_raise(steps: object, message: str) -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(ToolCallError, match=message):
            steps(controller)  # type: ignore[operator]

    assert collect(run).reason == "completed"


@pytest.mark.parametrize("end", ["close", "set_response", "step", "message"])
def test_arguments_after_their_end_are_refused(end: str) -> None:
    def run(controller: RunController) -> None:
        tool = controller.add_tool_call("t", "id")
        if end == "close":
            tool.close()
        elif end == "set_response":
            tool.set_response(1)
        elif end == "step":
            controller.add_step_finish("tool-calls")
        else:
            controller.add_message_finish("tool-calls")
        with pytest.raises(ToolCallError, match="are complete"):
            tool.append_args_text("x")

    assert collect(run).reason == "completed"


def test_set_result_is_deprecated() -> None:
    def run(controller: RunController) -> None:
        with pytest.warns(DeprecationWarning, match="use set_response"):
            controller.add_tool_call("t", "id").set_result(1)

    assert collect(run).chunks[-1] == ToolResultChunk("id", 1)


def test_an_exception_in_the_block_closes_the_call_and_propagates() -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(ValueError, match="boom"), controller.add_tool_call("t", "id"):
            raise ValueError("boom")

    assert collect(run).chunks == [ToolCallBeginChunk("id", "t"), ToolCallDeltaChunk("id", "", is_final=True)]
