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
from workerhub.supervisor.pool import Pool, Standing, Supplies
from workerhub.supervisor.states import Input

FIRST_GENERATION = 1


class Pools:
    """The pools by name, in the order of the configuration."""

    def __init__(self, policies: Iterable[PoolPolicy], draw: Draw, decisions: Decisions) -> None:
        self.generation = FIRST_GENERATION
        self.decisions = decisions
        self._supplies = Supplies(decisions, draw, count(1))
        self._by_name: dict[str, Pool] = {}
        for policy in policies:
            self.admit(policy, Standing.IN_FORCE)

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
            if (child := pool.children.get(name)) is not None:
                return pool, child
        return None

    def admit(self, policy: PoolPolicy, standing: Standing) -> None:
        """A pool appears."""
        self._by_name[policy.name] = Pool(policy, self.generation, standing, self._supplies)

    def adopt(self, policies: Iterable[PoolPolicy], generation: int, now: float) -> None:
        """A new generation is in force: its numbers rule, its pools stay, all others close."""
        self.generation = generation
        kept = {policy.name: policy for policy in policies}
        for pool in self:
            if pool.name in kept:
                self._adopt(pool, kept[pool.name])
            else:
                pool.standing = Standing.CLOSING
                for child in pool.children:
                    pool.dismiss(child, Input.DRAIN, Cause.RELOADED, now)

    def close_probation(self) -> None:
        """The reload that brought pools in is given up."""
        for pool in self:
            if pool.standing is Standing.PROBATION:
                pool.standing = Standing.CLOSING

    def forget_closed(self) -> None:
        """Pools that are closing and empty are no more."""
        self._by_name = {
            name: pool
            for name, pool in self._by_name.items()
            if pool.standing is not Standing.CLOSING or len(pool.children)
        }

    def _adopt(self, pool: Pool, policy: PoolPolicy) -> None:
        pool.standing, pool.generation = Standing.IN_FORCE, self.generation
        scaled = pool.size != pool.policy.size
        if policy.size != pool.policy.size:
            if scaled:
                self.decisions.log(
                    "info", f"{pool.name}: {policy.size} workers, as the configuration now says, in place of the"
                    f" {pool.size} it was scaled to", {"pool": pool.name},
                )  # fmt: skip
            pool.size = policy.size
        elif scaled:
            self.decisions.log(
                "info",
                f"{pool.name}: stays scaled to {pool.size}; the configuration says {policy.size}",
                {"pool": pool.name},
            )
        pool.policy, pool.budget = policy, RestartBudget(policy)
        pool.served = True
        pool.boot.close()
