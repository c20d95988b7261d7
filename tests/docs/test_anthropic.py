"""Checks of docs/anthropic.rst."""

from tests.docs.providers import anthropic, sdk_page

doc = sdk_page(
    "docs/anthropic.rst", anthropic, "client = Anthropic()", ANTHROPIC_API_KEY="none", ANTHROPIC_BASE_URL="{url}"
)

test_anthropic = doc.test()
