"""Keeping the slots of one pool filled: empty ones first, then successors, each old worker leaving when its successor is ready.

One rule serves every reason to replace a worker (reload, recycling, a stuck request), because the reason only decides who becomes OUTGOING or
STUCK, and this file does the rest: spawn a successor while there is room for `surge` more processes, and when it is ready tell everyone else in
the slot to leave. What makes the queue is the lack of room; its order is written in `waiting`.
"""

from __future__ import annotations

from workerhub.supervisor.children import Child
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.states import HOLDING, Input, State
from workerhub.supervisor.templates import provide


def retire_replaced(pool: Pool, now: float) -> None:
    """Tell everyone to leave whose slot has a serving successor, and everyone in a slot that is no more.

    A successor is of the generation that the pool is run by, and younger if both are.
    """
    for child in pool.children:
        if child.on_trial:
            continue
        if child.slot >= pool.slots:
            pool.dismiss(child, Input.DRAIN, Cause.SCALED_DOWN, now)
        elif _successor_serves(pool, child):
            foreign = child.generation != pool.generation
            why = child.leave or (Cause.RELOADED if foreign and child.serves else Cause.SURPLUS)
            pool.dismiss(child, Input.DRAIN, why, now)


def fill(pool: Pool, now: float, *, replacing: bool) -> None:
    """Start what is missing, and successors if `replacing`, as far as the budget and the room allow."""
    if not pool.budget.may_start(now) or not provide(pool, pool.generation, pool.policy, pool.budget, now):
        return
    for slot in pool.empty_slots():
        if pool.has_room():
            _start(pool, slot, now)
    for child in waiting(pool) if replacing else ():
        if not _successor_booting(pool, child) and pool.has_room():
            _start(pool, child.slot, now)


def waiting(pool: Pool) -> list[Child]:
    """Who waits for a successor, in the order in which they get one: stuck workers, then the others as they came."""
    queue = [
        child
        for child in pool.children
        if child.state in (State.STUCK, State.OUTGOING) and child.slot < pool.size and not child.on_trial
    ]
    return sorted(queue, key=lambda child: (child.state is not State.STUCK, child.since, child.slot))


def complete(pool: Pool) -> bool:
    """Whether every slot has a serving worker of the pool's generation."""
    return renewed(pool) == pool.size


def renewed(pool: Pool) -> int:
    """How many slots have a serving worker of the pool's generation."""
    return sum(_renewed(pool, slot) for slot in range(pool.size))


def outstanding(pool: Pool) -> list[Child]:
    """Who is not of the pool's generation and holds a slot for want of one who is."""
    return [
        child
        for child in pool.children
        if child.state in HOLDING
        and child.generation != pool.generation
        and not child.on_trial
        and not _renewed(pool, child.slot)
    ]


def _renewed(pool: Pool, slot: int) -> bool:
    return any(child.serves and child.generation == pool.generation for child in pool.in_slot(slot))


def _successor_serves(pool: Pool, child: Child) -> bool:
    return any(
        other.serves
        and other.generation == pool.generation
        and (child.generation != pool.generation or other.id > child.id)
        for other in pool.in_slot(child.slot)
    )


def _successor_booting(pool: Pool, child: Child) -> bool:
    return any(other.state is State.BOOTING for other in pool.in_slot(child.slot))


def _start(pool: Pool, slot: int, now: float) -> None:
    pool.budget.started(now)
    pool.spawn(slot, now)
