"""Leaving at once: the last words about what is cut."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from time import monotonic
from types import FrameType
from typing import Any, NoReturn

from workerhub.child.stacks import stack_of_request, stack_of_task
from workerhub.kernel.board import BoardRow, RunRecord
from workerhub.kernel.signals import WorkerSignals
from workerhub.supervisor.exits import WorkerExit
from workerhub.worker import Log, Worker

MOST_STACKS = 50
"""Of so many requests, the oldest, the log says where they were. All are named in the master's line about the exit. Or of so many tasks."""


def abort(_frame: FrameType | None) -> NoReturn:
    """Leave now. What runs is cut; only what was already printed is saved."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(WorkerExit.ABORTED)


class _LastWords(ABC):
    """Called in a signal handler, in the main thread: logs what there is to say, and leaves whatever goes wrong.

    A fast stop cuts because somebody asked for it. Who is too late was asked for its stacks before; only then there is something to say.
    """

    def __init__(self, worker: Worker[Any], log: Log, signals: WorkerSignals) -> None:
        self._worker = worker
        self._log = log
        self._signals = signals

    def __call__(self, frame: FrameType | None) -> NoReturn:
        """Log and leave.

        Args:
            frame: where the main thread was interrupted.
        """
        try:
            if self._signals.asked_for_stacks:
                self._tell(frame)
        finally:
            abort(frame)

    @abstractmethod
    def _tell(self, frame: FrameType | None) -> None:
        """Log it."""


class CutBoot(_LastWords):
    """What a worker that boots does when it is told to leave now: say where its tasks wait.

    Where its threads do is in what it has left behind by then.
    """

    def _tell(self, frame: FrameType | None) -> None:  # noqa: ARG002  # that is where a thread is
        for name, waiting in islice(self._worker.tasks(), MOST_STACKS):
            self._log.error(f"cut while booting: {name} waited", stack_of_task(waiting))


class CutRequests(_LastWords):
    """What a worker that serves does when it is told to leave now: log each request that is cut with its own stack."""

    def __init__(
        self, row: BoardRow, records: Sequence[RunRecord], worker: Worker[Any], log: Log, signals: WorkerSignals
    ) -> None:
        super().__init__(worker, log, signals)
        self._row = row
        self._records = records

    def _tell(self, frame: FrameType | None) -> None:
        now = monotonic()
        for run in sorted(self._row.snapshot().runs, key=lambda run: run.started_at)[:MOST_STACKS]:
            age = now - run.started_at
            self._log.error(
                f"request cut: {run.line} from {run.client or '-'}, {age:.1f} s old",
                stack_of_request(self._worker, run.index, self._records[run.index].thread, frame),
                request=run.line,
                client=run.client,
                seconds=round(age, 3),
            )
