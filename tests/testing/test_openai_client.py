"""A callback for the `openai` package runs unchanged with a scripted model."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import ReasoningDeltaChunk, RunController, ToolCallChunk
from assistant_stream_ce.testing import ScriptedModel, transcript
from tests.support.kinds import collect_with
from tests.testing.callbacks import each_kind, each_reader


def ask(controller: RunController, completion: Any) -> Any:
    """Return sync and async functions that read a completion as callbacks for the `openai` package do."""
    calls: dict[int, Any] = {}

    def take(chunk: Any) -> None:
        for choice in chunk.choices:
            delta = choice.delta
            if thought := getattr(delta, "reasoning_content", None):
                controller.append_reasoning(thought)
            controller.append_text(delta.content or "")
            for call in delta.tool_calls or ():
                if call.id and call.function.name:
                    calls[call.index] = controller.add_tool_call(call.function.name, call.id)
                calls[call.index].append_args_text(call.function.arguments or "")
            if choice.finish_reason:
                controller.add_message_finish(choice.finish_reason)
        if chunk.usage:
            controller.add_data({"tokens": chunk.usage.total_tokens})

    def read() -> None:
        with completion:
            for chunk in completion:
                take(chunk)

    async def read_async() -> None:
        async with await completion as answer:
            async for chunk in answer:
                take(chunk)

    return read, read_async


def openai_callback(kind: str, model: ScriptedModel) -> Any:
    options: dict[str, Any] = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}

    def run(controller: RunController) -> None:
        with model.openai as client:
            ask(controller, client.chat.completions.create(**options))[0]()

    async def run_async(controller: RunController) -> None:
        async with model.openai as client:
            await ask(controller, client.chat.completions.create(**options))[1]()

    return run if kind == "def" else run_async


@each_reader
@each_kind
def test_a_callback_for_openai_runs_unchanged(kind: str, reader: str) -> None:
    model = ScriptedModel(
        [
            ReasoningDeltaChunk("Hm."),
            "It is ",
            "sunny.",
            ToolCallChunk("1", "get_weather", {"city": "Paris"}),
            ToolCallChunk("2", "get_weather", {}),
        ],
        usage=(3, 4),
    )
    run = collect_with(reader, openai_callback(kind, model))
    assert run.error is None
    assert transcript(run.chunks).splitlines() == [
        'reasoning "Hm."',
        'text "It is sunny."',
        'tool-call 1 get_weather {"city": "Paris"}',
        "tool-call 2 get_weather {}",
        "message-finish tool-calls",
        'data {"tokens": 7}',
    ]
    (call,) = model.calls
    assert call.options["model"] == "m"
    assert call.is_closed
    assert not call.is_aborted
