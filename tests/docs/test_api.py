"""Checks of docs/api.rst."""

import typing

import assistant_stream_ce
from tests.docs.clients import table
from tests.docs.runner import Document

doc = Document("docs/api.rst")


def test_table_of_chunks_is_complete() -> None:
    types = {chunk.__name__: chunk.type for chunk in typing.get_args(assistant_stream_ce.AssistantStreamChunk)}
    assert dict(table("api.rst", "Types")) == types
