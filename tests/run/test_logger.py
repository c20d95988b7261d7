"""A logging handler that raises stops no run."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from assistant_stream_ce import RunController, RunResult, create_run
from assistant_stream_ce.run.logger import logger
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, collect_with


class Broken(logging.Handler):
    def handle(self, record: logging.LogRecord) -> bool:
        raise OSError("the disk is full")


@pytest.fixture
def broken() -> Iterator[None]:
    handler = Broken()
    logging.getLogger("assistant_stream_ce").addHandler(handler)
    yield
    logging.getLogger("assistant_stream_ce").removeHandler(handler)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_run_ends_although_its_error_cannot_be_logged(kind: str, reader: str) -> None:
    def fail(controller: RunController) -> None:
        raise ValueError("no")

    reasons: list[str] = []
    stream = create_run(as_kind(kind, fail), on_finish=lambda result: reasons.append(result.reason))
    # As in a web response.
    stream.bind()
    run = collect_with(reader, stream)
    assert [chunk.type for chunk in run.chunks] == ["error"]
    assert type(run.error) is ValueError
    assert reasons == ["failed"]


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_run_ends_although_a_failing_hook_cannot_be_logged(reader: str) -> None:
    def fail(result: RunResult) -> None:
        raise ValueError("no")

    run = collect_with(reader, create_run(lambda controller: controller.append_text("a"), on_finish=fail))
    assert run.text == "a"
    assert run.reason == "completed"


def test_a_record_names_the_place_of_the_call(caplog: pytest.LogCaptureFixture) -> None:
    logger.error("something")
    assert caplog.records[0].filename == "test_logger.py"
    assert caplog.records[0].name == "assistant_stream_ce"


@pytest.mark.usefixtures("broken")
def test_the_handler_s_exception_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    logger.error("something")
    assert "the disk is full" in capsys.readouterr().err
