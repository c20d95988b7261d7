"""Checks of docs/getting-started.rst."""

import asyncio
import dataclasses
import datetime
import decimal
import enum
import uuid

import pytest

from assistant_stream_ce import RunEndedError, StreamUsageError, create_run
from tests.docs.runner import Document

doc = Document("docs/getting-started.rst")
page = doc.page


@doc.after("def run_async(")
def check_misuse_raises() -> None:
    kept = []
    stream = create_run(kept.append)
    assert list(stream) == []
    with pytest.raises(StreamUsageError, match="call create_run again"):
        list(stream)
    with pytest.raises(RunEndedError, match="the run has ended"):
        kept[0].append_text("late")

    async def read_with_for():
        list(create_run(page.run))

    with pytest.raises(StreamUsageError, match="use `async for`"):
        asyncio.run(read_with_for())


@doc.after("def run_async(")
def check_stream_is_an_iterator() -> None:
    stream = create_run(page.run)
    first = next(stream)
    assert [first, *stream] == list(create_run(page.run))

    async def read():
        stream = create_run(page.run_async)
        assert (await anext(stream)).text_delta == "Hello"
        assert [chunk async for chunk in stream] == []

    asyncio.run(read())


@doc.before("def test_it_greets(")
def check_values_and_every_method() -> None:
    @dataclasses.dataclass
    class Point:
        x: int

    class Colour(enum.Enum):
        RED = "red"

    def send_values(controller):
        controller.add_data([Point(1), datetime.date(2030, 1, 2), uuid.UUID(int=0), decimal.Decimal("1.5"), Colour.RED])
        with pytest.raises(TypeError, match="data is not JSON"):
            controller.add_data(object())
        controller.append_text("on")

    data, text = create_run(send_values)
    assert data.data == [{"x": 1}, "2030-01-02", "00000000-0000-0000-0000-000000000000", "1.5", "red"]
    assert text.text_delta == "on"

    def send_all(controller):
        controller.append_text("t")
        controller.append_reasoning("r")
        controller.append_refusal("no")
        controller.add_reasoning_part("s")
        controller.add_reasoning_signature("s")
        controller.add_tool_result(controller.add_tool_call("tool").tool_call_id, 1)
        controller.add_tool_call("tool", args={})
        controller.add_source("id", "https://example.org")
        controller.add_file("aGk=", "text/plain")
        controller.add_source_document("id", "text/plain", "t")
        controller.add_data_part("name", 1)
        controller.state = {"text": ""}
        controller.append_state_text(["text"], "x")
        controller.add_data(1)
        controller.add_annotations([1])
        controller.add_step_start("m")
        controller.add_step_finish("stop")
        controller.add_message_finish("stop")
        controller.add_error("e")
        controller.with_parent_id("p").add_stream(create_run(page.run))

    assert len({chunk.type for chunk in create_run(send_all)}) == 19


@doc.after("def test_it_greets(")
def check_example_test_passes() -> None:
    page.test_it_greets()


test_getting_started = doc.test()
