"""Checks of docs/opentelemetry.rst."""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.docs.runner import Document

doc = Document("docs/opentelemetry.rst")
exporter = InMemorySpanExporter()


@doc.before("instrument()  # with")
def check_a_provider_is_set() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


@doc.after("instrument()  # with")
def check_spans_are_exported() -> None:
    assert [span.name.split()[0] for span in exporter.get_finished_spans()] == ["chat", "assistant_stream"]


test_opentelemetry = doc.test()
