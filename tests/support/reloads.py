"""What stories about reloads have in common."""

from __future__ import annotations

from support.supervision import exited, policy, ready, serving, spawn, tell

from workerhub.supervisor import LoadPlan, Nudge, PlanLoaded, PoolPolicy, ReloadRequested
from workerhub.testing import Logged, Playbook


def hup(at: float) -> ReloadRequested:
    return ReloadRequested(at, "SIGHUP")


def plan(at: float, *policies: PoolPolicy) -> PlanLoaded:
    return PlanLoaded(at, policies or (policy(),))


def proven() -> Logged:
    return Logged("info", "has proven itself; replacing generation")


def replaced() -> Logged:
    return Logged("info", "is gone: replaced by a new generation")


def asked(book: Playbook, at: float, *policies: PoolPolicy, generation: int = 2) -> None:
    """Tell the part up to the point where a worker of the new generation is to prove itself."""
    book >> hup(at) << Logged("info", f"reload asked for (SIGHUP): generation {generation}")
    book << LoadPlan(generation) >> plan(at, *policies)


def rolling(book: Playbook, new: PoolPolicy | None = None) -> None:
    """Tell the part up to the point where child 3 of generation 2 has replaced child 1, and child 4 boots to replace child 2."""
    serving(book)
    asked(book, 9, *([new] if new is not None else []))
    if new is not None and new.observe:
        book << Logged("info", "observed")
    book << spawn(3, generation=2) >> ready(3, at=10)
    if new is not None and new.observe:
        from workerhub.supervisor import DeadlineReached

        book >> DeadlineReached(10 + new.observe)
    book << proven() << tell(1, Nudge.DRAIN)
    book >> exited(1, at=12) << replaced() << spawn(4, slot=1, generation=2)
