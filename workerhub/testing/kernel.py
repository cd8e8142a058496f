"""An operating system that exists only in memory. Its clock jumps: hours of a server's life pass in milliseconds."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from math import isfinite
from typing import TYPE_CHECKING

from workerhub.kernel.birth import Birth
from workerhub.kernel.protocol import Forks, Happening, HookEnded, Question, SignalArrived, StacksWritten, TaskEnded
from workerhub.kernel.protocol import Request as Asked
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import (
    ChildExited,
    ChildFailed,
    ChildId,
    ChildReady,
    ChildSpawned,
    Exit,
    LimitReached,
    Reading,
    Run,
    SpawnFailed,
    SuccessorLost,
    SuccessorReady,
    Ticket,
)
from workerhub.testing.processes import ABORTED, APP_FAILED, DRAINED, KILLED, Process, Request, Script
from workerhub.testing.transcript import Transcript

if TYPE_CHECKING:
    from workerhub.kernel.command_line import CommandLine
    from workerhub.kernel.inheritance import Legacy

FIRST_PID = 101


class DeadlockError(AssertionError):
    """The master sleeps, and nothing will ever happen again."""


class OutOfFuelError(AssertionError):
    """The master is still busy after so many steps that it must be spinning."""


class FakeKernel:
    """Implements `workerhub.kernel.protocol.Kernel` without a single system call.

    What will happen lies in a heap; `wait` jumps to the next of it. A pretend process does what its `Script` says and what it is
    nudged to; `life` is never run.

    Args:
        scripts: which script the n-th process follows, counted from 1.
        script: which one the others follow.
        transcript: where everything is noted.
        fuel: how many times the master may ask something of this kernel.
    """

    def __init__(
        self,
        scripts: Mapping[int, Script] | None = None,
        script: Script = Script(),  # noqa: B008  # frozen: sharing it is safe
        transcript: Transcript | None = None,
        fuel: int = 100_000,
    ) -> None:
        self.transcript = transcript if transcript is not None else Transcript()
        self.living: dict[ChildId, Process] = {}
        self.births = 0
        self._successor: tuple[float, SuccessorReady | SuccessorLost] | None = (1.0, SuccessorReady(0))
        self._succeeding = False
        self._scripts = dict(scripts or {})
        self._script = script
        self._fuel = fuel
        self._now = 0.0
        self._order = count()
        self._future: list[tuple[float, int, Callable[[], Happening | None]]] = []
        self._untold: dict[ChildId, list[Nudge]] = {}

    # --- what a test arranges -----------------------------------------------------------------------------------------------

    def send_signal(self, at: float, name: str) -> None:
        """Have the master get a signal at that moment."""

        def arrive() -> Happening:
            self.transcript.note(self._now, "operator", f"sends {name}")
            return SignalArrived(self._now, name)

        self._plan(at, arrive)

    def ask(self, request: Asked | Question) -> None:
        """Have somebody ask for something at the moment that the request names; its ticket gets what `tell` and `answer` say."""

        def arrive() -> Happening:
            what = request.origin if isinstance(request, Asked) else type(request).__name__
            self.transcript.note(self._now, f"asker {request.ticket}", f"asks: {what}")
            return request

        self._plan(request.at, arrive)

    def end_process(self, at: float, birth: int, how: Exit) -> None:
        """Have the n-th process end at that moment, as if by somebody outside; if it is gone by then, nothing happens."""
        self._plan(at, lambda: self._end(ChildId(birth), how))

    def arrange_successor(self, at: float, does: tuple[float, SuccessorReady | SuccessorLost] | None) -> None:
        """Say what a new master does that is born at that moment or later, and after how many seconds; None: it hangs."""

        def arrange() -> None:
            self._successor = does

        self._plan(at, arrange)

    # --- the kernel's face --------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds since the beginning of the pretend world."""
        return self._now

    def wait(self, until: float | None) -> Sequence[Happening]:
        """Jump to the next thing that happens, or to the moment."""
        while True:
            self._burn()
            if not self._future and until is None:
                raise DeadlockError(f"nothing will ever happen again\n{self.transcript}")
            if until is not None and (not self._future or self._future[0][0] > until):
                self._now = max(self._now, until)
                return []
            self._now = max(self._now, self._future[0][0])
            if happenings := self._due():
                return happenings

    def spawn(self, child: ChildId, capacity: int, life: Callable[[Birth], int]) -> int:  # noqa: ARG002  # pretend
        """Begin a pretend process.

        Raises:
            OSError: its script refuses.
        """
        self._burn()
        return self._bear(child).pid

    def spawn_template(self, child: ChildId, capacity: int, life: Callable[[Birth, Forks], int]) -> int:  # noqa: ARG002  # pretend
        """Begin a pretend process that can fork others.

        Raises:
            OSError: its script refuses.
        """
        self._burn()
        return self._bear(child).pid

    def spawn_from(self, template: ChildId, child: ChildId, capacity: int, word: bytes) -> None:  # noqa: ARG002  # pretend
        """Have a pretend template fork a pretend process, a little later.

        Raises:
            OSError: there is no such template.
        """
        self._burn()
        if template not in self.living:
            raise OSError("the template is gone")
        home = self.living[template]
        home.ordered.append(child)
        self._after(home.script.forks_after, home, partial(self._fork, child))

    def nudge(self, child: ChildId, nudge: Nudge) -> None:
        """Tell a pretend process something."""
        self._burn()
        self.transcript.note(self._now, "master", f"tells child {child}: {nudge.value}")
        if process := self.living.get(child):
            self._hear(process, nudge)
        elif any(child in other.ordered for other in self.living.values()):
            self._untold.setdefault(child, []).append(nudge)

    def _hear(self, process: Process, nudge: Nudge) -> None:
        match nudge:
            case Nudge.DRAIN | Nudge.FINISH:
                process.tell_to_leave(with_server=nudge is Nudge.FINISH)
                self._leave_if_idle(process)
            case Nudge.INTERRUPT:
                self._interrupt(process)
            case Nudge.DUMP:
                process.dump += f"stacks of child {process.child} at {self._now:.3f}\n"
            case Nudge.ABORT:
                self._after(process.script.aborts_after, process, lambda process: self._end(process.child, ABORTED))
            case Nudge.KILL:
                self._after(process.script.reaped_after, process, lambda process: self._end(process.child, KILLED))
            case Nudge.STACKS:
                self._after(process.script.tells_after, process, self._tell_stacks)
            case Nudge.REOPEN:
                pass

    def read_board(self, memory: Mapping[ChildId, int]) -> Mapping[ChildId, Reading]:
        """Look at every living process's row, and at the memory of some."""
        self._burn()
        return {
            child: replace(process.reading(), memory=process.memory(self._now) if child in memory else None)
            for child, process in self.living.items()
        }

    def read_dump(self, child: ChildId) -> str:
        """What it was nudged to leave, once."""
        self._burn()
        process = self.living.get(child)
        if process is None:
            return ""
        dump, process.dump = process.dump, ""
        return dump

    def tell(self, ticket: Ticket, message: str, fields: Mapping[str, object]) -> None:  # noqa: ARG002  # text only
        """Note what an asker hears."""
        self._burn()
        self.transcript.note(self._now, f"asker {ticket}", f"hears: {message}")

    def answer(
        self,
        ticket: Ticket,
        message: str,
        *,
        ok: bool,
        detail: str,
        fields: Mapping[str, object],  # noqa: ARG002  # text only
    ) -> None:
        """Note what an asker is answered."""
        self._burn()
        text = f"{message}\n{detail}" if detail else message
        self.transcript.note(self._now, f"asker {ticket}", f"is answered {'yes' if ok else 'no'}: {text}")

    def start_successor(self, legacy: Legacy, command: CommandLine) -> int:  # noqa: ARG002  # pretend
        """Begin a pretend master, which does what was arranged."""
        self._burn()
        self.transcript.note(self._now, "kernel", "a new master is born")
        self._succeeding = True
        if self._successor is not None:
            after, report = self._successor
            self._plan(self._now + after, lambda: self._relate(report))
        return FIRST_PID - 1

    def end_successor(self, nudge: Nudge) -> None:
        """End the pretend master."""
        self._burn()
        self.transcript.note(self._now, "master", f"tells the new master: {nudge.value}")
        how = KILLED if nudge is Nudge.KILL else DRAINED
        self._plan(self._now, lambda: self._relate(SuccessorLost(self._now, how)))

    def hand_over(self) -> None:
        """Nothing is handed over but words."""
        self._burn()
        self.transcript.note(self._now, "master", "hands over")
        self._succeeding = False

    def claim(self) -> None:
        """No master is before this one."""
        self._burn()

    def complain(self, text: str) -> None:
        """As `claim`."""

    def run_hook(self, hook: str, life: Callable[[], None], timeout: float) -> None:  # noqa: ARG002  # pretend
        """Pretend that a hook ran, and went well."""
        self._burn()
        self.transcript.note(self._now, "master", f"runs the hook {hook}")
        self._plan(self._now, lambda: HookEnded(self._now, hook, ""))

    def run_task(self, task: str, work: Callable[[], bytes], timeout: float) -> None:  # noqa: ARG002  # pretend
        """Pretend that a task was done, and went well; it takes no time."""
        self._burn()
        self._plan(self._now, lambda: TaskEnded(self._now, task, b"", ""))

    # --- the pretend world --------------------------------------------------------------------------------------------------

    def _burn(self) -> None:
        self._fuel -= 1
        if self._fuel < 0:
            raise OutOfFuelError("the master does not come to rest\n" + "\n".join(self.transcript.lines[-40:]))

    def _plan(self, at: float, action: Callable[[], Happening | None]) -> None:
        if isfinite(at):
            heapq.heappush(self._future, (at, next(self._order), action))

    def _after(self, seconds: float, process: Process, action: Callable[[Process], Happening | None]) -> None:
        """Plan what the process does, if it still lives then."""
        self._plan(self._now + seconds, lambda: action(process) if process.child in self.living else None)

    def _due(self) -> list[Happening]:
        happenings = []
        while self._future and self._future[0][0] <= self._now:
            _, _, action = heapq.heappop(self._future)
            if (happening := action()) is not None:
                happenings.append(happening)
        return happenings

    def _relate(self, report: SuccessorReady | SuccessorLost) -> Happening | None:
        """Have the new master do something, if it is still there."""
        if not self._succeeding:
            return None
        lost = isinstance(report, SuccessorLost)
        self._succeeding = not lost
        self.transcript.note(self._now, "new master", "is gone" if lost else "is ready")
        return replace(report, at=self._now)

    def _bear(self, child: ChildId) -> Process:
        """Begin a process.

        Raises:
            OSError: its script refuses.
        """
        self.births += 1
        script = self._scripts.get(self.births, self._script)
        if script.refused:
            self.transcript.note(self._now, "kernel", f"can't start child {child}: {script.refused}")
            raise OSError(script.refused)
        process = self.living[child] = Process(child, FIRST_PID + self.births - 1, script)
        self.transcript.note(self._now, "kernel", f"child {child} is born")
        self._after(script.boots_after, process, self._boot)
        self._after(script.dies_after, process, lambda process: self._end(process.child, script.exit))
        return process

    def _fork(self, child: ChildId, template: Process) -> Happening:
        template.ordered.remove(child)
        untold = self._untold.pop(child, [])
        try:
            process = self._bear(child)
        except OSError as error:
            return SpawnFailed(self._now, child, str(error))
        for nudge in untold:
            self._hear(process, nudge)
        return ChildSpawned(self._now, child, process.pid)

    def _boot(self, process: Process) -> Happening:
        if process.script.fails_with:
            self.transcript.note(self._now, f"child {process.child}", "fails")
            self._after(0.0, process, lambda process: self._end(process.child, APP_FAILED))
            reason = process.script.fails_with
            return ChildFailed(self._now, process.child, reason, f"Traceback of {reason}")
        process.ready_at = self._now
        self.transcript.note(self._now, f"child {process.child}", "is ready")
        for index, request in enumerate(process.script.requests):
            self._after(request.after, process, partial(self._begin, index, request))
        self._after(process.script.limit_after, process, lambda process: LimitReached(self._now, process.child))
        return ChildReady(self._now, process.child)

    def _interrupt(self, process: Process) -> None:
        for index, (run, request) in tuple(process.running.items()):
            if run.deadline <= self._now and not request.stubborn:
                self._finish(process, index)

    def _tell_stacks(self, process: Process) -> Happening:
        return StacksWritten(self._now, process.child, f'{{"tasks": [{{"names": ["child {process.child}"]}}]}}')

    def _begin(self, index: int, request: Request, process: Process) -> None:
        if process.leaving:
            return  # it has stopped accepting
        run = Run(index, self._now, self._now + request.timeout, request.line, "192.0.2.1")
        process.running[index] = run, request
        self._after(request.lasts, process, lambda process: self._finish(process, index))

    def _finish(self, process: Process, index: int) -> None:
        if process.running.pop(index, None) is not None:
            process.finished += 1
            if process.leaving:
                self._leave_if_idle(process)

    def _leave_if_idle(self, process: Process) -> None:
        if not process.running:
            self._after(process.script.drains_after, process, lambda process: self._end(process.child, DRAINED))

    def _end(self, child: ChildId, how: Exit) -> Happening | None:
        process = self.living.pop(child, None)
        if process is None:
            return None
        for unborn in process.ordered:
            self._untold.pop(unborn, None)
            self._plan(self._now, partial(SpawnFailed, self._now, unborn, "its template is gone"))
        ended = f"exits with code {how.code}" if how.signal is None else f"dies of signal {how.signal}"
        self.transcript.note(self._now, f"child {child}", ended)
        return ChildExited(self._now, child, how, process.reading(), process.dump)
