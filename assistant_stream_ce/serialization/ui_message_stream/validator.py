"""What the AI SDK's clients refuse of a UI message stream."""

from __future__ import annotations

from assistant_stream_ce.serialization.framing import Frame, FrameError
from assistant_stream_ce.serialization.validation import Validator, json_object

__all__ = ("UIMessageStreamValidator",)

# What AI SDK 5 knows. It stops at other frames, but for data parts.
_KNOWN = frozenset(
    {
        "start",
        *(f"{part}-{place}" for part in ("text", "reasoning") for place in ("start", "delta", "end")),
        *(f"tool-input-{step}" for step in ("start", "delta", "available", "error")),
        *("tool-output-available", "tool-output-error"),
        *("source-url", "source-document", "file", "start-step", "finish-step"),
        *("message-metadata", "error", "abort", "finish"),
    }
)

# What AI SDK 5, 6 and 7 know.
_FINISH_REASONS = frozenset({"stop", "length", "content-filter", "tool-calls", "error", "other"})


class UIMessageStreamValidator(Validator):
    """What AI SDK 5 and 6 refuse, and what would stay unfinished for ever. The decoder does as AI SDK 7."""

    def __init__(self) -> None:
        self._is_done = False
        self._has_begun = False
        # What has been started: texts and reasoning by type and id, inputs of calls by id.
        self._open: dict[tuple[str, str], None] = {}

    def check(self, frame: Frame) -> None:
        """Check a type, and that all that starts ends."""
        if self._is_done:
            raise FrameError("nothing is read after [DONE]")
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            return
        value = json_object(frame.data)
        kind = str(value.get("type"))
        if kind not in _KNOWN and not kind.startswith("data-"):
            raise FrameError(f"AI SDK 5 stops at a frame of type {kind}")
        if kind == "start" and self._has_begun:
            raise FrameError("the start must come first: clients let go of what was before it")
        self._has_begun = True
        match kind.rsplit("-", 1):
            case [("text" | "reasoning") as part, "start"]:
                if (part, str(value.get("id"))) in self._open:
                    raise FrameError(f"the {part} with its id has not ended, and never will")
                self._open[part, str(value.get("id"))] = None
            case [("text" | "reasoning") as part, "end"]:
                self._open.pop((part, str(value.get("id"))), None)
            case ["tool-input", "delta"]:
                if ("tool-input", str(value.get("toolCallId"))) not in self._open:
                    raise FrameError("the input of this tool call is complete")
            case ["tool-input", "start"]:
                self._open["tool-input", str(value.get("toolCallId"))] = None
            case ["tool-input" | "tool-output", "available" | "error"]:
                self._open.pop(("tool-input", str(value.get("toolCallId"))), None)
        if kind == "finish-step":
            self._refuse_open()
        if kind == "start-step":
            # AI SDK looks for a call in the current step.
            self._refuse_open("tool-input")
        if kind == "finish" and value.get("finishReason") not in (None, *_FINISH_REASONS):
            raise FrameError(f"AI SDK 5 or 6 stops at the finish reason {value['finishReason']}")

    def end(self) -> None:
        """Check that nothing is left open."""
        self._refuse_open()

    def _refuse_open(self, *kinds: str) -> None:
        for kind, id in self._open:
            if kinds and kind not in kinds:
                continue
            raise FrameError(f"the {kind} {id!r} was started and has not ended")
