"""Chunks of every type with hostile contents, in no sensible order."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantStreamChunk,
    DataChunk,
    DataPartChunk,
    ErrorChunk,
    FileChunk,
    MessageFinishChunk,
    ProviderMetadataChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    ReasoningSignatureChunk,
    RefusalDeltaChunk,
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
    TextPartChunk,
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
)
from tests.support.conversations import NASTY

VALUES: tuple[Any, ...] = (
    None,
    float("nan"),
    10**400,
    {"__proto__": 1},
    {"constructor": {"prototype": 1}},
    ["\ud83d", "\u2028"],
    {"": {}},
)


def random_chunk(dice: random.Random) -> AssistantStreamChunk:
    """Return any chunk; its ids come from so few that they meet again."""
    call_id = dice.choice(("a", "b", "c\u2028"))
    text = dice.choice(NASTY)
    parent_id = dice.choice((None, None, "p", text))
    value, note = dice.choice(VALUES), dice.choice((None, *VALUES[5:]))
    kinds: list[Callable[[], AssistantStreamChunk]] = [
        lambda: TextDeltaChunk(text, parent_id),
        lambda: TextPartChunk(parent_id),
        lambda: ReasoningDeltaChunk(text, parent_id),
        lambda: RefusalDeltaChunk(text, parent_id),
        lambda: ReasoningPartChunk(dice.choice((None, text)), parent_id),
        lambda: ReasoningSignatureChunk(text),
        lambda: ProviderMetadataChunk({dice.choice("pq"): {"n": note}}, dice.choice(("text", "reasoning")), parent_id),
        lambda: ToolCallChunk(call_id, text, {text: value}, parent_id, dice.random() < 0.3, dice.random() < 0.3),
        lambda: ToolCallBeginChunk(call_id, text, parent_id, dice.random() < 0.3, dice.random() < 0.3),
        lambda: ToolCallChunk(call_id, text, {}, provider_metadata={"p": {"n": note}}),
        lambda: ToolCallBeginChunk(call_id, text, provider_metadata={"p": {"n": note}}),
        lambda: ToolCallDeltaChunk(call_id, text, is_final=dice.random() < 0.3),
        lambda: ToolCallDeltaChunk(call_id, '{"a":', is_final=dice.random() < 0.3),
        lambda: ToolCallDeltaChunk(call_id, "", True, {"a": 1}),
        lambda: ToolResultChunk(call_id, value, value, dice.random() < 0.5, dice.choice((None, [value]))),
        lambda: ToolResultChunk(call_id, value, is_error=True, denied=True),
        lambda: ToolResultChunk(call_id, value, preliminary=True),
        lambda: ToolApprovalRequestChunk(call_id, dice.choice(("i", f"{text}!")), dice.choice((None, text))),
        lambda: SourceChunk(text, text, "url", dice.choice((None, text)), parent_id, *((2, 5) if parent_id else ())),
        lambda: SourceDocumentChunk(
            text, text, text, dice.choice((None, text)), parent_id, *((2, 5) if parent_id else ())
        ),
        lambda: FileChunk(text, text, parent_id, dice.choice((None, text))),
        lambda: DataPartChunk(text, value, dice.choice((None, "i")), dice.random() < 0.3, parent_id),
        lambda: DataChunk(value),
        lambda: AnnotationsChunk([value, text]),
        lambda: StepStartChunk(text),
        lambda: StepFinishChunk(text, 4, 5, dice.random() < 0.5, 1, dice.choice((0, 2)), 3),
        lambda: MessageFinishChunk(text, 4, 5, dice.choice((0, 1)), 2, 3),
        lambda: ErrorChunk(text, dice.choice((None, text)), dice.choice((None, "critical", "warning", "info"))),
        lambda: UpdateStateChunk([{"type": "set", "path": ["a", text or "b"], "value": value}]),
    ]
    # Only a set that the clients can apply: what they cannot, the controller refuses.
    unsafe = text in ("__proto__", "constructor", "prototype")
    return dice.choice(kinds[:-1] if unsafe else kinds)()
