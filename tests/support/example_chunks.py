"""One chunk of each type."""

from __future__ import annotations

from assistant_stream_ce import chunks

#: By type.
EXAMPLES = {
    "text-delta": chunks.TextDeltaChunk("a"),
    "text-part": chunks.TextPartChunk(),
    "reasoning-delta": chunks.ReasoningDeltaChunk("a"),
    "refusal-delta": chunks.RefusalDeltaChunk("a"),
    "reasoning-part": chunks.ReasoningPartChunk("In short"),
    "reasoning-signature": chunks.ReasoningSignatureChunk("c2lnbmVk"),
    "provider-metadata": chunks.ProviderMetadataChunk({"p": {"itemId": "i"}}, "reasoning"),
    "tool-call": chunks.ToolCallChunk("whole", "name", {"a": 1}),
    "tool-call-begin": chunks.ToolCallBeginChunk("id", "name"),
    "tool-call-delta": chunks.ToolCallDeltaChunk("id", "{"),
    "tool-approval-request": chunks.ToolApprovalRequestChunk("whole", "approval"),
    "tool-result": chunks.ToolResultChunk("id", {"r": 1}),
    "source": chunks.SourceChunk("id", "https://example.org"),
    "file": chunks.FileChunk("eA==", "text/plain"),
    "source-document": chunks.SourceDocumentChunk("id", "text/plain", "title"),
    "data-part": chunks.DataPartChunk("weather", [1]),
    "data": chunks.DataChunk([1]),
    "annotations": chunks.AnnotationsChunk([1]),
    "step-start": chunks.StepStartChunk("m"),
    "step-finish": chunks.StepFinishChunk("stop"),
    "error": chunks.ErrorChunk("boom"),
    "message-finish": chunks.MessageFinishChunk("stop"),
    "update-state": chunks.UpdateStateChunk([{"type": "set", "path": ["a"], "value": 1}]),
}
