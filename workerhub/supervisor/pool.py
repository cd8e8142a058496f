"""One pool: its policy, its children, and the moves that the table allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum

from workerhub.slotted import dataclass
from workerhub.supervisor.boot import BootReport
from workerhub.supervisor.budget import RestartBudget
from workerhub.supervisor.children import Child, Children
from workerhub.supervisor.commands import Send, Spawn, SpawnTemplate
from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import ChildId
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.partings import Partings
from workerhub.supervisor.policy import Allowance, Draw, PoolPolicy, allowance
from workerhub.supervisor.states import HOLDING, LEAVING, TABLE, Input, State

ABORT_PATIENCE = 5.0
"""Seconds. The longest that a worker told to leave at once may take, however long `timeouts.kill` is: its own clean-up, no requests."""

NO_SLOT = -1
"""In the place of a template's slot."""

REAP_PATIENCE = 10.0
"""Seconds between SIGKILL and the complaint that the process is still there."""


class Standing(Enum):
    """What a pool is to the server."""

    PROBATION = "probation"
    """A reload brings it in; only the reload starts its workers."""
    IN_FORCE = "in force"
    CLOSING = "closing"
    """A reload left it out; its workers leave."""


@dataclass(slots=True)
class Supplies:
    """What all pools share: where decisions go, chance, and the names of children to come."""

    decisions: Decisions
    draw: Draw
    ids: Iterator[int]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a pool was run by before a reload that isn't committed: all that is needed to go back."""

    generation: int
    policy: PoolPolicy
    budget: RestartBudget
    size: int
    standing: Standing


