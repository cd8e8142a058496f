"""Answers questions about the server: those that change nothing, and that the supervisor so has nothing to decide about."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Final

from workerhub.kernel.protocol import (
    DiffRequested,
    Happening,
    Kernel,
    StacksRequested,
    StacksWritten,
    StatusRequested,
    TaskEnded,
)
from workerhub.master.stacks import Inquiry
from workerhub.master.stage import PlanRefusedError, Stage
from workerhub.plan import PLANNING_TIMEOUT, Change
from workerhub.supervisor import ChildExited, ChildId, Supervisor, Ticket
from workerhub.supervisor.status import ServerStatus
from workerhub.supervisor.words import count

LOOKING_AHEAD: Final = "looking ahead"
"""What the task of finding out what a reload would change is called."""

WEIGHED_FOR: Final = 1.0
"""Seconds for which a look at everybody's memory is good: who asks all the time mustn't keep the master busy with measuring."""


class Desk:
    """Answers questions.

    Args:
        kernel: to look at workers, and to answer through.
        stage: tells about the plan in force.
        supervisor: knows everything else.
    """

    def __init__(self, kernel: Kernel, stage: Stage, supervisor: Supervisor) -> None:
        self._kernel = kernel
        self._stage = stage
        self._supervisor = supervisor
        self._inquiry = Inquiry(kernel)
        self._began = kernel.now()
        self._looking_ahead: list[Ticket] = []
        self._weights: dict[ChildId, int | None] = {}
        self._weighed = -WEIGHED_FOR

    @property
    def deadline(self) -> float | None:
        """When `look` is wanted; None: not at all."""
        return self._inquiry.deadline

    def hear(self, happening: Happening) -> bool:
        """Take what may concern the desk; whether it concerns nobody else."""
        match happening:
            case StatusRequested(ticket=ticket):
                self._tell_status(ticket)
            case StacksRequested(ticket=ticket):
                self._inquiry.ask(ticket, [*self._supervisor.children(), *self._supervisor.templates()])
            case DiffRequested(ticket=ticket):
                self._look_ahead(ticket)
            case TaskEnded(task=task) if task == LOOKING_AHEAD:
                self._tell_changes(happening)
            case StacksWritten(child=child, text=text):
                self._inquiry.written(child, text)
            case ChildExited(child=child):
                self._inquiry.gone(child)
                return False
            case _:
                return False
        return True

    def look(self) -> None:
        """Time has passed."""
        self._inquiry.overdue()

    def _look_ahead(self, ticket: Ticket) -> None:
        """Have the configuration read as for a reload; who asks meanwhile gets the same answer."""
        self._looking_ahead.append(ticket)
        if len(self._looking_ahead) == 1:
            self._kernel.run_task(LOOKING_AHEAD, self._stage.planner(), PLANNING_TIMEOUT)

    def _tell_changes(self, ended: TaskEnded) -> None:
        found: tuple[Change, ...] = ()
        refusal = ""
        if ended.result is None:
            refusal = f"the process that reads the configuration failed: {ended.failure}"
        else:
            try:
                found = self._stage.compare(ended.result)
            except PlanRefusedError as error:
                refusal = str(error)
        message = "a reload would be refused" if refusal else f"a reload would change {count(len(found), 'setting')}"
        told = [change.facts() for change in found]
        for ticket in self._looking_ahead:
            self._kernel.answer(ticket, message, ok=not refusal, detail=refusal, fields={"changes": told})
        self._looking_ahead = []

    def _tell_status(self, ticket: Ticket) -> None:
        status = self._status()
        about = {**self._stage.about(), "uptime": self._kernel.now() - self._began}
        self._kernel.answer(ticket, in_a_line(status), ok=True, detail="", fields={**about, **asdict(status)})

    def _status(self) -> ServerStatus:
        now = self._kernel.now()
        fresh = now - self._weighed < WEIGHED_FOR
        everyone = [*self._supervisor.children(), *self._supervisor.templates()]
        readings = self._kernel.read_board({} if fresh else {child.id: 0 for child in everyone})
        if not fresh:
            self._weighed = now
            self._weights = {child: reading.memory for child, reading in readings.items()}
        weighed = {child: replace(reading, memory=self._weights.get(child)) for child, reading in readings.items()}
        return self._supervisor.status(weighed, now)


def in_a_line(status: ServerStatus) -> str:
    """The whole picture in a line: "generation 3, main: 4 of 4 serving"."""
    pools = "; ".join(f"{pool.name}: {pool.serving} of {pool.size} serving" for pool in status.pools)
    doing = ", stopping" if status.stopping else ", reloading" if status.reload is not None else ""
    return f"generation {status.generation}{doing}, {pools}"
