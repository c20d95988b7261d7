"""The helpers for users' tests: what they tell of a run is true, and none of them hangs."""

from __future__ import annotations

import asyncio
import copy
import random
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    DataChunk,
    ErrorChunk,
    FileChunk,
    ReasoningDeltaChunk,
    RunCancelled,
    RunController,
    StateError,
    StreamUsageError,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
    create_run,
    shutdown,
)
from assistant_stream_ce.integrations.httpx import abort
from assistant_stream_ce.responses.body import ResponseBody
from assistant_stream_ce.responses.headers import header_list
from assistant_stream_ce.serialization import DataStreamEncoder
from assistant_stream_ce.serialization.formats import FORMATS
from assistant_stream_ce.testing import (
    Departure,
    Gate,
    ModelCall,
    ScriptedModel,
    SlowReader,
    WireError,
    check_wire,
    collect,
    read_and_leave,
    transcript,
)
from tests.serialization.fuzz_decoders import broken_stream, valid_stream
from tests.serialization.round_trips import WIRES as ROUND_TRIPS
from tests.support.example_chunks import EXAMPLES
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, collect_with
from tests.support.state_edits import Twins, value

each_kind = pytest.mark.parametrize("kind", CALLBACK_KINDS)
each_reader = pytest.mark.parametrize("reader", READER_KINDS)

#: A wait that is meant to end too early.
SOON = 0.2


