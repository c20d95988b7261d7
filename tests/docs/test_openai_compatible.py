"""Checks of docs/openai-compatible.rst."""

from tests.docs.providers import chat, sdk_page

doc = sdk_page("docs/openai-compatible.rst", chat, "client = Groq()", GROQ_API_KEY="none", GROQ_BASE_URL="{url}")

test_openai_compatible = doc.test()
