"""The table of promises and worker classes: how it is made, and that the manual has the current one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.cells import POLICIES, Table, cells_of
from support.worker_classes import WORKER_CLASSES

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "reference" / "uniformity.md"


def test_the_page_is_current_and_every_promise_is_proven_for_every_class() -> None:
    """If not: python tests/support/uniformity.py > docs/reference/uniformity.md"""
    script = TESTS / "support" / "uniformity.py"
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    assert PAGE.read_text(encoding="utf-8") == ended.stdout


@pytest.mark.parametrize("worker", WORKER_CLASSES)
def test_a_marked_test_says_what_it_proves_for_which_class(request: pytest.FixtureRequest, worker: str) -> None:
    assert cells_of(request.node) is None
    request.node.add_marker(pytest.mark.cell("drain", "TERM"))
    assert cells_of(request.node) == (worker, ["drain", "TERM"])
    request.node.add_marker(pytest.mark.cell("no such promise"))
    with pytest.raises(pytest.UsageError, match="no such promise"):
        cells_of(request.node)


def test_a_marked_test_has_to_run_for_each_class(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.cell("drain"))
    with pytest.raises(pytest.UsageError, match="doesn't run for each worker class"):
        cells_of(request.node)


def test_the_table_names_what_failed_and_what_was_not_run() -> None:
    table = Table()
    assert not table
    first, second, *_ = WORKER_CLASSES
    for outcome in ("passed", "passed", "failed"):
        table.add(first, ["drain"], outcome)
    table.add(second, ["drain", "TERM"], "skipped")
    head, drain, term, rest = table.lines()
    assert head.split() == list(WORKER_CLASSES)
    assert drain.split("  ")[0] == "drain"
    assert "2, 1 failed" in drain
    assert "1 skipped" in drain
    assert term.count("not run") == len(WORKER_CLASSES) - 1
    assert all(name in rest for name in POLICIES if name not in {"drain", "TERM"})
