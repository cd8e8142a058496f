"""Asking every worker where it is, and not waiting for those that can't say.

A worker writes its stacks itself, in its main thread, as soon as that runs Python code. One that doesn't within `PATIENCE` is held
up in C code, or stopped: then faulthandler is asked, which needs neither the main thread nor the interpreter lock, and knows less.
What it leaves within `DUMP_PATIENCE` is all there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from workerhub.kernel.protocol import Kernel
from workerhub.supervisor.children import Child
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildId, Ticket
from workerhub.supervisor.states import State
from workerhub.supervisor.words import count, run_facts

PATIENCE: Final = 2.0
"""Seconds. A thread that holds the interpreter lock gives it back after 5 ms, unless it is in C code."""

DUMP_PATIENCE: Final = 0.5
"""Seconds. It takes a millisecond, if the process runs at all."""

_SILENT: Final = frozenset({State.KILLED, State.GONE})


class Inquiry:
    """One round of questions, for all who ask while it lasts.

    Attributes:
        deadline: when `overdue` is wanted; None: not at all.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.deadline: float | None = None
        self._kernel = kernel
        self._tickets: list[Ticket] = []
        self._asked: dict[ChildId, dict[str, Any]] = {}
        self._waiting: set[ChildId] = set()
        self._dumping = False

    def ask(self, ticket: Ticket, children: Iterable[Child]) -> None:
        """Begin a round, or join the one that goes on."""
        self._tickets.append(ticket)
        if self.deadline is not None:
            return
        asked = [child for child in children if child.state not in _SILENT and child.pid is not None]
        self._asked = {child.id: _who(child) for child in asked}
        self._waiting = set(self._asked)
        self._dumping = False
        self.deadline = self._kernel.now() + PATIENCE
        for child in self._waiting:
            self._kernel.nudge(child, Nudge.STACKS)
        self._look_whether_over()

    def written(self, child: ChildId, text: str) -> None:
        """A worker has said where it is."""
        if child in self._waiting:
            self._asked[child] |= _read(text)
            self._settle(child)

    def gone(self, child: ChildId) -> None:
        """A worker has exited."""
        if child in self._waiting:
            del self._asked[child]
            self._settle(child)

    def overdue(self) -> None:
        """The deadline has come."""
        if self.deadline is None or self._kernel.now() < self.deadline:
            return
        if not self._dumping:
            self._dumping = True
            self.deadline = self._kernel.now() + DUMP_PATIENCE
            for child in self._waiting:
                self._kernel.nudge(child, Nudge.DUMP)
            return
        readings = self._kernel.read_board({})
        for child in sorted(self._waiting):
            runs = readings[child].runs if child in readings else ()
            told = {
                "runs": [run_facts(run, self._kernel.now()) for run in runs],
                **_from_dump(self._kernel.read_dump(child)),
            }
            self._asked[child] |= told
            self._settle(child)

    def _settle(self, child: ChildId) -> None:
        self._waiting.discard(child)
        self._look_whether_over()

    def _look_whether_over(self) -> None:
        if self._waiting:
            return
        self.deadline = None
        workers = list(self._asked.values())
        told_by = [worker for worker in workers if not _is_silent(worker)]
        silent = len(workers) - len(told_by)
        told = f"stacks of {_counted(told_by)}"
        for ticket in self._tickets:
            self._kernel.answer(
                ticket,
                told if not silent else f"{told}; {silent} didn't answer",
                ok=not silent,
                detail="",
                fields={"workers": workers},
            )
        self._tickets, self._asked = [], {}


def _is_silent(told: Mapping[str, Any]) -> bool:
    return "tasks" not in told and "dump" not in told and "note" in told


def _counted(told: Sequence[Mapping[str, Any]]) -> str:
    """In words: "3 workers", "3 workers and 1 template"."""
    templates = sum("slot" not in one for one in told)
    workers = count(len(told) - templates, "worker")
    return f"{workers} and {count(templates, 'template')}" if templates else workers


def _who(child: Child) -> dict[str, Any]:
    return {**child.facts, "state": child.state.value}


def _read(text: str) -> dict[str, Any]:
    """What a worker wrote. The application shares its process, so it may be anything."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    return (
        told
        if isinstance(told, dict) and isinstance(told.get("tasks"), list)
        else {"note": "its answer makes no sense"}
    )


def _from_dump(dump: str) -> dict[str, Any]:
    if not dump:
        return {"note": "it doesn't answer: it is stopped, or hangs in a system call"}
    return {
        "note": f"it doesn't answer within {PATIENCE:g} s: held up in C code; the stacks are faulthandler's",
        "dump": dump,
    }
