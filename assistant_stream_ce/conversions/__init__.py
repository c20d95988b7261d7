"""Convert messages and whole histories to and from the formats of front ends and of model providers.

Plain data in and out: no I/O. All functions are thread-safe.
"""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import ModuleGetattr, lazy_exports

if TYPE_CHECKING:
    from assistant_stream_ce.conversions.ag_ui_messages import from_ag_ui_messages, to_ag_ui_messages
    from assistant_stream_ce.conversions.anthropic import from_anthropic, to_anthropic
    from assistant_stream_ce.conversions.assistant_ui import from_assistant_ui, to_assistant_ui
    from assistant_stream_ce.conversions.assistant_ui_messages import (
        from_assistant_ui_messages,
        to_assistant_ui_messages,
    )
    from assistant_stream_ce.conversions.bedrock import from_bedrock, to_bedrock
    from assistant_stream_ce.conversions.google import from_google, to_google
    from assistant_stream_ce.conversions.history import Dropped
    from assistant_stream_ce.conversions.openai_chat import from_openai_chat, to_openai_chat
    from assistant_stream_ce.conversions.openai_messages import from_openai_messages, to_openai_messages
    from assistant_stream_ce.conversions.openai_responses import from_openai_responses, to_openai_responses
    from assistant_stream_ce.conversions.ui_message import to_ui_message
    from assistant_stream_ce.conversions.ui_messages import from_ui_message, from_ui_messages, to_ui_messages

__all__ = (
    "Dropped",
    "from_ag_ui_messages",
    "from_anthropic",
    "from_assistant_ui",
    "from_assistant_ui_messages",
    "from_bedrock",
    "from_google",
    "from_openai_chat",
    "from_openai_messages",
    "from_openai_responses",
    "from_ui_message",
    "from_ui_messages",
    "to_ag_ui_messages",
    "to_anthropic",
    "to_assistant_ui",
    "to_assistant_ui_messages",
    "to_bedrock",
    "to_google",
    "to_openai_chat",
    "to_openai_messages",
    "to_openai_responses",
    "to_ui_message",
    "to_ui_messages",
)

# The modules by the names of their functions, without `from_` and `to_`.
_MODULES = (
    "ag_ui_messages",
    "anthropic",
    "assistant_ui",
    "assistant_ui_messages",
    "bedrock",
    "google",
    "openai_chat",
    "openai_messages",
    "openai_responses",
    "ui_message",
    "ui_messages",
)

__getattr__: ModuleGetattr = lazy_exports(
    __name__,
    {
        "Dropped": f"{__name__}.history",
        **{f"{way}_{name}": f"{__name__}.{name}" for name in _MODULES for way in ("from", "to")},
        "from_ui_message": f"{__name__}.ui_messages",
    },
)
