"""Requests of assistant-ui's `useDataStreamRuntime`."""

from __future__ import annotations

from assistant_stream_ce.chat_requests.body import Body
from assistant_stream_ce.chat_requests.request import ChatRequest
from assistant_stream_ce.conversions.answers import AnswerReader
from assistant_stream_ce.conversions.history import system_text
from assistant_stream_ce.conversions.reading import text_parts
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import TextPart, UserPart


def read_data_stream(body: Body) -> ChatRequest:
    """Return the request. One message of the assistant is posted as several entries, with one `unstable_id`."""
    reader = _Reader(body.history)
    for path, entry in body.history.objects(body.messages(), "messages"):
        reader.take(entry, path)
    new_from = reader.finish()
    continued = body.last_assistant()
    results, approvals = body.new_results(new_from)
    return body.request(
        tool_results=results,
        approvals=approvals,
        thread_id=body.take_thread("threadId"),
        message_id=None if continued is None else continued.id,
        parent_id=body.take_text("parentId"),
        tools=body.take_tools(),
        system=body.take_text("system"),
        state=body.take("state"),
        settings=body.take_settings("callSettings", "config"),
    )


# The fields of the data stream's requests, also those that are of no use here.
_ENTRY = frozenset({"role", "content", "id", "unstable_id"})
_PART = frozenset(
    {
        "type", "text", "toolCallId", "toolName", "input", "args", "argsText", "output", "result", "isError",
        "artifact", "data", "image", "mediaType", "mimeType", "filename",
    }
)  # fmt: skip


class _Reader(AnswerReader):
    """Joins the entries of each message of the assistant."""

    def take(self, entry: dict[str, JSON], path: str) -> None:
        """Take an entry of the history."""
        role = entry.get("role")
        self.log.check_fields(entry, path, _ENTRY)
        content = text_parts(entry.get("content"))
        for index, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict):
                self.log.check_fields(part, f"{path}.content.{index}", _PART)
        if role == "tool":
            self._take_results(content, path)
        elif role == "assistant":
            self._take_assistant(entry, content, path)
        else:
            self.finish()
            self._take_other(role, entry, content, path)

    def _take_other(self, role: JSON, entry: dict[str, JSON], content: JSON, path: str) -> None:
        message_id = self.log.name(entry.get("unstable_id", entry.get("id")), f"{path}.unstable_id")
        if role == "user":
            parts: list[UserPart] = []
            for where, part in self.log.objects(content, f"{path}.content"):
                match part.get("type"):
                    case "text":
                        parts += self.log.text(part.get("text"), where)
                    case "file" | "image":
                        media_type = part.get("mediaType", part.get("mimeType"))
                        data = part.get("data", part.get("image"))
                        parts += self.log.file(data, media_type, part.get("filename"), where)
                    case kind:
                        self.log.unknown(kind, where)
            self.log.user(parts, path, message_id)
        elif role == "system":
            self.log.system(system_text(content), message_id, path)
        else:
            self.log.unknown(role, f"{path}.role")

    def _take_assistant(self, entry: dict[str, JSON], content: JSON, path: str) -> None:
        message_id = self.log.name(entry.get("unstable_id", entry.get("id")), f"{path}.unstable_id")
        if self.answer is not None and message_id != self.answer.id:
            self.finish()
        builder = self.open(path, message_id)
        builder.step()
        for where, part in self.log.objects(content, f"{path}.content"):
            match part.get("type"):
                case "text":
                    for text in self.log.text(part.get("text"), where):
                        assert isinstance(text, TextPart)
                        builder.add(text)
                case "tool-call":
                    arguments = part.get("input", part.get("args"))
                    # Without its fields: the client also posts a file of the assistant in this way.
                    self.take_call(part.get("toolCallId"), part.get("toolName"), arguments, where)
                case "file":
                    data, media_type = part.get("data"), part.get("mediaType")
                    for file in self.log.file(data, media_type, part.get("filename"), where):
                        builder.add(file)
                case kind:
                    self.log.unknown(kind, where)

    def _take_results(self, content: JSON, path: str) -> None:
        for where, part in self.log.objects(content, f"{path}.content"):
            if part.get("type") == "tool-result":
                self.take_result(part.get("toolCallId"), where, **_result(part))
            else:
                self.log.unknown(part.get("type"), where)


def _result(part: dict[str, JSON]) -> dict[str, JSON]:
    output = part.get("output", part.get("result"))
    if not isinstance(output, dict):
        return {"result": output, "is_error": part.get("isError") is True}
    kind = output.get("type")
    if kind in ("json", "text", "content") and "value" in output:
        return {"result": output["value"]}
    if kind in ("error-json", "error-text") and "value" in output:
        return {"result": output["value"], "is_error": True}
    if kind == "execution-denied":
        return {"result": output.get("reason"), "is_error": True}
    return {"result": output, "is_error": part.get("isError") is True}
