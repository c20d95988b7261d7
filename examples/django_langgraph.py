"""Django with a graph of LangGraph, for AI SDK's `useChat`. OPENAI_API_KEY chooses a real model.

python -m examples.django_langgraph
gunicorn --threads 8 examples.django_langgraph:application
curl -N http://127.0.0.1:8000/api/chat --json '{"messages": [
  {"role": "user", "parts": [{"type": "text", "text": "What is the weather in Lisbon?"}]}]}'
"""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from assistant_stream_ce import RunController, create_run, mask_errors
from assistant_stream_ce.chat_requests import RequestError, parse_ai_sdk
from assistant_stream_ce.conversions import to_openai_chat
from assistant_stream_ce.integrations import langgraph
from assistant_stream_ce.integrations.httpx import watch
from assistant_stream_ce.responses.django import UIMessageStreamResponse
from examples.command_line import chosen_port
from examples.local_model import options
from examples.weather import get_weather

# The requests of the model end with the run, also while it is silent.
model = watch(ChatOpenAI(model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"), **options("OPENAI_API_KEY", "/v1")))
with_tools = model.bind_tools([get_weather])


def ask(state: MessagesState) -> dict[str, Any]:
    """Ask the model."""
    return {"messages": [with_tools.invoke(state["messages"])]}


builder = StateGraph(MessagesState)
builder.add_node("ask", ask)
builder.add_node("tools", ToolNode([get_weather]))
builder.add_edge(START, "ask")
builder.add_conditional_edges("ask", tools_condition)
builder.add_edge("tools", "ask")
graph = builder.compile()


@require_POST
def chat(request: HttpRequest) -> HttpResponseBase:
    """Answer the conversation that the page posts."""
    try:
        chat_request = parse_ai_sdk(request.body)
    except RequestError as error:
        return JsonResponse({"error": str(error)}, status=error.status)

    def run(controller: RunController) -> None:
        question: Any = {"messages": to_openai_chat(chat_request.messages, system="Be brief.")}
        turn = langgraph.forward(controller, graph.stream(question, stream_mode="messages"))
        controller.add_message_finish(turn.finish_reason)

    return UIMessageStreamResponse(create_run(run, message_id=chat_request.message_id, on_error=mask_errors))


settings.configure(ALLOWED_HOSTS=["127.0.0.1", "localhost"], ROOT_URLCONF=__name__)
urlpatterns = [path("api/chat", chat)]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(["django", "runserver", "--noreload", f"127.0.0.1:{chosen_port()}"])
