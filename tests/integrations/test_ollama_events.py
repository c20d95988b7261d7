"""Chunks of Ollama."""

from __future__ import annotations

import pytest

from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations.ollama_events import OllamaReader
from tests.integrations.feeding import feed
from tests.integrations.samples import OLLAMA


def test_an_answer() -> None:
    _, turn = feed(OllamaReader, OLLAMA)
    assert (turn.text, turn.finish_reason, turn.provider_finish_reason) == ("Let me look.", "tool-calls", "stop")
    assert turn.tool_calls[0].provider_id is None
    assert turn.messages[0]["thinking"] == "hm"


def test_an_error_and_a_stream_without_an_end() -> None:
    with pytest.raises(ModelStreamError, match="no memory"):
        feed(OllamaReader, [{"error": "no memory"}])
    with pytest.raises(ModelStreamError, match="incomplete"):
        feed(OllamaReader, OLLAMA[:-1])
