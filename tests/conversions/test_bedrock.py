"""Histories of Bedrock."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce.conversions import from_bedrock, to_bedrock
from tests.conversions.histories import HISTORIES


def test_a_conversation_with_a_tool() -> None:
    system, messages = to_bedrock(HISTORIES["a tool"], system="Be brief.")
    assert system == [{"text": "Be brief."}]
    assert messages[2]["content"] == [{"toolResult": {"toolUseId": "c1", "content": [{"text": "21"}]}}]


def test_files_are_bytes() -> None:
    _, [user] = to_bedrock(HISTORIES["files"])
    assert user["content"][1] == {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x1a\n"}}}
    assert user["content"][3]["document"]["name"] == "a report"


def test_documents_keep_their_names_which_are_unique() -> None:
    def document(name: str) -> dict[str, Any]:
        return {"document": {"format": "pdf", "name": name, "source": {"bytes": b"%PDF"}}}

    messages, _ = from_bedrock([{"role": "user", "content": [document(name) for name in ("a", "b", "a", "a 2", "a")]}])
    for _ in range(2):
        _, [user] = to_bedrock(messages)
        assert [block["document"]["name"] for block in user["content"]] == ["a", "b", "a 2", "a 2 2", "a 3"]
        messages, _ = from_bedrock([user])


def test_redacted_reasoning_survives() -> None:
    block = {"reasoningContent": {"redactedContent": b"red"}}
    messages, dropped = from_bedrock([{"role": "assistant", "content": [block, {"text": "a"}]}])
    assert (to_bedrock(messages)[1][1]["content"], dropped) == ([block, {"text": "a"}], [])
