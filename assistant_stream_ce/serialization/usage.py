"""Token usage with the field names of AI SDK 6 and 7."""

from __future__ import annotations

from assistant_stream_ce.jsonvalue import JSON, object_or_empty
from assistant_stream_ce.message import Usage
from assistant_stream_ce.serialization.decoder import token_count


def usage_fields(usage: Usage) -> dict[str, JSON]:
    """Return the totals, and the details that are known."""
    return {**usage_totals(usage), **usage_details(usage)}


def usage_totals(usage: Usage) -> dict[str, JSON]:
    """Return the totals, which assistant-ui reads too."""
    return {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens}


def usage_details(usage: Usage) -> dict[str, JSON]:
    """Return the details that are known."""
    return nonzero(
        {
            "inputTokenDetails": nonzero(
                {"cacheReadTokens": usage.cached_tokens, "cacheWriteTokens": usage.cache_write_tokens}
            ),
            "outputTokenDetails": nonzero({"reasoningTokens": usage.reasoning_tokens}),
        }
    )


def usage_from(value: JSON) -> Usage:
    """Return the usage of fields with the names of any version. Missing and invalid counts are 0."""
    details = object_or_empty(value)
    read, written = details.get("inputTokenDetails"), details.get("outputTokenDetails")
    return Usage(
        token_count(value, "inputTokens", "promptTokens"),
        token_count(value, "outputTokens", "completionTokens"),
        token_count(read, "cacheReadTokens"),
        token_count(read, "cacheWriteTokens"),
        token_count(written, "reasoningTokens"),
    )


def nonzero(fields: dict[str, JSON]) -> dict[str, JSON]:
    """Return the fields that are neither zero nor empty."""
    return {name: value for name, value in fields.items() if value}
