"""Histories of Anthropic's Messages API.

Format: https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Iterable

from assistant_stream_ce.conversions.answers import BlockReader
from assistant_stream_ce.conversions.files import is_url
from assistant_stream_ce.conversions.history import AssistantBuilder, Dropped, system_text, text_or_none
from assistant_stream_ce.conversions.reading import Fields, text_parts
from assistant_stream_ce.conversions.turns import (
    Call,
    ProviderNames,
    alternating,
    file_text,
    metadata_for,
    prepare,
    text_or_note,
)
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.message import (
    FilePart,
    Message,
    MessagePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    UserPart,
)

NAMES = ProviderNames()


def to_anthropic(messages: Iterable[Message], *, system: str | None = None) -> tuple[str, list[Fields]]:
    """Return a history as the `system` and `messages` of a request to Anthropic.

    Signed and redacted reasoning goes back unchanged, under `anthropic.signature` and `anthropic.redactedData` of the
    part's metadata; other reasoning is left out, because the API refuses it.

    Args:
        messages: the history, oldest message first.
        system: instructions that come first.

    Raises:
        TypeError: an argument has a wrong type.
    """
    instructions, entries = prepare(messages, NAMES, system)
    made = alternating(entries, _user_block, _assistant_block, _result_block)
    if made and made[-1][0] == "assistant" and (last := made[-1][1][-1])["type"] == "text":
        # The API refuses a last message of the assistant that ends with white space.
        last["text"] = last["text"].rstrip()
    return instructions, [{"role": role, "content": blocks} for role, blocks in made]


def _user_block(part: UserPart) -> Fields:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if part.mime_type.startswith("image/"):
        return {"type": "image", "source": _source(part)}
    if part.mime_type == "application/pdf" or file_text(part) is not None:
        title = {"title": part.filename} if part.filename else {}
        return {"type": "document", "source": _source(part), **title}
    return {"type": "text", "text": text_or_note(part)}


def _source(part: FilePart) -> Fields:
    if is_url(part.data):
        return {"type": "url", "url": part.data}
    if (text := file_text(part)) is not None:
        return {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "base64", "media_type": part.mime_type, "data": part.data}


def _assistant_block(part: MessagePart | Call) -> Fields | None:
    match part:
        case TextPart() | RefusalPart() if part.text.strip():
            return {"type": "text", "text": part.text}
        case ReasoningPart():
            own = metadata_for(part, "anthropic")
            if isinstance(own.get("redactedData"), str):
                return {"type": "redacted_thinking", "data": own["redactedData"]}
            if isinstance(own.get("signature"), str):
                return {"type": "thinking", "thinking": part.text, "signature": own["signature"]}
        case Call():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}
    return None


def _result_block(call: Call) -> Fields:
    error = {"is_error": True} if call.is_error else {}
    return {"type": "tool_result", "tool_use_id": call.id, "content": call.text, **error}


def from_anthropic(messages: object, *, system: object = None) -> tuple[list[Message], list[Dropped]]:
    """Return the history of a request to Anthropic, and reports of dropped data.

    Args:
        messages: its `messages`.
        system: its `system`: a text, or a list of text blocks.

    Raises:
        TypeError: they are not JSON.
    """
    return _Reader.history(messages, system_text(plain(system, "system")))


class _Reader(BlockReader):
    """Joins the turns of each answer, and the results that lie between them."""

    def take(self, message: Fields, path: str) -> None:
        """Take a message."""
        content = text_parts(message.get("content"))
        blocks = list(self.log.objects(content, f"{path}.content"))
        match message.get("role"):
            case "assistant":
                self.take_turn(blocks, path)
            case "user":
                self.take_user(blocks, path)
            case "system":
                self.finish()
                self.log.system(system_text(content), None, path)
            case role:
                self.log.unknown(role, f"{path}.role")

    def take_block(self, builder: AssistantBuilder, block: Fields, path: str) -> None:
        kind = str(block.get("type"))
        match kind:
            case "thinking":
                signature = text_or_none(block.get("signature"))
                metadata = {"anthropic": {"signature": signature}} if signature else {}
                builder.add(ReasoningPart(str(block.get("thinking") or ""), provider_metadata=metadata))
            case "redacted_thinking":
                builder.add(ReasoningPart("", provider_metadata={"anthropic": {"redactedData": block.get("data")}}))
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                is_theirs = kind != "tool_use"
                self.take_call(
                    block.get("id"), block.get("name"), block.get("input"), path, provider_executed=is_theirs
                )
            case _ if not self.take_answer(block, path):
                for part in self.part(block, path):
                    builder.add(part)

    def take_answer(self, block: Fields, path: str) -> bool:
        """Take a result of a tool; return false for any other block."""
        if not str(block.get("type")).endswith("tool_result"):
            return False
        content = block.get("content")
        if block.get("type") == "tool_result" or isinstance(content, str):
            content = self.result_of(content, f"{path}.content", self.part)
        self.take_result(block.get("tool_use_id"), path, result=content, is_error=block.get("is_error") is True)
        return True

    def part(self, block: Fields, path: str) -> list[UserPart]:
        kind, source = block.get("type"), block.get("source")
        if kind == "text":
            return self.log.text(block.get("text"), path)
        if kind in ("image", "document") and isinstance(source, dict):
            default = "image/*" if kind == "image" else "application/pdf"
            data: JSON = source.get("url", source.get("data"))
            if source.get("type") == "text":
                return self.log.text(source.get("data"), path)
            return self.log.file(data, source.get("media_type", default), block.get("title"), path)
        self.log.unknown(kind, path)
        return []
