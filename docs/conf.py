"""How Sphinx builds these pages: `python3 dev.py docs`."""

import re
from pathlib import Path
from typing import Any

from assistant_stream_ce import __version__

project = "assistant-stream-ce"
version = release = __version__
html_title = f"{project} {version}"
html_theme = "furo"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
highlight_language = "none"
# Pygments reads only a part of TSX; it highlights the rest in its relaxed mode.
suppress_warnings = ["misc.highlighting_failure"]
# What stands in single backticks in a docstring is code.
default_role = "code"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100

# Signatures name these instead of what they stand for.
_ALIASES = (
    "AssistantStreamChunk",
    "Callback",
    "ChunkSource",
    "Headers",
    "Heartbeat",
    "JSON",
    "MessagePart",
    "PartStatus",
    "Path",
    "RunCallback",
    "ToolCallState",
)
autodoc_type_aliases = {name: name for name in _ALIASES}


def show_aliases_plainly(
    app: Any, what: str, name: str, obj: object, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Take autodoc's own wrapper off an alias that is part of a larger annotation."""
    plain = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
    return signature and plain.sub(r"\1", signature), returns and plain.sub(r"\1", returns)


def convert_changelog(app: Any, relative_path: Path, parent_docname: str, content: list[str]) -> None:
    """Convert what the changelog uses of Markdown: headings and links. The rest means the same in reStructuredText."""
    if relative_path.name == "CHANGELOG.md":
        text = re.sub(r"^(#+) (.*)$", lambda found: f"{found[2]}\n{'?=-'[len(found[1])] * 80}", content[0], flags=re.M)
        content[0] = re.sub(r"\[([^]]+)\]\((https?://[^)]+)\)", r"`\1 <\2>`__", text)


def setup(app: Any) -> None:
    """Connect the above, as Sphinx asks."""
    app.connect("include-read", convert_changelog)
    app.connect("autodoc-process-signature", show_aliases_plainly)
