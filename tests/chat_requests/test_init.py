"""Every captured body is parsed, and its kind is recognised."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.chat_requests import (
    RequestError,
    parse,
    parse_ag_ui,
    parse_ai_sdk,
    parse_assistant_transport,
    parse_data_stream,
    parse_openai_chat,
)
from tests.chat_requests.captured import NAMES, body, body_bytes

PARSERS = {
    "ai5": parse_ai_sdk,
    "ai6": parse_ai_sdk,
    "ai7": parse_ai_sdk,
    "aui-ai": parse_ai_sdk,
    "aui-ds": parse_data_stream,
    "aui-tr": parse_assistant_transport,
    "agui-": parse_ag_ui,
    "agui": parse_ag_ui,
    "openai": parse_openai_chat,
}

WITH_A_BODY = [name for name in NAMES if body(name) is not None]


def own_parser(name: str) -> Any:
    return next(parser for prefix, parser in PARSERS.items() if name.startswith(prefix))


@pytest.mark.parametrize("name", WITH_A_BODY)
def test_the_kind_of_a_request_is_recognised(name: str) -> None:
    assert parse(body_bytes(name)) == own_parser(name)(body(name))


@pytest.mark.parametrize("name", WITH_A_BODY)
def test_bytes_text_and_parsed_bodies_are_the_same(name: str) -> None:
    parser = own_parser(name)
    assert parser(body(name)) == parser(body_bytes(name)) == parser(body_bytes(name).decode())


def test_a_reload_without_a_body_is_no_request() -> None:
    with pytest.raises(RequestError, match="JSON object") as caught:
        parse_ai_sdk(body("ai7-resume"))
    assert caught.value.status == 400
