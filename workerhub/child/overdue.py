"""Ending requests that outlived their deadline, from inside the worker."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from types import FrameType
from typing import Any

from workerhub.child.stacks import stack_of_request, traceback_of
from workerhub.errors import RequestTimeout
from workerhub.kernel.board import BoardRow, RunRecord
from workerhub.supervisor.events import Run
from workerhub.worker import Log, Worker


class Overdue:
    """What a worker does when it is told that requests are overdue. Called in a signal handler, in the main thread.

    Which ones are overdue is decided here, by the worker's own row: what the master saw may be over by now.
    """

    def __init__(self, row: BoardRow, records: Sequence[RunRecord], worker: Worker[Any], log: Log) -> None:
        self._row = row
        self._records = records
        self._worker = worker
        self._log = log
        self._told: dict[int, float] = {}  # slot -> the start of the request that the log already tells of

    def __call__(self, frame: FrameType | None) -> None:
        """Log and end each overdue request.

        Args:
            frame: where the main thread was interrupted.

        Raises:
            RequestTimeout: the main thread itself runs one; from here it gets into the application.
        """
        now = monotonic()
        mine: RequestTimeout | None = None
        for run in self._row.snapshot().runs:
            if run.deadline <= now:
                self._tell(run, now, frame)
                mine = self._end(run) or mine
        if mine is not None:
            raise mine

    def _tell(self, run: Run, now: float, frame: FrameType | None) -> None:
        """Log it, once for each request."""
        if self._told.get(run.index) == run.started_at:
            return
        self._told[run.index] = run.started_at
        age, limit = now - run.started_at, run.deadline - run.started_at
        self._log.error(
            f"request timed out: {run.line} from {run.client or '-'}, {age:.1f} s old, limit {limit:g} s",
            stack_of_request(self._worker, run.index, self._records[run.index].thread, frame),
            request=run.line,
            client=run.client,
            seconds=round(age, 3),
        )

    def _end(self, run: Run) -> RequestTimeout | None:
        """Have the worker class end it; what it wants to raise in the main thread waits until all were told."""
        try:
            self._worker.interrupt(run.index)
        except RequestTimeout as timeout:
            return timeout
        except Exception as error:  # noqa: BLE001  # a plug-in's failure is told and changes nothing
            self._log.error(f"interrupting {run.line} failed: {error}", traceback_of(error))
        return None
