"""The benchmark runs; what it measures is nobody's business in a test."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from support.server import ROOT


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
@pytest.mark.timeout(120)
def test_it_prints_a_table() -> None:
    ended = subprocess.run(
        (sys.executable, str(ROOT / "tests" / "bench" / "run.py"), "--rounds", "1", "--seconds", "1"),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert "workerhub sync" in ended.stdout, ended.stderr
    assert "keep-alive (µs)" in ended.stdout
