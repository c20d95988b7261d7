"""Requests, whose response is read as it arrives; files and pipes are tested in `test_command`."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.inspector.sources import CutError, Piece, Request, SourceError, open_url
from assistant_stream_ce.responses import wsgi
from tests.support.raw_http import SECONDS, answering, response
from tests.support.web_servers import serving_wsgi

SSE = "text/event-stream"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def pieces_of(request: Request) -> list[Piece]:
    with open_url(request) as source:
        return list(source.pieces)


def body_of(request: Request) -> bytes:
    return b"".join(piece.data for piece in pieces_of(request))


def refusal(request: Request) -> str:
    with pytest.raises(SourceError) as caught:
        pieces_of(request)
    return str(caught.value)


def test_pieces_arrive_when_they_are_sent() -> None:
    may_go_on = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        assert may_go_on.wait(SECONDS)
        controller.append_text("b")

    def application(environ, start_response):  # type: ignore[no-untyped-def]
        return wsgi.DataStreamResponse(create_run(run))(environ, start_response)

    with serving_wsgi(application) as url, open_url(Request(url, timeout=SECONDS)) as source:
        assert source.origin.status == 200
        assert source.origin.headers["x-vercel-ai-data-stream"] == "v1"
        assert source.origin.is_timed
        first = next(source.pieces)
        # The callback waits for this: its output before has arrived.
        assert first.data == b'0:"a"\n'
        may_go_on.set()
        second, end = source.pieces
    assert (second.data, end.data) == (b'0:"b"\n', b"")
    assert 0 < first.seconds < second.seconds <= end.seconds


def test_a_request_has_url_body_and_headers() -> None:
    with answering(response("200 OK", b'0:"a"\n')) as (url, requests):
        request = Request(f"{url}/chat?a=b", data=b'{"x": 1}', headers={"Authorization": "Bearer x", "Accept": "y"})
        assert body_of(request) == b'0:"a"\n'
    head, _, body = requests[0].decode().partition("\r\n\r\n")
    assert head.startswith("POST /chat?a=b HTTP/1.1\r\n")
    assert json.loads(body) == {"x": 1}
    lines = head.lower().split("\r\n")
    assert {"content-type: application/json", "authorization: bearer x", "accept: y", "accept-encoding: identity"} <= {
        *lines
    }
    assert sum(line.startswith("accept:") for line in lines) == 1


@pytest.mark.parametrize(("method", "data", "sent"), [(None, None, "GET"), (None, b"x", "POST"), ("PUT", b"x", "PUT")])
def test_the_method_depends_on_the_data(method: str | None, data: bytes | None, sent: str) -> None:
    with answering(response("200 OK")) as (url, requests):
        request = Request(url, method, data)
        body_of(request)
    assert requests[0].startswith(f"{sent} / ".encode())
    assert request.name == f"{sent} {url}"


def test_a_user_and_password_are_sent_as_basic_authentication() -> None:
    with answering(response("200 OK"), response("200 OK")) as (url, requests):
        with_user = url.replace("//", "//me:a%40b@")
        body_of(Request(with_user))
        body_of(Request(with_user, headers={"Authorization": "mine"}))
    assert b"authorization: basic bwu6yubi\r\n" in requests[0].lower()
    assert b"authorization: mine\r\n" in requests[1].lower()


def test_a_password_is_not_shown() -> None:
    assert "secret" not in refusal(Request("http://me:secret@host:port/"))
    assert "secret" not in refusal(Request("http://me:secret@127.0.0.1:1"))
    assert Request("http://me:secret@host:1/a?b=c").name == "GET http://host:1/a?b=c"


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [("307 X", "POST", "{}"), ("308 X", "POST", "{}"), ("303 X", "GET", ""), ("302 X", "GET", "")],
)
def test_redirects_are_followed_as_in_browsers(status: str, method: str, body: str) -> None:
    moved = response(status, location="/there")
    with answering(moved, response("200 OK", b"text")) as (url, requests):
        request = Request(url, data=b"{}", headers={"authorization": "x", "x-mine": "y"})
        assert body_of(request) == b"text"
    head, _, sent = requests[1].decode().partition("\r\n\r\n")
    assert head.startswith(f"{method} /there ")
    assert sent == body
    assert ("content-type" in head.lower()) == bool(body)
    assert "authorization: x" in head.lower()


def test_credentials_are_not_sent_to_another_host() -> None:
    with answering(response("200 OK", b"text")) as (other, requests):
        with answering(response("307 X", location=f"{other}/there")) as (url, _):
            headers = {"Authorization": "x", "X-Api-Key": "z", "X-Mine": "y"}
            assert body_of(Request(url, data=b"{}", headers=headers)) == b"text"
        head = requests[0].decode().lower()
    assert "x-mine: y" in head
    assert "authorization" not in head
    assert "x-api-key" not in head


def test_a_redirect_to_no_address_is_shown() -> None:
    with answering(response("302 Found", location="file:///etc/passwd")) as (url, _):
        assert "302" in refusal(Request(url))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response("500 Oops", b"<h1>\x1b[2J", content_type="text/html"), "500 Oops, and no stream (text/html):\n<h1>"),
        (response("404 Not Found"), "404 Not Found, and no stream"),
        (response("204 No Content"), "204 No Content, and no stream"),
        (response("429 Too Many", b"x" * 5000), "x" * 2000 + " ..."),
        (response("200 OK", content_encoding="gzip"), "compressed (gzip)"),
        (b"nonsense\r\n\r\n", "no answer"),
        (b"", "no answer"),
    ],
)
def test_a_response_that_is_not_a_stream_is_reported(answer: bytes, words: str) -> None:
    with answering(answer) as (url, _):
        assert words in refusal(Request(url))


def test_a_missing_connection_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in refusal(Request(f"http://127.0.0.1:{port}/"))
    assert "no answer" in refusal(Request("http://exa mple/"))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (response("200 OK", b"5\r\nhello\r\n", transfer_encoding="chunked"), "closed before the end"),
        (response("200 OK", b"hello", content_length="9"), "4 bytes of the body are missing"),
    ],
)
def test_an_incomplete_body_is_detected(answer: bytes, message: str) -> None:
    with answering(answer) as (url, _), open_url(Request(url)) as source:
        assert next(source.pieces).data == b"hello"
        with pytest.raises(CutError, match=message) as caught:
            next(source.pieces)
    assert caught.value.how == "cut"


def test_a_lost_connection_is_detected() -> None:
    may_go = threading.Event()

    def reset(connection: socket.socket) -> None:
        connection.sendall(response("200 OK", b"hello"))
        assert may_go.wait(SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with answering(reset) as (url, _), open_url(Request(url)) as source:
        assert next(source.pieces).data == b"hello"
        may_go.set()
        with pytest.raises(CutError, match="connection was lost"):
            next(source.pieces)


def test_a_silent_response_has_a_timeout() -> None:
    has_ended = threading.Event()

    def be_silent(connection: socket.socket) -> None:
        connection.sendall(response("200 OK", b"hello"))
        has_ended.wait(SECONDS)

    with answering(be_silent) as (url, _), open_url(Request(url, timeout=1.0)) as source:
        assert next(source.pieces).data == b"hello"
        with pytest.raises(CutError, match=r"nothing came for 1 s") as caught:
            next(source.pieces)
        has_ended.set()
    assert caught.value.how == "silent"
    assert caught.value.seconds >= 1


def test_a_server_that_does_not_respond_has_a_timeout() -> None:
    has_ended = threading.Event()
    with answering(lambda _: has_ended.wait(SECONDS) and None) as (url, _):
        assert "within 0.2 s" in refusal(Request(url, timeout=0.2))
        has_ended.set()
