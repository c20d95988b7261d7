"""Base classes of the readers of histories: they join the entries of each answer, with the results between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from assistant_stream_ce.conversions.history import AssistantBuilder, Dropped, HistoryBuilder, call_part
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.message import Message, TextPart, UserPart


class AnswerReader:
    """Base of readers that join several entries of a format, with the results between them, into one answer.

    Args:
        log: receives the messages and the reports.
    """

    def __init__(self, log: HistoryBuilder) -> None:
        self.log = log
        self._builder: AssistantBuilder | None = None
        self._path = ""

    @property
    def answer(self) -> AssistantBuilder | None:
        """The open answer, or None."""
        return self._builder

    def open(self, path: str, message_id: str | None = None) -> AssistantBuilder:
        """Return the open answer, or a new one."""
        if self._builder is None:
            self._builder, self._path = AssistantBuilder(self.log, message_id), path
        return self._builder

    def open_turn(self, path: str, message_id: str | None = None) -> AssistantBuilder:
        """Return the open answer, or a new one, with a new turn of the model."""
        if self._builder is not None:
            self._builder.step()
        return self.open(path, message_id)

    def finish(self) -> int:
        """Add the open answer to the history; return the number of parts before its last turn."""
        if self._builder is None:
            return 0
        builder, self._builder = self._builder, None
        self.log.assistant(builder, self._path)
        return builder.last_step_start

    def take_call(self, call_id: JSON, name: JSON, arguments: JSON, path: str, **fields: Any) -> None:
        """Add a tool call to the answer; report one without its id or name."""
        checked_id, checked_name = self.log.name(call_id, f"{path}.id"), self.log.name(name, f"{path}.name")
        if checked_id is None or checked_name is None:
            self.log.drop(path, "a tool call without its id or name")
        else:
            arguments = self.log.arguments(arguments, f"{path}.arguments")
            self.open(path).add_call(call_part(checked_id, checked_name, arguments, **fields), path)

    def take_result(self, call_id: JSON, path: str, **fields: Any) -> bool:
        """Set the result of a call of the answer; report one without its call. Return whether it was set."""
        checked_id = self.log.name(call_id, f"{path}.id")
        if self._builder is None or checked_id is None:
            self.log.drop(path, "a result for a call that is not in the history")
            return False
        return self._builder.answer(checked_id, path, **fields) is not None

    def result_of(self, content: JSON, path: str, parts_of: Callable[[dict[str, JSON], str], list[UserPart]]) -> JSON:
        """Return a result from its content: text, or a list of parts, of which those that are no text are reported.

        Args:
            content: the content.
            path: its path.
            parts_of: returns the part of an item at a path as a list.
        """
        if isinstance(content, list):
            texts: list[str] = []
            for where, item in self.log.objects(content, path):
                for part in parts_of(item, where):
                    if isinstance(part, TextPart):
                        texts.append(part.text)
                    else:
                        self.log.drop(where, "a file in the result of a tool")
            content = "".join(texts)
        return self.log.content(content, path)


class BlockReader(AnswerReader, ABC):
    """Base of readers of formats whose messages are lists of blocks, with results in the messages of the user."""

    @classmethod
    def history(cls, messages: object, system: str) -> tuple[list[Message], list[Dropped]]:
        """Return the history of the messages of a request, and what was dropped.

        Args:
            messages: a list of messages.
            system: the instructions, which become the first message.

        Raises:
            TypeError: they are not JSON.
        """
        builder = HistoryBuilder(trust_system=True)
        builder.system(system, None, "system")
        reader = cls(builder)
        for path, message in builder.objects(plain(messages, "messages"), "messages"):
            reader.take(message, path)
        reader.finish()
        return builder.result()

    @abstractmethod
    def take(self, message: dict[str, JSON], path: str) -> None:
        """Take a message."""

    @abstractmethod
    def take_block(self, builder: AssistantBuilder, block: dict[str, JSON], path: str) -> None:
        """Read a block of the model."""

    @abstractmethod
    def take_answer(self, block: dict[str, JSON], path: str) -> bool:
        """Read a result; return false for any other block."""

    @abstractmethod
    def part(self, block: dict[str, JSON], path: str) -> list[UserPart]:
        """Return the part of a block as a list; an empty list for one that is reported."""

    def take_turn(self, blocks: list[tuple[str, dict[str, JSON]]], path: str) -> None:
        """Take a message of the model."""
        builder = self.open_turn(path)
        for where, block in blocks:
            self.take_block(builder, block, where)

    def take_user(self, blocks: list[tuple[str, dict[str, JSON]]], path: str) -> None:
        """Take a message of the user, or one that has only results."""
        others = [(where, block) for where, block in blocks if not self.take_answer(block, where)]
        if others or not blocks:
            self.finish()
            self.log.user([part for where, block in others for part in self.part(block, where)], path)
