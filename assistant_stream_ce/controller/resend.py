"""A chunk that was built elsewhere, sent through the controller's method for its kind, which checks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.controller import validation as arguments
from assistant_stream_ce.controller.tool_calls import ToolCallController
from assistant_stream_ce.jsonvalue import plain

if TYPE_CHECKING:
    from assistant_stream_ce.controller.run_controller import RunController


def replay(controller: RunController, chunk: AssistantStreamChunk) -> None:
    """Send a chunk through a controller.

    Raises:
        TypeError: it is no chunk, or a field has a wrong type.
    """
    send = _METHODS.get(type(chunk))
    if send is None:
        raise TypeError(f"a stream of chunks is wanted, but it holds a {type(chunk).__name__}")
    send(controller, chunk)


def _begin(controller: RunController, chunk: chunks.ToolCallBeginChunk) -> None:
    controller.add_tool_call(
        chunk.tool_name, chunk.tool_call_id, provider_executed=chunk.provider_executed, dynamic=chunk.dynamic
    )


def _delta(controller: RunController, chunk: chunks.ToolCallDeltaChunk) -> None:
    call = ToolCallController(controller.link.calls, arguments.text(chunk.tool_call_id, "tool_call_id"), "")
    call.append_args_text(chunk.args_text_delta)
    if chunk.is_final:
        controller.link.calls.close(call.tool_call_id, plain(chunk.args, "args"))


def _call(controller: RunController, chunk: chunks.ToolCallChunk) -> None:
    controller.add_tool_call(
        chunk.tool_name,
        chunk.tool_call_id,
        args=chunk.args,
        provider_executed=chunk.provider_executed,
        dynamic=chunk.dynamic,
    )


def _result(controller: RunController, chunk: chunks.ToolResultChunk) -> None:
    controller.add_tool_result(
        chunk.tool_call_id,
        chunk.result,
        artifact=chunk.artifact,
        is_error=chunk.is_error,
        model_content=chunk.model_content,
    )


def _file(controller: RunController, chunk: chunks.FileChunk) -> None:
    controller.add_file(chunk.data, chunk.mime_type, filename=chunk.filename)


def _document(controller: RunController, chunk: chunks.SourceDocumentChunk) -> None:
    controller.add_source_document(chunk.id, chunk.media_type, chunk.title, chunk.filename)


def _data_part(controller: RunController, chunk: chunks.DataPartChunk) -> None:
    controller.add_data_part(chunk.name, chunk.data, id=chunk.id, transient=chunk.transient)


def _step_finish(controller: RunController, chunk: chunks.StepFinishChunk) -> None:
    controller.add_step_finish(chunk.finish_reason, chunk.input_tokens, chunk.output_tokens, chunk.is_continued)


def _message_finish(controller: RunController, chunk: chunks.MessageFinishChunk) -> None:
    controller.add_message_finish(chunk.finish_reason, chunk.input_tokens, chunk.output_tokens)


def _error(controller: RunController, chunk: chunks.ErrorChunk) -> None:
    controller.add_error(chunk.error, code=chunk.code, severity=chunk.severity)


_METHODS: dict[type, Callable[[RunController, Any], None]] = {
    chunks.TextDeltaChunk: lambda controller, chunk: controller.append_text(chunk.text_delta),
    chunks.TextPartChunk: lambda controller, chunk: controller.add_text_part(),
    chunks.ReasoningDeltaChunk: lambda controller, chunk: controller.append_reasoning(chunk.reasoning_delta),
    chunks.RefusalDeltaChunk: lambda controller, chunk: controller.append_refusal(chunk.refusal_delta),
    chunks.ReasoningPartChunk: lambda controller, chunk: controller.add_reasoning_part(chunk.summary),
    chunks.ReasoningSignatureChunk: lambda controller, chunk: controller.add_reasoning_signature(chunk.signature),
    chunks.ToolCallChunk: _call,
    chunks.ToolCallBeginChunk: _begin,
    chunks.ToolCallDeltaChunk: _delta,
    chunks.ToolResultChunk: _result,
    chunks.SourceChunk: lambda controller, chunk: controller.add_source(chunk.id, chunk.url, chunk.title),
    chunks.FileChunk: _file,
    chunks.SourceDocumentChunk: _document,
    chunks.DataPartChunk: _data_part,
    chunks.DataChunk: lambda controller, chunk: controller.add_data(chunk.data),
    chunks.AnnotationsChunk: lambda controller, chunk: controller.add_annotations(chunk.annotations),
    chunks.StepStartChunk: lambda controller, chunk: controller.add_step_start(chunk.message_id),
    chunks.StepFinishChunk: _step_finish,
    chunks.MessageFinishChunk: _message_finish,
    chunks.ErrorChunk: _error,
    chunks.UpdateStateChunk: lambda controller, chunk: controller.link.state.apply(chunk.operations),
}
