"""The contract kit under pytest: one test for each clause.

Not loaded by itself, and nothing else of workerhub imports pytest. In a test module::

    from workerhub.testing.pytest_plugin import WorkerContract


    class TestMyWorker(WorkerContract):
        worker = MyWorker
        options = {"threads": 2}

A clause that can't be tried, or not as long as another one is broken, is skipped with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from workerhub.testing.contract import CLAUSES, PATIENCE, Clause, Kit, NotTriedError, Trial
from workerhub.worker import WorkerType

_TRIAL = pytest.StashKey[Trial]()


class WorkerContract:
    """To be derived from, by a class whose name begins with `Test`.

    Attributes:
        worker: the class that is put to the test.
        options: its own options, as the `[worker]` table would say them.
        patience: seconds that anything may take which the class is to do.
    """

    worker: ClassVar[WorkerType]
    options: ClassVar[Mapping[str, Any]] = {}
    patience: ClassVar[float] = PATIENCE

    @pytest.mark.parametrize("clause", CLAUSES, ids=str)
    def test_clause(self, clause: Clause, request: pytest.FixtureRequest) -> None:
        """The class keeps the clause."""
        # All tests of one class share its workers, and what is known of the first clauses.
        together = request.node.getparent(pytest.Class)
        if _TRIAL not in together.stash:
            kit = Kit(self.worker, self.options, patience=self.patience)
            together.addfinalizer(kit.close)
            together.stash[_TRIAL] = Trial(kit)
        try:
            together.stash[_TRIAL].prove(clause)
        except NotTriedError as reason:
            pytest.skip(str(reason))
