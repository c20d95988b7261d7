"""Stream an assistant's output (text, reasoning, tool calls, state) to chat front ends from sync or async code.

`create_run` turns a callback into a stream of chunks. Encoders are in `assistant_stream_ce.serialization`, and web
responses in `assistant_stream_ce.responses`. This package imports no web framework, and starts no thread or event loop.
"""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import ModuleGetattr, lazy_exports
from assistant_stream_ce.chunks import (
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
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.controller.tool_calls import ToolCallController
from assistant_stream_ce.create_run import AssistantStream, RunResult, create_run
from assistant_stream_ce.errors import (
    AssistantStreamError,
    DecodeError,
    MissingExtraError,
    ModelStreamError,
    RunCancelled,
    RunEndedError,
    RunFailedError,
    StateError,
    StoreUnavailableError,
    StreamTooLongError,
    StreamUsageError,
    ToolCallError,
)

# Imported eagerly, because its module has the same name: importing that first would hide a lazy attribute.
from assistant_stream_ce.run.hooks import mask_errors
from assistant_stream_ce.run.registry import ashutdown, shutdown

if TYPE_CHECKING:
    from assistant_stream_ce.message import AssistantMessage
    from assistant_stream_ce.message.accumulator import MessageAccumulator, aaccumulate, accumulate

__all__ = (
    # runs
    "create_run",
    "AssistantStream",
    "RunController",
    "RunResult",
    "ToolCallController",
    "ashutdown",
    "mask_errors",
    "shutdown",
    # messages
    "AssistantMessage",
    "MessageAccumulator",
    "aaccumulate",
    "accumulate",
    # chunks
    "AnnotationsChunk",
    "AssistantStreamChunk",
    "DataChunk",
    "DataPartChunk",
    "ErrorChunk",
    "FileChunk",
    "MessageFinishChunk",
    "ProviderMetadataChunk",
    "ReasoningDeltaChunk",
    "ReasoningPartChunk",
    "ReasoningSignatureChunk",
    "RefusalDeltaChunk",
    "SourceChunk",
    "SourceDocumentChunk",
    "StepFinishChunk",
    "StepStartChunk",
    "TextDeltaChunk",
    "TextPartChunk",
    "ToolApprovalRequestChunk",
    "ToolCallBeginChunk",
    "ToolCallChunk",
    "ToolCallDeltaChunk",
    "ToolResultChunk",
    "UpdateStateChunk",
    # errors
    "AssistantStreamError",
    "DecodeError",
    "MissingExtraError",
    "ModelStreamError",
    "RunCancelled",
    "RunEndedError",
    "RunFailedError",
    "StateError",
    "StoreUnavailableError",
    "StreamTooLongError",
    "StreamUsageError",
    "ToolCallError",
)

# Imported on first access: most programs only stream.
__getattr__: ModuleGetattr = lazy_exports(
    __name__,
    {
        "AssistantMessage": "assistant_stream_ce.message",
        "MessageAccumulator": "assistant_stream_ce.message.accumulator",
        "aaccumulate": "assistant_stream_ce.message.accumulator",
        "accumulate": "assistant_stream_ce.message.accumulator",
    },
    moved={
        "AddMessageCommand": "assistant_stream_ce.chat_requests.parse_assistant_transport",
        "AddToolResultCommand": "assistant_stream_ce.chat_requests.parse_assistant_transport",
        "AssistantStreamResponse": "assistant_stream_ce.responses.starlette.AssistantStreamResponse",
        "ChatRequest": "assistant_stream_ce.chat_requests.ChatRequest",
        "MessagePart": "assistant_stream_ce.message.MessagePart",
        "UserMessage": "assistant_stream_ce.message.UserMessage",
        "append_langgraph_event": "assistant_stream_ce.integrations.langgraph.append_langgraph_event",
        "get_tool_call_subgraph_state": "assistant_stream_ce.integrations.langgraph.get_tool_call_subgraph_state",
    },
)

__version__ = "0.2.0"
