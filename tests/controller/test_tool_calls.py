"""A tool call's chunks are sent in an order that clients accept; calls out of order raise."""

from __future__ import annotations

import re

import pytest

from assistant_stream_ce import (
    RunController,
    ToolApprovalRequestChunk,
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


def test_an_approval_request_completes_the_arguments_and_has_the_id_that_is_returned() -> None:
    ids: list[str] = []

    def run(controller: RunController) -> None:
        tool = controller.add_tool_call("delete", "1")
        tool.append_args_text("{}")
        ids.append(tool.request_approval(signature="signed"))
        ids.append(controller.add_tool_approval_request(controller.add_tool_call("t", "2").tool_call_id, "mine"))

    assert collect(run).chunks == [
        ToolCallBeginChunk("1", "delete"),
        ToolCallDeltaChunk("1", "{}"),
        ToolCallDeltaChunk("1", "", is_final=True),
        ToolApprovalRequestChunk("1", ids[0], "signed"),
        ToolCallBeginChunk("2", "t"),
        ToolCallDeltaChunk("2", "", is_final=True),
        ToolApprovalRequestChunk("2", "mine"),
    ]
    assert re.fullmatch(r"approval_[0-9a-f]{24}", ids[0])
    assert ids[1] == "mine"


def _asked(controller: RunController, call_id: str, approval_id: str) -> None:
    controller.add_tool_call("t", call_id)
    controller.add_tool_approval_request(call_id, approval_id)


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        (lambda c: c.add_tool_approval_request("none"), ToolCallError, "was not begun: call add_tool_call first"),
        (lambda c: c.add_tool_approval_request(""), ValueError, "tool_call_id must not be empty"),
        (lambda c: c.add_tool_call("t").request_approval(""), ValueError, "approval_id must not be empty"),
        (lambda c: c.add_tool_call("t").request_approval(7), TypeError, "approval_id"),
        (lambda c: c.add_tool_call("t").request_approval(signature=b"x"), TypeError, "signature"),
        (lambda c: [_asked(c, "1", "a"), c.add_tool_approval_request("1", "b")], ToolCallError, "request already"),
        (lambda c: [_asked(c, "1", "a"), _asked(c, "2", "a")], ToolCallError, "approval id 'a' exists already"),
        (
            lambda c: [c.add_tool_call("t", "1").set_response(1), c.add_tool_approval_request("1")],
            ToolCallError,
            "has its result already",
        ),
        (lambda c: c.add_tool_result("1", 1, is_error=True, preliminary=True), ValueError, "are final"),
        (lambda c: c.add_tool_result("1", 1, denied=True, preliminary=True), ValueError, "are final"),
        (lambda c: c.add_tool_result("1", 1, denied=1), TypeError, "denied must be a bool"),
        (lambda c: c.add_tool_result("1", 1, preliminary=None), TypeError, "preliminary must be a bool"),
    ],
)
def test_approvals_and_results_that_make_no_sense_raise(steps: object, error: type[Exception], message: str) -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(error, match=message):
            steps(controller)  # type: ignore[operator]

    assert collect(run).reason == "completed"


def test_results_may_follow_preliminary_ones_until_the_final_one() -> None:
    def run(controller: RunController) -> None:
        tool = controller.add_tool_call("t", "id")
        tool.set_response(1, preliminary=True)
        tool.set_response(2, preliminary=True)
        tool.set_response(3)
        for preliminary in (True, False):
            with pytest.raises(ToolCallError, match="has its result already"):
                tool.set_response(4, preliminary=preliminary)

    assert collect(run).chunks[1:] == [
        ToolResultChunk("id", 1, preliminary=True),
        ToolResultChunk("id", 2, preliminary=True),
        ToolResultChunk("id", 3),
    ]


def test_a_denial_is_an_error_too() -> None:
    def run(controller: RunController) -> None:
        tool = controller.add_tool_call("t", "id")
        tool.request_approval("a")
        tool.set_response("not now", denied=True)

    assert collect(run).chunks[-1] == ToolResultChunk("id", "not now", is_error=True, denied=True)
