"""What a child is born with: all that it keeps of its master."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from workerhub.kernel.board import BoardRow
from workerhub.kernel.files import rewrite, write_all
from workerhub.kernel.signals import WorkerSignals
from workerhub.slotted import dataclass, field

MAX_REASON = 1 << 10
MAX_DETAIL = 32 << 10
"""Characters of a report that the master is told; of a longer one the end, where a traceback has its error."""


@dataclass(frozen=True, slots=True)
class Birth:
    """The worker's side of what connects it with the master.

    Attributes:
        master_pid: whose child this is; another parent means that the master is gone.
        row: this worker's part of the board.
        signals: what the master's nudges have asked for; the worker's handlers are already installed.
        stacks_fd: a file for the stacks that the master asked for.
        watch_master: makes the worker leave when the master is gone. To be called once, after the change of user.
    """

    master_pid: int
    row: BoardRow
    signals: WorkerSignals
    report_fd: int
    stacks_fd: int
    watch_master: Callable[[], None]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _owed: list[str] = field(default_factory=list, repr=False)

    def report_born(self) -> bool:
        """Tell the master, which didn't fork this process itself, that it is there. False: nobody waits for it any more."""
        return self._report("born")

    def report_ready(self) -> None:
        """Tell the master that the application is loaded and that this worker serves."""
        self._report("ready")

    def report_failed(self, reason: str, detail: str = "") -> None:
        """Tell the master why this worker can't go on; exit follows. `reason` is one line, `detail` the traceback."""
        self._report("failed", reason=" ".join(reason.split())[:MAX_REASON], detail=detail[-MAX_DETAIL:])

    def report_limit(self) -> None:
        """Tell the master that `recycle_after` requests are finished. May be called from any thread."""
        self._report("limit")

    def report_stacks(self, text: str) -> None:
        """Tell the master where everything is. May be called from within a signal handler.

        Which may have interrupted this very thread in the middle of another report; then it is told right behind that.
        """
        self._owed.append(text)
        self._pay()

    def _pay(self) -> None:
        """Tell what is owed, unless a report is being made: whoever makes it does this afterwards."""
        while self._owed and self._lock.acquire(blocking=False):
            try:
                with suppress(OSError, IndexError):
                    rewrite(self.stacks_fd, self._owed.pop().encode("utf-8", "backslashreplace"))
                    report(self.report_fd, "stacks")
            finally:
                self._lock.release()

    def _report(self, kind: Literal["born", "ready", "failed", "limit"], **fields: str) -> bool:
        with self._lock:
            written = report(self.report_fd, kind, **fields)
        self._pay()
        return written


def report(fd: int, kind: str, **fields: str) -> bool:
    """Write one JSON line; whether it could be. A master that is gone is no error here: other means tell the worker."""
    try:
        write_all(fd, json.dumps({"report": kind, **fields}).encode("ascii") + b"\n")
    except OSError:
        return False
    return True
