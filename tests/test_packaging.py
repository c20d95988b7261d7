"""The source distribution has everything that its tests need, and the wheel has the package alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.util import find_spec
from pathlib import Path

import pytest

import assistant_stream_ce
import dev
from tests.support.require import require_packages

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 150

pytestmark = pytest.mark.timeout(SECONDS + 30)

# Not part of the project: environments, build results, caches.
IGNORED = shutil.ignore_patterns(
    *(
        ".git",
        ".venv*",
        "node_modules",
        "_build",
        "build",
        "dist",
        "*.egg-info",
        "__pycache__",
        ".*_cache",
        ".hypothesis",
        "chat.sqlite3",
        "chat-streams",
    )
)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def build(kind: str, folder: Path, target: Path) -> None:
    code = f"import sys, setuptools.build_meta as meta; meta.build_{kind}(sys.argv[1])"
    command = [sys.executable, "-c", code, str(target)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=SECONDS)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project, as in a fresh clone."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    shutil.copytree(ROOT, folder, ignore=IGNORED)
    return folder


@pytest.fixture(scope="module")
def unpacked(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unpacked source distribution."""
    require_packages("setuptools")
    target = tmp_path_factory.mktemp("sdist")
    before = files_below(source)
    build("sdist", source, target)
    (archive,) = target.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    (folder,) = (path for path in target.iterdir() if path.is_dir())
    made = {"PKG-INFO", "setup.cfg"}
    found = {name for name in files_below(folder) if ".egg-info" not in name}
    assert found - made == before - made
    return folder


def test_the_tests_of_a_source_distribution_run(unpacked: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["tests/test_chunks.py", "tests/message", "tests/conformance/test_wire_checks.py", "-k", "not clients"]
    done = subprocess.run(command, cwd=unpacked, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel that is built from the source distribution."""
    target = tmp_path_factory.mktemp("wheel")
    build("wheel", unpacked, target)
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture
def metadata(wheel: Path) -> Message:
    """Return the metadata of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_has_the_package_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"assistant_stream_ce"}
    package = {
        f"assistant_stream_ce/{name}" for name in files_below(ROOT / "assistant_stream_ce") if "__pycache__" not in name
    }
    assert {name for name in names if ".dist-info/" not in name} == package


def test_the_metadata_describe_the_project(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Requires-Python"]) == ("assistant-stream-ce", ">=3.11")
    assert metadata["Version"] == assistant_stream_ce.__version__
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_the_core_needs_two_packages(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(re.split(r"[>= ]", line)[0] for line in needed) == ["janus", "msgspec"]


# Extras that put others together, for the demo and for developers.
TOGETHER = {"core", "demo", "docs", "pictures", "test", "types"}


def test_each_extra_is_for_a_module(metadata: Message) -> None:
    extras = set(metadata.get_all("Provides-Extra", []))
    assert extras - TOGETHER == dev.MODULES_OF_EXTRAS.keys() - {""}
    assert [name for name, _ in dev.MODULES_OF_EXTRAS.values() if find_spec(name) is None] == []


def test_the_lowest_versions_are_those_of_setup_cfg(metadata: Message) -> None:
    allowed = {line.partition(";")[0].strip() for line in metadata.get_all("Requires-Dist", [])}
    assert {pin.replace("==", ">=") for pin in dev.pins(*dev.LOWEST)} <= allowed


def test_the_lowest_version_of_every_sdk_is_tested() -> None:
    others = {"httpx", "opentelemetry"}
    adapters = {
        name for name, (module, _) in dev.MODULES_OF_EXTRAS.items() if module.startswith("assistant_stream_ce.integr")
    }
    assert dev.SDKS.keys() == adapters - others
