"""Leaving at once: the last words about requests that are cut."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import Any, NoReturn

from workerhub.child.stacks import stack_of_request
from workerhub.kernel.board import BoardRow, RunRecord
from workerhub.kernel.signals import WorkerSignals
from workerhub.supervisor.exits import WorkerExit
from workerhub.worker import Log, Worker

MOST_STACKS = 50
"""Of so many requests, the oldest, the log says where they were. All are named in the master's line about the exit."""


def abort(_frame: FrameType | None) -> NoReturn:
    """Leave now. What runs is cut; only what was already printed is saved."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(WorkerExit.ABORTED)


class Cut:
    """What a serving worker does when it is told to leave now. Called in a signal handler, in the main thread.

    A fast stop cuts requests because somebody asked for it. A worker that did not finish in time was asked for its stacks before;
    then each request that is cut is logged with its own.
    """

    def __init__(
        self, row: BoardRow, records: Sequence[RunRecord], worker: Worker[Any], log: Log, signals: WorkerSignals
    ) -> None:
        self._row = row
        self._records = records
        self._worker = worker
        self._log = log
        self._signals = signals

    def __call__(self, frame: FrameType | None) -> NoReturn:
        """Log and leave, whatever goes wrong.

        Args:
            frame: where the main thread was interrupted.
        """
        try:
            if self._signals.asked_for_stacks:
                self._tell(frame)
        finally:
            abort(frame)

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
