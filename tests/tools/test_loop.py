"""The loop of a model and its tools; each test for `def` and `async def` callbacks, read with `for` and `async for`."""

from __future__ import annotations

import asyncio
import contextvars
import re
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from assistant_stream_ce import RunController, StreamUsageError, create_run
from assistant_stream_ce.chunks import MessageFinishChunk
from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations import openai
from assistant_stream_ce.tools import Answer, ApprovalSigner, FrontendTool, Tool, ToolFailure, Tools, batch
from tests.tools.models import KINDS, Model, calls, each, play, read, says

each_kind = pytest.mark.parametrize("kind", KINDS)

QUESTION = {"role": "user", "content": "hi"}


def weather(city: str) -> dict[str, Any]:
    """Return the weather."""
    return {"city": city, "celsius": 21}


async def aweather(city: str) -> dict[str, Any]:
    """Return the weather."""
    await asyncio.sleep(0)
    return weather(city)


PARIS = ("weather", {"city": "Paris"})


@each_kind
@pytest.mark.parametrize("function", [weather, aweather])
def test_it_asks_runs_the_tools_and_asks_again(kind: str, function: Any) -> None:
    model = Model(calls(PARIS, text="Let me look. "), says("21 degrees."))
    messages: list[Any] = [QUESTION]
    played = play(kind, model, Tools([Tool(function, name="weather")]), messages)
    asked = [QUESTION, messages[1], {"role": "tool", "tool_call_id": "c1", "content": '{"city":"Paris","celsius":21}'}]
    assert model.requests == [[QUESTION], asked]
    assert messages == [*asked, {"role": "assistant", "content": "21 degrees."}]
    assert [chunk.type for chunk in played.chunks] == [
        "step-start",
        "text-delta",
        "tool-call-begin",
        "tool-call-delta",
        "tool-call-delta",
        "step-finish",
        "tool-result",
        "step-start",
        "text-delta",
        "step-finish",
        "message-finish",
    ]
    assert played.results == {"c1": {"city": "Paris", "celsius": 21}}
    assert played.of("message-finish") == [MessageFinishChunk("stop", 14, 10)]
    answer = played.answer
    assert answer.reason == "finished"
    assert answer.text == "Let me look. 21 degrees."
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (14, 10)
    assert [turn.finish_reason for turn in answer.turns] == ["tool-calls", "stop"]
    assert answer.results == {}


@each_kind
def test_an_answer_without_tools(kind: str) -> None:
    messages: list[Any] = [QUESTION]
    played = play(kind, Model(says("Hello.", finish="length")), None, messages)
    assert (played.answer.reason, played.answer.text) == ("finished", "Hello.")
    assert played.of("message-finish") == [MessageFinishChunk("length", 7, 5)]
    assert messages == [QUESTION, {"role": "assistant", "content": "Hello."}]


@each_kind
def test_tools_run_in_parallel_and_their_results_come_as_they_are_ready(kind: str) -> None:
    """The first call waits for the second, which waits for the third."""
    done = {name: threading.Event() for name in ("b", "c")}

    def a() -> str:
        assert done["b"].wait(20)
        return "A"

    async def b() -> str:
        while not done["c"].is_set():
            await asyncio.sleep(0.001)
        done["b"].set()
        return "B"

    def c() -> str:
        done["c"].set()
        return "C"

    model = Model(calls(("a", {}), ("b", {}), ("c", {})), says("ok"))
    played = play(kind, model, Tools([a, b, c]))
    assert played.results == {"c1": "A", "c2": "B", "c3": "C"}
    assert next(iter(played.results)) == "c3"
    assert list(played.results)[-1] == "c1"
    assert [message["content"] for message in model.requests[1][2:]] == ["A", "B", "C"]


