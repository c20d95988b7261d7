"""The threads of a chat in SQLite."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec

from assistant_stream_ce import AssistantMessage
from assistant_stream_ce.chat_requests import ChatRequest, RequestError
from assistant_stream_ce.message import Message, UserMessage

DATABASE = os.environ.get("CHAT_DATABASE", "chat.sqlite3")
TABLES = """
CREATE TABLE IF NOT EXISTS threads (owner, id, path, PRIMARY KEY (owner, id));
CREATE TABLE IF NOT EXISTS messages (owner, thread, id, role, json, PRIMARY KEY (owner, thread, id));
CREATE TABLE IF NOT EXISTS approvals (id PRIMARY KEY);
"""
TYPES: dict[str, Any] = {"user": UserMessage, "assistant": AssistantMessage}


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """Open the database for one transaction."""
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        yield connection


with database() as connection:
    connection.executescript(TABLES)


def threads(owner: str | None) -> list[str]:
    """Return the ids of a user's threads."""
    with database() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM threads WHERE owner = ?", (owner,))]


@dataclass(frozen=True)
class Thread:
    """A user's conversation. Its path is the ids of the messages shown; edited and regenerated ones stay stored."""

    owner: str
    id: str

    def path(self) -> list[str | None]:
        """Return the ids of the messages shown."""
        with database() as connection:
            query = "SELECT path FROM threads WHERE owner = ? AND id = ?"
            row = connection.execute(query, (self.owner, self.id)).fetchone()
        return json.loads(row[0]) if row else []

    def messages(self) -> dict[str | None, Message]:
        """Return all messages by their ids."""
        with database() as connection:
            query = "SELECT id, role, json FROM messages WHERE owner = ? AND thread = ?"
            rows = connection.execute(query, (self.owner, self.id)).fetchall()
        return {message_id: TYPES[role].from_json(text) for message_id, role, text in rows}

    def history(self) -> list[Message]:
        """Return the messages shown."""
        messages = self.messages()
        return [messages[message_id] for message_id in self.path() if message_id in messages]

    def begin(self, request: ChatRequest) -> list[Message]:
        """Store the user's message, and return the history to answer.

        Of the client's history only the ids are used: a client could change what the assistant said.
        """
        stored, path, user = self.messages(), self.path(), request.user
        shown = [message.id for message in request.messages]
        if request.commands:  # the assistant transport posts no history
            # A page shows an error as a message that is not stored.
            end = len(path) if request.parent_id else 0
            parent = path.index(request.parent_id) + 1 if request.parent_id in path else end
            shown = path if user is None else path[:parent]
        if user is not None:
            user = msgspec.structs.replace(user, id=user.id or uuid4().hex)
            stored[user.id] = user
            shown += [] if user.id in shown else [user.id]
        shown = [message_id for message_id in shown if message_id in stored or message_id in path]
        history = [stored[message_id] for message_id in shown if message_id in stored]
        if not history:
            raise RequestError("the request has no message of the user")
        with database() as connection:
            if user is not None:
                self._write(connection, user, "user")
            self._show(connection, shown)
        return history

    def expect(self, message_id: str) -> None:
        """Show an answer that has begun, and is stored at its end: once stopped, it may end after the next question."""
        with database() as connection:
            self._show(connection, [*self.path(), message_id])

    def finish(self, history: list[Message], answer: AssistantMessage) -> None:
        """Store an answer."""
        with database() as connection:
            self._write(connection, with_answer(history, answer)[-1], "assistant")

    def _show(self, connection: sqlite3.Connection, path: list[str | None]) -> None:
        row = (self.owner, self.id, json.dumps(path))
        connection.execute("INSERT OR REPLACE INTO threads VALUES (?, ?, ?)", row)

    def _write(self, connection: sqlite3.Connection, message: Any, role: str) -> None:
        row = (self.owner, self.id, message.id, role, message.to_json().decode())
        connection.execute("INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?)", row)


def with_answer(history: list[Message], answer: AssistantMessage) -> list[Message]:
    """Return a history with an answer, which may continue its last message."""
    *before, last = history
    return [*before, last.continued_by(answer)] if isinstance(last, AssistantMessage) else [*history, answer]


class UsedApprovals:
    """The approvals that were used, so that a request that is sent twice does not run its tool twice."""

    def add(self, key: str, lifetime: float) -> bool:
        """Add an approval; return whether it is its first use."""
        with database() as connection:
            return connection.execute("INSERT OR IGNORE INTO approvals VALUES (?)", (key,)).rowcount == 1
