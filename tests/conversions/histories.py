"""Histories to convert: written out, and random ones."""

from __future__ import annotations

from hypothesis import strategies as st

from assistant_stream_ce.message import (
    AssistantMessage,
    FilePart,
    Message,
    MessageStatus,
    ReasoningPart,
    Step,
    SystemMessage,
    TextPart,
    ToolApproval,
    ToolCallPart,
    UserMessage,
)

PIXEL = "iVBORw0KGgo="

WAITS = MessageStatus("requires-action", "tool-calls")


def answered(call_id: str = "c1", name: str = "weather", result: object = 21, **fields: object) -> ToolCallPart:
    """Return a tool call with a result."""
    return ToolCallPart(call_id, name, '{"city":"Paris"}', {"city": "Paris"}, "answered", result, **fields)  # type: ignore[arg-type]


def signed(provider: str, **metadata: object) -> ReasoningPart:
    """Return reasoning that a provider has signed."""
    return ReasoningPart("hm", provider_metadata={provider: metadata})


HISTORIES: dict[str, list[Message]] = {
    "one question": [UserMessage([TextPart("Hello")])],
    "system first": [SystemMessage("Be kind."), UserMessage([TextPart("Hello")])],
    "a conversation": [
        UserMessage([TextPart("Hello")]),
        AssistantMessage([TextPart("Hi.")]),
        UserMessage([TextPart("More")]),
    ],
    "files": [
        UserMessage(
            [
                TextPart("See"),
                FilePart(PIXEL, "image/png", "a.png"),
                FilePart("https://example.org/a.jpg", "image/jpeg"),
                FilePart("JVBERi0=", "application/pdf", "a report.pdf"),
                FilePart("https://example.org/a.pdf", "application/pdf"),
                FilePart("aGk=", "text/plain", "n.txt"),
                FilePart("AA==", "audio/wav"),
                FilePart("AA==", "application/zip", "z.zip"),
            ]
        )
    ],
    "a tool": [
        UserMessage([TextPart("Weather?")]),
        AssistantMessage([TextPart("Let me look."), answered(), TextPart("21 degrees.")]),
        UserMessage([TextPart("Thanks")]),
    ],
    "two tools at once, one fails": [
        UserMessage([TextPart("Weather?")]),
        AssistantMessage([answered("c1"), answered("c2", result="no such city", is_error=True), TextPart("Done.")]),
    ],
    "steps": [
        UserMessage([TextPart("Go")]),
        AssistantMessage(
            [answered("c1"), answered("c1", result=22), TextPart("Done.")],
            steps=[Step("", 0), Step("", 1), Step("", 2)],
        ),
    ],
    "a call without a result, then the user": [
        UserMessage([TextPart("Go")]),
        AssistantMessage([ToolCallPart("k1", "confirm")]),
        UserMessage([TextPart("never mind")]),
    ],
    "an interrupted call": [
        UserMessage([TextPart("Go")]),
        AssistantMessage(
            [TextPart("Half"), ToolCallPart("h1", "weather", '{"ci', {}, "partial")],
            MessageStatus("incomplete", "cancelled"),
        ),
        UserMessage([TextPart("go on")]),
    ],
    "an open approval, then the user": [
        UserMessage([TextPart("delete")]),
        AssistantMessage([ToolCallPart("p1", "delete_file", approval=ToolApproval("ap"))], WAITS),
        UserMessage([TextPart("wait, what?")]),
    ],
    "the assistant begins": [AssistantMessage([TextPart("Welcome!")]), UserMessage([TextPart("Hi")])],
    "two users, two assistants": [
        UserMessage([TextPart("a")]),
        UserMessage([TextPart("b")]),
        AssistantMessage([TextPart("c")]),
        AssistantMessage([TextPart("d")]),
        UserMessage([TextPart("e")]),
    ],
    "empty messages": [
        UserMessage([TextPart("")]),
        UserMessage([TextPart("Hi")]),
        AssistantMessage([]),
        AssistantMessage([TextPart("")]),
        UserMessage([TextPart("More")]),
    ],
    "ids and names that no provider takes": [
        UserMessage([TextPart("Go")]),
        AssistantMessage([answered("a b/" * 40, "not a.name" * 10), answered("é", "ü")]),
        UserMessage([TextPart("More")]),
    ],
    "one id in two answers": [
        UserMessage([TextPart("a")]),
        AssistantMessage([answered("call_0")]),
        UserMessage([TextPart("b")]),
        AssistantMessage([answered("call_0")]),
        UserMessage([TextPart("c")]),
    ],
    "reasoning of every provider": [
        UserMessage([TextPart("Go")]),
        AssistantMessage(
            [
                signed("anthropic", signature="sig"),
                signed("anthropic", redactedData="red"),
                signed("google", thoughtSignature="AA=="),
                signed("openai", itemId="rs_1", reasoningEncryptedContent="enc"),
                signed("bedrock", signature="sig"),
                ReasoningPart("unsigned"),
                answered(),
                TextPart("Done."),
            ]
        ),
    ],
    "a call of the provider": [
        UserMessage([TextPart("Go")]),
        AssistantMessage([answered("s1", "web_search", provider_executed=True), TextPart("Found.")]),
        UserMessage([TextPart("More")]),
    ],
    "ends with the assistant": [UserMessage([TextPart("Go")]), AssistantMessage([TextPart("Prefill \n")])],
    "arguments that are no object": [
        UserMessage([TextPart("Go")]),
        AssistantMessage([ToolCallPart("c1", "f", "[1]", [1], "answered", None)]),
    ],
}

_texts = st.text("ab \n", max_size=4)
_words = st.text("abc", min_size=1, max_size=3)
_parts = st.one_of(
    st.builds(TextPart, _texts),
    st.builds(ReasoningPart, _texts),
    st.builds(
        ToolCallPart,
        st.sampled_from(["c1", "c2", "odd id!"]),
        _words,
        st.just("{}"),
        st.just({}),
        st.sampled_from(["partial", "complete", "answered"]),
        st.one_of(st.none(), _words, st.integers(), st.just({"a": [1]})),
        is_error=st.booleans(),
        provider_executed=st.booleans(),
    ),
    st.builds(FilePart, st.just(PIXEL), st.just("image/png")),
)
_users = st.builds(UserMessage, st.lists(st.one_of(st.builds(TextPart, _texts), st.just(FilePart(PIXEL, "image/png")))))
_answers = st.builds(
    AssistantMessage, st.lists(_parts, max_size=6), st.sampled_from([MessageStatus("complete", "stop"), WAITS])
)

#: Any history, sensible or not.
histories: st.SearchStrategy[list[Message]] = st.lists(
    st.one_of(_users, _answers, st.builds(SystemMessage, _texts)), max_size=6
)
