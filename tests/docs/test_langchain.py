"""Checks of docs/langchain.rst."""

from tests.docs.runner import Document

doc = Document("docs/langchain.rst")

test_langchain = doc.test()
