"""Pretend processes: what they would do, and what they are doing."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from workerhub.supervisor.events import ChildId, Exit, Reading, Run
from workerhub.supervisor.exits import WorkerExit


@dataclass(frozen=True, slots=True)
class Request:
    """One request that a pretend worker will get.

    Attributes:
        after: seconds from readiness to its dispatch.
        lasts: seconds it takes, if it is left alone; `inf`: for ever.
        timeout: seconds from dispatch to its deadline.
        stubborn: it doesn't end when it is interrupted.
    """

    after: float
    lasts: float
    timeout: float = inf
    stubborn: bool = False
    line: str = "GET /"


@dataclass(frozen=True, slots=True)
class Script:
    """What a pretend process does. Seconds; `inf` is never.

    Attributes:
        boots_after: from birth to the report of readiness, or of failure.
        fails_with: the report of failure in place of readiness; it exits with `WorkerExit.APP_FAILED`.
        dies_after: from birth to an exit of its own accord, as `exit` says.
        drains_after: from the order to leave, or from its last request's end, whichever is later, to its exit.
        aborts_after: from the order to leave now to its exit.
        reaped_after: from SIGKILL to its exit; longer than an instant for a process with much memory.
        tells_after: from the question where it is to the answer.
        limit_after: from readiness to the report that its share of requests is done.
        memory: bytes of private memory that it holds at first.
        leaks: bytes that come on top each second, from readiness.
        requests: what it gets to do once it is ready.
        refused: it can't even be started, for this reason.
        forks_after: of a template, from an order to the birth of the worker; `inf`: it hangs.
    """

    boots_after: float = 0.5
    fails_with: str = ""
    dies_after: float = inf
    exit: Exit = Exit(signal=11)  # noqa: RUF009  # frozen: sharing it is safe
    drains_after: float = 0.1
    aborts_after: float = 0.05
    reaped_after: float = 0.01
    tells_after: float = 0.001
    limit_after: float = inf
    memory: int = 32 << 20
    leaks: float = 0.0
    requests: tuple[Request, ...] = ()
    refused: str = ""
    forks_after: float = 0.002


@dataclass(slots=True)
class Process:
    """A pretend process that isn't reaped yet."""

    child: ChildId
    pid: int
    script: Script
    ready_at: float = inf
    leaving: bool = False
    finished: int = 0
    done_before: int | None = None
    """How many it had finished when it was told that the server stops."""
    dump: str = ""
    running: dict[int, tuple[Run, Request]] = field(default_factory=dict)
    ordered: list[ChildId] = field(default_factory=list)
    """Of a template: the workers that it is to fork."""

    def tell_to_leave(self, *, with_server: bool) -> None:
        """It takes no new requests from now on; with the server, what it finishes is counted."""
        self.leaving = True
        if with_server and self.done_before is None:
            self.done_before = self.finished

    def reading(self) -> Reading:
        """Its row on the board."""
        drained = 0 if self.done_before is None else self.finished - self.done_before
        return Reading(self.finished, tuple(run for run, _ in self.running.values()), drained=drained)

    def memory(self, now: float) -> int:
        """The private memory that it holds at that moment, bytes."""
        return self.script.memory + int(self.script.leaks * max(0.0, now - self.ready_at))


ABORTED = Exit(code=int(WorkerExit.ABORTED))
APP_FAILED = Exit(code=int(WorkerExit.APP_FAILED))
DRAINED = Exit(code=int(WorkerExit.DRAINED))
KILLED = Exit(signal=9)
