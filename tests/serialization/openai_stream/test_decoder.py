"""The events of OpenAI-compatible servers that the decoder reads, and those that it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    DecodeError,
    ErrorChunk,
    FileChunk,
    MessageFinishChunk,
    ReasoningDeltaChunk,
    ReasoningSignatureChunk,
    RefusalDeltaChunk,
    SourceChunk,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    accumulate,
)
from assistant_stream_ce.serialization import (
    OpenAIStreamDecoder,
)
from tests.serialization.decoding import (
    BEGIN,
    FINAL,
    STOP,
    STOPPED,
    assert_cannot_be_read,
    delta,
    event,
)
from tests.serialization.round_trips import decoded


def openai_call(index: int | None, call_id: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    call = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {key: value for key, value in call.items() if value is not None}


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (delta({"role": "assistant", "content": ""}), []),
        (delta({"content": "a", "refusal": None}), [TextDeltaChunk("a")]),
        (delta({"content": None, "refusal": "no"}), [RefusalDeltaChunk("no")]),
        (delta({"reasoning_content": "a", "content": None}), [ReasoningDeltaChunk("a")]),
        (delta({"reasoning": "a", "content": "b"}), [ReasoningDeltaChunk("a"), TextDeltaChunk("b")]),
        (event({"choices": []}), []),
        (event({"choices": None}), []),
        (event({"choices": [{"index": 1, "delta": {"content": "another answer"}}]}), []),
        (event({"id": "x", "choices": [{"delta": None}]}), []),
        (event({"choices": [{"index": None, "delta": {"content": "a"}}]}), [TextDeltaChunk("a")]),
        # Both names of the reasoning at once, as some servers send it while they change from one to the other.
        (delta({"reasoning_content": "a", "reasoning": "a"}), [ReasoningDeltaChunk("a")]),
        (delta({"content": None, "refusal": None, "tool_calls": None, "function_call": None, "reasoning": None}), []),
        # No error in each chunk.
        (event({"error": "", "choices": [{"delta": {"content": "a"}}]}), [TextDeltaChunk("a")]),
        # Mistral: a content in parts, with the reasoning in it.
        (
            delta({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]}),
            [ReasoningDeltaChunk("a")],
        ),
        (
            delta({"content": [{"type": "thinking", "thinking": "a"}, {"type": "text", "text": "a"}, {"type": "new"}]}),
            [ReasoningDeltaChunk("a"), TextDeltaChunk("a")],
        ),
        # A finish reason that is no text yet.
        (delta({"content": "a"}, ""), [TextDeltaChunk("a")]),
        # Azure: filter results of the prompt come first, and those of the answer in between.
        (event({"id": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}), []),
        (event({"choices": [{"index": 0, "content_filter_offsets": {"start_offset": 1}}]}), []),
        (b": OPENROUTER PROCESSING\n\n", []),
        (b": comment\n\nid: 7\nretry: 10\n\n", []),
    ],
)
def test_event(data: bytes, wanted: list[AssistantStreamChunk]) -> None:
    decoder = OpenAIStreamDecoder(strict=True)
    assert decoded(decoder, [data, STOP, b"data: [DONE]\n\n"]) == [*wanted, STOPPED]
    assert decoder.skipped == 0


@pytest.mark.parametrize(
    ("calls", "wanted"),
    [
        pytest.param(
            [openai_call(0, "1", "tool", ""), openai_call(0, None, None, "{}")],
            [BEGIN, ToolCallDeltaChunk("1", "{}"), FINAL],
            id="as documented",
        ),
        pytest.param(
            [openai_call(0, "1", "tool", "{"), openai_call(0, "1", "tool", "}")],
            [BEGIN, ToolCallDeltaChunk("1", "{"), ToolCallDeltaChunk("1", "}"), FINAL],
            id="with the id each time",
        ),
        pytest.param(
            [openai_call(None, "1", "tool", "{}"), openai_call(None, "2", "tool", "[]")],
            [
                BEGIN,
                ToolCallDeltaChunk("1", "{}"),
                ToolCallBeginChunk("2", "tool"),
                ToolCallDeltaChunk("2", "[]"),
                FINAL,
                ToolCallDeltaChunk("2", "", is_final=True),
            ],
            id="without numbers",
        ),
        pytest.param(
            [{**openai_call(None, "1", "tool", "{"), "index": None}, openai_call(None, None, None, "}")],
            [BEGIN, ToolCallDeltaChunk("1", "{"), ToolCallDeltaChunk("1", "}"), FINAL],
            id="with null for its number",
        ),
        pytest.param(
            [openai_call(0, "1", "tool", "{"), openai_call(0, "2", None, "}")],
            [BEGIN, ToolCallDeltaChunk("1", "{"), ToolCallDeltaChunk("1", "}"), FINAL],
            id="with another id each time",
        ),
        pytest.param(
            [
                openai_call(None, "1", "tool", "{"),
                openai_call(None, "2", "tool", "["),
                openai_call(None, "1", None, "}"),
            ],
            [
                BEGIN,
                ToolCallDeltaChunk("1", "{"),
                ToolCallBeginChunk("2", "tool"),
                ToolCallDeltaChunk("2", "["),
                ToolCallDeltaChunk("1", "}"),
                FINAL,
                ToolCallDeltaChunk("2", "", is_final=True),
            ],
            id="by their ids only",
        ),
        pytest.param(
            [openai_call(0, "1", "tool", "{}"), openai_call(0, "2", "tool", "[]")],
            [
                BEGIN,
                ToolCallDeltaChunk("1", "{}"),
                ToolCallBeginChunk("2", "tool"),
                ToolCallDeltaChunk("2", "[]"),
                FINAL,
                ToolCallDeltaChunk("2", "", is_final=True),
            ],
            id="all with the same number",
        ),
    ],
)
def test_tool_calls(calls: list[dict[str, Any]], wanted: list[AssistantStreamChunk]) -> None:
    pieces = [*(delta({"tool_calls": [call]}) for call in calls), delta({}, "tool_calls"), b"data: [DONE]\n\n"]
    assert decoded(OpenAIStreamDecoder(strict=True), pieces) == [*wanted, MessageFinishChunk("tool-calls")]


def test_calls_that_arrive_whole_and_together() -> None:
    calls = [openai_call(0, "1", "tool", "{}"), openai_call(1, "2", "tool", "[]")]
    assert decoded(
        OpenAIStreamDecoder(strict=True), [delta({"tool_calls": calls}, "tool_calls"), b"data: [DONE]\n\n"]
    ) == [
        BEGIN,
        ToolCallDeltaChunk("1", "{}"),
        ToolCallBeginChunk("2", "tool"),
        ToolCallDeltaChunk("2", "[]"),
        FINAL,
        ToolCallDeltaChunk("2", "", is_final=True),
        MessageFinishChunk("tool-calls"),
    ]


def test_function_call_is_a_tool_call_without_an_id() -> None:
    pieces = [
        delta({"role": "assistant", "content": None, "function_call": {"name": "tool", "arguments": ""}}),
        delta({"function_call": {"arguments": "{"}}),
        delta({"function_call": {"arguments": "}"}}),
        delta({}, "function_call"),
        b"data: [DONE]\n\n",
    ]
    begin, *rest = decoded(OpenAIStreamDecoder(strict=True), pieces)
    assert isinstance(begin, ToolCallBeginChunk)
    assert begin.tool_name == "tool"
    assert rest == [
        ToolCallDeltaChunk(begin.tool_call_id, "{"),
        ToolCallDeltaChunk(begin.tool_call_id, "}"),
        ToolCallDeltaChunk(begin.tool_call_id, "", is_final=True),
        MessageFinishChunk("tool-calls"),
    ]


def test_finish_reason_of_no_text_completes_no_arguments() -> None:
    pieces = [delta({"tool_calls": [openai_call(0, "1", "tool", "{")]}, "")]
    pieces += [delta({"tool_calls": [openai_call(0, None, None, "}")]}, ""), delta({}, "tool_calls")]
    assert decoded(OpenAIStreamDecoder(), pieces) == [
        BEGIN,
        ToolCallDeltaChunk("1", "{"),
        ToolCallDeltaChunk("1", "}"),
        FINAL,
        MessageFinishChunk("tool-calls"),
    ]


@pytest.mark.parametrize("indexes", [(0, 1), (1, 0)])
def test_only_the_first_choice_is_read(indexes: tuple[int, int]) -> None:
    text = {0: "a", 1: "other"}
    data = event({"choices": [{"index": index, "delta": {"content": text[index]}} for index in indexes]})
    stop = event({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"} for index in indexes]})
    decoder = OpenAIStreamDecoder()
    assert decoded(decoder, [data, event({"choices": [{"index": 1, "delta": {"content": "b"}}]}), stop]) == [
        TextDeltaChunk("a"),
        STOPPED,
    ]
    assert decoder.skipped == 0
    assert OpenAIStreamDecoder(strict=True).feed(data) == [TextDeltaChunk("a")]


def test_arguments_after_the_finish_reason_belong_to_the_call() -> None:
    pieces = [delta({"tool_calls": [openai_call(0, "1", "tool", "")]}), STOP]
    pieces += [delta({"tool_calls": [openai_call(0, None, None, "{}")]}), STOP, b"data: [DONE]\n\n"]
    late = ToolCallDeltaChunk("1", "{}")
    assert decoded(OpenAIStreamDecoder(strict=True), pieces) == [BEGIN, late, FINAL, STOPPED]


def test_calls_may_interleave() -> None:
    begins = [openai_call(0, "a", "x", ""), openai_call(1, "b", "y", "")]
    rest = [openai_call(1, None, None, "1"), openai_call(0, None, None, "2")]
    pieces = [delta({"tool_calls": begins}), delta({"tool_calls": rest}), STOP]
    chunks = decoded(OpenAIStreamDecoder(), pieces)
    assert chunks[2:4] == [ToolCallDeltaChunk("b", "1"), ToolCallDeltaChunk("a", "2")]


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("stop", "stop"),
        ("tool_calls", "tool-calls"),
        ("function_call", "tool-calls"),
        ("content_filter", "content-filter"),
        ("new", "new"),
    ],
)
def test_finish_reason(reason: str, wanted: str) -> None:
    assert decoded(OpenAIStreamDecoder(), [delta({}, reason)]) == [MessageFinishChunk(wanted)]


def test_usage_beside_or_after_the_finish_reason() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    beside = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
    after = STOP + event({"choices": [], "usage": usage})
    for data in (beside, after):
        decoder = OpenAIStreamDecoder()
        assert decoder.feed(data) == []
        assert decoder.feed(b"data: [DONE]\n\n") == [MessageFinishChunk("stop", 3, 4)]
        assert decoder.close() == []


def test_usage_in_each_chunk() -> None:
    pieces = []
    for count, text in enumerate(("a", "b"), start=1):
        usage = {"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count}
        pieces.append(event({"choices": [{"index": 0, "delta": {"content": text}}], "usage": usage}))
    pieces += [event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None})]
    wanted = [TextDeltaChunk("a"), TextDeltaChunk("b"), MessageFinishChunk("stop", 3, 2)]
    assert decoded(OpenAIStreamDecoder(strict=True), [*pieces, b"data: [DONE]\n\n"]) == wanted


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (event({"error": {"message": "broken", "code": 1}}), ErrorChunk("broken", "1")),
        (event({"error": {"message": "broken", "code": "rate_limit"}}), ErrorChunk("broken", "rate_limit")),
        (event({"error": {"message": "broken", "code": True}}), ErrorChunk("broken")),
        (event({"error": {"message": "broken", "type": "server_error", "code": None}}), ErrorChunk("broken")),
        (event({"error": "broken"}), ErrorChunk("broken")),
        (event({"error": {}}), ErrorChunk("Something went wrong.")),
        (event({"error": {"message": 5}}), ErrorChunk("Something went wrong.")),
        (event({"object": "error", "message": "broken", "code": 400}), ErrorChunk("broken", "400")),
        # OpenRouter sends a choice beside it.
        (
            event({"error": {"code": 502, "message": "broken"}, "choices": [{"delta": {}, "finish_reason": "error"}]}),
            ErrorChunk("broken", "502"),
        ),
        # Groq sends it beside the choices.
        (event({"choices": [{"index": 0, "delta": {}}], "x_groq": {"error": "broken"}}), ErrorChunk("broken")),
        (b"event: error\n" + event({"message": "broken", "code": "c"}), ErrorChunk("broken", "c")),
        (b"event: error\n" + event({"error": {"message": "broken"}}), ErrorChunk("broken")),
        (b"event: error\n" + event("broken"), ErrorChunk("broken")),
        (b"event: error\n" + event(None), ErrorChunk("Something went wrong.")),
        (b"event: error\ndata: upstream timed out\n\n", ErrorChunk("upstream timed out")),
    ],
)
def test_error_ends_the_stream(data: bytes, wanted: ErrorChunk) -> None:
    chunks = decoded(
        OpenAIStreamDecoder(strict=True), [delta({"content": "a"}) + data + STOP + delta({"content": "b"})]
    )
    assert chunks == [TextDeltaChunk("a"), wanted]


@pytest.mark.parametrize(
    "value",
    [
        5,
        {},
        {"choices": [5]},
        {"choices": [{"delta": 5}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"tool_calls": {"index": 0}}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": 1}]}}]},
        {"choices": [{"delta": {"function_call": "f"}}]},
        {"choices": [{"delta": {}, "finish_reason": 1}]},
    ],
)
def test_event_that_cannot_be_read(value: Any) -> None:
    assert_cannot_be_read(OpenAIStreamDecoder, json.dumps(value).encode())


# --- What compatible servers add ------------------------------------------------------------------

DONE = b"data: [DONE]\n\n"
URL = "https://example.org/a"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def chunks_of(*pieces: bytes) -> list[AssistantStreamChunk]:
    """Return the chunks of a stream that ends well, without its finish."""
    *chunks, finish = decoded(OpenAIStreamDecoder(strict=True), [*pieces, STOP, DONE])
    assert finish == STOPPED
    return chunks


def chunk_with(**fields: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": {}}], **fields})


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        # OpenRouter and Snowflake: reasoning in details, with or without the text beside them.
        ({"reasoning_details": [{"type": "reasoning.text", "text": "a"}]}, [ReasoningDeltaChunk("a")]),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "a"}]}, [ReasoningDeltaChunk("a")]),
        (
            {"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a"}]},
            [ReasoningDeltaChunk("a")],
        ),
        (
            {"reasoning_details": [{"type": "reasoning.text", "text": None, "signature": "s"}]},
            [ReasoningSignatureChunk("s")],
        ),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}, 5]}, []),
        # litellm: the same text under two names, and the blocks of the provider.
        (
            {"reasoning_content": "a", "thinking_blocks": [{"type": "thinking", "thinking": "a", "signature": "s"}]},
            [ReasoningDeltaChunk("a"), ReasoningSignatureChunk("s")],
        ),
        ({"reasoning": [{"type": "text", "text": "a"}]}, [ReasoningDeltaChunk("a")]),
        ({"reasoning_content": {"type": "text", "text": "a"}}, [ReasoningDeltaChunk("a")]),
        # Databricks: reasoning as a part of the content, with summaries.
        (
            {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]}]},
            [ReasoningDeltaChunk("a")],
        ),
        ({"content": [{"type": "reasoning", "text": "a"}]}, [ReasoningDeltaChunk("a")]),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, [RefusalDeltaChunk("no")]),
        (
            {"content": [{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "a"}]},
            [TextDeltaChunk("a")],
        ),
        (
            {"content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            [FileChunk("AAAA", "image/png")],
        ),
        # OpenRouter: images beside the text.
        (
            {"images": [{"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}}]},
            [FileChunk("AAAA", "image/webp")],
        ),
        ({"images": [{"image_url": "https://example.org/a.png"}]}, [FileChunk("https://example.org/a.png", "image/*")]),
        ({"images": [{"image_url": None}, "x"]}, []),
        ({"audio": {"id": "1", "transcript": "a", "data": "AAAA"}}, [TextDeltaChunk("a")]),
        ({"audio": {"id": "1", "data": "AAAA"}}, []),
        # Sources.
        (
            {"annotations": [{"type": "url_citation", "url_citation": {"url": URL, "title": "A"}}]},
            [SourceChunk(URL, URL, title="A")],
        ),
        ({"annotations": [{"type": "url_citation", "url": URL, "title": ""}]}, [SourceChunk(URL, URL)]),
        ({"annotations": [{"type": "file_citation", "file_id": "f"}, 5]}, []),
        ({"citations": [URL, {"url": URL}, "javascript:alert(1)", 5, None]}, [SourceChunk(URL, URL)]),
        (
            {"executed_tools": [{"search_results": {"results": [{"url": URL, "title": "A", "score": 1}]}}]},
            [SourceChunk(URL, URL, title="A")],
        ),
        ({"executed_tools": [{"search_results": None}]}, []),
    ],
)
def test_other_fields_of_a_delta_are_read(fields: dict[str, Any], wanted: list[AssistantStreamChunk]) -> None:
    assert chunks_of(delta(fields)) == wanted


def test_search_results_and_citations_beside_the_choices() -> None:
    # Perplexity sends both with each chunk; only the results have titles.
    data = chunk_with(citations=[URL, f"{URL}b"], search_results=[{"url": URL, "title": "A", "date": None}])
    assert chunks_of(data, data) == [SourceChunk(URL, URL, title="A"), SourceChunk(f"{URL}b", f"{URL}b")]


def test_a_source_is_sent_once() -> None:
    annotation = delta({"annotations": [{"type": "url_citation", "url_citation": {"url": URL}}]})
    assert chunks_of(annotation, annotation, delta({"citations": [URL]})) == [SourceChunk(URL, URL)]


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        pytest.param([STOP, chunk_with(x_groq={"id": "r", "usage": USAGE}), DONE], ("stop", 3, 4), id="x_groq"),
        pytest.param(
            [event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}), DONE],
            ("stop", 3, 4),
            id="in the choice",
        ),
        pytest.param([chunk_with(usage=USAGE), DONE], ("unknown", 3, 4), id="no finish reason"),
        pytest.param([STOP, event({"choices": [], "usage": USAGE})], ("stop", 3, 4), id="no [DONE]"),
        pytest.param(
            [chunk_with(usage={**USAGE, "completion_tokens": 1}), chunk_with(usage=USAGE), STOP],
            ("stop", 3, 4),
            id="last",
        ),
        pytest.param(
            [STOP, chunk_with(usage={"input_tokens": 3, "output_tokens": 4}), DONE], ("stop", 3, 4), id="other names"
        ),
        pytest.param(
            [STOP, chunk_with(usage={"prompt_tokens": 10**400, "completion_tokens": 4})], ("stop", 0, 4), id="no number"
        ),
        pytest.param([STOP, chunk_with(usage={"prompt_tokens": 2**60})], ("stop", 2**53 - 1, 0), id="too many"),
        pytest.param([STOP, delta({}, "length"), DONE], ("stop", 0, 0), id="finish reason twice"),
        pytest.param([delta({}, "model_length"), DONE], ("length", 0, 0), id="Mistral's length"),
    ],
)
def test_finish_and_usage(pieces: list[bytes], wanted: tuple[str, int, int]) -> None:
    assert decoded(OpenAIStreamDecoder(strict=True), pieces) == [MessageFinishChunk(*wanted)]


@pytest.mark.parametrize("end", [b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n\r\n", b""])
def test_ends_of_the_stream(end: bytes) -> None:
    assert decoded(OpenAIStreamDecoder(strict=True), [STOP, end]) == [STOPPED]


@pytest.mark.parametrize("error", [{"message": "broken", "code": 502}, "broken"])
def test_an_error_in_a_choice_ends_the_stream(error: Any) -> None:
    data = event({"choices": [{"index": 0, "delta": {"content": ""}, "error": error, "finish_reason": "error"}]})
    (chunk,) = decoded(OpenAIStreamDecoder(strict=True), [data, STOP, DONE])
    assert isinstance(chunk, ErrorChunk)
    assert chunk.error == "broken"


@pytest.mark.parametrize(
    "data",
    [
        delta({"content": "half an "}),
        delta({"tool_calls": [openai_call(0, "1", "tool", '{"a":')]}),
        delta({"tool_calls": [openai_call(0, "1", "tool", "")]}),
        chunk_with(usage=USAGE),
        b'{"id":"1","object":"chat.completion","choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}',
    ],
)
def test_a_stream_that_is_cut_is_not_complete(data: bytes) -> None:
    chunks = decoded(OpenAIStreamDecoder(), [data])
    message = accumulate(chunks)
    assert (message.status.type, message.status.reason) == ("incomplete", "interrupted")
    assert not any(isinstance(chunk, ToolCallDeltaChunk) and chunk.is_final for chunk in chunks)
    with pytest.raises(DecodeError, match="without a finish reason"):
        decoded(OpenAIStreamDecoder(strict=True), [data])


def test_text_after_a_call_comes_after_it() -> None:
    chunks = chunks_of(delta({"tool_calls": [openai_call(0, "1", "tool", "")]}), delta({"content": "a"}))
    assert chunks == [BEGIN, TextDeltaChunk("a"), FINAL]
