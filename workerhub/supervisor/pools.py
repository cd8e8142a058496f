"""All pools of the server, and the generation that is in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

from workerhub.supervisor.budget import RestartBudget
from workerhub.supervisor.children import Child
from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import ChildId
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.policy import Draw, PoolPolicy
from workerhub.supervisor.pool import Pool, Standing, Supplies, Terms
from workerhub.supervisor.states import Input, State

FIRST_GENERATION = 1


class Pools:
    """The pools by name, in the order of the configuration."""

    def __init__(self, policies: Iterable[PoolPolicy], draw: Draw, decisions: Decisions) -> None:
        self.generation = FIRST_GENERATION
        """The latest one that was committed; while a reload rolls, pools are run by the next one already."""
        self.decisions = decisions
        self._supplies = Supplies(decisions, draw, count(1))
        self._by_name: dict[str, Pool] = {}
        for policy in policies:
            self._admit(policy, Standing.IN_FORCE)

    def __iter__(self) -> Iterator[Pool]:
        return iter(tuple(self._by_name.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Pool:
        return self._by_name[name]

    def in_force(self) -> list[Pool]:
        """Those that the configuration in force names."""
        return [pool for pool in self if pool.standing is Standing.IN_FORCE]

    def find(self, name: ChildId) -> tuple[Pool, Child] | None:
        """The child of that name and its pool, unless it is reaped."""
        for pool in self:
            if (child := pool.children.get(name) or pool.templates.get(name)) is not None:
                return pool, child
        return None

    def invite(self, policy: PoolPolicy) -> None:
        """A reload names a pool. One that is new, or was about to close, is on probation."""
        if policy.name not in self:
            self._admit(policy, Standing.PROBATION)
        elif self[policy.name].standing is Standing.CLOSING:
            self[policy.name].standing = Standing.PROBATION
            self[policy.name].resize(self[policy.name].policy.size)

    def hand_over(self, name: str, generation: int, policy: PoolPolicy, budget: RestartBudget) -> None:
        """Have a pool run by a new generation, which isn't committed."""
        pool = self[name]
        size = self._size(pool, policy)
        pool.hand_over(Terms(generation, policy, budget, size, Standing.IN_FORCE))
        pool.served = True
        pool.boot.close()

    def take_back(self, generation: int, now: float) -> None:
        """Have the generation in force run all its pools again. Those that only this other one had are closed.

        Workers of the other one stay where nobody else serves, until somebody does.
        """
        for pool in self:
            pool.take_back()
            if pool.standing is Standing.PROBATION:
                self._close(pool, Cause.ABANDONED, now)
                continue
            for child in pool.children:
                if child.generation == generation and (child.state is State.BOOTING or child.slot >= pool.slots):
                    pool.dismiss(child, Input.DRAIN, Cause.ABANDONED, now)
                elif child.generation == generation:
                    pool.replace(child, Cause.ABANDONED, now)
                elif child.leave is Cause.RELOADED:
                    pool.keep(child, now)

    def commit(self, generation: int, now: float) -> None:
        """A generation is in force, without a way back. Pools that it doesn't name are closed."""
        self.generation = generation
        for pool in self:
            pool.former = None
            if pool.generation != generation:
                self._close(pool, Cause.RELOADED, now)

    def _close(self, pool: Pool, why: Cause, now: float) -> None:
        pool.standing = Standing.CLOSING
        for child in pool.everyone():
            pool.dismiss(child, Input.DRAIN, why, now)

    def forget_closed(self) -> None:
        """Pools that are closing and empty are no more."""
        self._by_name = {
            name: pool
            for name, pool in self._by_name.items()
            if pool.standing is not Standing.CLOSING or pool.everyone()
        }

    def _admit(self, policy: PoolPolicy, standing: Standing) -> None:
        self._by_name[policy.name] = Pool(policy, self.generation, standing, self._supplies)

    def _size(self, pool: Pool, policy: PoolPolicy) -> int:
        """How many workers are wanted under a new policy: as many as it was scaled to, unless the number in the configuration has changed."""
        if pool.size == pool.policy.size:
            return policy.size
        if policy.size == pool.policy.size:
            message = f"stays scaled to {pool.size}; the configuration says {policy.size}"
        else:
            message = (
                f"{policy.size} workers, as the configuration now says, in place of the {pool.size} it was scaled to"
            )
        self.decisions.log("info", f"{pool.name}: {message}", {"pool": pool.name})
        return pool.size if policy.size == pool.policy.size else policy.size
