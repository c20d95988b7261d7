"""Checks of docs/google.rst."""

from tests.docs.providers import google, sdk_page

doc = sdk_page(
    "docs/google.rst", google, "client = watch(genai.Client())", GEMINI_API_KEY="none", GOOGLE_GEMINI_BASE_URL="{url}"
)

test_google = doc.test()
