"""The page of `examples/chat`: built with Node.js, or taken from the archive `built.zip` on a machine without it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "examples" / "chat" / "page"
# The tests of the front ends have the packages, in the versions of the page's `package.json`.
PACKAGES = ROOT / "tests" / "frontends" / "node_modules"
ARCHIVE = "built.zip"
HASH = "sources.sha256"
LICENSES = "licenses.txt"
PACKAGE = re.compile(r"(.*node_modules/(?:@[^/]+/)?[^/]+)/")
LICENSE = re.compile(r"licen[cs]e|copyright|notice", re.IGNORECASE)
OPTIONS = ("--bundle", "--splitting", "--format=esm", "--jsx=automatic", "--preserve-symlinks", "--log-level=warning")


def hash_of_sources(page: Path = PAGE) -> str:
    """Return a hash of all from which the page is built."""
    names = ("package.json", "package-lock.json", "*.ts", "*.tsx", "front-ends/*.tsx")
    # As text: Git may change the line ends.
    sources = [(path.name, path.read_text(encoding="utf-8")) for name in names for path in sorted(page.glob(name))]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def is_packed(page: Path = PAGE) -> bool:
    """Return whether the archive was built from the present sources."""
    with ZipFile(page / ARCHIVE) as archive:
        return archive.read(HASH).decode() == hash_of_sources(page)


def can_build() -> bool:
    """Return whether Node.js and the packages are installed."""
    return shutil.which("node") is not None and (PACKAGES / ".bin" / "esbuild").exists()


def build(page: Path = PAGE, *options: str, target: Path | None = None) -> Path:
    """Build the script of the page with esbuild; return its folder, by default `dist` in that of the page."""
    target = target or page / "dist"
    shutil.rmtree(target, ignore_errors=True)
    command = [PACKAGES / ".bin" / "esbuild", page / "main.tsx", *OPTIONS, *options, f"--outdir={target}"]
    environment = {**os.environ, "NODE_PATH": str(PACKAGES)}
    subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, check=True)
    return target


def unpack(page: Path = PAGE) -> None:
    """Take the script of the page from the archive."""
    shutil.rmtree(page / "dist", ignore_errors=True)
    with ZipFile(page / ARCHIVE) as archive:
        archive.extractall(page / "dist")


def pack(page: Path = PAGE) -> None:
    """Build the page, and write the archive."""
    files = packed_files(page)
    with ZipFile(page / ARCHIVE, "w") as archive:
        for name, content in files.items():
            # Without the time, so that equal files make an equal archive.
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED, compresslevel=9)


def packed_files(page: Path = PAGE) -> dict[str, bytes]:
    """Build the page; return the files of the archive: the scripts, their licenses and the hash of the sources."""
    with tempfile.TemporaryDirectory() as name:
        about = Path(name) / "about.json"
        built = build(page, "--minify", "--legal-comments=none", f"--metafile={about}", target=Path(name) / "dist")
        files = {path.name: path.read_bytes() for path in sorted(built.iterdir())}
        outputs = json.loads(about.read_text(encoding="utf-8"))["outputs"]
    used = {path for output in outputs.values() for path, part in output["inputs"].items() if part["bytesInOutput"]}
    return {**files, LICENSES: licenses_of(used).encode(), HASH: hash_of_sources(page).encode()}


def licenses_of(files: Iterable[str]) -> str:
    """Return the licenses of the packages to which some files belong, each text once."""
    packages: dict[str, set[str]] = {}
    for folder in sorted({match[1] for file in files if (match := PACKAGE.match(file))}):
        about = json.loads((ROOT / folder / "package.json").read_text(encoding="utf-8"))
        texts = [path for path in sorted((ROOT / folder).iterdir()) if LICENSE.match(path.name)]
        text = "\n".join(path.read_text(encoding="utf-8").strip() for path in texts)
        packages.setdefault(text, set()).add(f"{about['name']} {about['version']}: {about['license']}")
    return "\n\n".join("\n".join([*sorted(names), "", text]) for text, names in packages.items())
