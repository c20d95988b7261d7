"""Blocks of docs/index.rst."""

from tests.docs.runner import Document

doc = Document("docs/index.rst")

test_index = doc.test()
