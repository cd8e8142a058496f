"""Reloading: new configuration and new code, without a moment in which nobody serves.

    IDLE -> LOADING   the master reads the configuration and opens new listeners
         -> PROVING   one worker of the new generation boots in every pool; nothing of the old one is touched
         -> ROLLING   the new generation is in force; `replacement` does the rest, `surge` at a time
         -> IDLE      committed

Until the new generation is proven it can be given up without a trace: its workers leave, and whatever crashes meanwhile is restarted from
the old one. From then on it is in force, and a worker of it that fails to boot is one that went down: tried again with back-off while the
old worker in its slot serves on. If that spends the restart budget, the reload stops where it is and says how far it came; the next one
starts from there. A reload asked for during another one follows it; several asked for are one.

What is left for the transaction: `reload.observe`, `reload.deadline`, and rolling back after the new generation is in force.
"""

from __future__ import annotations

from enum import Enum

from workerhub.supervisor.askers import Askers
from workerhub.supervisor.children import Child
from workerhub.supervisor.commands import AbandonPlan, CommitPlan, LoadPlan, RunHook
from workerhub.supervisor.events import PlanLoaded, PlanRejected, ReloadRequested
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.policy import PoolPolicy
from workerhub.supervisor.pool import Standing
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.replacement import complete
from workerhub.supervisor.states import SERVING, Input, State
from workerhub.supervisor.words import count, why_lost


class Phase(Enum):
    """How far a reload has come."""

    IDLE = "idle"
    LOADING = "loading"
    PROVING = "proving"
    ROLLING = "rolling"


