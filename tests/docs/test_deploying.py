"""Checks of docs/deploying.rst."""

import http.client
import itertools
import signal
import tempfile
import time
from pathlib import Path

from assistant_stream_ce import create_run
from assistant_stream_ce.serialization import DataStreamEncoder, EncodedStream
from tests.docs.clients import post, server
from tests.docs.runner import Document

doc = Document("docs/deploying.rst")
page = doc.page

PLAIN = """
from assistant_stream_ce import create_run
from assistant_stream_ce.responses.wsgi import DataStreamResponse

def application(environ, start_response):
    def run(controller):
        controller.append_text("One moment. ")
        controller.cancelled_event.wait_sync(3600)

    return DataStreamResponse(create_run(run))(environ, start_response)
"""


SHORT_GRACE = ("grace=20", "grace=0.2")


def rest_after_signal(process, address, path, number=signal.SIGTERM):
    """Return what a client receives after the server received a signal."""
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("POST", path)
    with connection.getresponse() as response:
        assert response.readline() == b'0:"One moment. "\n'
        process.send_signal(number)
        rest = response.read()
    connection.close()
    assert process.wait(20) is not None
    return rest


@doc.after("uvicorn chat:app --timeout-graceful-shutdown 30")
def check_uvicorn_ends_streams_on_signals() -> None:
    assert post(page.app, "/chat").text == '0:"One moment. "\n0:"Done."\n'

    for number, path, rest in (
        (signal.SIGTERM, "/chat?seconds=3600", b'3:"The server is shutting down."\n'),
        (signal.SIGINT, "/chat?seconds=0.1", b'0:"Done."\n'),
    ):
        with (
            tempfile.TemporaryDirectory() as folder,
            server("docs/deploying.rst", "uvicorn chat:app", folder, SHORT_GRACE) as running,
        ):
            assert rest_after_signal(*running, path, number) == rest


@doc.after("def post_worker_init(")
def check_gunicorn_ends_streams_on_sigterm() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "plain.py").write_text(PLAIN)
        with server("docs/deploying.rst", "gunicorn plain:application", folder, SHORT_GRACE) as running:
            assert rest_after_signal(*running, "/chat") == b'3:"The server is shutting down."\n'


@doc.after("import sys")
def check_signal_handler_is_removed() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@doc.after("import sys")
def check_heartbeat_follows_silence() -> None:
    with create_run(lambda controller: controller.cancelled_event.wait_sync()) as silent:
        started = time.monotonic()
        beats = []
        for data in itertools.islice(EncodedStream(DataStreamEncoder(), silent, heartbeat=1), 3):
            assert data == b"2:[]\n"
            beats.append(time.monotonic() - started)
        first, second, third = beats
        assert first >= 1, beats
        assert second - first < 0.9, beats
        assert third - second >= 1, beats


test_deploying = doc.test()
