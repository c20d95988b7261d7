"""Checks of docs/api.rst and docs/reference."""

import typing

import assistant_stream_ce
from tests.docs.blocks import REFERENCE_PAGES, blocks_of
from tests.docs.clients import table
from tests.docs.runner import Document

doc = Document("docs/api.rst")


def test_reference_has_no_blocks() -> None:
    assert [page for page in REFERENCE_PAGES if blocks_of(page)] == [], "show code on a page of docs, which is executed"


def test_table_of_chunks_is_complete() -> None:
    types = {chunk.__name__: chunk.type for chunk in typing.get_args(assistant_stream_ce.AssistantStreamChunk)}
    assert dict(table("reference/chunks.rst", "Types")) == types
