"""Checks of docs/tool-calls.rst."""

from assistant_stream_ce import ToolCallError, create_run
from tests.docs.runner import Document

doc = Document("docs/tool-calls.rst")
page = doc.page


@doc.before("def get_weather(")
def check_misuse_raises() -> None:
    refused = []

    def out_of_order(controller):
        def refuse(call, *arguments):
            try:
                call(*arguments)
            except ToolCallError as error:
                refused.append(str(error))

        call = controller.add_tool_call("tool", "call-1")
        refuse(controller.add_tool_call, "tool", "call-1")
        call.close()
        call.close()
        refuse(call.append_args_text, "{}")
        call.set_response(1)
        refuse(call.set_response, 2)
        refuse(controller.add_tool_result, "call-1", 2)
        controller.add_tool_result("an-earlier-call", 3)
        open_call = controller.add_tool_call("tool", "call-2")
        controller.add_step_finish("tool-calls")
        refuse(open_call.append_args_text, "{}")

    kinds = [chunk.type for chunk in create_run(out_of_order)]
    assert kinds == [
        "tool-call-begin",
        "tool-call-delta",
        "tool-result",
        "tool-result",
        "tool-call-begin",
        "step-finish",
    ]
    assert len(refused) == 5

    async def in_a_coroutine(controller):
        async with controller.add_tool_call("a", "1"):
            pass
        (await controller.add_tool_call("b", "2")).close()

    assert [chunk.type for chunk in create_run(in_a_coroutine)] == ["tool-call-begin", "tool-call-delta"] * 2


@doc.after("def research(")
def check_error_of_a_nested_stream_is_raised() -> None:
    def failing(controller):
        controller.append_text("so far")
        raise ValueError("sub-agent failed")

    def lead_in_thread(controller):
        try:
            controller.add_stream(create_run(failing))
        except ValueError:
            controller.append_text(" and without it")

    async def lead_in_coroutine(controller):
        try:
            await controller.add_stream(create_run(failing))
        except ValueError:
            controller.append_text(" and without it")

    for callback in (lead_in_thread, lead_in_coroutine):
        assert [chunk.text_delta for chunk in create_run(callback)] == ["so far", " and without it"]


test_tool_calls = doc.test()
