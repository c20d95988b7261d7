"""Builds the documentation, and compares the API reference with the public names."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, INCLUDED_PAGE, REST_PAGES, ROOT, blocks_of
from tests.docs.commands import is_installed
from tests.support.public_surface import public_modules
from tests.support.require import require

BUILD_SECONDS = 240

MODULES = public_modules()

pytestmark = pytest.mark.timeout(BUILD_SECONDS + 20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation, warnings as errors."""
    require(is_installed("sphinx") and is_installed("furo"), "not installed: sphinx, furo")
    require_packages_of_api()
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BUILD_SECONDS)
    assert result.returncode == 0, result.stderr
    return folder


def require_packages_of_api() -> None:
    missing = [name for name in ("starlette", "flask", "django") if not is_installed(name)]
    require(not missing, f"not installed: {', '.join(missing)}")


@pytest.mark.parametrize("page", REST_PAGES)
def test_built_page_shows_the_same_blocks(page: str, site: Path) -> None:
    built = (site / Path(page).with_suffix(".html").name).read_text(encoding="utf-8")
    shown = Counter(re.findall(r'<div class="highlight-(\w+) notranslate">', built))
    written = Counter(block.language for block in blocks_of(page))
    included = Counter(language for _, language in INCLUDED_PAGE.findall((ROOT / page).read_text(encoding="utf-8")))
    assert shown == written + included
    assert set(written) <= {"python", "text", "console", "bash", "nginx", "apache", "html", "none"}


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("histori", "chat-backend"),
        ("langgraph", "langchain"),
        ("stop button", "troubleshooting"),
        ("nginx", "deploying"),
        ("changelog", "changelog"),
    ],
)
def test_search_finds(words: str, page: str, site: Path) -> None:
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    for word in words.split():
        found = [index[kind].get(word, []) for kind in ("terms", "titleterms")]
        pages = [index["docnames"][number] for hit in found for number in ([hit] if isinstance(hit, int) else hit)]
        assert page in pages


@pytest.mark.parametrize("module_name", MODULES)
def test_api_reference_has_every_public_name(module_name: str, site: Path) -> None:
    reference = "".join(page.read_text(encoding="utf-8") for page in sorted(site.glob("reference/*.html")))
    documented = [resolve(anchor) for anchor in re.findall(r'id="(assistant_stream_ce\.[\w.]+)"', reference)]
    module = importlib.import_module(module_name)
    assert not [name for name in module.__all__ if not any(getattr(module, name) is value for value in documented)]


def resolve(dotted_name: str) -> object:
    """Return the object of a dotted name, in the public module with the longest name that it begins with."""
    module_name = max((name for name in MODULES if dotted_name.startswith(f"{name}.")), key=len)
    value: object = importlib.import_module(module_name)
    for part in dotted_name.removeprefix(f"{module_name}.").split("."):
        value = getattr(value, part, None)
    return value
