"""Checks of docs/formats.rst."""

import asyncio
import json
import pathlib
import re

import pytest

from assistant_stream_ce import chunks as c
from assistant_stream_ce import create_run
from assistant_stream_ce.serialization import (
    AGUIEncoder,
    AssistantTransportEncoder,
    DataStreamEncoder,
    OpenAIStreamEncoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)
from tests.docs.clients import post, serve, table
from tests.docs.runner import Document

doc = Document("docs/formats.rst")
page = doc.page

question = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@doc.before("def run(")
def check_table_of_browser_front_ends() -> None:
    packages = json.loads(pathlib.Path("tests/frontends/package.json").read_text())["dependencies"]
    installed = {}
    for name, version in packages.items():
        package, _, version = version.removeprefix("npm:").rpartition("@")
        installed.setdefault(package or name, set()).add(version)
    for _, package, versions, _ in table("formats.rst", "Front ends in the browser"):
        assert set(re.findall(r"\d+\.\d+\.\d+", versions)) == installed[package], (package, installed[package])


@doc.before("def run(")
def check_table_of_chunks_and_frames() -> None:
    begin = c.ToolCallBeginChunk("1", "tool")
    args, final = c.ToolCallDeltaChunk("1", "{}"), c.ToolCallDeltaChunk("1", "", is_final=True)
    change = c.UpdateStateChunk([{"type": "set", "path": ["a"], "value": 1}])
    samples = {
        "TextDeltaChunk": [c.TextDeltaChunk("x")],
        "TextPartChunk after a text": [c.TextDeltaChunk("x"), c.TextPartChunk()],
        "RefusalDeltaChunk": [c.RefusalDeltaChunk("x")],
        "ReasoningDeltaChunk": [c.ReasoningDeltaChunk("x")],
        "ReasoningPartChunk with a summary": [c.ReasoningPartChunk("x")],
        "ReasoningSignatureChunk": [c.ReasoningDeltaChunk("x"), c.ReasoningSignatureChunk("x")],
        "ProviderMetadataChunk after a text": [c.TextDeltaChunk("x"), c.ProviderMetadataChunk({"p": {}})],
        "ToolCallChunk": [c.ToolCallChunk("1", "tool", {"a": 1})],
        "ToolCallBeginChunk": [begin],
        "ToolCallDeltaChunk": [begin, args],
        "the same with is_final": [begin, args, final],
        "ToolResultChunk": [begin, args, final, c.ToolResultChunk("1", 1)],
        "the same with denied": [begin, args, final, c.ToolResultChunk("1", 1, is_error=True, denied=True)],
        "the same with preliminary": [begin, args, final, c.ToolResultChunk("1", 1, preliminary=True)],
        "ToolApprovalRequestChunk": [begin, args, final, c.ToolApprovalRequestChunk("1", "a")],
        "SourceChunk": [c.SourceChunk("1", "https://example.org")],
        "SourceDocumentChunk": [c.SourceDocumentChunk("1", "text/plain", "x")],
        "FileChunk": [c.FileChunk("aGk=", "text/plain")],
        "DataPartChunk": [c.DataPartChunk("<name>", 1)],
        "the same with transient": [c.DataPartChunk("<name>", 1, transient=True)],
        "DataChunk": [c.DataChunk(1)],
        "AnnotationsChunk": [c.AnnotationsChunk([1])],
        "UpdateStateChunk": [change],
        "a later UpdateStateChunk": [change, change],
        "StepStartChunk": [c.StepStartChunk("m")],
        "StepFinishChunk": [c.StepStartChunk("m"), c.StepFinishChunk("stop", 1, 2)],
        "MessageFinishChunk": [c.MessageFinishChunk("length", 3, 4)],
        "ErrorChunk": [c.ErrorChunk("x")],
    }

    def last_frames(encoder, sample):
        for chunk in sample:
            data = encoder.encode(chunk).decode()
        return data

    def sse(data):
        return [json.loads(line[6:]) for line in data.splitlines() if line.startswith("data: {")]

    def openai_frames(sample):
        encoder = OpenAIStreamEncoder(include_usage=True)
        encoder.encode(c.TextDeltaChunk("the role is out"))
        frames = "not carried"
        for event in sse(last_frames(encoder, sample)):
            frames = "error" if "error" in event else " ".join(event["choices"][0]["delta"])
        *_, end, usage = sse(encoder.finish().decode()) or [None, None]
        if end and usage.get("usage", {}).get("total_tokens"):
            frames = (
                "its usage, at the end"
                if end["choices"][0]["finish_reason"] == "stop"
                else "reason and usage, at the end"
            )
        return frames

    def ui_frames(sample):
        encoder = UIMessageStreamEncoder()
        began = [{"type": "start"}, {"type": "start-step"}]
        words = [event["type"] for event in sse(last_frames(encoder, sample)) if event not in began]
        (end,) = (event for event in sse(encoder.finish().decode()) if event["type"] == "finish")
        return " ".join(words) if words else "finish, at the end" if "usage" in end else "not carried"

    def ag_ui_frames(sample):
        encoder = AGUIEncoder(state={})
        encoder.encode(c.AnnotationsChunk([]))
        words = [event["type"] for event in sse(last_frames(encoder, sample))]
        *before, end = sse(encoder.finish().decode())
        later = [event["type"] for event in before if "providerMetadata" in event.get("metadata", {})]
        if later:
            return f"{' '.join(later)}, later"
        has_more = end.keys() - {"type", "threadId", "runId"}
        return " ".join(words) or (f"{end['type']}, at the end" if has_more else "not carried")

    def plain_frames(sample):
        return {"": "not carried", "x": "the text"}[last_frames(PlainTextEncoder(), sample)]

    rows = table("formats.rst", "Chunks and frames")
    assert [row[0] for row in rows] == list(samples)
    assert {word for name in samples for word in name.split() if word.endswith("Chunk")} == {
        kind.__name__ for kind in c.AssistantStreamChunk.__args__
    }
    for name, data_stream, transport, openai, ui, ag_ui, plain in rows:
        assert (last_frames(DataStreamEncoder(), samples[name]).partition(":")[0] or "not carried") == data_stream
        events = sse(last_frames(AssistantTransportEncoder(), samples[name]))
        assert (" ".join(event["type"] for event in events) or "not carried") == transport
        assert openai_frames(samples[name]) == openai, (name, openai_frames(samples[name]))
        assert ui_frames(samples[name]) == ui, (name, ui_frames(samples[name]))
        assert ag_ui_frames(samples[name]) == ag_ui, (name, ag_ui_frames(samples[name]))
        assert plain_frames(samples[name]) == plain


