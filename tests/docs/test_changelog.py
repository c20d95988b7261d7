"""Checks of docs/changelog.rst."""

from tests.docs.runner import Document

doc = Document("docs/changelog.rst")
