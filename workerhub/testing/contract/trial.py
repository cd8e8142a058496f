"""One worker class before its judge: which clause it keeps, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from workerhub.testing.contract.clauses import BrokenError, Clause, NotTriedError
from workerhub.testing.contract.kit import Kit
from workerhub.testing.contract.table import CLAUSES
from workerhub.testing.forking import ThreadsError


class Outcome(Enum):
    """What became of a clause."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one clause, and the evidence: empty if it is kept."""

    clause: Clause
    outcome: Outcome
    evidence: str = ""

    def __str__(self) -> str:
        return "\n    ".join(
            (f"{self.outcome.value}: {self.clause}", self.clause.sentence, *self.evidence.splitlines())
        )


class Trial:
    """Tries clauses, in whatever order; those on which all others stand are tried once, before any other.

    Args:
        kit: the class, and what it is tried with.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._foundations: dict[str, Exception | None] = {}

    def prove(self, clause: Clause) -> None:
        """Try one clause.

        Raises:
            Exception: it is broken. The exception tells how, and its notes what the worker has logged.
            NotTriedError: it can't be tried in these circumstances, or not as long as another one is broken.
            ThreadsError: this process has threads, so it can't be forked safely.
        """
        for foundation in (known for known in CLAUSES if known.is_foundation):
            failure = self._failure(foundation)
            if failure is not None:
                raise failure if foundation is clause else NotTriedError(f"{foundation} is broken")
            if foundation is clause:
                return
        clause.check(self._kit)

    def judge(self, clause: Clause) -> Verdict:
        """Try one clause, and tell what became of it.

        Raises:
            ThreadsError: this process has threads, so it can't be forked safely.
        """
        try:
            self.prove(clause)
        except NotTriedError as reason:
            return Verdict(clause, Outcome.NOT_TRIED, str(reason))
        except ThreadsError:
            raise
        except Exception as error:  # noqa: BLE001  # a server may answer anything, and a client may fail on it in any way
            name = "" if isinstance(error, BrokenError) else f"{type(error).__name__}: "
            return Verdict(clause, Outcome.BROKEN, "\n".join((f"{name}{error}", *getattr(error, "__notes__", ()))))
        return Verdict(clause, Outcome.KEPT)

    def _failure(self, foundation: Clause) -> Exception | None:
        """How a clause is broken on which others stand; None if it is kept."""
        if foundation.id not in self._foundations:
            try:
                foundation.check(self._kit)
            except ThreadsError:
                raise
            except Exception as error:  # noqa: BLE001  # as above
                self._foundations[foundation.id] = error
            else:
                self._foundations[foundation.id] = None
        return self._foundations[foundation.id]
