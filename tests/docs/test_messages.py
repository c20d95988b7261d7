"""Checks of docs/messages.rst."""

import typing

import assistant_stream_ce.message
from assistant_stream_ce import AssistantMessage, chunks
from tests.docs.clients import post, table
from tests.docs.runner import Document

doc = Document("docs/messages.rst")
page = doc.page


@doc.after("# flask_chat.py")
def check_flask_stores_the_message() -> None:
    assert post(page.app, "/chat", {"thread": "t1"}).status == 200
    ((thread, how, stored),) = page.database.execute("SELECT * FROM answers").fetchall()
    assert (thread, how) == ("t1", "completed")
    assert AssistantMessage.from_json(stored) == page.message
    page.database.close()


@doc.after("# fastapi_chat.py")
def check_fastapi_stores_the_message() -> None:
    assert post(page.app, "/chat", {"thread": "t1"}).status == 200
    assert AssistantMessage.from_json(page.answers["t1"]) == page.message


@doc.before("import json")
def check_table_of_parts() -> None:
    rows = table("messages.rst", "Parts")
    assert [row[0] for row in rows] == [
        kind.__name__ for kind in typing.get_args(assistant_stream_ce.message.MessagePart)
    ]
    for name, _, fields in rows:
        kind = getattr(assistant_stream_ce.message, name)
        assert set(fields.split(", ")) | {"parent_id"} == set(kind.__struct_fields__)
    beside = {"data", "annotations", "step-start", "step-finish", "message-finish", "error", "update-state"}
    made = {word for row in rows for word in row[1].split(", ")}
    assert made | beside == {kind.type for kind in typing.get_args(chunks.AssistantStreamChunk)}


test_messages = doc.test()
