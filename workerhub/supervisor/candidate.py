"""The generation that a reload brings: its numbers, its first workers, and what speaks against it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workerhub.slotted import dataclass
from workerhub.supervisor.budget import RestartBudget
from workerhub.supervisor.children import Child
from workerhub.supervisor.exits import FROM_OUTSIDE, Cause
from workerhub.supervisor.policy import PoolPolicy
from workerhub.supervisor.pool import Pool, Standing
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.states import FORCED, Input, State
from workerhub.supervisor.templates import end_trial, provide
from workerhub.supervisor.words import why_lost


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a generation can't be: in words, and the worker in which it showed, if it was one."""

    words: str
    culprit: Child | None = None

    @property
    def detail(self) -> str:
        """The words, and below them the traceback or the stacks that the culprit left."""
        return f"{self.words}\n{self.culprit.detail}".rstrip() if self.culprit is not None else self.words

    @property
    def speaks(self) -> bool:
        """Whether the culprit may still say more: it is being ended, and leaves its stacks behind."""
        return self.culprit is not None and self.culprit.state in FORCED and not self.culprit.unkillable


class Candidate:
    """A generation that isn't committed.

    Args:
        pools: where its workers go.
        generation: its number.
        policies: its numbers, one for each pool that it names.
    """

    def __init__(self, pools: Pools, generation: int, policies: Iterable[PoolPolicy]) -> None:
        self.generation = generation
        self.policies = {policy.name: policy for policy in policies}
        self._pools = pools
        self._budgets = {policy.name: RestartBudget(policy) for policy in self.policies.values()}
        self._first: dict[str, Child] = {}
        for policy in self.policies.values():
            pools.invite(policy)

    @property
    def deadline(self) -> float:
        """Seconds that the whole reload may take."""
        return min((policy.reload_deadline for policy in self.policies.values()), default=0.0)

    @property
    def observe(self) -> float:
        """Seconds that a new worker has to stay healthy, the most that any pool asks for."""
        return max((policy.observe for policy in self.policies.values()), default=0.0)

    def miss_first(self, now: float, lost: Sequence[Child]) -> None:
        """First workers, and their templates, that are lost have to be started again, on the new generation's own restart budget."""
        for child in lost:
            if not child.on_trial or child.generation != self.generation:
                continue
            self._budgets[child.pool].went_down(now)
            if self._first.get(child.pool) is child:
                del self._first[child.pool]

    def start_first(self, now: float) -> None:
        """Start the first worker of every pool that has none, whatever back-off the old generation is in: this may be the cure."""
        for name, policy in self.policies.items():
            pool, budget = self._pools[name], self._budgets[name]
            spoken_for = len(pool.empty_slots()) if pool.standing is Standing.IN_FORCE else 0
            may_start = budget.may_start(now)
            provided = provide(pool, self.generation, policy, budget, now)
            if may_start and provided and name not in self._first and pool.has_room(spoken_for):
                budget.started(now)
                self._first[name] = pool.try_out(self.generation, policy, now)

    def first_ready(self) -> bool:
        """Whether there is a serving worker in every pool."""
        return len(self._first) == len(self.policies) and all(child.serves for child in self._first.values())

    def proven(self, now: float) -> bool:
        """Whether all of them have been healthy for long enough."""
        return self.first_ready() and not any(self._young(child, now) for child in self._first.values())

    def moments(self) -> list[float | None]:
        """When to look again, if nothing happens before."""
        moments = [budget.due for budget in self._budgets.values()]
        if self.first_ready():
            moments.append(max(child.ready_at + self.policies[child.pool].observe for child in self._first.values()
                               if child.ready_at is not None))  # fmt: skip
        return moments

    def fault(self, now: float, lost: Sequence[Child]) -> Fault | None:
        """What speaks against it.

        Args:
            now: the moment.
            lost: who went down lately without having been told to leave.
        """
        for child in lost:
            if child.generation == self.generation and child.leave not in FROM_OUTSIDE and self._young(child, now):
                return Fault(f"{child}: {why_lost(child)}", child)
        for pool in self._pools:
            for child in pool.children:
                if child.generation == self.generation and child.state is State.STUCK and self._young(child, now):
                    return Fault(f"{child}: {why_lost(child)}", child)
        if any(budget.degraded for budget in self._budgets.values()):
            return Fault("the restart budget is spent")
        return None

    def take_over(self) -> None:
        """Have the pools run by its numbers; there is a way back until the reload is committed."""
        for child in self._first.values():
            child.on_trial = False
        self._first = {}
        for name, policy in self.policies.items():
            end_trial(self._pools[name])
            self._pools.hand_over(name, self.generation, policy, self._budgets[name])

    def dismiss(self, now: float) -> None:
        """Have its first workers leave."""
        for child in self._first.values():
            self._pools[child.pool].dismiss(child, Input.DRAIN, Cause.ABANDONED, now)
        self._first = {}
        for pool in self.pools():
            end_trial(pool)

    def pools(self) -> list[Pool]:
        """The pools that it names."""
        return [self._pools[name] for name in self.policies]

    def _young(self, child: Child, now: float) -> bool:
        """Whether it hasn't been ready for long enough to be trusted."""
        return child.ready_at is None or now < child.ready_at + self.policies[child.pool].observe
