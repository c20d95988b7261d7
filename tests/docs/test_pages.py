"""Rules that every page of the documentation keeps."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
from pathlib import Path

import pytest

import assistant_stream_ce
from tests.docs.blocks import (
    APP_NAMES,
    DOCS,
    MARKDOWN_PAGES,
    PAGES,
    REFERENCE_PAGES,
    ROOT,
    Block,
    blocks_of,
    bound_names,
    names_in,
)
from tests.docs.runner import Document


def document_of(page: str) -> Document:
    """Return a page with its checks."""
    name = Path(page).stem.lower().replace("-", "_")
    document: Document = importlib.import_module(f"tests.docs.test_{name}").doc
    assert document.name == page
    return document


@pytest.mark.parametrize("page", PAGES)
def test_every_application_receives_a_request(page: str) -> None:
    document = document_of(page)
    waiting: Block | None = None
    for block in blocks_of(page):
        apps = bound_names(block.code) & set(APP_NAMES) if block.language == "python" else set()
        if apps:
            assert waiting is None, f"no request is sent to the application of {waiting}"
            waiting, waiting_for = block, apps
        if waiting and (is_request(block) or is_posted_to(document, block, waiting_for)):
            waiting = None
    assert waiting is None, f"no request is sent to the application of {waiting}"


def is_request(block: Block) -> bool:
    return block.language == "console" and block.code.startswith("$ curl")


def is_posted_to(document: Document, block: Block, apps: set[str]) -> bool:
    """Return whether a check behind a block posts to an application."""
    code = "\n".join(inspect.getsource(check) for check in document.checks_of("after", block))
    return "post(" in code and any(re.search(rf"\bpage\.{app}\b", code) for app in apps)


@pytest.mark.parametrize("page", PAGES)
def test_code_uses_only_names_that_the_page_defines(page: str) -> None:
    known = {*dir(builtins), "__name__", "__file__"}
    for block in blocks_of(page):
        if block.language == "python":
            used, bound = names_in(block.code)
            known |= bound
            assert used <= known, f"{block} uses names that no block defines: {used - known}"


@pytest.mark.parametrize("page", PAGES)
def test_text_follows_what_prints_it(page: str) -> None:
    before = ""
    for block in blocks_of(page):
        assert block.language != "text" or before == "python", f"{block} shows the output of no Python block"
        before = block.language


@pytest.mark.parametrize("page", MARKDOWN_PAGES)
def test_markdown_has_no_other_blocks(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert {block.language for block in blocks_of(page)} <= {"python", "text", "console", "bash", "tsx", "html"}
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.M)) == 2 * len(blocks_of(page))
    assert "<!--" not in re.sub(r"<!-- (?:begin|end)[^>]*-->", "", text)


def test_changelog_begins_with_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", text, re.M)
    assert versions[0] == assistant_stream_ce.__version__


def test_contributing_names_every_package() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "assistant_stream_ce"
    names = {path.stem for path in package.glob("[!_]*.py")} | {path.parent.name for path in package.glob("*/*.py")}
    assert not [name for name in sorted(names) if not re.search(rf"`{name}/?`", text)]


@pytest.mark.parametrize("page", [*MARKDOWN_PAGES, "CHANGELOG.md"])
def test_links_to_files_are_right(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert not [link for link in links if not (ROOT / link).exists()]


def test_readme_links_to_what_a_repository_page_shows() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not re.findall(r"\]\([^)]*\.rst", text), "name the page: repository pages do not show Sphinx's directives"


def test_readme_names_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Documentation")[2]
    titles = {page.name: page.read_text(encoding="utf-8").partition("\n")[0] for page in DOCS.glob("*.rst")}
    del titles["index.rst"], titles["changelog.rst"]
    assert not [title for title in titles.values() if title not in text]


#: Not for technical facts: "reported", "sends", "does not support", "proxy" and the like are precise.
VAGUE = re.compile(
    r"\b(?:told|says|word for|stands? for|look-?alikes?|for keeps|belongs into|who looks on|gives? way|for ever)\b",
    re.I,
)


@pytest.mark.parametrize(
    "page", [*PAGES, *REFERENCE_PAGES, *(f"docs/{path.relative_to(DOCS)}" for path in sorted(DOCS.rglob("*.inc")))]
)
def test_prose_is_precise(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in blocks_of(page):
        for line in block.code.splitlines():
            text = text.replace(line, "")
    assert not VAGUE.findall(re.sub(r"`[^`]*`", "", text))
