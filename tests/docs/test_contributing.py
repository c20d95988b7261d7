"""Blocks of CONTRIBUTING.md."""

from tests.docs.runner import Document

doc = Document("CONTRIBUTING.md")

test_contributing = doc.test()
