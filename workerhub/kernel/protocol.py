"""What the master needs of an operating system. `PosixKernel` is one; `workerhub.testing.FakeKernel` is another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from workerhub.kernel.birth import Birth
from workerhub.slotted import dataclass
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import (
    ChildExited,
    ChildFailed,
    ChildId,
    ChildReady,
    ChildSpawned,
    Inherited,
    LimitReached,
    Reading,
    ReloadRequested,
    ScaleRequested,
    SpawnFailed,
    StopRequested,
    SuccessorLost,
    SuccessorReady,
    Ticket,
    UpgradeRequested,
)

if TYPE_CHECKING:
    from workerhub.kernel.command_line import CommandLine
    from workerhub.kernel.inheritance import Legacy


@dataclass(frozen=True, slots=True)
class SignalArrived:
    """The master got a signal that means something: `name` is "SIGTERM", "SIGHUP" ..."""

    at: float
    name: str


@dataclass(frozen=True, slots=True)
class HookEnded:
    """A hook's process is gone. `failure` is empty when it went well, else what its traceback said."""

    at: float
    hook: str
    failure: str


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task's process is gone. `result` is what it came to; it is None where `failure` says why there is none."""

    at: float
    task: str
    result: bytes | None
    failure: str


@dataclass(frozen=True, slots=True)
class StatusRequested:
    """Somebody wants to know what is going on. The supervisor has nothing to decide about it."""

    at: float
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class StacksRequested:
    """Somebody wants to know where every worker is. Likewise."""

    at: float
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class DiffRequested:
    """Somebody wants to know what a reload would change. Likewise."""

    at: float
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class StacksWritten:
    """A worker that was nudged by STACKS has written them. `text` is as it wrote it; nobody has looked whether it makes sense."""

    at: float
    child: ChildId
    text: str


ChildNews = ChildSpawned | SpawnFailed | ChildReady | ChildFailed | LimitReached | ChildExited | StacksWritten
"""About children. `ChildSpawned` and `SpawnFailed` only about those that a template forks."""

Request = StopRequested | ReloadRequested | ScaleRequested | UpgradeRequested
"""What somebody who waits for the outcome can ask for; carries a ticket."""

Question = StatusRequested | StacksRequested | DiffRequested
"""What changes nothing."""

Relation = SuccessorReady | SuccessorLost | Inherited | StopRequested
"""What other masters have to do with this one."""

Happening = ChildNews | Request | Relation | Question | SignalArrived | HookEnded | TaskEnded
"""What `wait` reports: about children and requests in the supervisor's own words, signals by name."""


class Forks(Protocol):
    """What a template can do: `workerhub.kernel.forkserver.ForkServer`."""

    def serve(self, life: Callable[[Birth, bytes], int]) -> None:
        """Fork a worker for each `spawn_from`, until told to leave or until the master is gone. Returns in the template only.

        Args:
            life: what a worker does with its `word`; returns its exit code.
        """


class Kernel(Protocol):
    """The verbs. Listeners, log files and the pidfile are opened by the master's own collaborators, not here."""

    def now(self) -> float:
        """Seconds on the monotonic clock; the only place that reads it in the master."""

    def wait(self, until: float | None) -> Sequence[Happening]:
        """Sleep until something happens or the moment comes (None: no moment). Empty when only time passed."""

    def spawn(self, child: ChildId, capacity: int, life: Callable[[Birth], int]) -> int:
        """Fork. The child runs `life` and exits with what it returns; the parent gets the pid.

        Args:
            child: the name under which this process is nudged and reported.
            capacity: how many requests it can run at once: its request slots on the board.
            life: runs in the child only, after signals are reset and foreign descriptors closed.

        Raises:
            OSError: no process, no memory or no room on the board; the message says which.
        """

    def spawn_template(self, child: ChildId, capacity: int, life: Callable[[Birth, Forks], int]) -> int:
        """Fork a template, as `spawn` does a worker.

        Raises:
            OSError: as for `spawn`, or this system can't have templates.
        """

    def spawn_from(self, template: ChildId, child: ChildId, capacity: int, word: bytes) -> None:
        """Have a template fork a worker, without waiting for it.

        Reported by `ChildSpawned`, or `SpawnFailed`; of a template that hangs neither comes before it is killed.

        Args:
            template: who is to fork it.
            child: as for `spawn`.
            capacity: as for `spawn`.
            word: what the template's life hands to the worker's.

        Raises:
            OSError: the template is gone or takes no orders, no room on the board, no descriptors; the message says which.
        """

    def nudge(self, child: ChildId, nudge: Nudge) -> None:
        """Tell a child something; a child that is gone is ignored."""

    def read_board(self, memory: Mapping[ChildId, int]) -> Mapping[ChildId, Reading]:
        """Look at every living child's row.

        Args:
            memory: whose memory to look at, too, and a bound in bytes; see `ReadBoard`.
        """

    def read_dump(self, child: ChildId) -> str:
        """What a child that was nudged by DUMP has left so far; empty for one that is gone. What was read is not read again."""

    def tell(self, ticket: Ticket, message: str, fields: Mapping[str, object]) -> None:
        """Tell one asker how far it is; one that is gone is ignored."""

    def answer(self, ticket: Ticket, message: str, *, ok: bool, detail: str, fields: Mapping[str, object]) -> None:
        """Tell one asker how it ended; one that is gone is ignored. What is answered last, before the master leaves, arrives, too.

        Args:
            ticket: as its request had it; means nothing any more.
            message: one line: what holds now.
            ok: whether what it asked for has happened.
            detail: a report or a traceback, several lines; may be empty.
            fields: the same in parts, for programs.
        """

    def start_successor(self, legacy: Legacy, command: CommandLine) -> int:
        """Start a new master; its pid. Reported by `SuccessorReady` and `SuccessorLost`.

        Raises:
            OSError: it can't be started; the message says why.
        """

    def end_successor(self, nudge: Nudge) -> None:
        """Tell the new master to leave; one that is gone is ignored."""

    def hand_over(self) -> None:
        """Tell the new master that everything is its own. From now on nothing is reported of it."""

    def claim(self) -> None:
        """Tell the master before this one that everything serves; answered by `Inherited`. If there is none any more: `StopRequested`."""

    def complain(self, text: str) -> None:
        """Tell the master before this one, if it still waits, what goes wrong."""

    def run_hook(self, hook: str, life: Callable[[], None], timeout: float) -> None:
        """Run a hook in a process of its own, ended after `timeout` seconds; reported by `HookEnded`."""

    def run_task(self, task: str, work: Callable[[], bytes], timeout: float) -> None:
        """Have something found out in a process of its own, ended after `timeout` seconds; reported by `TaskEnded`.

        Args:
            task: the name under which it is reported.
            work: runs in the child only; may take its time, crash or hang.
            timeout: seconds.
        """
