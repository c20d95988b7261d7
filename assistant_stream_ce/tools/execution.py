"""One call of a tool: its result, sent to the front end and kept for the model."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.tools.batch import Job
from assistant_stream_ce.tools.tool import Tool, ToolFailure

#: What the model reads where a tool raises.
TOOL_FAILED = "The tool failed."


class ToolJob(Job):
    """Calls a tool, and sends its result.

    Args:
        controller: the controller of the run.
        tool: the tool.
        call_id: the id of the call.
        args: the arguments of the model.
        timeout: seconds that it may take if the tool has no timeout of its own.
        is_shown: whether the result is sent to the front end.

    Attributes:
        call_id: the id of the call.
        result: the result, or the failure that the model reads; valid at the end of the job.

    Raises:
        ToolFailure: the arguments do not match the parameters.
    """

    def __init__(
        self,
        controller: RunController,
        tool: Tool,
        call_id: str,
        args: dict[str, JSON],
        timeout: float | None,
        *,
        is_shown: bool = True,
    ) -> None:
        self.name: str = tool.name
        self.is_async: bool = tool.is_async
        self.timeout: float | None = timeout if tool.timeout is None else tool.timeout
        self.call_id = call_id
        self.result: JSON | ToolFailure = None
        self._controller = controller
        self._tool = tool
        self._arguments: dict[str, Any] = tool.arguments(args, controller)
        self._is_shown = is_shown

    def call(self) -> object:
        """Call the tool."""
        return self._tool.function(**self._arguments)

    def show(self, value: object) -> None:
        """Send a preliminary result."""
        if self._is_shown and not isinstance(value, ToolFailure):
            self._controller.add_tool_result(self.call_id, value, preliminary=True)

    def succeed(self, value: object) -> None:
        """Send the result, or the failure that the tool returned instead of raising it."""
        if isinstance(value, ToolFailure):
            self._send(value)
            return
        try:
            result = plain(value, f"the result of the tool {self.name}")
        except (TypeError, ValueError) as error:
            self.fail(error)
            return
        self.result = result
        if self._is_shown:
            self._controller.add_tool_result(self.call_id, result)

    def fail(self, error: BaseException) -> None:
        """Send a failure: the text of a `ToolFailure`, or a neutral one for an exception that is logged."""
        self._controller.raise_if_cancelled()
        if not isinstance(error, ToolFailure):
            logger.error("the tool %s raised", self.name, exc_info=error)
            error = ToolFailure(TOOL_FAILED)
        self._send(error)

    def expire(self) -> None:
        """Send the failure that the time is over."""
        self._send(ToolFailure(f"The tool did not finish within {self.timeout:g} seconds."))

    def _send(self, failure: ToolFailure) -> None:
        self.result = failure
        if self._is_shown:
            send_failure(self._controller, self.call_id, failure)


def send_failure(controller: RunController, call_id: str, failure: ToolFailure, *, is_denied: bool = False) -> None:
    """Send a failure as the result of a call."""
    controller.add_tool_result(call_id, str(failure), is_error=True, denied=is_denied)
