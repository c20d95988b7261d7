"""Checks of docs/agents.rst."""

import os

from tests.docs.clients import at_page_end
from tests.docs.runner import Document
from tests.integrations.fake_provider import fake_provider, typed_sse
from tests.integrations.samples import RESPONSES, responses_text

doc = Document("docs/agents.rst")


@doc.before("from agents import Agent")
def check_openai_is_replaced() -> None:
    provider = at_page_end.enter_context(fake_provider())
    provider.bodies = [typed_sse(RESPONSES), typed_sse(responses_text("It is sunny."))]
    os.environ["OPENAI_BASE_URL"] = f"{provider.url}/v1"
    os.environ["OPENAI_API_KEY"] = "none"
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"


test_agents = doc.test()
