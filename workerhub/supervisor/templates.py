"""Who forks the workers of a pool with `preload`: one template for each generation that may still need workers.

A template is a child as the others are, in the same table, but takes no requests, holds no slot and no room, and isn't replaced before it
goes: the workers that it has forked don't need it. It is there before they are, and it stays as long as its generation may come to be
short of one: while the generation is in force, on trial, or what a reload would go back to. If it goes down by itself it is started
again at once, not only when somebody has to be forked, on the restart budget that its workers are on.

Forking takes milliseconds. A template that has forked nobody for `STALL_PATIENCE` although it was told to hangs: it leaves its stacks behind
and is ended, what it was to do has failed with it, and the next one does it.
"""

from __future__ import annotations

from workerhub.supervisor.budget import RestartBudget
from workerhub.supervisor.children import Child
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.policy import PoolPolicy
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.states import HOLDING, Input, State

STALL_PATIENCE = 20.0
"""Seconds; twice what the template itself waits before it gives up on one worker (`workerhub.kernel.forkserver.PATIENCE`)."""


def provide(pool: Pool, generation: int, policy: PoolPolicy, budget: RestartBudget, now: float) -> bool:
    """Whether workers of a generation can be forked. If what forks them is missing, it is started, as far as the budget allows."""
    if not policy.preload:
        return True
    held = [child for child in pool.templates if child.generation == generation and child.state in HOLDING]
    if not held and budget.may_start(now):
        budget.started(now)
        pool.spawn_template(generation, policy, now)
    return any(child.state is State.READY for child in held)


def about_to_fork(pool: Pool) -> bool:
    """Whether there is a template that is ready, and nothing speaks against having it fork: then that comes next."""
    ready = any(it.generation == pool.generation and it.state is State.READY for it in pool.templates)
    return ready and pool.budget.due is None and pool.has_room()


def retire_unneeded(pool: Pool, now: float) -> None:
    """Tell the templates to leave whose generation will need no workers any more."""
    needed = {pool.generation} if pool.former is None else {pool.generation, pool.former.generation}
    for template in pool.templates:
        if template.generation not in needed and not template.on_trial:
            why = Cause.RELOADED if template.generation < pool.generation else Cause.ABANDONED
            pool.dismiss(template, Input.DRAIN, why, now)


def end_trial(pool: Pool) -> None:
    """Whether the new generation comes into force or not, from now on its template is needed as others are."""
    for template in pool.templates:
        template.on_trial = False


def set_deadlines(pool: Pool) -> None:
    """See to it that a template which doesn't do what it was ordered is noticed."""
    for template in pool.templates:
        if template.state is State.READY:
            ordered = [child.since for child in pool.children if child.template == template.id and child.pid is None]
            template.deadline = max(min(ordered), template.forked_at) + STALL_PATIENCE if ordered else None


def forsaken(pool: Pool, worker: Child) -> bool:
    """Whether a worker was not forked because its template is gone, or is being ended; that counts already."""
    if worker.template is None:
        return False
    template = pool.templates.get(worker.template)
    return template is None or template.state is not State.READY
