"""Blocks of docs/performance.rst."""

from tests.docs.runner import Document

doc = Document("docs/performance.rst")

test_performance = doc.test()
