"""What a clause of the worker contract is, and how one is written down."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workerhub.testing.contract.kit import Kit


class BrokenError(AssertionError):
    """A worker class doesn't do what a clause says. The message is the evidence."""


class NotTriedError(Exception):
    """A clause can't be tried in these circumstances. The message says why."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One promise that a worker class makes.

    Attributes:
        id: a short name, unique, in lower case and hyphens.
        sentence: the promise, as `docs/reference/worker-contract.md` has it.
        check: puts a class to the test; raises `BrokenError`, or any `AssertionError` or `OSError`, if it doesn't keep it.
        is_foundation: whether nothing else can be tried as long as this one is broken.
    """

    id: str
    sentence: str
    check: Callable[[Kit], None]
    is_foundation: bool = False

    def __str__(self) -> str:
        return self.id


class Chapter:
    """A part of the contract: a decorator for the checks of its clauses, which keeps them in order.

    A check's name is the clause's id, and its docstring the sentence::

        serving = Chapter("serving")


        @serving.clause
        def connection_close_is_kept(kit: Kit) -> None:
            \"\"\"After the answer to a request that says `Connection: close`, the connection is closed.\"\"\"
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._clauses: list[Clause] = []

    def __iter__(self) -> Iterator[Clause]:
        return iter(self._clauses)

    def clause(self, check: Callable[[Kit], None]) -> Callable[[Kit], None]:
        """Add a clause."""
        return self._add(check, is_foundation=False)

    def foundation(self, check: Callable[[Kit], None]) -> Callable[[Kit], None]:
        """Add one on which all others stand."""
        return self._add(check, is_foundation=True)

    def _add(self, check: Callable[[Kit], None], *, is_foundation: bool) -> Callable[[Kit], None]:
        name: str = check.__name__
        sentence = " ".join((inspect.getdoc(check) or "").split())
        self._clauses.append(Clause(name.replace("_", "-"), sentence, check, is_foundation))
        return check


def expect(truth: object, otherwise: str) -> None:
    """Go on only if something is true.

    Raises:
        BrokenError: it isn't; `otherwise` says what is.
    """
    if not truth:
        raise BrokenError(otherwise)


def expect_equal(expected: object, actual: object, what: str) -> None:
    """Go on only if two things are equal.

    Raises:
        BrokenError: they aren't.
    """
    if expected != actual:
        raise BrokenError(f"{what}: expected {expected!r:.500}, got {actual!r:.500}")
