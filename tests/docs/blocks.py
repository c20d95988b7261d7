"""The code blocks of the documentation's pages."""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

MARKDOWN_PAGES = ["README.md", "CONTRIBUTING.md"]
REST_PAGES = sorted(f"docs/{path.name}" for path in DOCS.glob("*.rst"))
#: The documentation of the names, which has no blocks.
REFERENCE_PAGES = sorted(f"docs/{path.relative_to(DOCS)}" for path in DOCS.glob("reference/*.rst"))
PAGES = [*MARKDOWN_PAGES, *REST_PAGES]

#: The names by which web servers find an application.
APP_NAMES = ("app", "application")

MARKDOWN_BLOCK = re.compile(r"^```(?P<language>.*)\n(?P<code>(?:.*\n)*?)```$", re.M)
REST_BLOCK = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<language>.*)\n(?P<code>(?:[ ]*\n|(?P=indent) +\S.*\n)*)", re.M
)
#: The included files of pages, which tests/frontends runs in a browser.
INCLUDED_PAGE = re.compile(
    r"^\.\. literalinclude:: \.\./(examples/(?:chat/page|front-ends)/.*)\n   :language: (tsx|html|css)$",
    re.M,
)
#: An included Python file is a block with its name.
INCLUDED_FILE = re.compile(
    r"^\.\. literalinclude:: \.\./(?P<path>examples/.*)\n   :language: (?P<language>python)$", re.M
)


@dataclass(frozen=True)
class Block:
    """A code block, with the line of the page on which its code begins."""

    page: str
    line: int
    language: str
    code: str
    #: The path of the file in the project, if the block includes one.
    path: str | None = None

    @property
    def file_name(self) -> str | None:
        """The name of the included file, or the file name in the first line, if there is one."""
        if self.path is not None:
            return Path(self.path).name
        match = re.match(r"# ([\w.]+\.py)\n", self.code)
        return match[1] if match and self.language == "python" else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@functools.cache
def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks: list[Block] = []
    for match in (MARKDOWN_BLOCK if page.endswith(".md") else REST_BLOCK).finditer(text):
        code = textwrap.dedent(match["code"])
        line = text.count("\n", 0, match.start()) + 2 + len(code) - len(code.lstrip("\n"))
        blocks.append(Block(page, line, match["language"].strip(), code.strip("\n") + "\n"))
    for match in INCLUDED_FILE.finditer(text):
        code = (ROOT / match["path"]).read_text(encoding="utf-8")
        blocks.append(Block(page, text.count("\n", 0, match.start()) + 1, match["language"], code, match["path"]))
    return sorted(blocks, key=lambda block: block.line)


def included_pages(page: str) -> list[Path]:
    """Return the files for a browser that a page includes."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [ROOT / path for path, _ in INCLUDED_PAGE.findall(text)]


def bound_names(code: str) -> set[str]:
    """Return the names that code defines at its top level by `def`, `class` or a plain assignment."""
    names: set[str] = set()
    for node in ast.parse(code).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


def names_in(code: str) -> tuple[set[str], set[str]]:
    """Return the names that code reads, and those that it binds anywhere."""
    used: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(asname=str(name)) | ast.alias(name=name):
                bound.add(name.partition(".")[0])
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                bound.add(name)
    return used, bound


def imported_packages(code: str) -> set[str]:
    """Return the top-level packages that code imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names
