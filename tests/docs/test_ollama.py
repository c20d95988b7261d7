"""Checks of docs/ollama.rst."""

from tests.docs.providers import ollama, sdk_page

doc = sdk_page("docs/ollama.rst", ollama, "client = watch(Client())", OLLAMA_HOST="{url}")

test_ollama = doc.test()
