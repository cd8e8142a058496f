"""One wheel with two import packages and nothing else in it."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFLINE = (
    "Temporary failure in name resolution",
    "No matching distribution found",
    "Failed to establish a new connection",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel that `TESTED_WHEEL` names, or one that is built now."""
    path = os.environ.get("TESTED_WHEEL")
    if path is None:
        folder = tmp_path_factory.mktemp("wheel")
        ended = subprocess.run(
            (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        if ended.returncode and any(sign in ended.stderr for sign in OFFLINE):
            pytest.skip("the build needs the package index, which is out of reach")
        assert ended.returncode == 0, ended.stderr
        (built,) = folder.glob("*.whl")
        path = str(built)
    with zipfile.ZipFile(path) as archive:
        yield archive


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (found,) = (entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}"))
    return wheel.read(found).decode()


def test_the_top_level_names(wheel: zipfile.ZipFile) -> None:
    tops = {PurePosixPath(name).parts[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"workerhub", "workerhub_workers"}


def test_both_packages_are_typed(wheel: zipfile.ZipFile) -> None:
    assert {"workerhub/py.typed", "workerhub_workers/py.typed"} <= set(wheel.namelist())


def test_only_source_is_inside(wheel: zipfile.ZipFile) -> None:
    files = [PurePosixPath(name) for name in wheel.namelist() if ".dist-info/" not in name]
    assert {file.suffix for file in files} <= {".py", ".typed"}
    assert not [file for file in files if "tests" in file.parts or file.name.startswith("test_")]
    assert not [file for file in files if "__pycache__" in file.parts]


def test_every_module_of_the_checkout_is_inside(wheel: zipfile.ZipFile) -> None:
    packages = (ROOT / "workerhub", ROOT / "workers" / "workerhub_workers")
    modules = {str(file.relative_to(package.parent)) for package in packages for file in package.rglob("*.py")}
    assert modules <= set(wheel.namelist())


def test_the_entry_points(wheel: zipfile.ZipFile) -> None:
    points = ConfigParser()
    points.read_string(metadata(wheel, "entry_points.txt"))
    assert dict(points["console_scripts"]) == {"workerhub": "workerhub.cli:main"}
    assert points["workerhub.workers"]["sync"] == "workerhub_workers.sync:SyncWorker"


def test_the_metadata(wheel: zipfile.ZipFile) -> None:
    facts = email.message_from_string(metadata(wheel, "METADATA"))
    assert facts["Name"] == "workerhub"
    assert facts["Requires-Python"] == ">=3.11"
    assert facts["License-Expression"] == "MIT"
    assert "gevent" in (facts.get_all("Provides-Extra") or [])


def test_the_licence_is_inside(wheel: zipfile.ZipFile) -> None:
    assert any(Path(name).name == "LICENSE" for name in wheel.namelist())
