"""What the apps answer with: the model's words, by a callback of either kind."""

from __future__ import annotations

from assistant_stream_ce import AssistantStream, RunController, create_run
from benchmarks.subjects.work import Order, speak, speak_async


def stream(order: Order) -> AssistantStream:
    """Return the stream that a request asks for."""

    async def run(controller: RunController) -> None:
        async for text in speak_async(order):
            controller.append_text(text)
            if order.kind == "flood":
                await controller.drain()

    def run_in_thread(controller: RunController) -> None:
        for text in speak(order):
            controller.append_text(text)

    return create_run(run if order.way == "coroutine" else run_in_thread)
