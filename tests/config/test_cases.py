"""Bad configurations and the exact reports about them, as pairs of files in `cases/`.

A case may begin with comment lines `# $ NAME=value ... arguments`: the environment and the command line that go with it.
`{installed}` in a report stands for the worker classes that are installed where the test runs.
To accept what is printed now: `python tests/config/test_cases.py`, then read the difference.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from workerhub.cli import run
from workerhub.worker import available

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_file() and path.suffix != ".report")


def invocation(name: str) -> tuple[dict[str, str], list[str]]:
    """The environment and the arguments that a case asks for."""
    text = (CASES / name).read_text(encoding="utf-8", errors="replace")
    words = shlex.split(" ".join(re.findall(r"^# \$ (.*)$", text, re.MULTILINE)))
    environ = {}
    while words and re.match(r"[A-Z_0-9]+=", words[0]):
        variable, _, environ[variable] = words.pop(0).partition("=")
    return environ, words


def reported(name: str) -> tuple[int, str]:
    """The exit code and the report of a case."""
    environ, arguments = invocation(name)
    runner = CliRunner(env=environ)
    with runner.isolation(env=environ) as (_, errors, _):
        code = run(["check", "-c", name, *arguments])
        sys.stderr.flush()
        told = errors.getvalue().decode()
    installed = ", ".join(listing.name for listing in available())
    return code, told.replace(installed, "{installed}")


@pytest.mark.parametrize("name", NAMES)
def test_the_report_is_exactly_this(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    code, told = reported(name)
    expected = (CASES / name).with_suffix(f"{Path(name).suffix}.report").read_text(encoding="utf-8")
    assert told == expected
    assert code == 2


def test_there_is_no_report_without_a_case() -> None:
    assert sorted(path.name for path in CASES.glob("*.report")) == [f"{name}.report" for name in NAMES]


if __name__ == "__main__":
    os.chdir(CASES)
    sys.path.insert(0, str(CASES.parent / "plugins"))
    for case in NAMES:
        (CASES / f"{case}.report").write_text(reported(case)[1], encoding="utf-8")
