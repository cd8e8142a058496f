"""The start, as far as it can be watched from within: the bound on the time that a configuration may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import workerhub.cli.start
from workerhub.cli import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_configuration_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workerhub.cli.start, "PLANNING_TIMEOUT", 0.5)
    file = tmp_path / "server.py"
    file.write_text("while True: pass", encoding="utf-8")
    assert run(["-c", str(file)]) == 2
    assert capfd.readouterr().err == "reading the configuration took more than 0.5 s; nothing was started.\n"


def test_a_process_that_a_configuration_leaves_behind_holds_nobody_up(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has inherited the pipe, which so never comes to its end."""
    file = tmp_path / "server.py"
    file.write_text(
        "import os, signal, time\nif os.fork() == 0:\n    signal.alarm(20)\n    time.sleep(60)\nbacklog = 'x'\n",
        encoding="utf-8",
    )
    assert run(["-c", str(file)]) == 2
    assert "2 problems in" in capfd.readouterr().err
