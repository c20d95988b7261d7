"""Checks of docs/openai.rst."""

from tests.docs.providers import LOOK, REPORT, chat, provide, responses
from tests.docs.runner import Document

doc = Document("docs/openai.rst")
page = doc.page


@doc.before("client = OpenAI()")
def check_provider_is_local() -> None:
    page.provider = provide(chat, REPORT, LOOK, REPORT, REPORT, OPENAI_API_KEY="none", OPENAI_BASE_URL="{url}/v1")


@doc.after("def answer(")
def check_results_are_sent() -> None:
    roles = [message["role"] for message in page.provider.requests[2]["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "tool"]


@doc.before("client.responses.create")
def check_responses_are_answered() -> None:
    page.provider.bodies = [responses(REPORT)]


@doc.after("client.responses.create")
def check_clients_are_closed() -> None:
    page.client.close()


test_openai = doc.test()
