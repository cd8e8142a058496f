"""What can be told of a class before there is an instance of it."""

from __future__ import annotations

import os

from workerhub.testing.contract.clauses import Chapter, expect, expect_equal
from workerhub.testing.contract.kit import Kit
from workerhub.testing.forking import aside
from workerhub.testing.procfs import Anatomy
from workerhub.worker import defects

declaring = Chapter("declaring")


@declaring.foundation
def has_no_defects(kit: Kit) -> None:
    """The class derives from `Worker`, has its methods with their arguments, and `Options` that are frozen and forbid unknown keys."""
    found = defects(kit.worker)
    expect(not found, "; ".join(found))


@declaring.foundation
def is_available(kit: Kit) -> None:
    """`unavailable()` says None where everything is there that the class needs."""
    reason = kit.worker.unavailable()
    expect(reason is None, f"it says: {reason}")


@declaring.clause
def judging_leaves_no_trace(kit: Kit) -> None:
    """`unavailable()` and `capacity()` start no thread and no process, leave nothing open, and change nothing about the process."""
    options = kit.worker.Options.model_validate(kit.options)

    def judge() -> str:
        before, environ = Anatomy.of(os.getpid()), dict(os.environ)
        kit.worker.unavailable()
        kit.worker.capacity(options)
        changed = before.changes(Anatomy.of(os.getpid()))
        return changed if environ == os.environ else f"{changed} environment variables"

    changed = aside(judge, kit.patience)
    expect(not changed, f"it changed {changed}")


@declaring.clause
def capacity_depends_on_options_alone(kit: Kit) -> None:
    """`capacity(options)` says the same for the same options, whenever, wherever and however often it is asked."""
    options = kit.worker.Options.model_validate(kit.options)

    def elsewhere() -> str:
        os.environ.clear()
        os.chdir("/")
        return str(kit.worker.capacity(options))

    expect_equal([kit.capacity] * 3, [kit.worker.capacity(options) for _ in range(3)], "its answers")
    expect_equal(str(kit.capacity), aside(elsewhere, kit.patience), "its answer in another process")
