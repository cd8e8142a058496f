"""The benchmark runs; what it measures is nobody's business in a test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from support.server import ROOT


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
@pytest.mark.skipif("TESTED_WHEEL" in os.environ, reason="measures the checkout")
def test_it_prints_a_table_for_each_part() -> None:
    arguments = (
        "keepalive",
        "start",
        "mixed",
        "slow",
        "--only",
        "workerhub threaded",
        "--rounds",
        "1",
        "--seconds",
        "1",
        "--markdown",
    )
    ended = subprocess.run(
        (sys.executable, str(ROOT / "tests" / "bench" / "run.py"), *arguments),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    for column in ("keep-alive (µs)", "start (ms)", "mixed p99.9 (ms)", "p99 beside (ms)"):
        assert column in ended.stdout, ended.stderr
    assert ended.stdout.count("workerhub threaded") >= 4
    assert "ratio: " in ended.stdout, "goals are judged as far as they were measured"
