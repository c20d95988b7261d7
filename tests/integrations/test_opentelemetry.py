"""Spans and metrics, collected in memory by OpenTelemetry's own SDK."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations import (
    anthropic,
    bedrock,
    google,
    langchain,
    langgraph,
    ollama,
    openai,
    openai_agents,
    pydantic_ai,
)
from assistant_stream_ce.integrations.opentelemetry import _OPERATIONS, instrument, uninstrument
from assistant_stream_ce.run import observation
from tests.integrations.samples import ANTHROPIC, CHAT
from tests.support.require import require_packages

READERS = (anthropic, bedrock, google, langchain, langgraph, ollama, openai, openai_agents, pydantic_ai)


class Collected:
    """What was exported."""

    def __init__(self) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self._reader])

    @property
    def spans(self) -> dict[str, Any]:
        """The spans by name."""
        return {span.name: span for span in self._exporter.get_finished_spans()}

    @property
    def metrics(self) -> dict[str, list[Any]]:
        """The data points by the metric's name."""
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


@pytest.fixture
def collected() -> Iterator[Collected]:
    require_packages("opentelemetry.sdk")
    made = Collected()
    instrument(made.tracer_provider, made.meter_provider)
    yield made
    uninstrument()
    made.tracer_provider.shutdown()
    made.meter_provider.shutdown()


def read(run: Any) -> Any:
    """Read a run to its end; return its stream."""
    stream = create_run(run)
    list(stream)
    assert stream._run.ended.wait_sync(10)
    return stream


def test_a_run_and_its_turn_have_spans(collected: Collected) -> None:
    read(lambda controller: openai.forward(controller, iter(CHAT)))
    run, turn = collected.spans["assistant_stream run"], collected.spans["chat m"]
    assert turn.parent.span_id == run.context.span_id
    assert run.attributes["assistant_stream_ce.run.reason"] == "completed"
    assert run.attributes["assistant_stream_ce.run.chunks"] == 8
    assert run.attributes["assistant_stream_ce.run.time_to_first_chunk"] >= 0
    assert turn.kind.name == "CLIENT"
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.id": "r1",
        "gen_ai.response.model": "m",
        "gen_ai.response.finish_reasons": ("tool_calls",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 5,
    }
    assert {name: turn.attributes[name] for name in expected} == expected
    assert turn.attributes["gen_ai.response.time_to_first_chunk"] >= 0
    assert turn.attributes["assistant_stream_ce.output_tokens_per_second"] > 0


def test_the_time_of_a_turn_has_its_request(collected: Collected) -> None:
    sent: list[int] = []

    def send() -> Any:
        sent.append(time.time_ns())
        return iter(CHAT)

    read(lambda controller: openai.forward(controller, send))
    assert collected.spans["chat m"].start_time <= sent[0]


def test_metrics(collected: Collected) -> None:
    for _ in range(2):
        read(lambda controller: anthropic.forward(controller, iter(ANTHROPIC)))
    metrics = collected.metrics
    [runs] = metrics["assistant_stream_ce.runs"]
    assert (runs.value, dict(runs.attributes)) == (2, {"assistant_stream_ce.run.reason": "completed"})
    assert metrics["assistant_stream_ce.active_runs"][0].value == 0
    assert metrics["assistant_stream_ce.chunks"][0].value > 10
    assert metrics["assistant_stream_ce.run.duration"][0].count == 2
    assert metrics["assistant_stream_ce.run.time_to_first_chunk"][0].count == 2
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in metrics["gen_ai.client.token.usage"]}
    assert tokens == {"input": 14, "output": 10}
    [duration] = metrics["gen_ai.client.operation.duration"]
    assert (duration.count, duration.attributes["gen_ai.provider.name"]) == (2, "anthropic")
    assert metrics["gen_ai.client.operation.time_to_first_chunk"][0].count == 2
    assert metrics["assistant_stream_ce.turn.output_tokens_per_second"][0].count == 2


@pytest.mark.parametrize("events", [CHAT[:3], [*CHAT[:3], {"choices": 5}]])
def test_a_failure_is_an_error_of_both(events: list[Any], collected: Collected) -> None:
    with pytest.raises(ModelStreamError):
        read(lambda controller: openai.forward(controller, iter(events)))
    for span in collected.spans.values():
        assert span.status.status_code.name == "ERROR"
        assert span.attributes["error.type"] == "ModelStreamError"
        assert [event.name for event in span.events] == ["exception"]


def test_a_reader_that_leaves_is_no_error(collected: Collected) -> None:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    stream = create_run(run)
    next(stream)
    stream.close()
    assert stream._run.ended.wait_sync(10)
    span = collected.spans["assistant_stream run"]
    assert span.status.status_code.name == "UNSET"
    assert span.attributes["assistant_stream_ce.run.reason"] == "cancelled"
    assert span.attributes["assistant_stream_ce.run.cancelled_by"] == "reader"


async def test_spans_inside_a_coroutine_belong_to_its_run(collected: Collected) -> None:
    tracer = collected.tracer_provider.get_tracer("test")

    async def run(controller: RunController) -> None:
        with tracer.start_as_current_span("inside"):
            controller.append_text("a")

    with tracer.start_as_current_span("request"):
        stream = create_run(run)
        assert len([chunk async for chunk in stream]) == 1
        await stream._run.ended.wait()
    spans = collected.spans
    assert spans["inside"].parent.span_id == spans["assistant_stream run"].context.span_id
    assert spans["assistant_stream run"].parent.span_id == spans["request"].context.span_id


async def test_an_agent_is_one_operation(collected: Collected) -> None:
    require_packages("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    async def run(controller: RunController) -> None:
        await pydantic_ai.forward(controller, Agent(TestModel()).run_stream_events("hi"))

    async for _ in create_run(run):
        pass
    span = collected.spans["invoke_agent test"]
    assert span.attributes["gen_ai.provider.name"] == "pydantic_ai"
    assert span.attributes["gen_ai.usage.output_tokens"] > 0


def test_every_reader_has_an_operation() -> None:
    readers = {name for module in READERS for name in vars(module) if name.endswith("Reader")}
    assert set(_OPERATIONS) == readers - {"TurnReader", "AgentReader", "ChatReader", "ResponsesReader"}


def test_it_is_idempotent_and_can_be_switched_off(collected: Collected) -> None:
    first = observation.current
    threads = [threading.Thread(target=instrument) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert observation.current is first
    uninstrument()
    uninstrument()
    read(lambda controller: openai.forward(controller, iter(CHAT)))
    assert collected.spans == {}


def test_nothing_is_imported_before_it_is_switched_on() -> None:
    program = (
        "import sys, assistant_stream_ce, assistant_stream_ce.integrations.openai\n"
        "import assistant_stream_ce.integrations.opentelemetry\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'opentelemetry']\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match="pip install"):
        instrument()