class Reload:
    """One reload after another, never two at once."""

    def __init__(self, pools: Pools) -> None:
        self.phase = Phase.IDLE
        self._pools = pools
        self._decisions = pools.decisions
        self._generation = pools.generation
        self._policies: tuple[PoolPolicy, ...] = ()
        self._provers: dict[str, Child] = {}
        self._askers = Askers(self._decisions)
        self._again: str | None = None
        self._followers = Askers(self._decisions)

    @property
    def bringing(self) -> int | None:
        """The generation that is on its way in; None: no reload is under way."""
        return None if self.phase is Phase.IDLE else self._generation

    def request(self, event: ReloadRequested) -> None:
        """Start, or follow the one that runs."""
        self._followers.join(event.ticket)
        if self.phase is Phase.IDLE:
            self._begin(event.origin)
        else:
            self._decisions.log("info", f"reload asked for ({event.origin}): follows the one that is running")
            self._again = event.origin

    def refuse(self, event: ReloadRequested, why: str) -> None:
        """Don't even start."""
        self._decisions.log("warning", f"reload asked for ({event.origin}): {why}")
        self._followers.join(event.ticket)
        self._followers.answer(f"not reloaded: {why}", ok=False)

    def loaded(self, event: PlanLoaded) -> None:
        """The configuration is fine; see whether the code is."""
        if self.phase is not Phase.LOADING:
            return
        self.phase = Phase.PROVING
        self._policies = event.policies
        for policy in event.policies:
            if policy.name not in self._pools:
                self._pools.admit(policy, Standing.PROBATION)

    def reject(self, event: PlanRejected) -> None:
        """The configuration is no good; nothing was touched."""
        self._decisions.log(
            "error", f"reload refused; generation {self._pools.generation} keeps serving", detail=event.reason
        )
        self._answer_no(event.reason)
        self._end()

    def give_up(self, why: str, now: float) -> None:
        """Leave no trace of a generation that isn't proven; stop rolling one that is."""
        if self.phase is Phase.PROVING:
            self._abandon(why, now)
        elif self.phase is Phase.ROLLING:
            self._stall(why, now)
        else:
            return
        self._end()

    def stop(self, now: float) -> None:
        """The server stops: what runs ends where it is. Nobody calls `settle` any more, so nothing follows."""
        if self.phase is Phase.PROVING:
            self.give_up("the server stops", now)
        elif self.phase is Phase.ROLLING:
            self._decisions.log("info", f"generation {self._generation} is left unfinished: the server stops")
            self._end()
        for askers in (self._askers, self._followers):
            askers.answer("not reloaded: the server stops", ok=False)

    def settle(self, now: float) -> None:
        """Go as far as things are."""
        if self.phase is Phase.PROVING:
            self._prove(now)
        if self.phase is Phase.ROLLING:
            self._roll(now)
        if self.phase is Phase.IDLE and self._again is not None:
            origin, self._again = self._again, None
            self._begin(origin)

    def _begin(self, origin: str) -> None:
        self.phase = Phase.LOADING
        self._generation += 1
        self._askers.take_over(self._followers)
        self._decisions.log(
            "info", f"reload asked for ({origin}): generation {self._generation}", {"generation": self._generation}
        )
        self._decisions.add(LoadPlan(self._generation))

    def _prove(self, now: float) -> None:
        for policy in self._policies:
            pool = self._pools[policy.name]
            if policy.name in self._provers:
                continue
            if pool.standing is Standing.PROBATION or pool.has_room(len(pool.empty_slots())):
                self._provers[policy.name] = pool.spawn(0, self._generation, policy, now)
        provers = self._provers.values()
        failed = next(
            (child for child in provers if child.state not in SERVING and child.state is not State.BOOTING), None
        )
        if failed is not None:
            self.give_up(f"{failed}: {why_lost(failed)}", now)
        elif len(provers) == len(self._policies) and all(child.serves for child in provers):
            self._adopt(now)

    def _adopt(self, now: float) -> None:
        self.phase = Phase.ROLLING
        self._provers = {}
        self._decisions.log(
            "info", f"generation {self._generation} has proven itself; replacing generation {self._pools.generation}",
            {"generation": self._generation},
        )  # fmt: skip
        self._askers.tell(f"generation {self._generation} has proven itself", {"generation": self._generation})
        self._pools.adopt(self._policies, self._generation, now)

    def _roll(self, now: float) -> None:
        in_force = self._pools.in_force()
        for pool in in_force:
            for child in pool.children:
                if child.generation < pool.generation:
                    pool.replace(child, Cause.RELOADED, now)
        if all(complete(pool) for pool in in_force):
            workers = sum(pool.size for pool in in_force)
            self._decisions.log(
                "info", f"generation {self._generation} is serving: {count(workers, 'worker')}",
                {"generation": self._generation},
            )  # fmt: skip
            self._askers.answer(
                f"generation {self._generation} is serving ({workers} of {workers})",
                ok=True,
                fields={"generation": self._generation},
            )
            self._commit(whole=True)
            self._end()
        elif any(pool.budget.degraded for pool in in_force):
            self.give_up("the restart budget is spent", now)

    def _abandon(self, why: str, now: float) -> None:
        self._decisions.log(
            "error", f"generation {self._generation} is given up: {why}; generation {self._pools.generation} keeps serving",
            {"generation": self._generation},
        )  # fmt: skip
        details = [child.failure.detail for child in self._provers.values() if child.failure is not None]
        self._answer_no("\n".join((why, *details)))
        for child in self._provers.values():
            self._pools[child.pool].dismiss(child, Input.DRAIN, Cause.ABANDONED, now)
        self._provers = {}
        self._pools.close_probation()
        self._decisions.add(AbandonPlan(self._generation))

    def _stall(self, why: str, now: float) -> None:
        new, old = 0, 0
        for pool in self._pools.in_force():
            for child in pool.children.serving():
                new, old = (new + 1, old) if child.generation == pool.generation else (new, old + 1)
                if child.leave is Cause.RELOADED:
                    pool.keep(child, now)
        self._decisions.log(
            "error", f"reload stopped half-way: {why}; {count(new, 'worker')} of generation {self._generation} and {old} of"
            " older ones keep serving; reload again when the reason is mended",
            {"generation": self._generation},
        )  # fmt: skip
        self._askers.answer(f"generation {self._generation} is left half-way", ok=False, detail=why)
        self._commit(whole=False)

    def _commit(self, *, whole: bool) -> None:
        self._decisions.add(CommitPlan(self._generation))
        self._decisions.add(RunHook("reloaded", {"generation": self._generation, "complete": whole}))

    def _answer_no(self, why: str) -> None:
        generation = self._pools.generation
        self._askers.answer(
            f"generation {generation} keeps serving", ok=False, detail=why, fields={"generation": generation}
        )

    def _end(self) -> None:
        self.phase = Phase.IDLE
        self._policies = ()