class Pool:
    """Keeps the record. Says what is, makes the moves; which move is due is decided in `replacement`, `reload` and `stop`."""

    def __init__(self, policy: PoolPolicy, generation: int, standing: Standing, supplies: Supplies) -> None:
        self.policy = policy
        self.generation = generation
        """Of which generation its workers are to be."""
        self.standing = standing
        self.size = policy.size
        """How many workers are wanted; differs from `policy.size` after scaling."""
        self.former: Terms | None = None
        """What it goes back to if the reload fails that runs it now; None: there is nothing to go back from."""
        self.children = Children()
        """The workers."""
        self.templates = Children()
        """Who forks them, with `preload`."""
        self.partings = Partings()
        self.budget = RestartBudget(policy)
        self.boot = BootReport(policy.name, supplies.decisions)
        self.served = False
        """Whether a worker ever became ready."""
        self.down_since: float | None = None
        """Since when nothing is healthy, having served; None while something is."""
        self.announced = 0
        """Of how many slots, lowest first, the operator was told that they are served, and it is still so."""
        self._supplies = supplies

    @property
    def name(self) -> str:
        """As in the configuration."""
        return self.policy.name

    def everyone(self) -> list[Child]:
        """Workers and templates: all that aren't reaped."""
        return [*self.children, *self.templates]

    def booting(self) -> list[Child]:
        """Who is on its way, and may come to serve or to fork who does."""
        return [*self.children.booting(), *self.templates.booting()]

    def in_slot(self, slot: int) -> list[Child]:
        """Who holds the slot, a worker on trial left aside."""
        return [child for child in self.children.holding(slot) if not child.on_trial]

    def empty_slots(self) -> list[int]:
        """Slots that nobody holds, lowest first."""
        return [slot for slot in range(self.size) if not self.in_slot(slot)]

    def manned(self, slots: int) -> bool:
        """Whether each of that many slots, lowest first, has a serving worker, of whatever generation: a reload is no gap."""
        return all(any(child.serves for child in self.in_slot(slot)) for slot in range(slots))

    def served_slots(self) -> int:
        """How many of the slots that are wanted have a serving worker, of whatever generation."""
        return len({child.slot for child in self.children.serving() if child.slot < self.size and not child.on_trial})

    def has_room(self, extra: int = 0) -> bool:
        """Whether one more process may be started, `extra` places being spoken for. Everything unreaped takes a place."""
        return len(self.children) + extra < self.slots + self.policy.surge

    @property
    def slots(self) -> int:
        """How many slots there are. While there is a way back, those that only the way back needs are kept."""
        return self.size if self.former is None else max(self.size, self.former.size)

    def resize(self, size: int) -> None:
        """So many workers are wanted, whichever generation ends up in force."""
        self.size = size
        if self.former is not None:
            self.former = replace(self.former, size=size)

    def hand_over(self, terms: Terms) -> None:
        """Run it by other numbers, and remember those until now."""
        former = Terms(self.generation, self.policy, self.budget, self.size, self.standing)
        self._run_by(terms)
        self.former = former

    def take_back(self) -> None:
        """Run it by its former numbers again."""
        if self.former is not None:
            self._run_by(self.former)

    def spawn(self, slot: int, now: float) -> None:
        """Start a worker."""
        self._spawn(slot, self.generation, self.policy, now)

    def try_out(self, generation: int, policy: PoolPolicy, now: float) -> Child:
        """Start a worker of another generation, beside the one in the first slot: it takes room, and is otherwise not counted on."""
        child = self._spawn(0, generation, policy, now)
        child.on_trial = True
        return child

    def spawn_template(self, generation: int, policy: PoolPolicy, now: float) -> None:
        """Start a template; of another generation than the one that the pool is run by, on trial."""
        name = ChildId(next(self._supplies.ids))
        template = Child(name, self.name, NO_SLOT, generation, now, None, Allowance(None, None, None), is_template=True)
        template.deadline = now + policy.boot_timeout
        template.on_trial = generation != self.generation
        self.templates.add(template)
        self._supplies.decisions.add(SpawnTemplate(name, self.name, generation))

    def put(self, child: Child, input_: Input, now: float) -> None:
        """Do what the table says."""
        cell = TABLE[child.state][input_]
        if cell.to is not None and (cell.to is not child.state or input_ is Input.OVERDUE):
            child.state, child.since = cell.to, now
            if cell.to in LEAVING and child.leaving_since is None:
                child.leaving_since = now
            child.deadline = self._deadline(child, now)
        for nudge in cell.nudges:
            self._supplies.decisions.add(Send(child.id, nudge))
        if cell.to is State.GONE:
            (self.templates if child.is_template else self.children).remove(child)

    def dismiss(self, child: Child, input_: Input, why: Cause, now: float) -> None:
        """Tell a child to leave, unless it was told already; the first reason stands."""
        if child.state in HOLDING and child.leave is not Cause.STUCK:
            child.leave = why
        self.put(child, input_, now)

    def replace(self, child: Child, why: Cause, now: float) -> None:
        """Have a successor take over; until then the child serves."""
        if child.state is State.READY:
            child.leave = why
        self.put(child, Input.REPLACE, now)

    def keep(self, child: Child, now: float) -> None:
        """No successor is wanted after all."""
        if child.state is State.OUTGOING:
            child.leave = None
        self.put(child, Input.KEEP, now)

    def _spawn(self, slot: int, generation: int, policy: PoolPolicy, now: float) -> Child:
        name, allowed = ChildId(next(self._supplies.ids)), allowance(policy, self._supplies.draw)
        child = Child(name, self.name, slot, generation, now, policy.request_timeout, allowed)
        child.deadline = now + policy.boot_timeout
        child.template = self._forks(generation) if policy.preload else None
        self.children.add(child)
        self._supplies.decisions.add(Spawn(name, self.name, slot, generation, allowed.requests, child.template))
        return child

    def _forks(self, generation: int) -> ChildId:
        """Who forks workers of that generation; is ready, as nobody is started before (see `templates`)."""
        return next(it.id for it in self.templates if it.generation == generation and it.state is State.READY)

    def _run_by(self, terms: Terms) -> None:
        self.generation, self.policy, self.budget = terms.generation, terms.policy, terms.budget
        self.size, self.standing = terms.size, terms.standing
        self.former = None

    def _deadline(self, child: Child, now: float) -> float | None:
        told = child.leaving_since if child.leaving_since is not None else now
        match child.state:
            case State.CANCELLED:
                return now + self.policy.kill_timeout
            case State.DRAINING:  # a template has nothing to finish
                return told + (self.policy.kill_timeout if child.is_template else self.policy.graceful_timeout)
            case State.ABORTING:
                return now + min(self.policy.kill_timeout, ABORT_PATIENCE)
            case State.KILLED:
                return now + REAP_PATIENCE
            case State.BOOTING:
                return child.deadline
            case State.READY | State.OUTGOING | State.STUCK | State.GONE:
                return None
