"""Reloading: new configuration and new code, without a moment in which nobody serves. What follows what, and why, stands in `phases`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workerhub.slotted import dataclass
from workerhub.supervisor.bulletin import Bulletin, stays
from workerhub.supervisor.candidate import Candidate, Fault
from workerhub.supervisor.children import Child
from workerhub.supervisor.commands import AbandonPlan, CommitPlan, LoadPlan, RunHook
from workerhub.supervisor.events import PlanLoaded, PlanRejected, ReloadRequested
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.phases import TABLE, Deed, Phase, Turn
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.replacement import complete, outstanding, renewed
from workerhub.supervisor.words import count, span, why_lost


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a reload has come.

    Attributes:
        phase: what goes on.
        generation: the new one.
        ready: in how many slots the generation serves that is to be in force: the new one, or on the way back the old one.
        workers: how many slots there are.
    """

    phase: Phase
    generation: int
    ready: int
    workers: int


class Reload:
    """One reload after another, never two at once. What turns up is looked up in the table, and there is a method for each deed."""

    def __init__(self, pools: Pools) -> None:
        self.phase = Phase.IDLE
        self._pools = pools
        self._decisions = pools.decisions
        self._bulletin = Bulletin(pools.decisions, pools.generation)
        self._origin = ""
        self._again = False
        self._loaded = PlanLoaded(0.0, ())
        self._candidate = Candidate(pools, pools.generation, ())
        self._fault = Fault("")
        self._mixed = False
        self._began = 0.0
        self._deadline = 0.0
        self._deeds: Mapping[Deed, Callable[[float], None]] = {
            Deed.NOTHING: lambda _now: None,
            Deed.LOAD: self._load,
            Deed.FOLLOW: self._follow,
            Deed.PROVE: self._prove,
            Deed.REFUSE: self._refuse,
            Deed.ROLL: self._roll,
            Deed.COMMIT: self._commit,
            Deed.GO_BACK: self._go_back,
            Deed.CONCLUDE: self._conclude,
            Deed.DISCARD: self._discard,
            Deed.DISMISS: self._dismiss,
            Deed.BREAK_OFF: self._break_off,
        }

    # --- what turns up ------------------------------------------------------------------------------------------------------

    def request(self, event: ReloadRequested) -> None:
        """Start, or follow the one that runs."""
        self._bulletin.join(event.ticket, "" if self.phase is Phase.IDLE else "follows the reload that is running")
        self._origin = event.origin
        self._turn(Turn.ASKED, event.at)

    def refuse(self, event: ReloadRequested, why: str) -> None:
        """Don't even start."""
        self._decisions.log("warning", f"reload asked for ({event.origin}): {why}")
        self._bulletin.join(event.ticket)
        self._bulletin.refused(why)

    def loaded(self, event: PlanLoaded) -> None:
        """The configuration is fine; see whether the code is."""
        self._loaded = event
        self._turn(Turn.LOADED, event.at)

    def reject(self, event: PlanRejected) -> None:
        """The configuration is no good."""
        self._fault = Fault(event.reason)
        self._turn(Turn.REJECTED, event.at)

    def stop(self, now: float) -> None:
        """The server stops. Nobody calls `settle` any more, so nothing follows."""
        self._turn(Turn.STOPPED, now)

    def settle(self, now: float, lost: Sequence[Child]) -> None:
        """Go as far as things are.

        Args:
            now: the moment.
            lost: who went down lately without having been told to leave.
        """
        if self.phase is Phase.PROVING:
            self._see_first(now, lost)
        if self.phase is Phase.ROLLING and not self._find_fault(now, lost):
            self._replace_others(now)
        if self.phase is Phase.RETURNING:
            self._see_them_back(now, lost)
        if self.phase is Phase.IDLE and self._again:
            self._turn(Turn.ASKED, now)

    # --- what others want to know -------------------------------------------------------------------------------------------

    @property
    def progress(self) -> Progress | None:
        """How far it has come; None: nobody reloads."""
        if self.phase is Phase.IDLE:
            return None
        pools = self._candidate.pools() if self.phase is Phase.ROLLING else self._pools.in_force()
        begun = self.phase in (Phase.ROLLING, Phase.RETURNING)
        ready = sum(renewed(pool) for pool in pools) if begun else 0
        return Progress(self.phase, self._bulletin.generation, ready, sum(pool.size for pool in pools))

    def moments(self) -> list[float | None]:
        """When to look again, if nothing happens before."""
        if self.phase is Phase.PROVING:
            return [self._deadline, *self._candidate.moments()]
        return [self._deadline] if self.phase in (Phase.ROLLING, Phase.RETURNING) else []

    # --- going on -----------------------------------------------------------------------------------------------------------

    def _turn(self, turn: Turn, now: float) -> None:
        cell = TABLE[self.phase][turn]
        self.phase = cell.to or self.phase
        self._deeds[cell.deed](now)

    def _see_first(self, now: float, lost: Sequence[Child]) -> None:
        self._candidate.miss_first(now, lost)
        if self._find_fault(now, lost):
            return
        self._candidate.start_first(now)
        if self._candidate.proven(now):
            self._turn(Turn.PROVEN, now)

    def _find_fault(self, now: float, lost: Sequence[Child]) -> bool:
        """Look for what speaks against the new generation; if there is anything, turn back."""
        fault = self._candidate.fault(now, lost)
        if fault is None and now >= self._deadline:
            fault = Fault(f"not done within reload.deadline ({span(self._candidate.deadline)}){self._so_far()}")
        if fault is None:
            return False
        self._fault = fault
        self._turn(Turn.FAILED, now)
        return True

    def _replace_others(self, now: float) -> None:
        for pool in self._candidate.pools():
            for child in pool.children:
                if child.generation != pool.generation:
                    pool.replace(child, Cause.RELOADED, now)
        if all(complete(pool) for pool in self._candidate.pools()):
            self._turn(Turn.COMPLETE, now)
        else:
            self._tell_progress("replaced")

    def _see_them_back(self, now: float, lost: Sequence[Child]) -> None:
        """Wait until nobody is owed a successor and the culprit has left its last words; but not for ever."""
        owed, old = bool(self._owed()), self._pools.generation
        unborn = next((child for child in lost if child.generation == old and child.ready_at is None), None)
        if owed and unborn is not None:
            self._fault = Fault(f"{self._fault.detail}\n{unborn}: {why_lost(unborn)}", unborn)
            self._turn(Turn.RETURNED, now)
        elif now >= self._deadline or not (owed or self._fault.speaks):
            self._turn(Turn.RETURNED, now)
        elif owed:
            self._tell_progress("old again")

    def _owed(self) -> list[Child]:
        """Who holds a slot for want of a worker of the generation that is to be there."""
        return [child for pool in self._pools.in_force() for child in outstanding(pool)]

    def _so_far(self) -> str:
        progress = self.progress
        return f": {progress.ready} of {progress.workers} workers replaced" if progress and progress.ready else ""

    def _tell_progress(self, done: str) -> None:
        if (progress := self.progress) is not None:
            self._bulletin.tell_progress(done, progress.ready, progress.workers)

    # --- the deeds ----------------------------------------------------------------------------------------------------------

    def _load(self, now: float) -> None:
        self._again, self._began = False, now
        generation = self._bulletin.generation + 1
        self._bulletin.begin(generation)
        self._bulletin.log("info", f"reload asked for ({self._origin}): generation {generation}")
        self._bulletin.tell("reading the configuration")
        self._decisions.add(LoadPlan(generation))

    def _follow(self, _now: float) -> None:
        self._again = True
        self._decisions.log("info", f"reload asked for ({self._origin}): follows the one that is running")

    def _prove(self, _now: float) -> None:
        self._candidate = Candidate(self._pools, self._bulletin.generation, self._loaded.policies)
        self._deadline = self._began + self._candidate.deadline
        for setting in self._loaded.unchanged:
            self._bulletin.log("warning", stays(setting))
        boots = "its first worker boots"
        if self._candidate.observe:
            boots = f"its first worker is observed for {span(self._candidate.observe)}"
            self._bulletin.log("info", f"generation {self._candidate.generation}: {boots}")
        self._bulletin.tell(f"the configuration is fine; {boots}")

    def _refuse(self, _now: float) -> None:
        old = self._pools.generation
        self._bulletin.log("error", f"reload refused; generation {old} keeps serving", self._fault.detail)
        self._bulletin.failed(old, self._fault.detail)

    def _roll(self, _now: float) -> None:
        message = (
            f"generation {self._candidate.generation} has proven itself; replacing generation {self._pools.generation}"
        )
        self._bulletin.log("info", message)
        self._candidate.take_over()

    def _commit(self, now: float) -> None:
        generation = self._candidate.generation
        self._bulletin.committed(sum(pool.size for pool in self._candidate.pools()), self._loaded.unchanged)
        self._decisions.add(CommitPlan(generation))
        self._decisions.add(RunHook("reloaded", {"generation": generation}))
        self._pools.commit(generation, now)

    def _go_back(self, now: float) -> None:
        old = self._pools.generation
        self._deadline = now + self._candidate.deadline
        self._withdraw(now)
        owed = len(self._owed())
        self._mixed = owed > 0
        follows = f"generation {old} takes {count(owed, 'slot')} back" if owed else f"generation {old} keeps serving"
        self._bulletin.log(
            "error", f"generation {self._candidate.generation} is rolled back: {self._fault.words}; {follows}"
        )
        # Without the reason, which comes with the answer and its traceback: who waits would read it twice.
        self._bulletin.tell(f"rolled back; {follows}" if owed else "rolled back")

    def _conclude(self, _now: float) -> None:
        old, owed, message = self._pools.generation, len(self._owed()), ""
        if owed:
            message = f"generation {old} is in force; generation {self._candidate.generation} serves {count(owed, 'slot')} until it boots"
            self._bulletin.log("error", message)
        elif self._mixed:
            self._bulletin.log("info", f"generation {old} serves every slot again")
        self._bulletin.failed(old, self._fault.detail, message)

    def _discard(self, _now: float) -> None:
        self._decisions.add(AbandonPlan(self._bulletin.generation))

    def _dismiss(self, now: float) -> None:
        self._withdraw(now)
        self._break_off(now)

    def _withdraw(self, now: float) -> None:
        self._candidate.dismiss(now)
        self._pools.take_back(self._candidate.generation, now)
        self._decisions.add(AbandonPlan(self._candidate.generation))

    def _break_off(self, _now: float) -> None:
        self._bulletin.log("info", f"generation {self._bulletin.generation} is left unfinished: the server stops")
        self._bulletin.refused("the server stops")
