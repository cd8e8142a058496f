"""Every clause of the worker contract that can be put to a test, in order."""

from __future__ import annotations

from workerhub.testing.contract.books import books
from workerhub.testing.contract.capacity import capacity
from workerhub.testing.contract.clauses import Clause
from workerhub.testing.contract.clients import clients
from workerhub.testing.contract.declaring import declaring
from workerhub.testing.contract.interrupting import interrupting
from workerhub.testing.contract.leaving import leaving
from workerhub.testing.contract.life import life
from workerhub.testing.contract.serving import serving

CHAPTERS = (declaring, life, serving, books, capacity, clients, leaving, interrupting)

CLAUSES: tuple[Clause, ...] = tuple(clause for chapter in CHAPTERS for clause in chapter)
