"""Convert messages to and from the formats of front ends and of OpenAI's requests. Plain data in and out, no I/O."""

from assistant_stream_ce.conversions.assistant_ui import from_assistant_ui, to_assistant_ui
from assistant_stream_ce.conversions.openai import from_openai_messages, to_openai_messages
from assistant_stream_ce.conversions.ui_message import from_ui_message, to_ui_message

__all__ = (
    "from_assistant_ui",
    "from_openai_messages",
    "from_ui_message",
    "to_assistant_ui",
    "to_openai_messages",
    "to_ui_message",
)
