"""Streams what an AI assistant says and does to a chat front end, from blocking and async Python.

The front door. `create_run` turns a callback into a stream; the encoders are in
`assistant_stream_ce.serialization`, the web responses in `assistant_stream_ce.responses`. Nothing here
imports a web framework, starts a thread or makes an event loop.
"""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import lazy_exports
from assistant_stream_ce.chunks import (
    AnnotationsChunk,
    AssistantStreamChunk,
    DataChunk,
    DataPartChunk,
    ErrorChunk,
    FileChunk,
    MessageFinishChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    ReasoningSignatureChunk,
    RefusalDeltaChunk,
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
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
    RunCancelled,
    RunEndedError,
    RunFailedError,
    StateError,
    StreamUsageError,
    ToolCallError,
)

# `create_run` is also the name of its module, so it must be imported eagerly: a lazy attribute would give
# the module to whoever imported that first.
from assistant_stream_ce.run.loops import shutdown

if TYPE_CHECKING:
    from assistant_stream_ce.message import AssistantMessage
    from assistant_stream_ce.message.accumulator import MessageAccumulator, accumulate

__all__ = (
    # runs
    "create_run",
    "AssistantStream",
    "RunController",
    "RunResult",
    "ToolCallController",
    "shutdown",
    # messages
    "AssistantMessage",
    "MessageAccumulator",
    "accumulate",
    # chunks
    "AnnotationsChunk",
    "AssistantStreamChunk",
    "DataChunk",
    "DataPartChunk",
    "ErrorChunk",
    "FileChunk",
    "MessageFinishChunk",
    "ReasoningDeltaChunk",
    "ReasoningPartChunk",
    "ReasoningSignatureChunk",
    "RefusalDeltaChunk",
    "SourceChunk",
    "SourceDocumentChunk",
    "StepFinishChunk",
    "StepStartChunk",
    "TextDeltaChunk",
    "ToolCallBeginChunk",
    "ToolCallChunk",
    "ToolCallDeltaChunk",
    "ToolResultChunk",
    "UpdateStateChunk",
    # errors
    "AssistantStreamError",
    "DecodeError",
    "MissingExtraError",
    "RunCancelled",
    "RunEndedError",
    "RunFailedError",
    "StateError",
    "StreamUsageError",
    "ToolCallError",
)

# Imported on first access: most programs only stream.
__getattr__ = lazy_exports(
    __name__,
    {
        "AssistantMessage": "assistant_stream_ce.message",
        "MessageAccumulator": "assistant_stream_ce.message.accumulator",
        "accumulate": "assistant_stream_ce.message.accumulator",
    },
)

__version__ = "0.1.0"
