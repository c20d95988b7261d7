"""Forwarding the events of model SDKs: from the SDK's own objects to chunks."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import BY_HAND, OURS, Preparation, Row, Scale, Target
from benchmarks.processes import sampled

SDKS = {
    "openai-chat": "openai, chat completions",
    "openai-chat-arguments": "openai, chat completions",
    "openai-responses": "openai, responses",
    "anthropic": "anthropic",
    "google": "google-genai",
    "ollama": "ollama",
    "bedrock": "boto3, Bedrock",
    "langchain": "LangChain",
    "langgraph": "LangGraph",
}


def _forwarding(module: str, sdk: str) -> Preparation:
    def sizes(scale: Scale) -> dict[str, Any]:
        return {"module": module, "function": "forward", "counts": {"": scale.burst}, "sdk": sdk}

    return sampled("cpu", sizes)


ROWS = [
    Row(
        name=f"forward-{sdk}",
        family="sdks",
        title=f"a {'piece of tool arguments' if sdk.endswith('-arguments') else 'text'} of {title}",
        unit="µs",
        subjects={OURS: _forwarding("ours.forwarding", sdk), BY_HAND: _forwarding("by_hand.forwarding", sdk)},
        targets=(Target(2.0, BY_HAND),),
    )
    for sdk, title in SDKS.items()
]
