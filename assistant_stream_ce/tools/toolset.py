"""The tools of an application: `Tools`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.conversions.turns import ProviderNames
from assistant_stream_ce.errors import StreamUsageError, shorten
from assistant_stream_ce.tools.approvals import ApprovalSigner
from assistant_stream_ce.tools.resuming import Resumption
from assistant_stream_ce.tools.tool import FrontendTool, Tool, ToolFailure, checked_timeout

if TYPE_CHECKING:
    # At run time it would import all formats of the front ends.
    from assistant_stream_ce.chat_requests.request import ChatRequest, ClientTool
    from assistant_stream_ce.message import Message

_NAMES = ProviderNames()


class Tools:
    """The tools that a model may call. Immutable and thread-safe; iterating yields the tools for `tool_schemas`.

    Args:
        tools: functions, `Tool`, `FrontendTool`, and the `ChatRequest.tools` of a client, of which one with the name
            of another tool is ignored.
        timeout: seconds that a call may take, for tools without a timeout of their own; None for no limit.
        approvals: signs requests for approval; required where a tool needs approval.

    Raises:
        TypeError: one is not a tool.
        ValueError: two have one name, or a tool needs approval and there is no `approvals`.
    """

    def __init__(
        self,
        tools: Iterable[Callable[..., object] | Tool | FrontendTool | ClientTool] = (),
        *,
        timeout: float | None = None,
        approvals: ApprovalSigner | None = None,
    ) -> None:
        if approvals is not None and not isinstance(approvals, ApprovalSigner):
            raise TypeError(f"approvals must be an ApprovalSigner, not {type(approvals).__name__}")
        self.timeout: float | None = checked_timeout(timeout)
        self.approvals = approvals
        self._tools: dict[str, Tool | FrontendTool] = {}
        clients = []
        for one in tools:
            if isinstance(one, (Tool, FrontendTool)) or callable(one):
                self._add(one if isinstance(one, (Tool, FrontendTool)) else Tool(one))
            else:
                clients.append(_frontend_tool(one))
        for tool in clients:
            if tool.name not in self._tools:
                self._add(tool)
        # As the providers read them: some refuse names with dots or spaces.
        self._mapped = {_NAMES.name(name): tool for name, tool in self._tools.items()}

    def _add(self, tool: Tool | FrontendTool) -> None:
        if tool.name in self._tools:
            raise ValueError(f"two tools have the name {tool.name!r}: pass Tool(function, name=...)")
        if isinstance(tool, Tool) and tool.needs_approval and self.approvals is None:
            raise ValueError(
                f"the tool {tool.name!r} needs approval: pass Tools(..., approvals=ApprovalSigner(secret)), because a "
                "browser could approve anything without a signature"
            )
        self._tools[tool.name] = tool

    def __iter__(self) -> Iterator[Tool | FrontendTool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def get(self, name: str) -> Tool | FrontendTool | None:
        """Return the tool that a model calls, or None.

        Args:
            name: the name that the model uses.
        """
        return self._tools.get(name) or self._mapped.get(name)

    def find(self, name: str) -> Tool | FrontendTool:
        """Return the tool that a model calls.

        Args:
            name: the name that the model uses.

        Raises:
            ToolFailure: there is no such tool.
        """
        tool = self.get(name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            raise ToolFailure(f"There is no tool named {shorten(repr(name))}. The tools are: {shorten(known, 1000)}.")
        return tool

    def resume(self, controller: RunController, request: ChatRequest, *, thread: str | None = None) -> list[Message]:
        """Take the results and decisions that a request brings, run what was approved, and send those results.

        Only a literal `true` with a valid signature runs a tool, in the context of this callback.

        Args:
            controller: the controller of the run.
            request: the parsed request.
            thread: the id of the conversation; that of the request if None.

        Returns:
            The messages of the request, with a result for each pending call, for a function such as `to_openai_chat`.

        Raises:
            RunCancelled: the reader of the run has left.
            StreamUsageError: it was called in a running event loop.
            TypeError: `request` was not parsed, or `thread` is not a str.
        """
        if in_event_loop():
            raise StreamUsageError("resume would block the event loop: await tools.aresume(...)")
        resumption = Resumption(self, controller, request, thread)
        resumption.uses().run()
        resumption.calls().run()
        return resumption.messages()

    async def aresume(
        self, controller: RunController, request: ChatRequest, *, thread: str | None = None
    ) -> list[Message]:
        """Do what `resume` does, in a coroutine, with the same arguments and exceptions."""
        resumption = Resumption(self, controller, request, thread)
        await resumption.uses().arun()
        await resumption.calls().arun()
        return resumption.messages()


def _frontend_tool(one: ClientTool) -> FrontendTool:
    try:
        return FrontendTool(one.name, parameters=one.parameters, description=one.description)
    except AttributeError:
        raise TypeError(f"a tool must be a function, Tool or FrontendTool, not {type(one).__name__}") from None
