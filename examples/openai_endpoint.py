"""An OpenAI-compatible endpoint over any callback: streamed or not, with the client's tools, for every OpenAI client.

python -m examples.openai_endpoint
curl -N http://127.0.0.1:8000/v1/chat/completions --json '{"model": "assistant", "stream": true, "messages": [
  {"role": "user", "content": "Tell me a story"}]}'
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from assistant_stream_ce import RunController, create_run, mask_errors
from assistant_stream_ce.chat_requests import ChatRequest, RequestError, parse_openai_chat
from assistant_stream_ce.conversions import to_openai_chat
from assistant_stream_ce.integrations import openai
from assistant_stream_ce.responses.flask import OpenAIStreamResponse
from assistant_stream_ce.serialization import completion
from assistant_stream_ce.tools import Tools
from examples import assistant
from examples.command_line import chosen_port

app = Flask(__name__)


def answer(controller: RunController, chat_request: ChatRequest) -> None:
    """Answer a request, here with another model. It calls the tools of the client, which the client runs."""
    tools = Tools(chat_request.tools)

    def ask(messages: list[Any]) -> Any:
        request = chat_request.settings | assistant.request(messages, tools)
        return assistant.client.chat.completions.create(**request)

    openai.answer(controller, ask, to_openai_chat(chat_request.messages), tools=tools)


CALLBACKS: dict[str, Callable[..., None]] = {"assistant": answer}
"""The callback of each model that the endpoint offers."""


@app.post("/v1/chat/completions")
def completions() -> Response:
    """Answer the clients of OpenAI's chat API."""
    # The client is a program whose developer writes the system message.
    chat_request = parse_openai_chat(request.get_data(), trust_system=True)
    if not chat_request.messages:
        raise RequestError("There are no messages.")
    model = str(chat_request.extra.get("model"))
    if model not in CALLBACKS:
        raise RequestError(f"The model {model[:100]!r} does not exist; there are: {', '.join(CALLBACKS)}.", status=404)
    stream = create_run(partial(CALLBACKS[model], chat_request=chat_request), on_error=mask_errors)
    if not chat_request.extra.get("stream"):
        return jsonify(completion(stream, model, created=int(time.time())))
    options = chat_request.extra.get("stream_options")
    include_usage = isinstance(options, dict) and options.get("include_usage") is True
    return OpenAIStreamResponse(stream, model=model, include_usage=include_usage)


@app.errorhandler(RequestError)
def refuse(error: RequestError) -> tuple[Response, int]:
    """Report a request that cannot be answered."""
    return error_of(str(error), "invalid_request_error"), error.status


@app.errorhandler(HTTPException)
def report(error: HTTPException) -> tuple[Response, int]:
    """Report a wrong path or method."""
    return error_of(str(error.description), "invalid_request_error"), error.code or 500


@app.errorhandler(Exception)
def fail(error: Exception) -> tuple[Response, int]:
    """Report a failure of the callback, without the text of the exception."""
    app.logger.error("the callback failed", exc_info=error)
    return error_of(mask_errors(error), "server_error"), 500


def error_of(message: str, kind: str) -> Response:
    """Return an error in the form that OpenAI clients raise."""
    return jsonify({"error": {"message": message, "type": kind, "param": None, "code": None}})


if __name__ == "__main__":
    app.run(port=chosen_port())