@each_kind
@pytest.mark.parametrize("is_async", [False, True])
def test_at_most_eight_run_at_once(kind: str, is_async: bool) -> None:
    lock = threading.Lock()
    count = most = ended = 0
    full = threading.Event()

    def begin() -> None:
        nonlocal count, most
        with lock:
            count += 1
            most = max(most, count)
            if count == 8 or ended:
                full.set()

    def end() -> None:
        nonlocal count, ended
        with lock:
            count -= 1
            ended += 1

    def tool(number: int) -> int:
        begin()
        assert full.wait(20)
        end()
        return number

    async def atool(number: int) -> int:
        begin()
        while not full.is_set():
            await asyncio.sleep(0.001)
        end()
        return number

    model = Model(calls(*(("tool", {"number": number}) for number in range(20))), says("ok"))
    played = play(kind, model, Tools([Tool(atool if is_async else tool, name="tool")]))
    assert most == 8
    assert sorted(played.results.values()) == list(range(20))
    assert [message["content"] for message in model.requests[1][2:]] == [str(number) for number in range(20)]


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


@each_kind
def test_tools_see_the_context_of_the_callback(kind: str) -> None:
    seen: dict[str, Any] = {}

    def tool() -> None:
        seen["def"] = VARIABLE.get(), threading.get_ident()

    async def atool() -> None:
        seen["async def"] = VARIABLE.get(), threading.get_ident()

    def before(controller: RunController) -> list[Any]:
        VARIABLE.set("set in the callback")
        seen["callback"] = threading.get_ident()
        return [QUESTION]

    async def abefore(controller: RunController) -> list[Any]:
        return before(controller)

    model = Model(calls(("tool", {}), ("atool", {})), says("ok"))
    play(kind, model, Tools([tool, atool]), before=before, abefore=abefore)
    assert seen["def"][0] == seen["async def"][0] == "set in the callback"
    assert seen["def"][1] != seen["callback"]
    if kind.startswith("async"):
        assert seen["async def"][1] == seen["callback"]
    if kind.endswith("async for"):
        assert seen["async def"][1] == threading.get_ident()


@each_kind
def test_a_tool_can_use_the_controller(kind: str) -> None:
    def search(query: str, controller: RunController) -> str:
        controller.add_source("s1", f"https://example.org/{query}")
        return "found"

    async def asearch(controller: RunController, query: str) -> str:
        controller.add_source("s2", f"https://example.org/{query}")
        return "found"

    played = play(
        kind,
        Model(calls(("search", {"query": "x"}), ("asearch", {"query": "y"})), says("ok")),
        Tools([search, asearch]),
    )
    assert sorted(chunk.url for chunk in played.of("source")) == ["https://example.org/x", "https://example.org/y"]


@each_kind
@pytest.mark.parametrize("is_async", [False, True])
def test_a_generator_shows_preliminary_results(kind: str, is_async: bool) -> None:
    def steps(count: int) -> Iterator[dict[str, int]]:
        for number in range(count):
            yield {"done": number}

    async def asteps(count: int) -> AsyncIterator[dict[str, int]]:
        for number in range(count):
            yield {"done": number}

    model = Model(calls(("steps", {"count": 3})), says("ok"))
    played = play(kind, model, Tools([Tool(asteps if is_async else steps, name="steps")]))
    assert [(chunk.result, chunk.preliminary) for chunk in played.of("tool-result")] == [
        ({"done": 0}, True),
        ({"done": 1}, True),
        ({"done": 2}, True),
        ({"done": 2}, False),
    ]
    assert model.requests[1][-1]["content"] == '{"done":2}'


@each_kind
def test_a_plain_function_may_return_an_awaitable(kind: str) -> None:
    played = play(kind, Model(calls(PARIS), says("ok")), Tools([Tool(lambda city: aweather(city), name="weather")]))
    assert played.results == {"c1": {"city": "Paris", "celsius": 21}}


@each_kind
@pytest.mark.parametrize(
    ("called", "error"),
    [
        (("nope", {}), "There is no tool named 'nope'. The tools are: weather."),
        (("weather", {"city": 5}), "The arguments are invalid: Expected `str`, got `int` - at `$.city`"),
        (("weather", {}), "The arguments are invalid: Object missing required field `city`"),
        (("weather", "[1]"), "The arguments are invalid: the arguments are not a JSON object."),
        (("weather", "nonsense"), "The arguments are invalid: the arguments are not valid JSON."),
    ],
)
def test_a_wrong_call_is_an_error_for_the_model(kind: str, called: tuple[str, Any], error: str) -> None:
    def never(city: str) -> None:
        raise AssertionError("it must not be called")

    model = Model(calls(called), says("sorry"))
    played = play(kind, model, Tools([Tool(never, name="weather")]))
    assert played.errors == {"c1": error}
    assert model.requests[1][-1]["content"] == error
    assert played.answer.reason == "finished"


