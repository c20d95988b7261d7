"""Histories of Amazon Bedrock's Converse API, as boto3 takes them.

Bytes (file data, redacted reasoning) are `bytes`. Format:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable

from assistant_stream_ce.conversions.answers import BlockReader
from assistant_stream_ce.conversions.files import is_base64, is_url
from assistant_stream_ce.conversions.history import AssistantBuilder, Dropped, system_text
from assistant_stream_ce.conversions.reading import Fields
from assistant_stream_ce.conversions.turns import (
    Call,
    ProviderNames,
    alternating,
    content_bytes,
    metadata_for,
    prepare,
    text_or_note,
)
from assistant_stream_ce.jsonvalue import dumps, object_or_empty, plain
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

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_TYPES = {format_: media_type for media_type, format_ in (_IMAGES | _DOCUMENTS).items()}


def to_bedrock(messages: Iterable[Message], *, system: str | None = None) -> tuple[list[Fields], list[Fields]]:
    """Return a history as the `system` and `messages` of `converse` and `converse_stream`.

    Signed and redacted reasoning goes back unchanged, under `bedrock.signature` and `bedrock.redactedData` (base64
    there, bytes here) of the part's metadata; other reasoning is left out, because the API refuses it.

    Args:
        messages: the history, oldest message first.
        system: instructions that come first.

    Raises:
        TypeError: an argument has a wrong type.
    """
    instructions, entries = prepare(messages, NAMES, system)
    blocks = alternating(entries, _user_block, _assistant_block, _result_block)
    taken: set[str] = set()
    same: Counter[str] = Counter()
    for _, content in blocks:
        for document in (block["document"] for block in content if "document" in block):
            # Names have to be unique in a request.
            name = document["name"]
            while document["name"] in taken:
                same[name] += 1
                document["name"] = f"{name} {same[name] + 1}"
            taken.add(document["name"])
    made = [{"role": role, "content": content} for role, content in blocks]
    return [{"text": instructions}] if instructions else [], made


def _user_block(part: UserPart) -> Fields:
    if isinstance(part, TextPart):
        return {"text": part.text}
    if not is_url(part.data):
        if part.mime_type in _IMAGES:
            return {"image": {"format": _IMAGES[part.mime_type], "source": {"bytes": content_bytes(part)}}}
        if part.mime_type in _DOCUMENTS:
            source = {"bytes": content_bytes(part)}
            return {"document": {"format": _DOCUMENTS[part.mime_type], "name": _name_of(part), "source": source}}
    return {"text": text_or_note(part)}


def _name_of(part: FilePart) -> str:
    name = part.filename or ""
    stem = name.rpartition(".")[0] or name
    return re.sub(r"[^A-Za-z0-9()\[\]-]+", " ", stem)[:80].strip() or "file"


def _assistant_block(part: MessagePart | Call) -> Fields | None:
    match part:
        case TextPart() | RefusalPart() if part.text.strip():
            return {"text": part.text}
        case ReasoningPart():
            return _reasoning(part)
        case Call():
            return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": part.arguments}}
    return None


def _reasoning(part: ReasoningPart) -> Fields | None:
    own = metadata_for(part, "bedrock")
    if isinstance(redacted := own.get("redactedData"), str) and is_base64(redacted):
        return {"reasoningContent": {"redactedContent": base64.b64decode(redacted)}}
    if isinstance(signature := own.get("signature"), str):
        return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": signature}}}
    return None


def _result_block(call: Call) -> Fields:
    status = {"status": "error"} if call.is_error else {}
    return {"toolResult": {"toolUseId": call.id, "content": [{"text": call.text or " "}], **status}}


def from_bedrock(messages: object, *, system: object = None) -> tuple[list[Message], list[Dropped]]:
    """Return the history of a request to Bedrock, and reports of dropped data.

    Args:
        messages: its `messages`.
        system: its `system`: a text, or a list of blocks.

    Raises:
        TypeError: they are not JSON or bytes.
    """
    return _Reader.history(messages, system_text(plain(system, "system")))


class _Reader(BlockReader):
    """Joins the turns of each answer, and the results that lie between them."""

    def take(self, message: Fields, path: str) -> None:
        """Take a message."""
        blocks = list(self.log.objects(message.get("content"), f"{path}.content"))
        match message.get("role"):
            case "assistant":
                self.take_turn(blocks, path)
            case "user":
                self.take_user(blocks, path)
            case role:
                self.log.unknown(role, f"{path}.role")

    def take_block(self, builder: AssistantBuilder, block: Fields, path: str) -> None:
        if isinstance(use := block.get("toolUse"), dict):
            is_theirs = use.get("type") == "server_tool_use"
            self.take_call(use.get("toolUseId"), use.get("name"), use.get("input"), path, provider_executed=is_theirs)
        elif isinstance(reasoning := block.get("reasoningContent"), dict):
            text = object_or_empty(reasoning.get("reasoningText"))
            own = {"signature": text.get("signature"), "redactedData": reasoning.get("redactedContent")}
            own = {name: value for name, value in own.items() if isinstance(value, str)}
            builder.add(ReasoningPart(str(text.get("text") or ""), provider_metadata={"bedrock": own} if own else {}))
        else:
            for part in self.part(block, path):
                builder.add(part)

    def take_answer(self, block: Fields, path: str) -> bool:
        """Take a result of a tool; return false for any other block."""
        result = block.get("toolResult")
        if not isinstance(result, dict):
            return False
        value = self.result_of(result.get("content"), f"{path}.toolResult.content", self._result_part)
        self.take_result(result.get("toolUseId"), path, result=value, is_error=result.get("status") == "error")
        return True

    def _result_part(self, block: Fields, path: str) -> list[UserPart]:
        return [TextPart(dumps(block["json"]).decode())] if "json" in block else self.part(block, path)

    def part(self, block: Fields, path: str) -> list[UserPart]:
        if isinstance(block.get("text"), str):
            return self.log.text(block["text"], path)
        for kind in ("image", "document"):
            if isinstance(file := block.get(kind), dict):
                source = file.get("source")
                data = source.get("bytes") if isinstance(source, dict) else None
                return self.log.file(data, _TYPES.get(str(file.get("format"))), file.get("name"), path)
        self.log.unknown(next(iter(block), None), path)
        return []
