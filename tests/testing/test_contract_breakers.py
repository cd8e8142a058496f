"""Each clause is broken by a class that is wrong in one thing, and the kit sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.contract_breakers import BREAKERS, Breaker

from workerhub.testing.contract import CLAUSES, Kit
from workerhub.testing.waiting import PATIENCE

if TYPE_CHECKING:
    from workerhub.worker import WorkerType

OPTIONS = {"connections": 32}

ATTEMPTS = (1.0, 5.0, PATIENCE)
"""Seconds for which the kit waits for what will not happen. More than the first only on a machine on which other things take as long."""


def evidence(clause: str, worker: WorkerType, patience: float) -> str:
    """What the kit says to that class."""
    (found,) = (known for known in CLAUSES if known.id == clause)
    with Kit(worker, OPTIONS, patience=patience) as kit, pytest.raises((AssertionError, OSError, ValueError)) as error:
        found.check(kit)
    return f"{error.type.__name__}: {error.value}"


def test_every_clause_has_its_breaker() -> None:
    assert sorted(breaker.clause for breaker in BREAKERS) == sorted(clause.id for clause in CLAUSES)


@pytest.mark.parametrize("breaker", BREAKERS, ids=lambda breaker: breaker.clause)
def test_a_class_that_breaks_a_clause_is_caught_by_it(breaker: Breaker) -> None:
    worker = breaker.make()
    said = ""
    for patience in ATTEMPTS if breaker.is_silent else ATTEMPTS[-1:]:
        said = evidence(breaker.clause, worker, patience)
        if re.search(breaker.evidence, said):
            return
    pytest.fail(f"expected {breaker.evidence}, got {said}")
