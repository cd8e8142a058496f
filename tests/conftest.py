"""What every test run has: at its end, the table of what was proven of which worker class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.cells import Table, cells_of

if TYPE_CHECKING:
    import pytest

PROPERTY = "cells"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the reports of marked tests say what they prove, in whichever process they run."""
    for item in items:
        if cells := cells_of(item):
            item.user_properties.append((PROPERTY, list(cells)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if any of it was run."""
    table = Table()
    for outcome in ("passed", "failed", "skipped", "error"):
        for report in terminalreporter.getreports(outcome):
            for name, value in getattr(report, "user_properties", ()):
                if name == PROPERTY:
                    worker_class, promises = value
                    table.add(worker_class, promises, outcome)
    if table:
        terminalreporter.section("promises and worker classes: tests passed")
        for line in table.lines():
            terminalreporter.write_line(line)
