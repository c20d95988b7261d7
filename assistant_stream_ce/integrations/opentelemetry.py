"""Spans and metrics of OpenTelemetry for runs and for the turns of models.

Nothing is imported or measured before `instrument()`. Attributes follow OpenTelemetry's conventions for generative AI:
https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.errors import MissingExtraError, RunCancelled
from assistant_stream_ce.run import observation
from assistant_stream_ce.run.observation import RunEnd

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from assistant_stream_ce.integrations.events import TurnReader
    from assistant_stream_ce.integrations.turn import Turn

__all__ = ("instrument", "uninstrument")

_NAME = "assistant_stream_ce"

# The provider and the operation of a turn by the class of its reader.
_OPERATIONS = {
    "AnthropicReader": ("anthropic", "chat"),
    "BedrockReader": ("aws.bedrock", "chat"),
    "GoogleReader": ("gcp.gen_ai", "chat"),
    "LangChainReader": ("langchain", "chat"),
    "GraphReader": ("langgraph", "invoke_agent"),
    "OllamaReader": ("ollama", "chat"),
    "OpenAIAgentsReader": ("openai", "invoke_agent"),
    "OpenAIReader": ("openai", "chat"),
    "PydanticAIReader": ("pydantic_ai", "invoke_agent"),
}
# Providers by the package of a stream, where one reader serves several.
_PROVIDERS = {"groq": "groq", "litellm": "litellm", "mistralai": "mistral_ai"}

# Guards the observer.
_lock = new_lock()


def instrument(tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None) -> None:
    """Send spans and metrics for every run that starts from now on. Thread-safe and idempotent.

    Call it once at the start of the program. While it is on, another call changes nothing: call `uninstrument` before,
    to choose other providers.

    Args:
        tracer_provider: of the spans; the global one if None.
        meter_provider: of the metrics; the global one if None.

    Raises:
        MissingExtraError: the package opentelemetry-api is not installed.
    """
    try:
        from opentelemetry import metrics, trace
    except ImportError as error:
        raise MissingExtraError(__name__, "opentelemetry") from error
    tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
    meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
    with _lock:
        if observation.current is None:
            observation.current = _Instruments(tracer, meter)


def uninstrument() -> None:
    """Send nothing for runs that start from now on. Thread-safe and idempotent."""
    with _lock:
        observation.current = None


class _Instruments:
    """Makes the spans, and has the metrics."""

    def __init__(self, tracer: Any, meter: Any) -> None:
        self.tracer = tracer
        self.active = meter.create_up_down_counter(f"{_NAME}.active_runs", "{run}", "Runs that have not ended")
        self.runs = meter.create_counter(f"{_NAME}.runs", "{run}", "Runs that have ended")
        self.chunks = meter.create_counter(f"{_NAME}.chunks", "{chunk}", "Chunks that runs have sent")
        self.run_duration = meter.create_histogram(
            f"{_NAME}.run.duration", "s", "Time from the start of a run to its end"
        )
        self.run_first = meter.create_histogram(
            f"{_NAME}.run.time_to_first_chunk", "s", "Time from the start of a run to its first chunk"
        )
        self.duration = meter.create_histogram("gen_ai.client.operation.duration", "s", "Duration of an operation")
        self.first = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Time to the first content of a model"
        )
        self.tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}", "Tokens of input and output")
        self.speed = meter.create_histogram(
            f"{_NAME}.turn.output_tokens_per_second", "{token}/s", "Tokens of output after the first content"
        )

    def run_started(self, channel: Any, context: contextvars.Context) -> _RunObservation:
        """Begin the span of a run, which is the current one in its callback."""
        from opentelemetry import context as current_context
        from opentelemetry import trace

        span = context.run(self.tracer.start_span, "assistant_stream run")
        context.run(lambda: current_context.attach(trace.set_span_in_context(span)))
        made = _RunObservation(self, span)
        channel.add_sink(made)
        return made

    def turn(self, reader: Any) -> AbstractContextManager[Any]:
        """Observe the turn of a model, whose time begins now; see `Observer`."""
        return self._turn(_ObservedReader(reader), time.time_ns())

    @contextmanager
    def _turn(self, observed: _ObservedReader, start: int) -> Iterator[_ObservedReader]:
        """Enter a span, which is the current one while the events are read."""
        from opentelemetry import trace

        operation = observed.attributes["gen_ai.operation.name"]
        kind = trace.SpanKind.CLIENT if operation == "chat" else trace.SpanKind.INTERNAL
        span = self.tracer.start_span(operation, kind=kind, start_time=start)
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield observed
        except BaseException as error:
            _fail(span, error, observed.attributes)
            raise
        finally:
            self._end_turn(span, observed)

    def _end_turn(self, span: Any, observed: _ObservedReader) -> None:
        now = time.perf_counter()
        turn, attributes = observed.turn, observed.attributes
        seen = observed.inner.out if turn is None else turn
        usage = seen.usage
        if seen.model:
            attributes["gen_ai.response.model"] = seen.model
            span.update_name(f"{attributes['gen_ai.operation.name']} {seen.model}")
        span.set_attributes(attributes)
        if seen.id:
            span.set_attribute("gen_ai.response.id", seen.id)
        if turn is not None:
            span.set_attribute("gen_ai.response.finish_reasons", [turn.provider_finish_reason or turn.finish_reason])
        self.duration.record(now - observed.start, attributes)
        counts = {
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        }
        span.set_attributes({name: count for name, count in counts.items() if count})
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if count:
                self.tokens.record(count, {**attributes, "gen_ai.token.type": kind})
        if observed.first is not None:
            self.first.record(observed.first - observed.start, attributes)
            span.set_attribute("gen_ai.response.time_to_first_chunk", observed.first - observed.start)
            if usage.output_tokens and now > observed.first:
                speed = usage.output_tokens / (now - observed.first)
                self.speed.record(speed, attributes)
                span.set_attribute(f"{_NAME}.output_tokens_per_second", speed)
        span.end()


class _RunObservation:
    """The span of one run, and a sink that counts its chunks."""

    def __init__(self, instruments: _Instruments, span: Span) -> None:
        self._instruments = instruments
        self._span = span
        self._start = time.perf_counter()
        self._first: float | None = None
        self._count = 0
        instruments.active.add(1)

    def write(self, items: list[Any]) -> bool:
        """Count chunks; see `ChunkSink`."""
        if self._first is None:
            self._first = time.perf_counter()
        self._count += len(items)
        return False

    def process(self) -> None:
        """Do nothing; see `ChunkSink`."""

    def end(self, end: RunEnd) -> None:
        """End the span."""
        instruments, span = self._instruments, self._span
        attributes: dict[str, Any] = {f"{_NAME}.run.reason": end.reason}
        if end.cancelled_by is not None:
            attributes[f"{_NAME}.run.cancelled_by"] = end.cancelled_by
        elif end.error is not None:
            _fail(span, end.error, attributes)
        span.set_attributes({**attributes, f"{_NAME}.run.chunks": self._count})
        instruments.active.add(-1)
        instruments.runs.add(1, attributes)
        instruments.chunks.add(self._count)
        instruments.run_duration.record(time.perf_counter() - self._start, attributes)
        if self._first is not None:
            instruments.run_first.record(self._first - self._start)
            span.set_attribute(f"{_NAME}.run.time_to_first_chunk", self._first - self._start)
        span.end()


class _ObservedReader:
    """A reader of events that records the time of the first content."""

    def __init__(self, inner: TurnReader) -> None:
        self.inner = inner
        self.start = time.perf_counter()
        self.first: float | None = None
        self.turn: Turn | None = None
        provider, operation = _OPERATIONS.get(type(inner).__name__, ("_OTHER", "chat"))
        self.attributes: dict[str, Any] = {"gen_ai.provider.name": provider, "gen_ai.operation.name": operation}

    def opened(self, stream: Any) -> None:
        """Pass the opened stream on."""
        package = type(stream).__module__.partition(".")[0]
        if package in _PROVIDERS:
            self.attributes["gen_ai.provider.name"] = _PROVIDERS[package]
        self.inner.opened(stream)

    def feed(self, event: Any) -> None:
        """Process an event."""
        self.inner.feed(event)
        if self.first is None and self.inner.out.has_content:
            self.first = time.perf_counter()

    def reject(self, error: Exception, event: Any) -> NoReturn:
        """Raise for an exception of `feed` or `end`."""
        self.inner.reject(error, event)

    def end(self) -> Turn:
        """Return the turn."""
        self.turn = self.inner.end()
        return self.turn


def _fail(span: Any, error: BaseException, attributes: dict[str, Any]) -> None:
    """Report an exception; the end of a run that its reader has left is none."""
    from opentelemetry.trace import StatusCode

    if not isinstance(error, (RunCancelled, asyncio.CancelledError, GeneratorExit)):
        attributes["error.type"] = type(error).__qualname__
        span.set_status(StatusCode.ERROR, type(error).__qualname__)
        span.record_exception(error)
