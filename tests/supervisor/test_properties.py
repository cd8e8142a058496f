"""Whatever happens, in whatever order: what the supervisor never does.

`HYPOTHESIS_PROFILE=deep` looks much longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import count
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.supervision import policy

from workerhub.supervisor import (
    AbandonPlan,
    Announce,
    Answer,
    BoardRead,
    ChildExited,
    ChildFailed,
    ChildId,
    ChildReady,
    ChildSpawned,
    ClaimInheritance,
    CommitPlan,
    DeadlineReached,
    EndSuccessor,
    Event,
    Exit,
    HandOver,
    Inherited,
    Leave,
    LimitReached,
    LoadPlan,
    Log,
    Moment,
    Nudge,
    PlanLoaded,
    PlanRejected,
    PoolPolicy,
    ReadBoard,
    Reading,
    ReloadRequested,
    Run,
    RunHook,
    ScaleRequested,
    Send,
    Spawn,
    SpawnFailed,
    SpawnTemplate,
    Started,
    StartSuccessor,
    StopListening,
    StopRequested,
    SuccessorLost,
    SuccessorReady,
    SuccessorStarted,
    Supervisor,
    Tell,
    Ticket,
    UpgradeRequested,
)
from workerhub.supervisor.pool import Pool, Standing
from workerhub.supervisor.recycle import LOOK, worn_out
from workerhub.supervisor.states import State

EXITS = [Exit(code=0), Exit(code=1), Exit(code=64), Exit(code=66), Exit(code=67), Exit(signal=9), Exit(signal=11)]
DURATIONS = st.sampled_from([0.5, 1.0, 5.0, 30.0, 90.0])

POLICIES = st.builds(
    policy,
    name=st.sampled_from(["web", "api"]),
    size=st.integers(1, 4),
    surge=st.integers(1, 2),
    boot_timeout=DURATIONS,
    request_timeout=st.none() | DURATIONS,
    kill_timeout=DURATIONS,
    graceful_timeout=DURATIONS,
    drain_delay=st.sampled_from([0.0, 5.0]),
    max_requests=st.none() | st.just(100),
    max_memory=st.none() | st.just(100),
    max_age=st.none() | DURATIONS,
    restart_intensity=st.integers(0, 5),
    restart_period=DURATIONS,
    restart_backoff=DURATIONS,
    restart_backoff_max=DURATIONS,
    observe=st.sampled_from([0.0, 1.0, 30.0]),
    reload_deadline=st.sampled_from([5.0, 90.0, 300.0]),
    preload=st.booleans(),
)
PLANS = st.lists(POLICIES, min_size=1, max_size=2, unique_by=lambda one: one.name)


NEXT = {
    None: {Moment.READY, Moment.STOPPING},
    Moment.READY: {Moment.RELOADING, Moment.STOPPING},
    Moment.RELOADING: {Moment.RELOADED, Moment.STOPPING},
    Moment.RELOADED: {Moment.RELOADING, Moment.STOPPING},
    Moment.STOPPING: set(),
}
"""What may be announced after what."""


@dataclass
class Process:
    """One process of the pretend world."""

    order: Spawn | SpawnTemplate
    born: bool = True
    ready: bool = False
    failed: bool = False
    told_to_leave: bool = False
    killed: bool = False
    memory: int | None = 50
    runs: tuple[Run, ...] = ()

    @property
    def is_worker(self) -> bool:
        return isinstance(self.order, Spawn)


class Heirloom(Enum):
    """What becomes of the sockets that two masters serve."""

    OURS = "nobody else serves them"
    LENT = "a new master boots, or is told to leave"
    GIVEN = "the new master has them"
    BORROWED = "this is the new master, and not all of it serves"
    CLAIMED = "this is the new master, and it has asked for them"


@dataclass
class Successor:
    """A new master."""

    ready: bool = False
    told_to_leave: bool = False
    killed: bool = False


def in_force(pool: Pool) -> bool:
    """Whether it is one that the configuration has, and not one that leaves."""
    return pool.standing is Standing.IN_FORCE


class World(RuleBasedStateMachine):
    """Processes, an operator, and a clock, all of them free to do what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.processes: dict[ChildId, Process] = {}
        self.ever: set[ChildId] = set()
        self.plans: dict[int, dict[str, PoolPolicy]] = {}
        self.policies: list[PoolPolicy] = []
        """All that were ever in force, or tried: a worker has the time that it was given when it was told to leave."""
        self.undecided: int | None = None
        self.left: int | None = None
        self.stopping_since: float | None = None
        self.loading: int | None = None
        self.refuse_forks = False
        self.tickets = count(1)
        self.unanswered: set[Ticket] = set()
        self.looks: dict[ChildId, list[float]] = {}
        self.announced: Moment | None = None
        self.deaf: set[str] = set()
        self.successor: Successor | None = None
        self.sockets = Heirloom.OURS

    @initialize(plans=PLANS, heir=st.booleans())
    def start(self, plans: list[PoolPolicy], *, heir: bool) -> None:
        self.supervisor = Supervisor(plans, lambda most: most, heir=heir)
        self.sockets = Heirloom.BORROWED if heir else Heirloom.OURS
        self.plans[1] = {one.name: one for one in plans}
        self.policies += plans
        self.tell(Started(self.now))

    # --- events and what follows ---

    def tell(self, event: Event) -> None:
        queue = [event]
        while queue and self.left is None:
            current = queue.pop(0)
            commands = self.supervisor.handle(current)
            if isinstance(current, DeadlineReached) and not any(isinstance(it, ReadBoard) for it in commands):
                deadline = self.supervisor.next_deadline()
                assert deadline is None or deadline > current.at, "a deadline that was reached must not stay"
            for command in commands:
                assert self.left is None, f"{command} after leaving"
                queue += self.obey(command)
        self.check()

    def obey(self, command: object) -> Iterable[Event]:
        match command:
            case Spawn() | SpawnTemplate():
                return self.spawn(command)
            case Send(child=child, nudge=nudge):
                self.nudge(child, nudge)
            case ReadBoard(memory=memory):
                return [self.read(memory)]
            case LoadPlan() | CommitPlan() | AbandonPlan():
                self.decide(command)
            case Tell() | Answer() | Announce():
                self.hear(command)
            case Leave(code=code):
                assert not [process for process in self.processes.values() if not process.killed]
                assert not self.unanswered, "nobody waits for a server that is gone"
                assert self.announced is Moment.STOPPING
                assert self.successor is None, "a new master that has nothing of its own isn't left alone"
                self.left = code
            case StopListening(pool=name):
                assert self.sockets in (Heirloom.OURS, Heirloom.LENT), "another master serves these"
                self.deaf.add(name)
            case StartSuccessor() | EndSuccessor() | HandOver() | ClaimInheritance():
                return self.bequeath(command)
            case Log() | RunHook():
                pass
            case _:
                raise AssertionError(command)
        return []

    def decide(self, command: LoadPlan | CommitPlan | AbandonPlan) -> None:
        match command:
            case LoadPlan(generation):
                assert self.undecided is None, "one reload at a time, and every one has its end"
                assert generation > max(self.plans)
                self.loading = self.undecided = generation
            case CommitPlan(generation):
                assert generation == self.undecided == self.supervisor.generation
                self.plans, self.undecided = {generation: self.plans[generation]}, None
            case AbandonPlan(generation):
                assert generation == self.undecided != self.supervisor.generation
                self.undecided = None
                del self.plans[generation]

    def hear(self, command: Tell | Answer | Announce) -> None:
        match command:
            case Tell(ticket=ticket):
                assert ticket in self.unanswered, "who was answered hears no more"
            case Answer(ticket=ticket):
                assert ticket in self.unanswered, "everyone is answered once"
                self.unanswered.remove(ticket)
            case Announce(moment=moment) if moment is not Moment.PROGRESS:
                assert moment in NEXT[self.announced]
                self.announced = moment

    def bequeath(self, command: StartSuccessor | EndSuccessor | HandOver | ClaimInheritance) -> Iterable[Event]:
        match command:
            case StartSuccessor():
                assert self.sockets is Heirloom.OURS
                assert not self.stopping
                assert self.undecided is None, "not in the middle of a reload"
                if self.refuse_forks:
                    self.refuse_forks = False
                    return [SuccessorLost(self.now, None, "no memory")]
                self.successor, self.sockets = Successor(), Heirloom.LENT
                return [SuccessorStarted(self.now, 99)]
            case EndSuccessor(nudge):
                assert self.sockets is Heirloom.LENT, "who has been given everything can't be told anything"
                if self.successor is not None:
                    self.successor.told_to_leave = True
                    self.successor.killed |= nudge is Nudge.KILL
            case HandOver():
                assert self.sockets is Heirloom.LENT
                assert self.successor is not None
                assert self.successor.ready, "who doesn't serve isn't handed anything"
                assert not self.successor.told_to_leave
                self.successor, self.sockets = None, Heirloom.GIVEN
            case ClaimInheritance():
                assert self.sockets is Heirloom.BORROWED, "once"
                manned = {(child.pool, child.slot) for child in self.supervisor.children() if child.serves}
                slots = {(pool.name, slot) for pool in self.pools() for slot in range(pool.size) if in_force(pool)}
                assert manned >= slots, "not before all of it serves"
                self.sockets = Heirloom.CLAIMED
        return []

    def read(self, memory: Mapping[ChildId, int]) -> BoardRead:
        limits = {child.id: child.allowance.memory for child in self.supervisor.children()}
        assert all(limits[child] == bound for child, bound in memory.items()), "nobody is looked at without a limit"
        for child in memory:
            looks = self.looks.setdefault(child, [])
            looks.append(self.now)
            assert len(looks) <= 2 or looks[-2] + LOOK <= looks[-1], "after the first look at a newcomer, no ticking"
        return BoardRead(
            self.now,
            {
                child: Reading(0, process.runs, process.memory if child in memory else None)
                for child, process in self.processes.items()
            },
        )

    def spawn(self, order: Spawn | SpawnTemplate) -> Iterable[Event]:
        assert order.child not in self.ever, "a name is never used again"
        assert order.pool in self.plans[order.generation], "a plan that was given back is not needed any more"
        self.ever.add(order.child)
        template = self.template_for(order)
        self.processes[order.child] = Process(order, born=template is None)
        assert order.pool not in self.deaf, "who can't be asked anything isn't started"
        pool = self.pool(order.pool)
        living = [it for it in self.processes.values() if it.order.pool == order.pool and it.is_worker]
        assert isinstance(order, SpawnTemplate) or len(living) <= pool.slots + pool.policy.surge, (
            "draining and killed ones take room, too"
        )
        if self.refuse_forks:
            self.refuse_forks = False
            del self.processes[order.child]
            return [SpawnFailed(self.now, order.child, "no memory")]
        return [ChildSpawned(self.now, order.child, 100 + int(order.child))] if template is None else []

    def template_for(self, order: Spawn | SpawnTemplate) -> Process | None:
        """Who forks it; None: the master does."""
        preload = self.plans[order.generation][order.pool].preload
        if isinstance(order, SpawnTemplate):
            assert preload
            there = [it.order for it in self.processes.values() if not (it.is_worker or it.told_to_leave)]
            assert (order.pool, order.generation) not in {(it.pool, it.generation) for it in there}, "one is enough"
            return None
        assert preload is (order.template is not None)
        if order.template is None:
            return None
        template = self.processes[order.template]
        assert (template.order.pool, template.order.generation) == (order.pool, order.generation)
        assert template.ready, "who isn't ready has nothing that could be forked"
        assert not template.told_to_leave
        return template

    def nudge(self, child: ChildId, nudge: Nudge) -> None:
        assert child in self.processes, "who is reaped is not told anything"
        process = self.processes[child]
        if nudge is Nudge.DRAIN and process.ready and not process.told_to_leave and not self.stopping:
            assert self.dispensable(child), "nobody is retired before somebody else serves in the slot"
        process.told_to_leave |= nudge in (Nudge.DRAIN, Nudge.FINISH, Nudge.ABORT, Nudge.KILL)
        process.killed |= nudge is Nudge.KILL

    def dispensable(self, child: ChildId) -> bool:
        """Whether the master may tell it to leave without a loss for anybody."""
        order = self.processes[child].order
        pool = self.pool(order.pool)
        if isinstance(order, SpawnTemplate):
            return order.generation != pool.generation or pool.standing is Standing.CLOSING
        others = [
            other
            for name, other in self.processes.items()
            if isinstance(other.order, Spawn) and name != child
            and (other.order.pool, other.order.slot) == (order.pool, order.slot)
            and other.ready and not other.told_to_leave
        ]  # fmt: skip
        on_trial = next(known.on_trial for known in self.supervisor.children() if known.id == child)
        return bool(others) or on_trial or order.slot >= pool.slots or pool.standing is Standing.CLOSING

    def check(self) -> None:
        known = {child.id: child for child in [*self.supervisor.children(), *self.supervisor.templates()]}
        assert set(known) == set(self.processes), "who lives is known, and nobody else"
        for pool in self.pools():
            for slot in range(pool.size):
                booting = [child for child in pool.in_slot(slot) if child.state.name == "BOOTING"]
                assert len(booting) <= 1
        if not self.stopping:
            worn = [child for child in known.values() if child.state is State.READY and worn_out(child, self.now)]
            assert not worn, "whoever is worn out waits for a successor or has one"
            for child in known.values():
                if child.state is State.READY and child.allowance.memory is not None:
                    assert max(self.looks[child.id][-1], child.since) + LOOK >= self.now, "no limit is forgotten"

    @property
    def stopping(self) -> bool:
        return self.stopping_since is not None or self.supervisor._stop is not None

    def pools(self) -> list[Pool]:
        return list(self.supervisor._pools)

    def pool(self, name: str) -> Pool:
        return self.supervisor._pools[name]

    def pick(self, data: st.DataObject, **wanted: bool) -> ChildId | None:
        names = [
            child
            for child, process in self.processes.items()
            if all(getattr(process, key) is value for key, value in wanted.items())
        ]
        return data.draw(st.sampled_from(names)) if names else None

    def running(self) -> bool:
        return self.left is None and hasattr(self, "supervisor")

    # --- the clock ---

    @precondition(running)
    @rule(duration=DURATIONS)
    def time_passes(self, duration: float) -> None:
        until = self.now + duration
        while self.left is None and (deadline := self.supervisor.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.tell(DeadlineReached(self.now))
        self.now = until

    @precondition(running)
    @rule()
    def deadline_comes(self) -> None:
        if (deadline := self.supervisor.next_deadline()) is not None:
            self.now = max(self.now, deadline)
            self.tell(DeadlineReached(self.now))

    # --- the processes ---

    @precondition(running)
    @rule(data=st.data())
    def becomes_ready(self, data: st.DataObject) -> None:
        if (child := self.pick(data, born=True, ready=False, failed=False, killed=False)) is not None:
            self.processes[child].ready = True
            self.tell(ChildReady(self.now, child))

    @precondition(running)
    @rule()
    def all_become_ready(self) -> None:
        for child, process in list(self.processes.items()):
            if process.born and not (process.ready or process.failed or process.killed) and self.left is None:
                process.ready = True
                self.tell(ChildReady(self.now, child))

    @precondition(running)
    @rule(data=st.data())
    def reports_a_failure(self, data: st.DataObject) -> None:
        if (child := self.pick(data, born=True, failed=False, killed=False)) is not None:
            self.processes[child].failed = True
            self.tell(ChildFailed(self.now, child, "broken", "Traceback"))

    @precondition(running)
    @rule(data=st.data(), how=st.sampled_from(EXITS))
    def exits(self, data: st.DataObject, how: Exit) -> None:
        if (child := self.pick(data, born=True)) is not None:
            self.end(child, Exit(signal=9) if self.processes[child].killed else how)

    @precondition(running)
    @rule()
    def everyone_told_to_leave_does(self) -> None:
        for child, process in list(self.processes.items()):
            if process.told_to_leave and process.born and self.left is None and child in self.processes:
                self.end(child, Exit(signal=9) if process.killed else Exit(code=0))

    def end(self, child: ChildId, how: Exit) -> None:
        process = self.processes.pop(child)
        unborn = [name for name, other in self.processes.items() if self.is_to_fork(child, other)]
        before = len(self.supervisor.children())
        self.tell(ChildExited(self.now, child, how, Reading(0, process.runs)))
        assert child not in {other.id for other in self.supervisor.children()}, before
        for name in unborn:
            self.is_stillborn(name)

    def is_to_fork(self, template: ChildId, other: Process) -> bool:
        return not other.born and isinstance(other.order, Spawn) and other.order.template == template

    def is_stillborn(self, child: ChildId) -> None:
        if self.left is None:
            del self.processes[child]
            self.tell(SpawnFailed(self.now, child, "its template is gone"))

    @precondition(running)
    @rule(data=st.data())
    def is_forked(self, data: st.DataObject) -> None:
        if (child := self.pick(data, born=False)) is not None:
            self.fork(child)

    def fork(self, child: ChildId) -> None:
        if self.refuse_forks:
            self.refuse_forks = False
            self.is_stillborn(child)
        else:
            self.processes[child].born = True
            self.tell(ChildSpawned(self.now, child, 100 + int(child)))

    @precondition(running)
    @rule(data=st.data())
    def reaches_its_limit(self, data: st.DataObject) -> None:
        if (child := self.pick(data, ready=True, is_worker=True)) is not None:
            self.tell(LimitReached(self.now, child))

    @precondition(running)
    @rule(data=st.data(), memory=st.sampled_from([None, 50, 100, 101, 500]))
    def grows(self, data: st.DataObject, memory: int | None) -> None:
        if (child := self.pick(data, killed=False)) is not None:
            self.processes[child].memory = memory

    @precondition(running)
    @rule(data=st.data(), timeout=st.sampled_from([1.0, 30.0, inf]))
    def gets_a_request(self, data: st.DataObject, timeout: float) -> None:
        if (child := self.pick(data, ready=True, is_worker=True)) is not None:
            process = self.processes[child]
            run = Run(len(process.runs), self.now, self.now + timeout, "GET /", "192.0.2.1")
            process.runs = (*process.runs, run)

    @precondition(running)
    @rule(data=st.data())
    def finishes_a_request(self, data: st.DataObject) -> None:
        if (child := self.pick(data, ready=True, is_worker=True)) is not None:
            self.processes[child].runs = self.processes[child].runs[1:]

    @precondition(running)
    @rule()
    def the_system_refuses_the_next_fork(self) -> None:
        self.refuse_forks = True

    # --- the operator ---

    @precondition(running)
    @rule()
    def hup(self) -> None:
        self.tell(ReloadRequested(self.now, "SIGHUP", self.ticket()))

    def ticket(self) -> Ticket:
        ticket = Ticket(next(self.tickets))
        self.unanswered.add(ticket)
        return ticket

    @precondition(lambda self: self.running() and self.loading is not None)
    @rule(plans=PLANS, refused=st.booleans())
    def loads(self, plans: list[PoolPolicy], *, refused: bool) -> None:
        if refused:
            self.loading = self.undecided = None
            self.tell(PlanRejected(self.now, "no"))
        else:
            self.load(tuple(plans))

    def load(self, policies: tuple[PoolPolicy, ...]) -> None:
        assert self.loading is not None
        self.plans[self.loading], self.loading = {one.name: one for one in policies}, None
        self.policies += policies
        self.tell(PlanLoaded(self.now, policies))

    @precondition(lambda self: self.running() and self.loading is not None)
    @rule()
    def loads_the_same(self) -> None:
        self.load(tuple(replace(pool.policy) for pool in self.pools() if in_force(pool)))

    @precondition(running)
    @rule(change=st.sampled_from([-2, -1, 1, 2]), size=st.sampled_from([None, 0, 1, 3]))
    def scales(self, change: int, size: int | None) -> None:
        self.tell(ScaleRequested(self.now, change, "control", ticket=self.ticket(), size=size))

    @precondition(running)
    @rule(fast=st.booleans(), really=st.sampled_from([False] * 9 + [True]))
    def stops(self, *, fast: bool, really: bool) -> None:
        if really:
            self.stopping_since = self.now if self.stopping_since is None else self.stopping_since
            self.tell(StopRequested(self.now, fast, "SIGTERM", self.ticket()))

    # --- the upgrade ---

    @precondition(running)
    @rule()
    def is_to_be_upgraded(self) -> None:
        self.tell(UpgradeRequested(self.now, "SIGUSR2", self.ticket()))

    @precondition(lambda self: self.running() and self.successor is not None and not self.successor.ready)
    @rule()
    def new_master_serves(self) -> None:
        """Also when it was told to leave meanwhile: that crosses."""
        assert self.successor is not None
        self.successor.ready = True
        given = not self.successor.told_to_leave
        self.tell(SuccessorReady(self.now))
        assert (self.sockets is Heirloom.GIVEN) is given

    @precondition(lambda self: self.running() and self.successor is not None)
    @rule(how=st.sampled_from([Exit(code=0), Exit(code=2), Exit(code=4), Exit(signal=9)]))
    def new_master_leaves(self, how: Exit) -> None:
        self.lose_successor(how)

    def lose_successor(self, how: Exit) -> None:
        self.successor, self.sockets = None, Heirloom.OURS
        self.tell(SuccessorLost(self.now, how))

    @precondition(lambda self: self.running() and self.sockets is Heirloom.CLAIMED)
    @rule()
    def old_master_hands_over(self) -> None:
        self.sockets = Heirloom.OURS
        self.tell(Inherited(self.now))

    def other_master_goes_on(self) -> None:
        if self.successor is None:
            self.old_master_hands_over()
        elif self.successor.told_to_leave or self.successor.ready:
            self.lose_successor(Exit(code=0))
        else:
            self.new_master_serves()

    # --- the calm ---

    @precondition(lambda self: self.running() and not self.stopping)
    @rule()
    def from_now_on_all_goes_well(self) -> None:
        """Then the server comes to rest: whole, of one generation, and with nobody who waits for an answer."""
        for process in self.processes.values():
            process.runs, process.memory = (), 50
        for _ in range(2000):
            if self.left is not None or self.at_rest():
                return
            if self.loading is not None:
                self.loads_the_same()
            elif self.successor is not None or self.sockets is Heirloom.CLAIMED:
                self.other_master_goes_on()
            elif unborn := [child for child, process in self.processes.items() if not process.born]:
                self.fork(unborn[0])
            elif busy := [
                child for child, process in self.processes.items() if process.told_to_leave or process.failed
            ]:
                self.end(busy[0], Exit(signal=9) if self.processes[busy[0]].killed else Exit(code=0))
            elif any(not process.ready for process in self.processes.values()):
                self.all_become_ready()
            else:
                self.deadline_comes()
        raise AssertionError(
            f"the server does not come to rest: {self.supervisor.reloading} {self.supervisor.children()}"
        )

    def at_rest(self) -> bool:
        slots = {(pool.name, slot, self.supervisor.generation) for pool in self.pools() for slot in range(pool.size)}
        homes = {(pool.name, self.supervisor.generation) for pool in self.pools() if pool.policy.preload}
        children, templates = self.supervisor.children(), self.supervisor.templates()
        if self.undecided is not None or self.supervisor.reloading is not None:
            return False
        if self.sockets is not Heirloom.OURS:
            return False
        if (len(children), len(templates)) != (len(slots), len(homes)):
            return False
        if {(child.pool, child.generation) for child in templates if child.state is State.READY} != homes:
            return False
        if {(child.pool, child.slot, child.generation) for child in children if child.serves} != slots:
            return False
        assert not self.unanswered, "who waited for this hears of it"
        return True

    # --- the end ---

    @precondition(lambda self: not self.running())
    @rule()
    def nothing_happens_any_more(self) -> None:
        pass

    def teardown(self) -> None:
        """Nobody does anything of its own accord any more, except die of SIGKILL: the server ends in time all the same."""
        if not self.running():
            return
        if not self.stopping:
            self.stopping_since = self.now
            self.tell(StopRequested(self.now, fast=False, origin="SIGTERM"))
        begun = self.now
        bound = max(
            policy.drain_delay + max(policy.graceful_timeout, policy.kill_timeout) for policy in self.policies
        ) + max(policy.kill_timeout for policy in self.policies)
        for _ in range(1000):
            for child, process in list(self.processes.items()):
                if process.killed and process.born and self.left is None and child in self.processes:
                    self.end(child, Exit(signal=9))
            if self.successor is not None and self.successor.killed:
                self.lose_successor(Exit(signal=9))
            if self.left is not None:
                assert self.now - begun <= bound + 0.001
                return
            deadline = self.supervisor.next_deadline()
            assert deadline is not None, "a stopping server always has something to wait for"
            self.now = max(self.now, deadline)
            self.tell(DeadlineReached(self.now))
        raise AssertionError("the server does not stop")


TestWorld = World.TestCase
