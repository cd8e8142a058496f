"""The installed distribution, whichever it is: the checkout's or the wheel's."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.server import ROOT


def python(code: str) -> str:
    """What isolated Python prints."""
    return subprocess.run(
        (sys.executable, "-I", "-c", code), capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def test_every_announced_worker_class_can_be_loaded() -> None:
    points = importlib.metadata.entry_points(group="workerhub.workers")
    own = [point for point in points if point.dist is not None and point.dist.name == "workerhub"]
    assert own
    for point in own:
        assert isinstance(point.load(), type), point


@pytest.mark.parametrize(
    "module", ["workerhub_workers", "workerhub.worker.registry", "workerhub.cli", "workerhub.master"]
)
def test_importing_the_server_imports_no_framework_of_anybody(module: str) -> None:
    """The master lives for months; what it imports, an upgrade of it can break, and gevent would patch it."""
    loaded = python(f"import {module}, sys; print(*sys.modules)").split()
    assert not {"gevent", "greenlet", "django", "flask"} & set(loaded)


def test_looking_at_every_worker_class_does_not_import_gevent() -> None:
    loaded = python(
        "from workerhub.worker.registry import available; available(); import sys; print(*sys.modules)"
    ).split()
    assert "gevent" not in loaded


def test_the_command_is_installed() -> None:
    script = Path(sys.executable).with_name("workerhub")
    ended = subprocess.run((str(script), "--version"), capture_output=True, text=True, timeout=60, check=True)
    assert importlib.metadata.version("workerhub") in ended.stdout


@pytest.mark.skipif(
    "TESTED_WHEEL" not in os.environ, reason="runs in the environment into which .ci/run installs the wheel"
)
def test_the_tests_of_the_wheel_do_not_meet_the_checkout() -> None:
    where = python("import workerhub; print(workerhub.__file__)")
    assert ROOT / "workerhub" not in Path(where).parents
    import workerhub

    assert str(workerhub.__file__) == where
