"""The life of a worker without a master, from the inside: what `workerhub.testing.workplace` runs in the process it has forked.

`workerhub.child.life` is the real one. This one imports nothing, drops nothing and reports to nobody, but notes how far it has come, what
its process was made of then, and what was done with what the class was given.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from workerhub.child.overdue import Overdue
from workerhub.kernel.board import BoardRow, RunRecord
from workerhub.kernel.orphans import leave_with_master
from workerhub.kernel.signals import Heard, WorkerSignals
from workerhub.supervisor.events import Reading
from workerhub.testing.journal import Journal, Trail
from workerhub.testing.procfs import Anatomy
from workerhub.testing.served import Moment
from workerhub.testing.staging import Staging
from workerhub.worker import Books, Worker, WorkerContext, WorkerType

LIFETIME = 300
"""Seconds after which the system ends a worker, whatever it is doing and whoever is left to care."""


@dataclass(frozen=True, slots=True)
class Life:
    """All that a worker is born with."""

    worker: WorkerType
    options: Any
    staging: Staging
    listeners: tuple[socket.socket, ...]
    trail: Trail

    def live(self, app: Callable[..., Any], parent: int, mask: frozenset[int]) -> None:
        """Live it, in the new process.

        Args:
            app: the application.
            parent: the process whose death is the end of this one.
            mask: the signals to be blocked from now on; all are, so far.
        """
        signals = WorkerSignals(self.trail.row)
        signals.install(self.trail.dump)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        leave_with_master(parent, None)
        signal.alarm(LIFETIME)
        self.staging.before()
        records = tuple(_WatchedRecord(record, self.trail.journal) for record in self.trail.row.records())
        context = self._context(signals, records)
        self._note(Moment.BORN)
        worker = self.worker(context, self.options)
        signals.actions[Heard.STACKS] = _TaskTeller(worker, self.trail.journal)
        self._note(Moment.MADE)
        try:
            worker.prepare()
            self._note(Moment.PREPARED)
            if self.staging.template:
                worker = self.worker(context, self.options)
                signals.actions[Heard.STACKS] = _TaskTeller(worker, self.trail.journal)
            self.staging.loading()
            signals.actions[Heard.INTERRUPT] = _Interrupter(self.trail.row, records, worker, self.trail.journal)
            self._note(Moment.SERVING)
            worker.serve(app)
            self._note(Moment.SERVED)
        finally:
            signals.actions[Heard.INTERRUPT] = lambda _frame: None
            worker.close()
            self._note(Moment.CLOSED)
        self.staging.after()

    def _context(self, signals: WorkerSignals, records: Sequence[_WatchedRecord]) -> WorkerContext:
        staging = self.staging
        return WorkerContext(
            pool="main",
            slot=0,
            generation=1,
            worker_class=self.worker.__name__,
            listeners=self.listeners,
            settings=staging.serve_settings,
            stopping=signals,
            log=self.trail.journal,
            books=Books(records, self._access, staging.recycle_after, staging.limit_reached),
        )

    def _access(self, environ: Mapping[str, Any], status: int, sent: int, _seconds: float) -> None:
        """One line of the access log."""
        self.trail.access.info(json.dumps([environ["REQUEST_METHOD"], environ["PATH_INFO"], status, sent]))

    def _note(self, moment: Moment) -> None:
        """The life has come so far."""
        self.trail.journal.write("moment", moment.value, Anatomy.of(os.getpid()).dumps())


class _WatchedRecord:
    """A run record that notices when two requests are in one slot."""

    def __init__(self, record: RunRecord, journal: Journal) -> None:
        self._record = record
        self._journal = journal
        self._line = b""

    @property
    def thread(self) -> int:
        """The identifier of the thread that began the latest request."""
        return self._record.thread

    def begin(self, line: bytes, client: bytes, started_at: float, deadline: float) -> None:
        """A request was dispatched."""
        if self._line:
            self._journal.write("misuse", f"{line.decode()} was run in the slot that was running {self._line.decode()}")
        self._line = line
        self._record.begin(line, client, started_at, deadline)

    def end(self) -> None:
        """It is over."""
        self._line = b""
        self._record.end()


class _Interrupter:
    """Ends the request that has run longest, as a real worker ends one that is overdue, and notes what the class said to it."""

    def __init__(self, row: BoardRow, records: Sequence[_WatchedRecord], worker: Worker[Any], journal: Journal) -> None:
        self._row = row
        self._records = records
        self._worker = worker
        self._journal = journal
        self._overdue = Overdue(self, records, self, journal)  # type: ignore[arg-type]  # it stands between them

    def __call__(self, frame: FrameType | None) -> None:
        """The signal has come."""
        if self._row.snapshot().runs:
            self._overdue(frame)
        else:
            self.interrupt(0)

    def snapshot(self) -> Reading:
        """The row, as if the oldest request were overdue and no other."""
        reading = self._row.snapshot()
        oldest = sorted(reading.runs, key=lambda run: run.started_at)[:1]
        return replace(reading, runs=tuple(replace(run, deadline=run.started_at) for run in oldest))

    def stack(self, index: int) -> FrameType | None:
        """What the class says."""
        frame = self._worker.stack(index)
        # Of this very thread it tells the handler, and below that what was interrupted.
        whole = traceback.format_stack(frame or sys._current_frames()[self._records[index].thread])  # noqa: SLF001  # documented
        self._journal.write("stack", f"slot {index}", "".join(whole))
        return frame

    def interrupt(self, index: int) -> bool:
        """What the class says."""
        verdict = ""
        try:
            verdict = str(said := self._worker.interrupt(index))
        except BaseException as error:
            verdict = type(error).__name__
            raise
        finally:
            self._journal.write("interrupt", f"slot {index}", verdict)
        return said


class _TaskTeller:
    """Notes what the class says that waits beside threads and requests."""

    def __init__(self, worker: Worker[Any], journal: Journal) -> None:
        self._worker = worker
        self._journal = journal

    def __call__(self, _frame: FrameType | None) -> None:
        """The signal has come."""
        try:
            told = [[name, "".join(traceback.format_stack(frame))] for name, frame in self._worker.tasks()]
            self._journal.write("tasks", "told", json.dumps(told))
        except Exception as error:  # noqa: BLE001  # a class's defect is what this is there to find
            self._journal.write("tasks", f"raised {type(error).__name__}: {error}")
