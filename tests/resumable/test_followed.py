"""A followed stream is read like any other: readers, heartbeats, peeks, responses, and callbacks of other runs."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from assistant_stream_ce import RunController, StreamUsageError, create_run
from assistant_stream_ce.responses.flask import DataStreamResponse as FlaskResponse
from assistant_stream_ce.responses.starlette import DataStreamResponse
from assistant_stream_ce.responses.wsgi import AssistantTransportResponse, UIMessageStreamResponse
from assistant_stream_ce.resumable import ResumableStreams
from assistant_stream_ce.serialization import DataStreamEncoder
from assistant_stream_ce.testing import acollect, collect
from tests.resumable.test_streams import COUNT, WORDS, Talk, wait_for
from tests.support.asgi import Client


def test_next_and_peek_read_as_usual(streams: ResumableStreams, talk: Talk) -> None:
    stream = streams.start(talk.run(), "a")
    assert (stream.peek(), next(stream), next(stream)) == (WORDS[0], WORDS[0], WORDS[1])
    talk.may_go_on.set()
    assert list(stream) == WORDS[2:]
    with pytest.raises(StreamUsageError):
        list(stream)
    assert stream.peek() is None


def test_a_peek_raises_what_came_first(streams: ResumableStreams) -> None:
    def fail(controller: RunController) -> None:
        raise ZeroDivisionError

    stream = streams.start(create_run(fail), "a")
    with pytest.raises(ZeroDivisionError):
        stream.peek()


def test_a_reader_that_is_cancelled_has_left(streams: ResumableStreams, talk: Talk) -> None:
    async def main() -> None:
        stream = await streams.astart(talk.run(), "a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                async for _ in stream:
                    pass

    asyncio.run(main())
    assert streams.stats()["followers"] == 0
    talk.may_go_on.set()
    assert len(list(streams.follow("a") or [])) == COUNT


def test_responses_send_a_followed_stream(streams: ResumableStreams, talk: Talk) -> None:
    talk.may_go_on.set()
    plain = b"".join(DataStreamEncoder().encode_stream(talk.run()))
    flask = FlaskResponse(streams.start(talk.run(), "a"))
    assert b"".join(flask.response) == plain  # type: ignore[arg-type]
    client = Client()
    asyncio.run(client.call(DataStreamResponse(streams.follow("a"))))  # type: ignore[arg-type]
    assert client.body == plain


def test_a_client_that_disconnects_has_only_left(streams: ResumableStreams, talk: Talk) -> None:
    response = FlaskResponse(streams.start(talk.run(), "a"))
    body = iter(response.response)
    assert next(body)
    response.close()
    assert streams.stats()["followers"] == 0
    talk.may_go_on.set()
    assert len(list(streams.follow("a") or [])) == COUNT


def test_a_callback_forwards_a_followed_stream(streams: ResumableStreams, talk: Talk) -> None:
    streams.start(talk.run(), "a")
    has_begun = threading.Event()

    def forward(controller: RunController) -> None:
        follower = streams.follow("a")
        assert follower is not None
        has_begun.set()
        controller.add_stream(follower)

    with create_run(forward) as stream:
        assert next(stream) == WORDS[0]
        assert has_begun.is_set()
    wait_for(lambda: streams.stats()["followers"] == 0)
    assert talk.results == []


def test_collected_answers_are_equal(streams: ResumableStreams, talk: Talk) -> None:
    talk.may_go_on.set()
    stream = streams.start(talk.run(), "a")
    assert collect(stream).message.text == "".join(word.text_delta for word in WORDS)

    async def main() -> None:
        found = await acollect(await streams.afollow("a"))
        assert found.chunks == WORDS

    asyncio.run(main())


def test_a_message_that_is_not_kept_is_a_clear_error(streams: ResumableStreams, talk: Talk) -> None:
    stream = streams.start(talk.run(keep_message=False), "a")
    with pytest.raises(StreamUsageError, match="keep_message"):
        _ = stream.message
    talk.may_go_on.set()


def headers_and_body(response: Any, **environ: str) -> tuple[dict[str, str], bytes]:
    sent: list[dict[str, str]] = []
    body = b"".join(response(environ, lambda status, headers: sent.append(dict(headers))))
    response.body.close()
    return sent[0], body


def test_a_response_names_the_stream_and_the_length_of_its_replay(streams: ResumableStreams, talk: Talk) -> None:
    producer = AssistantTransportResponse(streams.start(talk.run(), "a"))
    early = AssistantTransportResponse(streams.follow("a"))
    talk.may_go_on.set()
    headers, whole = headers_and_body(producer)
    assert headers["x-resumable-stream-id"] == "a"
    assert "x-resumable-stream-id" in headers["access-control-expose-headers"]
    assert "aui-replay-content-length" not in headers
    headers, body = headers_and_body(early)
    assert body == whole
    assert 0 <= int(headers["aui-replay-content-length"]) < len(whole)
    headers, body = headers_and_body(AssistantTransportResponse(streams.follow("a")))
    assert (int(headers["aui-replay-content-length"]), body) == (len(whole), whole)
    assert "aui-replay-content-length" in headers["access-control-expose-headers"]


def test_an_event_id_leads_to_the_rest_of_the_body(streams: ResumableStreams, talk: Talk) -> None:
    talk.may_go_on.set()
    list(streams.start(talk.run(), "a"))
    _, whole = headers_and_body(UIMessageStreamResponse(streams.follow("a"), event_ids=True))
    events = whole.split(b"\n\n")
    ids = [event.removeprefix(b"id: ").partition(b"\n")[0].decode() for event in events if event.startswith(b"id: ")]
    assert len(ids) == COUNT
    for number, last in enumerate(ids[:-1]):
        stream = streams.follow("a", after=last)
        assert stream is not None
        _, tail = headers_and_body(UIMessageStreamResponse(stream, event_ids=True))
        assert whole.endswith(tail)
        assert f"id: {ids[number + 1]}".encode() in tail
        assert f"id: {last}\n".encode() not in tail
        assert whole.removesuffix(tail).endswith(b"\n\n")
    assert streams.follow("a", after=ids[-1]) is None
    # The conversation has another stream by now: its cursors are not for this one.
    list(streams.start(talk.run(), "b"))
    assert list(streams.follow("b", after=ids[3]) or []) == WORDS