@each_kind
def test_without_tools_every_call_is_unknown(kind: str) -> None:
    assert "no tool named" in play(kind, Model(calls(PARIS), says("ok"))).errors["c1"]


@each_kind
@pytest.mark.parametrize("arguments", ['{"city": "Par', ""])
def test_arguments_that_were_cut_are_not_guessed(kind: str, arguments: str) -> None:
    seen: list[str] = []

    def tool(city: str = "nowhere") -> str:
        seen.append(city)
        return "ok"

    model = Model(calls(("tool", {"city": "Rome"}), ("tool", arguments), finish="length"), says("ok"))
    played = play(kind, model, Tools([tool]))
    assert seen == ["Rome"]
    assert played.errors == {"c2": "The arguments were cut off, because the answer was too long."}


@each_kind
def test_a_failure_is_what_the_model_reads(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    def book() -> None:
        raise ToolFailure("The hotel is full.")

    model = Model(calls(("book", {})), says("sorry"))
    played = play(kind, model, Tools([book]))
    assert played.errors == {"c1": "The hotel is full."}
    assert model.requests[1][-1]["content"] == "The hotel is full."
    assert not caplog.records


@each_kind
@pytest.mark.parametrize("is_async", [False, True])
def test_any_other_exception_is_logged_and_hidden(kind: str, is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    def book() -> None:
        raise LookupError("password=123")

    async def abook() -> None:
        raise LookupError("password=123")

    model = Model(calls(("book", {})), says("sorry"))
    played = play(kind, model, Tools([Tool(abook if is_async else book, name="book")]))
    assert played.errors == {"c1": "The tool failed."}
    assert "123" not in str(model.requests)
    [record] = caplog.records
    assert record.getMessage() == "the tool book raised"
    assert record.exc_info is not None
    assert "password=123" in str(record.exc_info[1])


@each_kind
def test_a_result_that_is_no_json_is_a_failure(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    def tool() -> object:
        return object()

    played = play(kind, Model(calls(("tool", {})), says("ok")), Tools([tool]))
    assert played.errors == {"c1": "The tool failed."}
    assert "the result of the tool tool" in str(caplog.records[0].exc_info)


@each_kind
def test_an_exit_of_a_tool_is_not_swallowed(kind: str) -> None:
    def tool() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        play(kind, Model(calls(("tool", {})), says("ok")), Tools([tool]))


@each_kind
def test_a_tool_that_takes_too_long(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    release, cancelled = threading.Event(), threading.Event()

    def stuck() -> str:
        release.wait(30)
        return "late"

    async def astuck() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    model = Model(calls(("stuck", {}), ("astuck", {}), ("quick", {})), says("ok"))
    try:
        played = play(
            kind, model, Tools([stuck, Tool(astuck, timeout=0.1), Tool(lambda: 1, name="quick")], timeout=0.2)
        )
    finally:
        release.set()
    assert played.errors == {
        "c1": "The tool did not finish within 0.2 seconds.",
        "c2": "The tool did not finish within 0.1 seconds.",
    }
    assert played.results["c3"] == 1
    assert cancelled.wait(10)
    assert [record.getMessage()[:70] for record in caplog.records] == [
        "the tool stuck still runs, although its timeout of 0.2 s is over. A th"
    ]


@each_kind
def test_tools_that_are_stuck_do_not_keep_others_from_running(kind: str) -> None:
    release = threading.Event()

    def stuck(number: int) -> None:
        release.wait(30)

    model = Model(calls(*(("stuck", {"number": number}) for number in range(8)), ("quick", {})), says("ok"))
    try:
        played = play(kind, model, Tools([Tool(stuck, timeout=0.1), Tool(lambda: 1, name="quick")]))
    finally:
        release.set()
    assert played.results["c9"] == 1
    assert len(played.errors) == 8


@each_kind
def test_the_third_same_call_in_a_row_is_not_run(kind: str) -> None:
    count = 0

    def tool(a: int, b: int) -> int:
        nonlocal count
        count += 1
        return count

    model = Model(
        calls(("tool", {"a": 1, "b": 2})),
        calls(("tool", {"b": 2, "a": 1}), ("tool", '{"a":1.0,"b":2}'), first=2),
        calls(("tool", {"a": 1, "b": 3}), first=4),
        calls(("tool", {"a": 1, "b": 2}), first=5),
        says("ok"),
    )
    played = play(kind, model, Tools([tool]))
    assert count == 4
    assert list(played.errors) == ["c3"]
    assert "third time in a row" in played.errors["c3"]


@each_kind
def test_max_turns(kind: str) -> None:
    ran: list[int] = []

    def tool(number: int) -> int:
        ran.append(number)
        return number

    model = Model(*(calls(("tool", {"number": number}), first=number) for number in range(1, 9)))
    messages: list[Any] = [QUESTION]
    played = play(kind, model, Tools([tool]), messages, max_turns=3)
    assert played.answer.reason == "max_turns"
    assert len(model.requests) == len(played.answer.turns) == 3
    assert ran == [1, 2, 3]
    assert played.results == {"c1": 1, "c2": 2, "c3": 3}
    assert played.answer.results == {"c3": 3}
    assert messages[-1] == {"role": "tool", "tool_call_id": "c3", "content": "3"}
    assert len(played.of("message-finish")) == 1


@each_kind
def test_ids_that_the_model_repeats_in_each_turn(kind: str) -> None:
    model = Model(calls(PARIS), calls(("weather", {"city": "Rome"})), says("ok"))
    messages: list[Any] = [QUESTION]
    played = play(kind, model, Tools([weather]), messages)
    assert [chunk.result["city"] for chunk in played.final] == ["Paris", "Rome"]
    assert len(played.results) == 2
    assert [message["tool_call_id"] for message in messages if message["role"] == "tool"] == ["c1", "c1"]


@each_kind
def test_a_frontend_tool_waits_after_our_own_have_run(kind: str) -> None:
    model = Model(calls(("pick", {"q": "?"}), PARIS, ("nope", {})))
    messages: list[Any] = [QUESTION]
    played = play(kind, model, Tools([weather, FrontendTool("pick")]), messages)
    answer = played.answer
    assert answer.reason == "waiting"
    assert answer.results["c2"] == {"city": "Paris", "celsius": 21}
    assert list(answer.results) == ["c2", "c3"]
    assert isinstance(answer.results["c3"], ToolFailure)
    assert set(played.results) == {"c2", "c3"}
    assert messages == [QUESTION, *answer.turns[0].messages]
    assert played.of("message-finish") == [MessageFinishChunk("tool-calls", 7, 5)]
    # What the application has when the front end has answered.
    assert len(openai.tool_results(answer.turns[-1], {**answer.results, "c1": "Paris"})) == 3


@each_kind
def test_a_name_that_providers_refuse_is_mapped_for_the_model_alone(kind: str) -> None:
    """The front end, and the turn, have the tool's own name; the messages of the provider have the other one."""
    tools = Tools([Tool(weather, name="wetter für heute"), FrontendTool("pick a city!")])
    given = [one["function"]["name"] for one in openai.tool_schemas(tools)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in given)
    messages: list[Any] = [QUESTION]
    played = play(kind, Model(calls((given[0], {"city": "Paris"}), (given[1], {}))), tools, messages)
    assert [chunk.tool_name for chunk in played.of("tool-call-begin")] == ["wetter für heute", "pick a city!"]
    assert [call.name for call in played.answer.turns[0].tool_calls] == ["wetter für heute", "pick a city!"]
    assert [call["function"]["name"] for call in messages[1]["tool_calls"]] == given
    assert played.results == {"c1": {"city": "Paris", "celsius": 21}}


@each_kind
def test_an_approval_is_requested(kind: str) -> None:
    signer = ApprovalSigner("secret")

    def delete(path: str) -> None:
        raise AssertionError("it must not be called")

    model = Model(calls(("delete", {"path": "x"}), ("delete", {"path": 1}), PARIS))
    tools = Tools([Tool(delete, needs_approval=True), weather], approvals=signer)
    played = play(kind, model, tools, thread="t1")
    assert played.answer.reason == "waiting"
    assert set(played.answer.results) == {"c2", "c3"}
    assert "Expected `str`" in played.errors["c2"]
    [request] = played.of("tool-approval-request")
    assert request.tool_call_id == "c1"
    bound = {"tool_call_id": "c1", "tool_name": "delete", "args": {"path": "x"}}
    assert signer.check(request.signature, request.approval_id, **bound, thread="t1") is None
    assert signer.check(request.signature, request.approval_id, **bound, thread="t2") is not None


@each_kind
def test_a_provider_that_pauses_is_asked_again(kind: str) -> None:
    from assistant_stream_ce.integrations import anthropic

    def events(reason: str) -> list[Any]:
        return [
            {"type": "message_start", "message": {"id": "r", "usage": {"input_tokens": 7}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": reason}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ]

    model = Model(events("pause_turn"), events("end_turn"))
    messages: list[Any] = [QUESTION]
    answers: list[Answer] = []

    def run(controller: RunController) -> None:
        answers.append(anthropic.answer(controller, model.ask, messages))

    async def arun(controller: RunController) -> None:
        answers.append(await anthropic.answer(controller, model.aask, messages))

    read(kind, run if kind.startswith("def") else arun, [])
    assert answers[0].text == "pause_turnend_turn"
    assert [message["role"] for message in messages] == ["user", "assistant", "assistant"]
    assert len(model.requests[1]) == 2


@each_kind
def test_an_approval_that_the_provider_asks_for(kind: str) -> None:
    item = {"type": "mcp_approval_request", "id": "mcpr_1", "name": "delete", "arguments": "{}"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    model = Model([done, {"type": "response.completed", "response": {"id": "r"}}])
    messages: list[Any] = [QUESTION]
    played = play(kind, model, Tools([]), messages)
    assert played.answer.reason == "waiting"
    assert len(model.requests) == 1
    assert messages == [QUESTION, item]
    assert played.of("message-finish")[0].finish_reason == "tool-calls"


@each_kind
def test_an_error_of_the_model_passes(kind: str) -> None:
    model = Model(calls(PARIS), says("cut")[:1])
    messages: list[Any] = [QUESTION]
    with pytest.raises(ModelStreamError):
        play(kind, model, Tools([weather]), messages)
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]


# --- the reader leaves ---


def leave(kind: str, callback: Any, until: str) -> str | None:
    """Read a run up to a type of chunk, close it, and return how it ended."""
    reasons: list[str] = []
    done = threading.Event()

    def on_finish(result: Any) -> None:
        reasons.append(result.reason)
        done.set()

    if kind.endswith("async for"):

        async def use() -> None:
            async with create_run(callback, on_finish=on_finish) as stream:
                async for chunk in stream:
                    if chunk.type == until:
                        break
            await asyncio.to_thread(done.wait, 20)

        asyncio.run(use())
    else:
        with create_run(callback, on_finish=on_finish) as stream:
            for chunk in stream:
                if chunk.type == until:
                    break
    assert done.wait(20)
    return reasons[0]


@each_kind
@pytest.mark.parametrize("until", ["step-start", "text-delta", "tool-call-begin", "step-finish"])
@pytest.mark.parametrize("is_async", [False, True])
def test_nothing_is_asked_after_the_reader_has_left(kind: str, until: str, is_async: bool) -> None:
    """The tool ends only when the reader has left."""
    left = threading.Event()

    def tool(controller: RunController) -> str:
        controller.cancelled_event.wait_sync(20)
        left.set()
        return "ok"

    async def atool(controller: RunController) -> str:
        await controller.cancelled_event.wait()
        return "ok"

    model = Model(calls(("tool", {}), text="Let me see. "), says("never"))
    tools = Tools([Tool(atool if is_async else tool, name="tool")])
    controllers: list[RunController] = []

    def run(controller: RunController) -> None:
        controllers.append(controller)
        openai.answer(controller, model.ask, [QUESTION], tools=tools)

    async def arun(controller: RunController) -> None:
        controllers.append(controller)
        await openai.answer(controller, model.aask, [QUESTION], tools=tools)

    assert leave(kind, run if kind.startswith("def") else arun, until) == "cancelled"
    assert len(model.requests) == 1


@each_kind
def test_a_tool_that_does_not_notice_is_named_in_one_warning(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    release, begun, reported = threading.Event(), threading.Event(), threading.Event()
    messages: list[str] = []

    def warning(text: str, *values: object) -> None:
        messages.append(text % values)
        reported.set()

    monkeypatch.setattr(batch.logger, "warning", warning)
    monkeypatch.setattr(batch, "_PATIENCE_SECONDS", 0.1)

    def stuck() -> None:
        begun.set()
        release.wait(30)

    def shows(controller: RunController) -> None:
        begun.wait(20)
        controller.append_text("begun")

    model = Model(calls(("stuck", {}), ("shows", {})), says("never"))

    def run(controller: RunController) -> None:
        openai.answer(controller, model.ask, [QUESTION], tools=Tools([stuck, shows]))

    async def arun(controller: RunController) -> None:
        await openai.answer(controller, model.aask, [QUESTION], tools=Tools([stuck, shows]))

    try:
        assert leave(kind, run if kind.startswith("def") else arun, "text-delta") == "cancelled"
        assert reported.wait(30)
    finally:
        release.set()
    assert len(model.requests) == 1
    assert ["the tools stuck still run, although their reader has left" in message for message in messages] == [True]


@each_kind
@pytest.mark.parametrize("is_plain", [False, True])
def test_a_coroutine_is_cancelled_when_the_reader_leaves(kind: str, is_plain: bool) -> None:
    cancelled = threading.Event()

    async def slow(controller: RunController) -> None:
        controller.append_text("begun")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def returns_it(controller: RunController) -> Any:
        return slow(controller)

    model = Model(calls(("slow", {})), says("never"))
    tools = Tools([Tool(returns_it if is_plain else slow, name="slow")])

    def run(controller: RunController) -> None:
        openai.answer(controller, model.ask, [QUESTION], tools=tools)

    async def arun(controller: RunController) -> None:
        await openai.answer(controller, model.aask, [QUESTION], tools=tools)

    assert leave(kind, run if kind.startswith("def") else arun, "text-delta") == "cancelled"
    assert cancelled.wait(20)
    assert len(model.requests) == 1


# --- mistakes ---


def test_wrong_arguments_are_clear_errors() -> None:
    def answer(ask: Any, messages: Any, **options: Any) -> None:
        for _ in create_run(lambda controller: openai.answer(controller, ask, messages, **options)):
            pass

    model = Model(says("x"))
    with pytest.raises(TypeError, match="ask must be a function"):
        answer(model.ask([]), [])
    with pytest.raises(TypeError, match="messages must be a list"):
        answer(model.ask, (QUESTION,))
    with pytest.raises(TypeError, match=r"Tools\(\[...\]\)"):
        answer(model.ask, [], tools=[weather])
    with pytest.raises(TypeError, match="max_turns"):
        answer(model.ask, [], max_turns="3")
    with pytest.raises(ValueError, match="max_turns"):
        answer(model.ask, [], max_turns=0)
    with pytest.raises(TypeError, match="thread"):
        answer(model.ask, [], thread=3)
    with pytest.raises(StreamUsageError, match="await answer"):
        answer(model.aask, [])
    with pytest.raises(StreamUsageError, match="await answer"):
        answer(lambda messages: each(says("x")), [])


def test_a_blocking_model_in_a_coroutine_is_a_clear_error() -> None:
    async def run(controller: RunController) -> None:
        await openai.answer(controller, Model(says("x")).ask, [QUESTION])

    with pytest.raises(StreamUsageError, match="plain `def`"):
        list(create_run(run))
