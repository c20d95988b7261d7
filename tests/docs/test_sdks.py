"""Checks of docs/sdks.rst."""

from tests.docs.runner import Document

doc = Document("docs/sdks.rst")

test_sdks = doc.test()
