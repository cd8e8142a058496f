"""Puts a worker class to the test, clause by clause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workerhub.errors import ContractError
from workerhub.testing.contract.clauses import Clause
from workerhub.testing.contract.kit import Kit
from workerhub.testing.contract.table import CLAUSES
from workerhub.testing.contract.trial import Outcome, Trial, Verdict
from workerhub.worker import WorkerType

PATIENCE = 10.0
"""Seconds that anything may take which the class is to do. The largest of these things takes a hundredth of it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all clauses.

    Attributes:
        name: the class's.
        verdicts: one for each clause, in the contract's order.
    """

    name: str
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Whether no clause is broken."""
        return not self.failures

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The clauses that are broken."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome is Outcome.BROKEN)

    def __str__(self) -> str:
        counts = Counter(verdict.outcome for verdict in self.verdicts)
        summary = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
        remarkable = (verdict for verdict in self.verdicts if verdict.outcome is not Outcome.KEPT)
        return "\n".join((f"{self.name}: {summary}", *map(str, remarkable)))


class ContractBrokenError(ContractError, AssertionError):
    """A worker class doesn't keep the contract. The message lists every broken clause with its evidence.

    Attributes:
        report: what became of all clauses.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(report.name, tuple(map(str, report.failures)))
        self.report = report

    def __str__(self) -> str:
        return str(self.report)


def check_worker(
    worker: WorkerType,
    options: Mapping[str, Any] | None = None,
    *,
    patience: float = PATIENCE,
    clauses: Iterable[Clause] = CLAUSES,
) -> Report:
    """Hold a worker class against every clause of the contract, in real child processes with real sockets. Linux only.

    Takes a few seconds, and longer for what isn't kept; leaves nothing behind.

    Args:
        worker: the class.
        options: its own options, as the `[worker]` table would say them. Such as make its capacity small, but for more than twenty
            connections, put it to the hardest test.
        patience: seconds that anything may take which the class is to do.
        clauses: these only, and those on which all others stand.

    Returns:
        what became of each clause; some may not have been tried, each with its reason.

    Raises:
        ContractBrokenError: the class breaks some of them.
        ThreadsError: this process has threads, so it can't be forked safely.
    """
    with Kit(worker, options, patience=patience) as kit:
        trial = Trial(kit)
        report = Report(worker.__name__, tuple(trial.judge(clause) for clause in clauses))
    if not report.passed:
        raise ContractBrokenError(report)
    return report