@doc.before("def shop(")
def check_table_of_framing() -> None:
    encoders = {
        "data stream": DataStreamEncoder(),
        "assistant transport": AssistantTransportEncoder(),
        "OpenAI": OpenAIStreamEncoder(),
        "UI message stream": UIMessageStreamEncoder(),
        "plain text": PlainTextEncoder(),
    }
    for name, content_type, header, heartbeat, end in table("formats.rst", "Framing"):
        encoder = encoders.pop(name)
        assert encoder.media_type == content_type
        assert [f"{key}: {value}" for key, value in encoder.headers.items()] == ([] if header == "none" else [header])
        assert (encoder.keepalive or b"none").decode().strip() == heartbeat
        assert (encoder.finish().decode().split("\n")[-3:-2] or ["none"]) == [end]
    assert not encoders


@doc.after("def shop(")
def check_message_id_of_the_ui_message_stream() -> None:
    from flask import Flask

    ui_app = Flask("ui")
    ui_app.post("/chat")(lambda: page.UIMessageStreamResponse(create_run(page.run), message_id="m1"))
    reply = post(ui_app, "/chat")
    assert reply.text.startswith('data: {"type":"start","messageId":"m1"}')
    assert reply.text.endswith("data: [DONE]\n\n")


@doc.after("def send_all(")
def check_encoder_without_a_response() -> None:
    sent = []

    async def keep(data):
        sent.append(data)

    asyncio.run(page.send_all(keep))
    assert b"".join(sent).startswith(b'0:"Hello"\nb:')

    def raises(controller):
        controller.append_text("so far")
        raise ValueError("broken")

    got = []
    with pytest.raises(ValueError, match="broken"):
        got.extend(AssistantTransportEncoder().encode_stream(create_run(raises)))
    assert b"".join(got).endswith(b"data: [DONE]\n\n")


@doc.after("# compatible.py")
def check_openai_client_reads_the_flask_endpoint() -> None:
    reply = post(page.app, "/v1/chat/completions", {"model": "m", "messages": [], "stream": True})
    assert reply.text.endswith("data: [DONE]\n\n")

    from openai import InternalServerError, OpenAI

    def check_client(address):
        with (
            OpenAI(base_url=address + "/v1", api_key="none") as client,
            client.chat.completions.stream(**question, stream_options={"include_usage": True}) as streamed,
        ):
            answers = [streamed.get_final_completion(), client.chat.completions.create(**question)]
        for answer in answers:
            message = answer.choices[0].message
            assert (message.role, message.content, answer.model) == ("assistant", "Hello", "m")
            assert message.tool_calls[0].function.arguments == '{"city": "Paris"}'
            assert (answer.choices[0].finish_reason, answer.usage.total_tokens) == ("stop", 17)
            assert answer.created > 1_700_000_000

    check_client(serve(page.app))

    page.app.logger.disabled = True
    asked = []

    def reports(controller):
        asked.append(1)
        controller.add_error("Too many questions.", code="rate_limit")

    def raises_secret(controller):
        asked.append(2)
        raise ValueError("the password is hunter2")

    good_run = page.run
    with OpenAI(base_url=serve(page.app) + "/v1", api_key="none") as client:
        for page.run, wanted in (
            (reports, {"message": "Too many questions.", "code": "rate_limit"}),
            (raises_secret, {"message": "Something went wrong.", "code": None}),
        ):
            with pytest.raises(InternalServerError) as raised:
                client.chat.completions.create(**question)
            assert raised.value.body == {"type": "server_error", "param": None, **wanted}
    page.run = good_run
    assert asked == [1, 2]


@doc.after("# compatible_asgi.py")
def check_openai_client_reads_the_asgi_endpoint() -> None:
    reply = post(page.application, "/v1/chat/completions", {"model": "m", "messages": [], "stream": True})
    assert reply.text.endswith("data: [DONE]\n\n")
    assert '"usage"' not in reply.text
    asked_usage = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}}
    assert '"total_tokens":17' in post(page.application, "/v1/chat/completions", asked_usage).text
    reply = post(page.application, "/v1/chat/completions", question)
    assert reply.status == 200
    whole = json.loads(reply.text)
    assert (whole["object"], whole["choices"][0]["message"]["content"]) == ("chat.completion", "Hello")


@doc.after("class TranscriptEncoder")
def check_custom_format() -> None:
    assert post(page.app, "/transcript").text == "Hello\n"


test_formats = doc.test()
