"""`Tools`: what it takes, and how a tool is found."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from assistant_stream_ce import StreamUsageError
from assistant_stream_ce.chat_requests import ChatRequest, ClientTool
from assistant_stream_ce.integrations import anthropic, bedrock, google, ollama, openai
from assistant_stream_ce.tools import ApprovalSigner, FrontendTool, Tool, ToolFailure, Tools


def weather(city: str) -> str:
    """Return the weather."""
    return city


def test_functions_and_tools_in_their_order() -> None:
    tools = Tools([weather, Tool(weather, name="w2"), FrontendTool("pick")])
    assert [tool.name for tool in tools] == ["weather", "w2", "pick"]
    assert len(tools) == 3
    assert len(Tools()) == 0


def test_two_tools_of_one_name_are_an_error() -> None:
    with pytest.raises(ValueError, match="two tools have the name 'weather'"):
        Tools([weather, weather])


def test_a_tool_that_needs_approval_needs_a_signer() -> None:
    with pytest.raises(ValueError, match="approvals=ApprovalSigner"):
        Tools([Tool(weather, needs_approval=True)])
    Tools([Tool(weather, needs_approval=True)], approvals=ApprovalSigner("x"))
    with pytest.raises(TypeError, match="ApprovalSigner"):
        Tools([], approvals="secret")  # type: ignore[arg-type]


def test_the_servers_tool_wins_over_the_clients() -> None:
    tools = Tools([ClientTool("weather"), ClientTool("pick", "d", {"type": "object"}), weather])
    assert isinstance(tools.find("weather"), Tool)
    pick = tools.find("pick")
    assert isinstance(pick, FrontendTool)
    assert (pick.description, pick.parameters) == ("d", {"type": "object"})


def test_what_is_no_tool_is_a_clear_error() -> None:
    with pytest.raises(TypeError, match="must be a function, Tool or FrontendTool, not str"):
        Tools(["weather"])  # type: ignore[list-item]


def test_an_adapter_imports_no_format_of_a_front_end() -> None:
    """They would take longer to import than the adapter."""
    code = "import sys, assistant_stream_ce.integrations.openai; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not [name for name in found.stdout.split() if name.startswith("assistant_stream_ce.chat_requests")]


def test_names_that_providers_do_not_take_are_mapped_back() -> None:
    tools = Tools([Tool(weather, name="maps.weather")])
    [described] = openai.tool_schemas(tools)
    name = described["function"]["name"]  # type: ignore[index,call-overload]
    assert "." not in name
    assert tools.find(name) is tools.find("maps.weather")


def test_an_unknown_tool_is_a_failure_for_the_model() -> None:
    with pytest.raises(ToolFailure, match=r"no tool named 'nope'\. The tools are: weather"):
        Tools([weather]).find("nope")


@pytest.mark.parametrize("adapter", [openai, anthropic, google, bedrock, ollama])
def test_providers_read_the_schemas(adapter: Any) -> None:
    text = str(adapter.tool_schemas(Tools([weather])))
    assert "weather" in text
    assert "Return the weather." in text
    assert "city" in text


def test_resume_does_not_block_a_loop() -> None:
    async def use() -> None:
        Tools().resume(None, ChatRequest())  # type: ignore[arg-type]

    with pytest.raises(StreamUsageError, match="aresume"):
        asyncio.run(use())
