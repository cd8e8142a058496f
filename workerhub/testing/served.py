"""A worker at work in a process of its own, as a test sees it from outside."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, Generic, TypeVar

from workerhub.kernel.signals import NUDGE_SIGNALS
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import Run
from workerhub.testing.client import Address, Client
from workerhub.testing.forking import Child
from workerhub.testing.journal import Trail
from workerhub.testing.procfs import Anatomy, cpu_seconds, wait_for_rest
from workerhub.testing.waiting import wait_for

AppT = TypeVar("AppT", bound=Callable[..., Any])

THE_APPLICATIONS = ("the application failed in ", "request timed out: ")
"""How messages begin whose traceback is the application's: what a `RequestSlot` logs, and what is logged before an interrupt."""

_TOLD = ("debug", "info", "warning", "error", "misuse")
"""What of the journal helps to understand a failure."""


class Moment(Enum):
    """How far a worker has come in its life."""

    BORN = "born"
    """Its process runs; there is a context, but no instance."""
    MADE = "made"
    PREPARED = "prepared"
    SERVING = "serving"
    """`serve` is about to be called."""
    SERVED = "served"
    """`serve` has returned."""
    CLOSED = "closed"


class Served(Child, Generic[AppT]):
    """What a test sees of the worker, and what it tells it.

    Attributes:
        app: what it serves.
        address: where it listens; of several listeners the first's.
    """

    def __init__(self, app: AppT, address: Address, pid: int, patience: float, trail: Trail) -> None:
        super().__init__(pid, patience)
        self.app = app
        self.address = address
        self._trail = trail
        self._page = 0

    def connect(self, *, receive_buffer: int | None = None) -> Client:
        """Open a connection; one with few bytes of `receive_buffer` is a slow reader's."""
        return Client(self.address, timeout=self.patience, receive_buffer=receive_buffer)

    # What it is told

    def drain(self) -> None:
        """Tell the worker to leave."""
        self._nudge(Nudge.DRAIN)

    def stop_server(self) -> None:
        """Tell the worker to leave because the whole server stops."""
        self._trail.row.closing = True
        self._nudge(Nudge.FINISH)

    def interrupt(self) -> None:
        """Have the request ended that has run longest; `interrupts` tells what the class said to that."""
        self._nudge(Nudge.INTERRUPT)

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does, until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on, and find out what has happened meanwhile."""
        os.kill(self.pid, signal.SIGCONT)

    def _nudge(self, nudge: Nudge) -> None:
        os.kill(self.pid, NUDGE_SIGNALS[nudge])

    # What it does

    def settle(self) -> None:
        """Wait until the worker has done all that it can do now: every thread of it sleeps."""
        wait_for_rest(self.pid, timeout=self.patience)

    def reached(self, moment: Moment) -> Anatomy | None:
        """What the process was made of at that moment of its life; None if it hasn't come so far."""
        found = [detail for _, message, detail in self._trail.journal.lines("moment") if message == moment.value]
        return Anatomy.loads(found[0]) if found else None

    def come_to(self, moment: Moment) -> Anatomy:
        """Wait until it has come so far; see `reached`.

        Raises:
            AssertionError: it doesn't.
        """
        self.wait_until(lambda: self.reached(moment), f"be {moment.value}")
        found = self.reached(moment)
        assert found is not None  # noqa: S101  # that was waited for
        return found

    def anatomy(self) -> Anatomy:
        """What the process is made of now."""
        return Anatomy.of(self.pid)

    def open_files(self) -> int:
        """How many descriptors the worker has open."""
        return self.anatomy().descriptors

    def cpu_seconds(self) -> float:
        """Processor time that the worker has used."""
        return cpu_seconds(self.pid)

    def runs(self) -> tuple[Run, ...]:
        """What is on the worker's row of the board: the requests that run."""
        return self._trail.row.snapshot().runs

    def requests(self) -> tuple[int, int]:
        """How many began and how many ended, over all slots."""
        reading = self._trail.row.snapshot()
        return reading.requests + len(reading.runs), reading.requests

    # What it has written

    def log(self, *levels: str) -> list[str]:
        """The messages of these levels (of warning and error where none is given), with their details."""
        lines = self._trail.journal.lines(*(levels or ("warning", "error")))
        return [f"{message}\n{detail}".strip() for _, message, detail in lines]

    def access(self) -> list[list[Any]]:
        """The access log: method, target, status, bytes."""
        return [json.loads(message) for _, message, _ in self._trail.access.lines()]

    def interrupts(self) -> list[str]:
        """What the class said to each interrupt so far: "True", "False", or the name of what it raised."""
        return [detail for _, _, detail in self._trail.journal.lines("interrupt")]

    def stacks(self) -> list[str]:
        """Where each request was that was interrupted so far, as the class tells it."""
        return [detail for _, _, detail in self._trail.journal.lines("stack")]

    def tasks(self) -> list[tuple[str, str]]:
        """What waits beside threads and requests, as the class tells it now: names and stacks. The oldest request is interrupted, too.

        Raises:
            AssertionError: the class raises, or what it says can't be understood.
        """
        before = len(self._trail.journal.lines("tasks"))
        self._trail.row.asked = True
        self._nudge(Nudge.STACKS)
        _, message, detail = self.wait_until(lambda: self._trail.journal.lines("tasks")[before:], "tell its tasks")[0]
        assert message == "told", f"tasks() {message}"  # noqa: S101  # as it is documented
        return [(name, stack) for name, stack in json.loads(detail)]

    def troubles(self) -> list[str]:
        """What can't have been meant: misuse of what the class was given, and tracebacks that aren't the application's."""
        own = [
            line for line in self._trail.journal.lines("error") if line[2] and not line[1].startswith(THE_APPLICATIONS)
        ]
        return [f"{message}\n{detail}".strip() for _, message, detail in (*self._trail.journal.lines("misuse"), *own)]

    def turn_page(self) -> None:
        """What was logged so far is of no more interest to the `story`."""
        self._page = len(self._trail.journal.lines(*_TOLD))

    def story(self) -> str:
        """All that helps to understand a failure: what the worker has logged, how it ended or where its threads are."""
        if self.has_ended():
            end = f"it exited with {self.exit_code}"
        else:
            self._nudge(Nudge.DUMP)
            with suppress(AssertionError):  # one that is frozen tells nothing
                wait_for(self._trail.is_dumped, "its stacks", timeout=1.0)
            end = "it is alive"
        return "\n".join(("the worker's log:", *self.log(*_TOLD)[self._page :], end, self._trail.dumped())).rstrip()
