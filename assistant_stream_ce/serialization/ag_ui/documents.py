"""The state and the activities of an AG-UI stream: JSON documents that events replace or patch."""

from __future__ import annotations

from collections.abc import Iterator

from assistant_stream_ce.chunks import AssistantStreamChunk, DataPartChunk, UpdateStateChunk
from assistant_stream_ce.jsonvalue import JSON, json_size
from assistant_stream_ce.serialization.ag_ui.json_patch import PatchedDocument
from assistant_stream_ce.serialization.decoder import checked
from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.state.operations import set_value

# A patch of a few bytes may change a container of megabytes, which is then in its chunk. When the chunks of one piece
# of the stream contain so many bytes, further updates are held back until its end, and joined.
_MAX_COPIED = 4 * 1024 * 1024

#: The events of documents.
DOCUMENT_EVENTS = frozenset({"STATE_SNAPSHOT", "STATE_DELTA", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA"})


class Documents:
    """The documents of one stream.

    Args:
        state: the initial state; the object takes ownership of it.
        max_copied: limit for the values that the `copy` operations of a document add, in bytes; 0 for no limit.
    """

    def __init__(self, state: JSON, max_copied: int) -> None:
        self._max_copied = max_copied
        self._state = PatchedDocument(state, max_copied)
        self._activities: dict[str, PatchedDocument] = {}
        # The bytes in the chunks of this piece of the stream, and the activities whose update is held back.
        self._copied = 0
        self._held_activities: dict[str, str] = {}

    def read(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        """Apply an event and yield its chunk, unless it is held back.

        Raises:
            FrameError: a field has a wrong type, or a patch does not fit.
        """
        if kind == "STATE_SNAPSHOT":
            self._state.replace(event.get("snapshot"))
            yield UpdateStateChunk([set_value((), self._state.value)])
        elif kind == "STATE_DELTA":
            _patch(self._state, event.get("delta"))
            if self._copied <= _MAX_COPIED:
                yield from self._state_update()
        else:
            activity_id: str = checked(event.get("messageId"), str, "messageId")
            name: str = checked(event.get("activityType"), str, "activityType")
            if self._change_activity(kind, activity_id, event):
                self._held_activities[activity_id] = name
                if self._copied <= _MAX_COPIED:
                    yield from self._activity_updates()

    def flush(self) -> Iterator[AssistantStreamChunk]:
        """Yield the updates that were held back. Called at the end of each piece of the stream, and of a run."""
        yield from self._state_update()
        yield from self._activity_updates()
        self._copied = 0

    def _change_activity(self, kind: str, activity_id: str, event: dict[str, JSON]) -> bool:
        if kind == "ACTIVITY_SNAPSHOT":
            content = checked(event.get("content"), dict, "content")
            is_new = activity_id not in self._activities or event.get("replace") is not False
            if is_new:
                self._activities[activity_id] = PatchedDocument(content, self._max_copied)
            return is_new
        if activity_id not in self._activities:
            raise FrameError("there is no such activity")
        _patch(self._activities[activity_id], event.get("patch"))
        return True

    def _state_update(self) -> Iterator[AssistantStreamChunk]:
        operations = self._state.operations()
        if operations:
            self._copied += sum(json_size(operation["value"]) for operation in operations)
            yield UpdateStateChunk(operations)

    def _activity_updates(self) -> Iterator[AssistantStreamChunk]:
        held, self._held_activities = self._held_activities, {}
        for activity_id, name in held.items():
            content = self._activities[activity_id].value
            self._copied += json_size(content)
            yield DataPartChunk(name, content, activity_id)


def _patch(document: PatchedDocument, patch: JSON) -> None:
    document.patch([checked(operation, dict, "an operation") for operation in checked(patch, list, "the patch")])
