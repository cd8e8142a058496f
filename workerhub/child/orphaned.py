"""Being told to leave by the system, because the master is gone: who would see to it that this worker leaves in time is itself."""

from __future__ import annotations

import faulthandler
import os
from types import FrameType
from typing import Final

from workerhub.supervisor.words import span
from workerhub.worker import Log

_STDERR: Final = 2
_AT_ONCE: Final = 0.001
"""Seconds; faulthandler takes no zero."""


class Orphaned:
    """What a worker that serves does when it hears that it is to leave. Called in a signal handler, in the main thread.

    As long as there is a master, nothing: that one counts the time, and kills who is too late. Without one, faulthandler's clock is
    wound up: a thread in C, which needs no interpreter lock, and ends the process when `timeouts.graceful` is over. It leaves the stacks of
    all threads on standard error.

    What waits in the accept queue isn't served. Newcomers keep coming, for a listener can't be closed to them by one of those who share it; so the
    queue has no end, and every worker has to leave for a new master to listen.

    Args:
        master_pid: who it was.
        patience: seconds that what runs has.
        log: where it is told.
    """

    def __init__(self, master_pid: int, patience: float, log: Log) -> None:
        self._master_pid = master_pid
        self._patience = patience
        self._log = log
        self._counting = False

    def __call__(self, _frame: FrameType | None) -> None:
        """See whether the master is still there."""
        if self._counting or os.getppid() == self._master_pid:
            return
        self._counting = True
        self._log.warning(
            f"the master is gone; what runs here has timeouts.graceful ({span(self._patience)}) to finish"
        )
        faulthandler.dump_traceback_later(max(self._patience, _AT_ONCE), exit=True, file=_STDERR)
