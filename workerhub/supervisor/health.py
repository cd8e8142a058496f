"""Verdicts and good news: whether a pool can still be helped, and when all is well."""

from __future__ import annotations

from workerhub.supervisor.commands import RunHook
from workerhub.supervisor.exits import ServerExit
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.templates import about_to_fork
from workerhub.supervisor.words import seconds


class Health:
    """Looks at every pool. Only pools in force are judged; a server that stops isn't judged at all."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._decisions = pools.decisions
        self._all_ready_told = False

    def note(self, now: float) -> None:
        """Remember since when a pool that has served has nothing healthy."""
        for pool in self._pools:
            if not pool.served or pool.children.serving():
                pool.down_since = None
            elif pool.down_since is None:
                pool.down_since = now

    def verdict(self, now: float) -> ServerExit | None:
        """The exit code to leave with, if some pool can't be helped."""
        for pool in self._pools.in_force():
            if self._never_boots(pool):
                pool.boot.close()
                self._decisions.log("error", f"{pool.name}: no worker became ready", {"pool": pool.name})
                return ServerExit.BOOT_FAILED
            lost_at = self._lost_at(pool)
            if lost_at is not None and now >= lost_at:
                waited = seconds(pool.policy.restart_period)
                self._decisions.log("error", f"{pool.name}: no healthy worker for {waited}", {"pool": pool.name})
                return ServerExit.BUDGET_SPENT
        return None

    def announce(self, now: float) -> None:
        """Tell good news, each once: a first failure overcome, all workers ready (again), everything recovered."""
        for pool in self._pools.in_force():
            if pool.served:
                pool.boot.close()
            self._tell_ready(pool)
            recovers_at = self._recovers_at(pool)
            if recovers_at is not None and now >= recovers_at:
                pool.budget.recover()
                self._decisions.log("info", f"{pool.name} has recovered", {"pool": pool.name})
        if not self._all_ready_told and all(pool.announced for pool in self._pools.in_force()):
            self._all_ready_told = True
            self._decisions.add(RunHook("server_ready", {"pools": [pool.name for pool in self._pools.in_force()]}))

    def _tell_ready(self, pool: Pool) -> None:
        """Say that all are ready, when that is news: for the first time, after a gap, or because the pool grew."""
        pool.announced = min(pool.announced, pool.size)
        if not pool.manned(pool.announced):
            pool.announced = 0
        if pool.announced < pool.size and pool.manned(pool.size):
            pool.announced = pool.size
            self._decisions.log("info", f"{pool.name}: {pool.size} of {pool.size} workers ready", {"pool": pool.name})

    def moments(self) -> list[float | None]:
        """When to look again, if nothing happens before."""
        return [moment for pool in self._pools.in_force() for moment in (self._lost_at(pool), self._recovers_at(pool))]

    @staticmethod
    def _never_boots(pool: Pool) -> bool:
        if pool.served or pool.children.booting():
            return False
        return pool.boot.hopeless or pool.budget.degraded

    @staticmethod
    def _lost_at(pool: Pool) -> float | None:
        """When a pool with nothing healthy is given up; what boots has its chance first."""
        if pool.down_since is None or pool.booting() or about_to_fork(pool):
            return None
        return pool.down_since + pool.policy.restart_period

    @staticmethod
    def _recovers_at(pool: Pool) -> float | None:
        if not (pool.budget.degraded and pool.served):
            return None
        return pool.budget.recovers_at() if pool.manned(pool.size) else None
