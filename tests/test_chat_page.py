"""The page of `examples/chat`: its archive is what its sources give, and replaces a build where there is no Node.js."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

import dev
from examples import chat_page
from tests.support.require import require

OUTDATED = "run python3 dev.py page: the archive was built from other sources"


def packages_of(folder: Path) -> dict[str, dict[str, str]]:
    """Return the packages in a lock file, by their places."""
    packages: dict[str, dict[str, str]] = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    return packages


def packed_files() -> dict[str, bytes]:
    with ZipFile(chat_page.PAGE / chat_page.ARCHIVE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Return a copy of the page."""
    return shutil.copytree(dev.CHAT_PAGE, tmp_path / "page", ignore=shutil.ignore_patterns("dist"))


def test_the_archive_is_of_the_present_sources() -> None:
    assert chat_page.is_packed(), OUTDATED
    files = packed_files()
    assert {"main.js", chat_page.LICENSES, chat_page.HASH} < files.keys()
    assert sum(map(len, files.values())) < 1_500_000
    assert (chat_page.PAGE / chat_page.ARCHIVE).stat().st_size < 500_000


@pytest.mark.parametrize("name", ["main.tsx", "history.ts", "front-ends/ag-ui.tsx", "package-lock.json"])
def test_an_edit_of_a_source_outdates_the_archive(page: Path, name: str) -> None:
    assert chat_page.is_packed(page)
    (page / name).write_text(f"{(page / name).read_text('utf-8')}\n", "utf-8")
    assert not chat_page.is_packed(page)


def test_the_archive_is_what_a_build_gives() -> None:
    require_node()
    assert chat_page.packed_files() == packed_files(), OUTDATED


def test_the_archive_has_the_licenses_of_its_packages() -> None:
    text = packed_files()[chat_page.LICENSES].decode()
    for name, package in packages_of(dev.CHAT_PAGE)[""]["dependencies"].items():  # type: ignore[attr-defined]
        assert f"{name} {package}: " in text or name == "esbuild"
    assert "Permission is hereby granted" in text
    assert "Apache License" in text


def test_the_page_is_built(page: Path) -> None:
    require_node()
    dev.build_chat_page(page)
    assert (page / "dist" / "main.js").stat().st_size > 100_000


def test_without_node_the_page_comes_from_the_archive(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    dev.build_chat_page(page)
    assert (page / "dist" / "main.js").read_bytes() == packed_files()["main.js"]
    assert "Node.js" in capsys.readouterr().out


@pytest.mark.parametrize("is_edited", [False, True])
def test_the_command_builds_an_edited_page_only(is_edited: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    def record(owner: object, name: str) -> None:
        monkeypatch.setattr(owner, name, lambda *arguments: steps.append(name))

    for name in ("set_up", "set_up_node", "build_chat_page", "become"):
        record(dev, name)
    record(chat_page, "unpack")
    monkeypatch.setattr(chat_page, "is_packed", lambda: not is_edited)
    dev.chat()
    page_steps = ["set_up_node", "build_chat_page"] if is_edited else ["unpack"]
    assert steps == ["set_up", *page_steps, "become"]


def test_the_packages_are_those_that_the_tests_have() -> None:
    tested = packages_of(dev.FRONT_ENDS)
    for place, package in packages_of(dev.CHAT_PAGE).items():
        if place:
            assert tested[place]["version"] == package["version"]
            assert tested[place].get("integrity") == package.get("integrity")


def test_a_copy_of_the_folder_installs_from_any_registry() -> None:
    wanted = json.loads((dev.CHAT_PAGE / "package.json").read_text("utf-8"))["dependencies"]
    assert packages_of(dev.CHAT_PAGE)[""]["dependencies"] == wanted  # type: ignore[comparison-overlap]
    assert all(re.fullmatch(r"[0-9.]+", version) for version in wanted.values())
    text = (dev.CHAT_PAGE / "package-lock.json").read_text("utf-8")
    assert '"resolved"' not in text


def require_node() -> None:
    require(shutil.which("node"), "Node.js is not installed")
    require(chat_page.PACKAGES.is_dir(), "no front ends: run python3 dev.py test, which installs them")
