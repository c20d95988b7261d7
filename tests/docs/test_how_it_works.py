"""Checks of docs/how-it-works.rst."""

from tests.docs.runner import Document

doc = Document("docs/how-it-works.rst")

test_how_it_works = doc.test()