def test_pytest_is_not_imported_and_nothing_imports_the_helpers() -> None:
    code = (
        "import sys, assistant_stream_ce, assistant_stream_ce.serialization\n"
        "assert not any(name.startswith('assistant_stream_ce.testing') for name in sys.modules)\n"
        "import assistant_stream_ce.testing, threading\n"
        "assert threading.active_count() == 1\n"
        "print(*({'pytest', 'starlette', 'flask', 'django', 'httpx', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "\n"


def in_world(reader: str, make: Callable[[], Any]) -> Any:
    """Call in a thread, or in a coroutine that awaits the result."""
    if reader == "for":
        return make()

    async def wait() -> Any:
        return await make()

    return asyncio.run(wait())


# --- collect --------------------------------------------------------------------------------------


def say_all(controller: RunController) -> None:
    controller.append_reasoning("The user ")
    controller.append_reasoning("asks.")
    controller.append_text("Let me look. ")
    with controller.add_tool_call("get_weather", "a") as call:
        call.append_args_text('{"city":')
        controller.add_tool_call("search", "b", args={"q": 1})
        call.append_args_text(' "Paris"}')
        call.set_response({"celsius": 21}, artifact="map", is_error=True)
    controller.add_tool_result("old", None)
    controller.state["n"] = 1
    controller.state["text"] += "b"
    controller.with_parent_id("a").append_text("Sunny.")


@each_reader
@each_kind
def test_collect_tells_what_was_said_and_done(kind: str, reader: str) -> None:
    run = collect_with(reader, as_kind(kind, say_all), state={"text": "a"})
    assert (run.reason, run.error) == ("completed", None)
    assert run.text == "Let me look. Sunny."
    assert run.reasoning == "The user asks."
    assert run.state == {"text": "ab", "n": 1}
    assert [type(chunk).__name__ for chunk in run.chunks[:2]] == ["ReasoningDeltaChunk"] * 2
    first, second, old = run.tool_calls
    assert (first.id, first.name, first.args) == ("a", "get_weather", {"city": "Paris"})
    assert (first.result, first.artifact, first.is_error, first.state) == ({"celsius": 21}, "map", True, "answered")
    assert (second.args, second.state, second.result) == ({"q": 1}, "complete", None)
    assert (old.id, old.state) == ("old", "answered")
    assert run.message.state == run.state


@each_reader
@each_kind
def test_collect_keeps_what_the_callback_raised(kind: str, reader: str) -> None:
    error = TimeoutError("the model is slow")

    def fail(controller: RunController) -> None:
        controller.append_text("a")
        raise error

    run = collect_with(reader, as_kind(kind, fail), on_error=lambda error: "Sorry.")
    assert run.error is error
    assert run.reason == "failed"
    assert run.chunks == [TextDeltaChunk("a"), ErrorChunk("Sorry.")]
    assert repr(run) == "<Collected failed: 2 chunks, error TimeoutError('the model is slow')>"


@each_reader
@each_kind
@pytest.mark.parametrize("raised", [AssertionError, KeyboardInterrupt, pytest.fail.Exception])
def test_collect_raises_what_is_the_test_s_own(raised: type[BaseException], kind: str, reader: str) -> None:
    def fail(controller: RunController) -> None:
        raise raised("mine")

    with pytest.raises(raised, match="mine"):
        collect_with(reader, as_kind(kind, fail))


@each_reader
def test_collect_takes_a_stream_and_chunks(reader: str) -> None:
    stream = create_run(say_all, state={"text": "a"})
    assert collect_with(reader, stream).state == {"text": "ab", "n": 1}
    edit: list[AssistantStreamChunk] = [UpdateStateChunk([{"type": "append-text", "path": [], "value": "b"}])]
    assert collect_with(reader, edit, state="a").state == "ab"
    with pytest.raises(StateError):
        _ = collect_with(reader, edit).state

    async def generate() -> AsyncIterator[AssistantStreamChunk]:
        yield TextDeltaChunk("a")
        raise ValueError("broken")

    run = collect_with(reader, generate())
    assert (run.text, run.reason, str(run.error)) == ("a", "failed", "broken")


@each_reader
def test_collect_refuses_what_it_cannot_read(reader: str) -> None:
    stream = create_run(say_all, state={"text": "a"})
    collect_with(reader, stream)
    with pytest.raises(StreamUsageError, match="read already"):
        collect_with(reader, stream)
    with pytest.raises(TypeError, match="a stream knows its own"):
        collect_with(reader, stream, state={})
    with pytest.raises(TypeError, match="only a callback takes the options of create_run: max_pending"):
        collect_with(reader, [], max_pending=1)
    with pytest.raises(TypeError, match="must be an AssistantStream or an iterable of chunks, not int"):
        collect_with(reader, 5)


async def test_collect_must_be_awaited_in_a_coroutine() -> None:
    run = collect(lambda controller: controller.append_text("a"))
    for name in ("chunks", "message", "text", "reasoning", "tool_calls", "state", "error", "reason"):
        with pytest.raises(StreamUsageError, match=r"must be awaited: await collect"):
            getattr(run, name)
    assert (await run) is run
    assert run.text == "a"
    assert (await run).text == "a"


@each_kind
def test_collect_tells_of_a_shutdown(kind: str) -> None:
    def run(controller: RunController) -> None:
        threading.Thread(target=shutdown, args=(5,)).start()
        controller.cancelled_event.wait_sync()

    async def run_async(controller: RunController) -> None:
        threading.Thread(target=shutdown, args=(5,)).start()
        await controller.cancelled_event.wait()

    got = collect(run if kind == "def" else run_async)
    assert got.reason == "cancelled"
    assert got.chunks == [ErrorChunk("The server is shutting down.")]


def blocks_in_a_thread(release: threading.Event) -> Callable[[RunController], None]:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        release.wait(20)  # here it hangs

    return run


async def waits_for_ever(controller: RunController) -> None:
    async def ask() -> None:
        await asyncio.get_running_loop().create_future()  # here it hangs

    await ask()


def never_ends(controller: RunController) -> None:
    while True:
        controller.append_text("and ")  # here it hangs


@each_reader
@pytest.mark.parametrize("hang", ["thread", "coroutine", "endless", "blocked loop"])
def test_collect_gives_up_and_says_where_the_callback_is(hang: str, reader: str) -> None:
    release = threading.Event()

    async def blocks_its_loop(controller: RunController) -> None:
        release.wait(1)  # here it hangs

    callbacks: dict[str, Any] = {
        "thread": blocks_in_a_thread(release),
        "coroutine": waits_for_ever,
        "endless": never_ends,
        "blocked loop": blocks_its_loop,
    }
    try:
        with pytest.raises(TimeoutError, match=r"in 0\.2 s: assistant-stream-.* is here") as raised:
            collect_with(reader, callbacks[hang], timeout=SOON)
    finally:
        release.set()
    assert "# here it hangs" in str(raised.value)
    assert "in _call" not in str(raised.value)
    assert raised.value.__cause__ is None


# --- transcript -----------------------------------------------------------------------------------


CONVERSATION: list[AssistantStreamChunk] = [
    *EXAMPLES.values(),
    TextDeltaChunk("Dear all,\nyours \u2028"),
    TextDeltaChunk("\ud83d", "id"),
    ToolResultChunk("whole", None, {"map": "x" * 100}, True, [{"type": "text", "text": "one"}]),
    FileChunk("x" * 100, "text/plain", filename="a b"),
    UpdateStateChunk([{"type": "append-text", "path": ["t", "a.b c"], "value": "b"}]),
]

TRANSCRIPT = r"""text "a"
reasoning "a"
refusal "a"
reasoning-part "In short"
reasoning-signature "c2lnbmVk"
tool-call whole name {"a": 1}
tool-call id name
  not JSON: "{"
tool-result id {"r": 1}
source id https://example.org
file text/plain "eA=="
source-document id text/plain
  title "title"
data-part weather [1]
data [1]
annotations [1]
step-start m
step-finish stop
error "boom"
message-finish stop
text
  "Dear all,\n"
  "yours \u2028"
text in id "\ud83d"
set state.a 1
tool-error whole null
  artifact {
    "map": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  }
  model-content [{"type": "text", "text": "one"}]
file text/plain "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... (100 characters, SHA-256 09ecb6ebc8bc)"
  filename "a b"
append-text state.t."a.b c" "b"
"""


def test_a_transcript_has_every_chunk() -> None:
    assert transcript(CONVERSATION) == TRANSCRIPT
    with pytest.raises(TypeError, match="made of chunks, not of str"):
        transcript(["text"])  # type: ignore[list-item]


def test_a_transcript_does_not_depend_on_how_the_model_cut_its_words() -> None:
    text, args = "Some words, and some more.", '{"q": "a longer question"}'

    def perform(dice: random.Random) -> str:
        def run(controller: RunController) -> None:
            controller.state = {"text": ""}
            for piece in cut(dice, text):
                controller.append_text(piece)
                controller.state["text"] += piece
            # Two calls, whose arguments come at the same time.
            calls = [controller.add_tool_call("search") for _ in range(2)]
            waiting = [cut(dice, args) for _ in calls]
            while any(waiting):
                number = dice.choice([number for number, pieces in enumerate(waiting) if pieces])
                calls[number].append_args_text(waiting[number].pop(0))
            for call in calls:
                call.set_response({"id": call.tool_call_id})

        return transcript(collect(run).chunks)

    transcripts = {perform(random.Random(seed)) for seed in range(20)}
    assert len(transcripts) == 1, transcripts


def cut(dice: random.Random, text: str) -> list[str]:
    """Return a text in random pieces."""
    places = sorted({0, len(text), *(dice.randrange(len(text)) for _ in range(dice.randrange(6)))})
    return [text[start:end] for start, end in pairwise(places)]


def test_a_transcript_does_not_depend_on_which_edits_of_the_state_travelled_together() -> None:
    def perform(seed: int, flushes: bool) -> tuple[str, int]:
        start: Any = {"a": [1, 2], "b": "x", "c": value(random.Random(seed))}

        def run(controller: RunController) -> None:
            dice = random.Random(seed)
            twins = Twins(
                lambda: controller.state,
                lambda new: setattr(controller, "state", new),
                controller.append_state_text,
                copy.deepcopy(start),
            )
            for _ in range(12):
                twins.edit(dice)
                if flushes:
                    controller.flush()

        got = collect(run, state=start)
        assert got.error is None
        return transcript(got.chunks), len(got.chunks)

    were_merged = 0
    for seed in range(200):
        (merged, few), (single, many) = perform(seed, flushes=False), perform(seed, flushes=True)
        assert merged == single, seed
        were_merged += few < many
    assert were_merged > 100


def test_a_transcript_gives_random_ids_a_number_wherever_they_stand() -> None:
    def run(controller: RunController) -> None:
        call = controller.add_tool_call("search", args={})
        controller.state["calls"] = [{"id": call.tool_call_id}]
        controller.with_parent_id(call.tool_call_id).append_text(f"not in text {'x' * 3}")
        controller.add_step_start("550e8400-e29b-41d4-a716-446655440000")
        controller.add_source("source-1", "https://example.org")
        controller.add_data_part("chart", 1, id="0123456789abcdef")
        controller.add_tool_call("search", "toolu_01A09q90qw90lq917835lq9", args={})

    lines = transcript(collect(run, state={}).chunks).splitlines()
    assert lines == [
        "tool-call call_1 search {}",
        'text in call_1 "not in text xxx"',
        'set state.calls [{"id": "call_1"}]',
        "step-start message_1",
        "source source-1 https://example.org",
        "data-part chart 1",
        '  id "part_1"',
        "tool-call call_2 search {}",
    ]


def test_a_transcript_takes_what_no_client_could_apply() -> None:
    odd = UpdateStateChunk(
        [
            {"type": "set", "path": ["a"], "value": 1},
            {"type": "set", "path": ["a", "b"], "value": 2},
            {"type": "append-text", "path": ["a"], "value": "c"},
            {"type": "append-text", "path": ["t"], "value": "c"},
            {"type": "append-text", "path": ["t"], "value": "d"},
            {"type": "set", "path": [], "value": None},
        ]
    )
    assert transcript([UpdateStateChunk([{"type": "set", "path": ["a", 0], "value": 1}])]) == "set state.a.0 1\n"  # type: ignore[list-item]
    assert transcript([odd]) == 'set state null\nset state.a.b 2\nappend-text state.a "c"\n'
    late = ToolCallDeltaChunk("x", "{}")
    assert transcript([late]) == "tool-call x (not begun) {}\n"


# --- check_wire -----------------------------------------------------------------------------------


def response(wire: str, data: bytes, *, status: int = 200, **headers: str | None) -> Any:
    """Return what a test client gives; a header that is None is left out."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {**dict(header_list(FORMATS[wire].encoder(), None)), **given}
    pairs = {name.title(): value for name, value in sent.items() if value is not None}
    return SimpleNamespace(status_code=status, headers=pairs, content=data)


RUN = b'data: {"type":"RUN_STARTED","threadId":"t","runId":"r"}\n\n'


@pytest.mark.parametrize("wire", FORMATS.values(), ids=lambda wire: wire.name)
def test_what_the_encoders_write_passes(wire: Any) -> None:
    takes_state = wire.name in ("ag-ui", "ui-message-stream")
    encoder = wire.encoder(**({"state": {"text": "a"}} if takes_state else {}))
    data = b"".join(map(encoder.encode, collect(say_all, state={"text": "a"}).chunks)) + encoder.finish()
    beat = encoder.keepalive or b""
    chunks = check_wire(response(wire.name, beat + data), wire.name, state={"text": "a"})
    assert collect(chunks, state={"text": "a"}).text == "Let me look. Sunny."
    assert check_wire(bytearray(data), wire.name, state={"text": "a"}) == chunks


@pytest.mark.parametrize(
    ("wire", "data", "offset", "reason"),
    [
        ("data-stream", b'0:"a"\n0:oops\n', 6, "not JSON"),
        ("data-stream", b'0:"a"\n0:"b"', 6, "in the middle"),
        ("data-stream", b'0:"a"\n2:[{"a":{"__proto__":1}}]\n', 6, "__proto__"),
        ("data-stream", b'2:[{"constructor":{"prototype":1}}]\n', 0, "constructor.prototype"),
        ("data-stream", rb'2:[{"\u005f_proto__":1}]' + b"\n", 0, "__proto__"),
        ("data-stream", b'aui-state:[{"type":"append-text","path":["x"],"value":"b"}]\n', 0, "state.x"),
        ("data-stream", b'\n\n0:"a"\naui-state:[{"type":"set","path":["0"],"value":"b"}]\n' * 2, None, ""),
        (
            "data-stream",
            b'b:{"toolCallId":"1","toolName":"t"}\na:{"toolCallId":"1","result":1}\n' * 2,
            68,
            "begun before",
        ),
        (
            "assistant-transport",
            b'data: {"type":"data","data":[]}\n\n: beat\n\ndata: {"type":"what"}\n\n',
            41,
            "'what' is unknown",
        ),
        ("assistant-transport", b'data: {"type":"data","data":[]}\n\n', 33, r"without \[DONE\]"),
        ("assistant-transport", b"", 0, r"without \[DONE\]"),
        ("assistant-transport", b"data: [DONE]\n\ndata: {}\n\n", 14, r"nothing is read after \[DONE\]"),
        (
            "ui-message-stream",
            b'data: {"type":"custom","kind":"a.b"}\n\n',
            0,
            "a frame of type custom",
        ),
        (
            "ui-message-stream",
            b'data: {"type":"finish","finishReason":"interrupted"}\n\n',
            0,
            "finish reason interrupted",
        ),
        (
            "ui-message-stream",
            b'data: {"type":"text-start","id":"1"}\n\ndata: [DONE]\n\n',
            52,
            "the text '1' was started and has not ended",
        ),
        (
            "ui-message-stream",
            b'data: {"type":"text-start","id":"1"}\n\ndata: {"type":"finish-step"}\n\n',
            38,
            "the text '1' was started and has not ended",
        ),
        ("openai", b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', 0, "role assistant"),
        ("openai", b'data: {"choices":[]}\n\ndata: [DONE]\n\n', 22, "no chunk before"),
        ("ag-ui", b"data: [DONE]\n\n", 0, r"no \[DONE\]"),
        ("ag-ui", RUN + b'data: {"type":"STATE_DELTA","delta":[{"op":"what"}]}\n\n', len(RUN), "operation 'what'"),
        ("ag-ui", RUN, len(RUN), "without RUN_FINISHED"),
        ("plain-text", b"abc\xffdef", 0, "byte 3 is not UTF-8"),
    ],
)
def test_the_first_frame_that_breaks_a_rule_is_named(wire: str, data: bytes, offset: int | None, reason: str) -> None:
    if offset is None:
        check_wire(data, wire)
        return
    with pytest.raises(WireError, match=reason) as raised:
        check_wire(data, wire)
    assert raised.value.offset == offset
    assert raised.value.frame[:5] in data[offset:].decode(errors="replace")


@pytest.mark.parametrize("wire", ROUND_TRIPS)
def test_whatever_an_encoder_writes_passes_and_damage_is_named(wire: str) -> None:
    for seed in range(200):
        assert broken_rule(valid_stream(wire, seed), wire) is None
        data = broken_stream(random.Random(seed), wire)
        error = broken_rule(data, wire)
        assert error is None or (error.offset is not None and 0 <= error.offset <= len(data))


def broken_rule(data: bytes, wire: str) -> WireError | None:
    try:
        check_wire(data, wire)
    except WireError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"status": 500}, 'the status is 500, not 200: 0:"a"'),
        ({"content_type": "text/html"}, "the content type is text/html, not text/plain"),
        ({"content_type": None}, "the content type is missing"),
        ({"content_type": "text/plain; charset=latin-1"}, "charset=latin-1"),
        ({"x_vercel_ai_data_stream": None}, "x-vercel-ai-data-stream must be v1"),
        ({"content_encoding": "gzip"}, r"compressed \(gzip\)"),
        ({"cache_control": "max-age=60"}, "cache-control"),
    ],
)
def test_a_status_and_headers_are_checked(given: dict[str, Any], reason: str) -> None:
    good = b'0:"a"\n'
    assert check_wire(response("data-stream", good), "data-stream") == [TextDeltaChunk("a")]
    with pytest.raises(WireError, match=reason) as raised:
        check_wire(response("data-stream", good, **given), "data-stream")
    assert raised.value.offset is None


def test_check_wire_refuses_what_it_cannot_check() -> None:
    with pytest.raises(ValueError, match="there is no wire 'sse': use one of data-stream, "):
        check_wire(b"", "sse")
    with pytest.raises(TypeError, match="must be bytes, or have status_code and headers, not str"):
        check_wire("", "data-stream")
    with pytest.raises(TypeError, match="must have its body as bytes in content or data"):
        check_wire(response("data-stream", None), "data-stream")  # type: ignore[arg-type]


# --- ScriptedModel --------------------------------------------------------------------------------


def ask(controller: RunController, completion: Any) -> Any:
    """Read a completion as a callback for the `openai` package does; one for each world."""
    calls: dict[int, Any] = {}

    def take(chunk: Any) -> None:
        for choice in chunk.choices:
            delta = choice.delta
            if thought := getattr(delta, "reasoning_content", None):
                controller.append_reasoning(thought)
            controller.append_text(delta.content or "")
            for call in delta.tool_calls or ():
                if call.id and call.function.name:
                    calls[call.index] = controller.add_tool_call(call.function.name, call.id)
                calls[call.index].append_args_text(call.function.arguments or "")
            if choice.finish_reason:
                controller.add_message_finish(choice.finish_reason)
        if chunk.usage:
            controller.add_data({"tokens": chunk.usage.total_tokens})

    def read() -> None:
        with completion:
            for chunk in completion:
                take(chunk)

    async def read_async() -> None:
        async with await completion as answer:
            async for chunk in answer:
                take(chunk)

    return read, read_async


def openai_callback(kind: str, model: ScriptedModel) -> Any:
    options: dict[str, Any] = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}

    def run(controller: RunController) -> None:
        with model.openai as client:
            ask(controller, client.chat.completions.create(**options))[0]()

    async def run_async(controller: RunController) -> None:
        async with model.openai as client:
            await ask(controller, client.chat.completions.create(**options))[1]()

    return run if kind == "def" else run_async


@each_reader
@each_kind
def test_a_callback_for_openai_runs_unchanged(kind: str, reader: str) -> None:
    model = ScriptedModel(
        [
            ReasoningDeltaChunk("Hm."),
            "It is ",
            "sunny.",
            ToolCallChunk("1", "get_weather", {"city": "Paris"}),
            ToolCallChunk("2", "get_weather", {}),
        ],
        usage=(3, 4),
    )
    run = collect_with(reader, openai_callback(kind, model))
    assert run.error is None
    assert transcript(run.chunks).splitlines() == [
        'reasoning "Hm."',
        'text "It is sunny."',
        'tool-call 1 get_weather {"city": "Paris"}',
        "tool-call 2 get_weather {}",
        "message-finish tool-calls",
        'data {"tokens": 7}',
    ]
    (call,) = model.calls
    assert call.options["model"] == "m"
    assert call.is_closed
    assert not call.is_aborted


def plain_callback(kind: str, model: ScriptedModel, *, aborts: bool = True) -> Any:
    """Return a callback that asks until it gets no tool call; it keeps one list of messages."""

    def run(controller: RunController) -> None:
        messages = [{"role": "user"}]
        for text in model(messages, temperature=0):
            controller.append_text(text)
        messages.append({"role": "assistant"})

    async def run_async(controller: RunController) -> None:
        messages = [{"role": "user"}]
        async for text in await model(messages, temperature=0):
            controller.append_text(text)
        messages.append({"role": "assistant"})

    def run_with_abort(controller: RunController) -> None:
        answer = model()
        controller.on_cancel(lambda: abort(answer))
        for text in answer:
            controller.append_text(text)

    return run_async if kind == "async def" else run_with_abort if aborts else run


@each_reader
@each_kind
def test_a_model_notes_what_it_was_asked_and_raises_where_it_shall(kind: str, reader: str) -> None:
    error = ConnectionError("overloaded")
    model = ScriptedModel(["a", "b", error, "never"], ConnectionError("refused"))
    callback = plain_callback(kind, model, aborts=False)
    run = collect_with(reader, callback)
    assert run.error is error
    assert run.text == "ab"
    (call,) = model.calls
    # As it was when it was asked.
    assert (call.args, call.options, call.taken) == (([{"role": "user"}],), {"temperature": 0}, 2)
    run = collect_with(reader, callback)
    assert (run.text, str(run.error), len(model.calls)) == ("", "refused", 2)
    with pytest.raises(AssertionError, match="asked once more than there are answers, which are 2"):
        collect_with(reader, callback)


@each_reader
@each_kind
def test_a_gate_holds_the_model_until_the_test_opens_it(kind: str, reader: str) -> None:
    gate = Gate()
    model = ScriptedModel(["a", gate, gate, "b"])
    callback = plain_callback(kind, model, aborts=False)

    async def test_async() -> None:
        async with SlowReader(callback) as slow:
            assert await anext(slow) == TextDeltaChunk("a")
            await gate.wait_reached()
            assert model.calls[0].taken == 1
            gate.open()
            assert [chunk async for chunk in slow] == [TextDeltaChunk("b")]

    def test() -> None:
        with SlowReader(callback) as slow:
            assert next(slow) == TextDeltaChunk("a")
            gate.wait_reached()
            assert model.calls[0].taken == 1
            gate.open()
            assert list(slow) == [TextDeltaChunk("b")]

    test() if reader == "for" else asyncio.run(test_async())


@each_reader
@each_kind
def test_nothing_waits_for_a_gate_for_ever(kind: str, reader: str) -> None:
    model = ScriptedModel([Gate(SOON)])
    run = collect_with(reader, plain_callback(kind, model))
    assert isinstance(run.error, TimeoutError)
    assert str(run.error) == "nobody opened the gate for 0.2 s"
    with pytest.raises(TimeoutError, match=r"the model did not come to the gate in 0.2 s"):
        in_world(reader, Gate(SOON).wait_reached)


@each_reader
@each_kind
def test_a_model_that_blocks_shows_whether_the_callback_can_be_cancelled(kind: str, reader: str) -> None:
    model = ScriptedModel(["a", Gate()])
    left = in_world(reader, lambda: read_and_leave(plain_callback(kind, model)))
    assert left.reason == "cancelled"
    assert left.ended_after < 5
    assert model.calls[0].is_aborted == (kind == "def")


def test_a_model_that_is_only_closed_goes_on_waiting() -> None:
    gate = Gate()
    model = ScriptedModel(["a", gate])

    def run(controller: RunController) -> None:
        answer = model()
        controller.on_cancel(answer.close)
        for text in answer:
            controller.append_text(text)

    left = read_and_leave(run, timeout=SOON)
    assert (left.reason, left.ended_after) == ("abandoned", None)
    assert model.calls[0].is_closed
    gate.open()


def test_an_aborted_answer_ends_wherever_it_is_read() -> None:
    for taken in (0, 1):
        answer = ScriptedModel(["a", "b"])()
        for _ in range(taken):
            next(answer)
        abort(answer)
        with pytest.raises(ConnectionAbortedError):
            next(answer)
    answer = ScriptedModel([])()
    assert list(answer) == []
    abort(answer)
    assert not answer.is_aborted
    assert list(answer) == []


async def test_a_callback_that_would_block_its_loop_is_told() -> None:
    model = ScriptedModel(["a", Gate()])

    async def run(controller: RunController) -> None:
        for text in model():
            controller.append_text(text)

    with pytest.raises(AssertionError, match="read with `for` in a coroutine"):
        await collect(run)


def test_a_model_refuses_what_it_does_not_do() -> None:
    with pytest.raises(TypeError, match=r"an answer is a list of events, not a str: write \['a'\]"):
        ScriptedModel("a")
    with pytest.raises(AssertionError, match="pass stream=True"):
        ScriptedModel([]).openai.chat.completions.create(model="m")
    lock = threading.Lock()
    call: ModelCall = ScriptedModel([])(lock)
    assert call.args == (lock,)


# --- Readers --------------------------------------------------------------------------------------


def burst(controller: RunController) -> None:
    for number in range(100):
        controller.append_text(str(number))


async def burst_async(controller: RunController) -> None:
    for number in range(100):
        controller.append_text(str(number))
        await controller.drain()


async def careless(controller: RunController) -> None:
    burst(controller)


@each_reader
@each_kind
def test_a_slow_reader_sees_that_a_callback_waits_for_it(kind: str, reader: str) -> None:
    def test() -> None:
        with SlowReader(callback, max_pending=8) as slow:
            assert next(slow) == TextDeltaChunk("0")
            slow.wait_until_held()
            slow.wait_until_held()
            assert 8 <= slow.waiting <= 9
            assert sum(1 for _ in slow) == 99
            assert slow.most_waiting <= 9
            assert slow.reason == "completed"
            assert slow.waiting == 0

    async def test_async() -> None:
        async with SlowReader(callback, max_pending=8) as slow:
            assert await anext(slow) == TextDeltaChunk("0")
            await slow.wait_until_held()
            await slow.wait_until_held()
            assert 8 <= slow.waiting <= 9
            assert sum([1 async for _ in slow]) == 99
            assert slow.most_waiting <= 9

    callback: Any = burst if kind == "def" else burst_async
    test() if reader == "for" else asyncio.run(test_async())


@each_reader
def test_a_slow_reader_sees_that_a_callback_does_not_wait(reader: str) -> None:
    def test() -> None:
        with SlowReader(careless, max_pending=8) as slow:
            next(slow)
            slow.wait_until_held()

    async def test_async() -> None:
        async with SlowReader(careless, max_pending=8) as slow:
            await anext(slow)
            await slow.wait_until_held()

    with pytest.raises(AssertionError, match="ended without waiting for its reader: 99 chunks wait"):
        test() if reader == "for" else asyncio.run(test_async())


@each_reader
@each_kind
def test_a_slow_reader_does_not_hang(kind: str, reader: str) -> None:
    model = ScriptedModel(["a", Gate()])
    callback = plain_callback(kind, model)

    def test() -> None:
        with SlowReader(callback, timeout=SOON) as slow:
            with pytest.raises(StreamUsageError, match="read a chunk first"):
                slow.wait_until_held()
            assert next(iter(slow)) == TextDeltaChunk("a")
            with pytest.raises(TimeoutError, match=r"did not wait .* in 0\.2 s: 0 chunks wait, and .* is here"):
                slow.wait_until_held()
            with pytest.raises(TimeoutError, match=r"in 0\.2 s: .* is here"):
                next(slow)

    async def test_async() -> None:
        async with SlowReader(callback, timeout=SOON) as slow:
            assert await anext(aiter(slow)) == TextDeltaChunk("a")
            with pytest.raises(TimeoutError, match=r"did not wait .* in 0\.2 s: 0 chunks wait, and .* is here"):
                await slow.wait_until_held()
            with pytest.raises(TimeoutError, match=r"in 0\.2 s: .* is here"):
                await anext(slow)

    test() if reader == "for" else asyncio.run(test_async())


def patient(kind: str) -> Any:
    """Return a callback that says two words and waits to be told."""

    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.append_text("b")
        controller.cancelled_event.wait_sync(20)

    async def run_async(controller: RunController) -> None:
        controller.append_text("a")
        controller.append_text("b")
        await controller.cancelled_event.wait()

    return run if kind == "def" else run_async


@each_reader
@each_kind
@pytest.mark.parametrize("way", ["close", "cancel", "break"])
@pytest.mark.parametrize("after", [1, 2])
def test_a_reader_that_leaves_sees_the_callback_end(after: int, way: Any, kind: str, reader: str) -> None:
    left: Departure = in_world(reader, lambda: read_and_leave(patient(kind), after, by=way))
    assert left.items == [TextDeltaChunk("a"), TextDeltaChunk("b")][:after]
    assert left.reason == "cancelled"
    assert left.told_after is not None
    assert left.told_after < 5
    assert left.ended_after is not None
    assert left.ended_after < 5
    assert left.error is None
    assert repr(left).startswith(f"<Departure after {after}: told after 0.")


@each_reader
@each_kind
def test_a_reader_may_leave_the_bytes_of_a_response(kind: str, reader: str) -> None:
    bodies = [
        ResponseBody(create_run(patient(kind)), DataStreamEncoder(), 0.01),
        DataStreamEncoder().encode_stream(create_run(patient(kind))),
    ]
    for body in bodies:
        left = in_world(reader, lambda body=body: read_and_leave(body))  # type: ignore[misc]
        assert left.items[0].startswith(b'0:"a"\n')
        assert left.reason == "cancelled"


@each_reader
@each_kind
def test_a_reader_that_leaves_before_the_first_chunk(kind: str, reader: str) -> None:
    left = in_world(reader, lambda: read_and_leave(create_run(patient(kind)), 0))
    assert (left.items, left.reason) == ([], "cancelled")


@each_reader
@each_kind
def test_a_callback_that_ends_before_its_reader_leaves(kind: str, reader: str) -> None:
    def fail(controller: RunController) -> None:
        controller.append_text("a")
        raise ValueError("boom")

    left = in_world(reader, lambda: read_and_leave(as_kind(kind, fail), 5))
    assert left.items == [TextDeltaChunk("a"), ErrorChunk("boom")]
    assert (left.reason, str(left.error), left.told_after) == ("failed", "boom", None)
    assert left.ended_after is not None
    left = in_world(reader, lambda: read_and_leave([DataChunk(1)], 5, by="cancel"))
    assert (left.items, left.reason, left.error) == ([DataChunk(1)], "completed", None)

    def assert_(controller: RunController) -> None:
        raise AssertionError("mine")

    with pytest.raises(AssertionError, match="mine"):
        in_world(reader, lambda: read_and_leave(as_kind(kind, assert_), 5))


@each_reader
@each_kind
def test_a_reader_that_leaves_does_not_hang(kind: str, reader: str) -> None:
    with pytest.raises(TimeoutError, match=r"in 0\.2 s: .* is here"):
        in_world(reader, lambda: read_and_leave(patient(kind), 3, timeout=SOON))


@each_reader
@pytest.mark.parametrize("way", ["close", "cancel", "break"])
def test_a_thread_that_stays_is_reported(way: Any, reader: str, caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    left = in_world(reader, lambda: read_and_leave(blocks_in_a_thread(release), by=way, timeout=SOON))
    release.set()
    assert left.told_after is not None
    assert (left.reason, left.ended_after) == ("abandoned", None)
    assert len(caplog.records) == 1


@each_reader
def test_a_reader_refuses_ways_that_cannot_be_gone(reader: str) -> None:
    with pytest.raises(ValueError, match="by must be 'close', 'cancel' or 'break', not 'aclose'"):
        in_world(reader, lambda: read_and_leave(burst, by="aclose"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="to break, pass the callback"):
        in_world(reader, lambda: read_and_leave(create_run(burst), by="break"))


def test_a_cancelled_callback_raises_to_itself_alone() -> None:
    seen: list[type[BaseException]] = []

    def run(controller: RunController) -> None:
        try:
            while True:
                controller.append_text("a")
        except RunCancelled as error:
            seen.append(type(error))
            raise

    left = read_and_leave(run)
    assert (left.reason, left.error, seen) == ("cancelled", None, [RunCancelled])


def test_begin_chunks_and_whole_calls_read_the_same() -> None:
    pieces = [ToolCallBeginChunk("1", "t"), ToolCallDeltaChunk("1", '{ "a":1 }')]
    assert transcript(pieces) == transcript([ToolCallChunk("1", "t", {"a": 1})])
