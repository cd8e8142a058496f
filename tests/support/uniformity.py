"""Prints docs/reference/uniformity.md: `python tests/support/uniformity.py > docs/reference/uniformity.md`. Collects the tests; runs none.

The page says of each promise which tests prove it for which worker class. A promise that isn't proven for every class is an error.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).resolve().parents[1]
COMMAND = "python tests/support/uniformity.py > docs/reference/uniformity.md"

HEAD = f"""\
<!-- Generated from the tests by `{COMMAND}`; don't edit. -->

# What is the same in every worker class

Each sentence is true of every worker class. A number is that of the tests that prove it for the class, with real processes, sockets and signals; which
ones they are stands below. The table is printed at the end of each test run.
"""


class _Collector:
    """A plug-in of pytest's that remembers what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


Proofs = dict[str, dict[str, list[str]]]
"""By promise, then by test (`file: name`): the classes that it runs with."""


def collect() -> Proofs:
    """Find the marked tests.

    Raises:
        RuntimeError: they can't be collected, or a promise isn't proven for some class.
    """
    collector, said = _Collector(), StringIO()
    arguments = ["--collect-only", "-qq", "-p", "no:cacheprovider", f"--rootdir={TESTS.parent}"]
    with contextlib.redirect_stdout(said):
        code = pytest.main([*arguments, str(TESTS / "system"), str(TESTS / "workers")], [collector])
    if code:
        raise RuntimeError(said.getvalue())
    from support.cells import POLICIES, cells_of  # pytest found the way there
    from support.worker_classes import WORKER_CLASSES  # as above

    proofs: Proofs = {name: defaultdict(list) for name in POLICIES}
    for item in collector.items:
        if cells := cells_of(item):
            worker_class, names = cells
            test = f"{item.path.relative_to(TESTS)}: {getattr(item, 'originalname', item.name)}"
            for name in names:
                if worker_class not in proofs[name][test]:
                    proofs[name][test].append(worker_class)
    unproven = [
        f"{name} for {worker_class}"
        for name, tests in proofs.items()
        for worker_class in WORKER_CLASSES
        if not any(worker_class in classes for classes in tests.values())
    ]
    if unproven:
        raise RuntimeError(f"no test proves: {', '.join(unproven)}")
    return proofs


def page(proofs: Proofs) -> Iterator[str]:
    """The lines of the page."""
    from support.cells import POLICIES  # `collect` found the way there
    from support.worker_classes import WORKER_CLASSES  # as above

    yield HEAD
    yield f"| | promise | {' | '.join(f'`{name}`' for name in WORKER_CLASSES)} |"
    yield "|---|---|" + "---|" * len(WORKER_CLASSES)
    for name, sentence in POLICIES.items():
        counts = [
            str(sum(worker_class in classes for classes in proofs[name].values())) for worker_class in WORKER_CLASSES
        ]
        yield f"| {name} | {sentence} | {' | '.join(counts)} |"
    yield "\n## What proves it"
    for name, tests in proofs.items():
        yield f"\n**{name}**\n"
        for test, classes in tests.items():
            only = "" if len(classes) == len(WORKER_CLASSES) else f" ({', '.join(classes)})"
            file, _, function = test.partition(": ")
            yield f"- `{file}`: {function.removeprefix('test_').replace('_', ' ')}{only}"


if __name__ == "__main__":
    print(*page(collect()), sep="\n")
