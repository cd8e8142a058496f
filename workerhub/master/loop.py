"""The loop: what happens becomes events, what the supervisor commands is done. Nothing is decided here."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Sequence
from typing import Final

from workerhub.kernel.listeners import Listeners
from workerhub.kernel.notify import Notifier
from workerhub.kernel.protocol import (
    DiffRequested,
    Happening,
    HookEnded,
    Kernel,
    SignalArrived,
    StacksRequested,
    StacksWritten,
    StatusRequested,
    TaskEnded,
)
from workerhub.master.desk import Desk
from workerhub.master.estate import Estate
from workerhub.master.signals import EVENTS, REOPEN
from workerhub.master.stage import PlanRefusedError, Stage
from workerhub.plan import PLANNING_TIMEOUT
from workerhub.supervisor import (
    AbandonPlan,
    Announce,
    Answer,
    BoardRead,
    ChildExited,
    ChildId,
    ChildSpawned,
    ClaimInheritance,
    Command,
    CommitPlan,
    DeadlineReached,
    Draw,
    EndSuccessor,
    Event,
    HandOver,
    Inherited,
    Leave,
    Level,
    LoadPlan,
    Log,
    Moment,
    Nudge,
    PlanLoaded,
    PlanRejected,
    ReadBoard,
    RunHook,
    Send,
    ServerExit,
    Spawn,
    SpawnFailed,
    SpawnTemplate,
    Started,
    StartSuccessor,
    StopListening,
    SuccessorLost,
    SuccessorStarted,
    Supervisor,
    Tell,
)

HOOK_TIMEOUT: Final = 30.0
"""Seconds. A hook tells somebody something; what takes longer should be left to whom it tells."""

RESCUE_PATIENCE: Final = 30.0
"""Seconds that workers have to finish when the master itself fails; the default of `timeouts.graceful`."""


PLANNING: Final = "planning"
"""What the task of reading the configuration again is called."""


class Master:
    """Runs a supervisor on a kernel.

    Args:
        kernel: the operating system, or a pretend one.
        stage: the plans, and the log.
        draw: chance; see `workerhub.supervisor.policy.Draw`.
        notifier: who is told how the server is; None: nobody.
        estate: what an upgrade hands over; None: nothing.
    """

    def __init__(
        self, kernel: Kernel, stage: Stage, draw: Draw, notifier: Notifier | None = None, estate: Estate | None = None
    ) -> None:
        self._kernel = kernel
        self._stage = stage
        self._notifier = notifier or Notifier()
        self._estate = estate or Estate(Listeners(1), self._notifier)
        self._supervisor = Supervisor(stage.policies, draw, heir=self._estate.predecessor is not None)
        self._desk = Desk(kernel, stage, self._supervisor)
        self._living: set[ChildId] = set()
        self._events: deque[Event] = deque()
        self._loading = 0

    def run(self) -> int:
        """Serve until there is a reason to leave; the exit code. No worker is left behind, whatever happens."""
        try:
            return self._run()
        except Exception:  # noqa: BLE001  # a defect of ours must not make orphans of the workers
            self._log("error", "the master met an error that it has no name for; stopping", traceback.format_exc())
            self._rescue()
            return ServerExit.DEFECT

    def _run(self) -> int:
        self._events.append(Started(self._kernel.now()))
        while True:
            while self._events:
                for command in self._supervisor.handle(self._events.popleft()):
                    if isinstance(command, Leave):
                        return command.code
                    self._do(command)
            self._sleep()

    def _sleep(self) -> None:
        """Wait for what happens next, or for the moment at which the supervisor, or the desk, wants to be called."""
        until = self._supervisor.next_deadline()
        for happening in self._wait(_earliest(until, self._desk.deadline)):
            if not self._desk.hear(happening):
                self._take(happening)
        self._desk.look()
        now = self._kernel.now()
        if until is not None and now >= until:
            self._events.append(DeadlineReached(now))

    def _wait(self, until: float | None) -> Sequence[Happening]:
        """One turn of the loop, which is what a watchdog is told of. It may end before anything happens, or the moment comes."""
        due = self._notifier.turn(self._kernel.now())
        return self._kernel.wait(_earliest(until, due))

    def _take(self, happening: Happening) -> None:
        match happening:
            case SignalArrived(name=name) if name in EVENTS:
                self._events.append(EVENTS[name](happening))
            case SignalArrived(name=name) if name == REOPEN:
                self._reopen(name)
            case SignalArrived(name=name):
                self._log("warning", f"{name} has no meaning here")
            case Inherited():
                self._estate.take_over(happening.at)
                self._events.append(happening)
            case HookEnded(hook=hook, failure=failure):
                if failure:
                    self._log("error", f"the hook {hook} failed", failure)
            case TaskEnded():
                self._take_plan(happening)
            case ChildExited(child=child) | SpawnFailed(child=child):
                self._living.discard(child)
                self._events.append(happening)
            case StatusRequested() | StacksRequested() | StacksWritten() | DiffRequested():
                raise AssertionError("questions are the desk's business")
            case _:
                self._events.append(happening)

    def _reopen(self, origin: str) -> None:
        self._stage.reopen()
        for child in self._living:
            self._kernel.nudge(child, Nudge.REOPEN)
        self._log("info", f"log files opened anew ({origin})")

    def _do(self, command: Command) -> None:
        match command:
            case Spawn() | SpawnTemplate():
                self._spawn(command)
            case Send(child=child, nudge=nudge):
                self._kernel.nudge(child, nudge)
            case ReadBoard(memory=memory):
                readings = self._kernel.read_board(memory)
                self._events.append(BoardRead(self._kernel.now(), readings))
            case LoadPlan() | CommitPlan() | AbandonPlan() | StopListening():
                self._change_plan(command)
            case StartSuccessor() | EndSuccessor() | HandOver() | ClaimInheritance():
                self._succeed(command)
            case Log() | Announce() | Tell() | Answer():
                self._inform(command)
            case RunHook(hook=hook, facts=facts):
                life = self._stage.hook(hook, facts)
                if life is not None:
                    self._kernel.run_hook(hook, life, HOOK_TIMEOUT)
            case Leave():
                raise AssertionError("leaving is the loop's business")

    def _inform(self, command: Log | Announce | Tell | Answer) -> None:
        match command:
            case Log(level, message, fields, detail):
                self._stage.log(level, message, fields, detail)
                if level == "error":
                    self._kernel.complain(f"{message}\n{detail}".rstrip())
            case Announce(moment, status):
                self._notifier.announce(moment, status, self._kernel.now())
            case Tell(ticket, message, fields):
                self._kernel.tell(ticket, message, fields)
            case Answer(ticket, ok, message, detail, fields):
                self._kernel.answer(ticket, message, ok=ok, detail=detail, fields=fields)

    def _spawn(self, order: Spawn | SpawnTemplate) -> None:
        try:
            pid = self._start(order, self._stage.capacity(order))
        except OSError as error:
            self._events.append(SpawnFailed(self._kernel.now(), order.child, error.strerror or str(error)))
            return
        self._living.add(order.child)
        if pid is not None:
            self._events.append(ChildSpawned(self._kernel.now(), order.child, pid))

    def _start(self, order: Spawn | SpawnTemplate, capacity: int) -> int | None:
        """Have a child started; its pid, unless that will be told later.

        Raises:
            OSError: it can't be; the message says why.
        """
        if isinstance(order, SpawnTemplate):
            return self._kernel.spawn_template(order.child, capacity, self._stage.template(order))
        if order.template is None:
            return self._kernel.spawn(order.child, capacity, self._stage.life(order))
        self._kernel.spawn_from(order.template, order.child, capacity, self._stage.word(order))
        return None

    def _change_plan(self, command: LoadPlan | CommitPlan | AbandonPlan | StopListening) -> None:
        match command:
            case StopListening(pool):
                self._stage.stop_listening(pool)
            case CommitPlan(generation):
                self._stage.commit(generation)
            case AbandonPlan(generation):
                self._stage.abandon(generation)
            case LoadPlan(generation):
                self._loading = generation
                self._kernel.run_task(PLANNING, self._stage.planner(), PLANNING_TIMEOUT)

    def _succeed(self, command: StartSuccessor | EndSuccessor | HandOver | ClaimInheritance) -> None:
        match command:
            case StartSuccessor():
                try:
                    pid = self._kernel.start_successor(self._estate.legacy(), self._estate.command)
                except OSError as error:
                    self._events.append(SuccessorLost(self._kernel.now(), None, error.strerror or str(error)))
                else:
                    self._events.append(SuccessorStarted(self._kernel.now(), pid))
            case EndSuccessor(nudge):
                self._kernel.end_successor(nudge)
            case HandOver(pid):
                self._estate.give_up(pid)
                self._kernel.hand_over()
            case ClaimInheritance():
                self._kernel.claim()

    def _take_plan(self, ended: TaskEnded) -> None:
        """Hear what the configuration says now."""
        if ended.result is None:
            reason = f"the process that reads the configuration failed: {ended.failure}"
            self._events.append(PlanRejected(self._kernel.now(), reason))
            return
        try:
            loaded = self._stage.load(self._loading, ended.result)
        except PlanRefusedError as error:
            self._events.append(PlanRejected(self._kernel.now(), str(error)))
        else:
            self._events.append(PlanLoaded(self._kernel.now(), loaded.policies, loaded.unchanged))

    def _log(self, level: Level, message: str, detail: str = "") -> None:
        self._stage.log(level, message, {}, detail)

    def _rescue(self) -> None:
        """See every worker out, without a supervisor: in peace first, then not."""
        self._notifier.announce(Moment.STOPPING, "stopping: the master failed", self._kernel.now())
        for nudge, patience in ((Nudge.FINISH, RESCUE_PATIENCE), (Nudge.KILL, RESCUE_PATIENCE)):
            for child in self._living:
                self._kernel.nudge(child, nudge)
            until = self._kernel.now() + patience
            while self._living and self._kernel.now() < until:
                for happening in self._wait(until):
                    if isinstance(happening, ChildExited | SpawnFailed):
                        self._living.discard(happening.child)


def _earliest(*moments: float | None) -> float | None:
    """The earliest of several moments, each of which may not come at all."""
    return min((moment for moment in moments if moment is not None), default=None)
