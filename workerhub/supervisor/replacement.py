"""Keeping the slots of one pool filled: empty ones first, then successors, each old worker leaving when its successor is ready.

One rule serves every reason to replace a worker (reload, recycling, a stuck request), because the reason only decides who becomes OUTGOING or
STUCK, and this file does the rest: spawn a successor while there is room for `surge` more processes, and when it is ready tell everyone else in
the slot to leave. What makes the queue is the lack of room; its order is written in `waiting`.
"""

from __future__ import annotations

from collections.abc import Callable

from workerhub.supervisor.children import Child
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.states import Input, State


def retire_replaced(pool: Pool, now: float) -> None:
    """Tell everyone to leave whose slot has a ready worker that is newer, and everyone in a slot that is no more."""
    for child in pool.children:
        if pool.candidate(child):
            continue
        if child.slot >= pool.size:
            pool.dismiss(child, Input.DRAIN, Cause.SCALED_DOWN, now)
        elif _successor_ready(pool, child):
            older = child.generation < pool.generation
            why = child.leave or (Cause.RELOADED if older and child.serves else Cause.SURPLUS)
            pool.dismiss(child, Input.DRAIN, why, now)


def fill(pool: Pool, now: float, *, replacing: Callable[[Child], bool]) -> None:
    """Start what is missing, as far as the budget and the room allow.

    Args:
        pool: the pool.
        now: the moment.
        replacing: which children, of those that wait for a successor, may get one now.
    """
    if not pool.budget.may_start(now):
        return
    for slot in pool.empty_slots():
        if pool.has_room():
            _start(pool, slot, now)
    for child in waiting(pool):
        if replacing(child) and not _successor_booting(pool, child) and pool.has_room():
            _start(pool, child.slot, now)


def waiting(pool: Pool) -> list[Child]:
    """Who waits for a successor, in the order in which they get one: stuck workers, then the others as they came."""
    queue = [
        child
        for child in pool.children
        if child.state in (State.STUCK, State.OUTGOING) and child.slot < pool.size and not pool.candidate(child)
    ]
    return sorted(queue, key=lambda child: (child.state is not State.STUCK, child.since, child.slot))


def complete(pool: Pool) -> bool:
    """Whether every slot has a serving worker of the newest generation."""
    return all(
        any(child.serves and child.generation == pool.generation for child in pool.in_slot(slot))
        for slot in range(pool.size)
    )


def _successor_ready(pool: Pool, child: Child) -> bool:
    return any(
        other.state is State.READY
        and other.generation == pool.generation
        and (other.generation, other.id) > (child.generation, child.id)
        for other in pool.in_slot(child.slot)
    )


def _successor_booting(pool: Pool, child: Child) -> bool:
    return any(other.state is State.BOOTING for other in pool.in_slot(child.slot))


def _start(pool: Pool, slot: int, now: float) -> None:
    pool.budget.started(now)
    pool.spawn(slot, pool.generation, pool.policy, now)
