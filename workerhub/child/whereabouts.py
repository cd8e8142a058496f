"""Where every thread and every task of a worker is, for `workerhub stacks`."""

from __future__ import annotations

import json
import sys
import threading
from _thread import get_ident  # the real one, also where a worker class patches threading
from collections.abc import Iterator, Sequence
from time import monotonic
from types import FrameType
from typing import Any, Final

from workerhub.child.stacks import frame_of_task, stack_text
from workerhub.kernel.birth import Birth
from workerhub.kernel.board import RunRecord
from workerhub.slotted import dataclass, field
from workerhub.supervisor.events import Run
from workerhub.supervisor.words import run_facts
from workerhub.worker import Worker

MOST: Final = 128 << 10
"""Characters of stacks that are told. What runs a request comes first."""

NAMES: Final = 4
"""Names that are told of those that are at the same place; the others are counted."""


@dataclass(slots=True)
class _Place:
    """A stack, and who is there. `kind`: "thread", or what the worker class calls its tasks; `request` for a task that runs one."""

    kind: str
    stack: str
    names: list[str]
    runs: list[Run] = field(default_factory=list)

    def facts(self, now: float) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "count": len(self.names),
            "names": self.names[:NAMES],
            "runs": [run_facts(run, now) for run in self.runs],
            "stack": self.stack,
        }


class Whereabouts:
    """What a worker does when the master asks where it is. Called in a signal handler, in the main thread.

    From the first moment of its life on: where a boot hangs is what one most wants to know. It takes no lock: whoever was
    interrupted may hold it.

    Attributes:
        records: the worker's request slots, once there are any.
        worker: the worker class's instance, once there is one.
    """

    def __init__(self, birth: Birth) -> None:
        self._birth = birth
        self.records: Sequence[RunRecord] = ()
        self.worker: Worker[Any] | None = None

    def __call__(self, frame: FrameType | None) -> None:
        """Write it down and tell the master.

        Args:
            frame: where the main thread was interrupted.
        """
        now = monotonic()
        told, length, left_out = [], 0, 0
        for place in sorted(_together(self._places(frame)), key=lambda place: not place.runs):
            facts = place.facts(now)
            length += len(place.stack) + 200
            if length > MOST:
                left_out += len(place.names)
            else:
                told.append(facts)
        self._birth.report_stacks(json.dumps({"tasks": told, "left_out": left_out}))

    def _places(self, frame: FrameType | None) -> Iterator[_Place]:
        """One for each thread, and for each task that waits."""
        running: dict[int, list[Run]] = {}
        for run in self._birth.row.snapshot().runs:
            own = None if self.worker is None else frame_of_task(self.worker, run.index)
            if own is not None:
                yield _Place("task", stack_text(own), ["request"], [run])
            elif run.index < len(self.records):
                running.setdefault(self.records[run.index].thread, []).append(run)
        me = get_ident()
        names = {ident: thread.name for ident, thread in dict(threading._active).items()}  # type: ignore[attr-defined]  # noqa: SLF001  # `enumerate` takes a lock
        for ident, top in sys._current_frames().items():  # noqa: SLF001  # the documented way, its underscore notwithstanding
            name = names.get(ident) or ("MainThread" if ident == me else f"thread {ident}")
            here = frame if ident == me and frame is not None else top
            yield _Place("thread", stack_text(here), [name], running.pop(ident, []))
        for ident, runs in running.items():
            yield _Place("thread", "", [f"thread {ident}, which is gone"], runs)
        for name, waiting in self._tasks():
            yield _Place("task", stack_text(waiting), [name])

    def _tasks(self) -> list[tuple[str, FrameType]]:
        try:
            return [] if self.worker is None else list(self.worker.tasks())
        except Exception:  # noqa: BLE001  # a plug-in's failure costs a detail
            return []


def _together(places: Iterator[_Place]) -> list[_Place]:
    """Those that serve nothing and are at the same place become one."""
    alone, idle = [], dict[tuple[str, str], _Place]()
    for place in places:
        if place.runs:
            alone.append(place)
        elif known := idle.get((place.kind, place.stack)):
            known.names += place.names
        else:
            idle[place.kind, place.stack] = place
    return [*alone, *idle.values()]
