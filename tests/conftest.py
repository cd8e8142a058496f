"""What every test run has: Hypothesis profiles, and at its end the table of what was proven of which worker class."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from support.cells import Table, cells_of

if TYPE_CHECKING:
    import pytest

PROPERTY = "cells"

# "fast" for every run: the same examples each time, so that a run says something about the commit, not about its luck.
settings.register_profile(
    "fast",
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# "deep" by HYPOTHESIS_PROFILE=deep, to find something new.
settings.register_profile(
    "deep", max_examples=20_000, stateful_step_count=80, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


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
