"""Which signal means what, to the master and to a worker.

A worker's handlers are installed by the kernel right after the fork, while all signals are still blocked: none is lost,
none runs a handler of the master's in the wrong process.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from signal import Signals
from types import FrameType
from typing import TypeAlias

from workerhub.kernel.board import BoardRow
from workerhub.supervisor.commands import Nudge

MASTER_SIGNALS: tuple[Signals, ...] = (
    Signals.SIGTERM,
    Signals.SIGINT,
    Signals.SIGQUIT,
    Signals.SIGHUP,
    Signals.SIGUSR1,
    Signals.SIGUSR2,
    Signals.SIGTTIN,
    Signals.SIGTTOU,
)
"""What the master reports as `SignalArrived`. (SIGCHLD it keeps for itself.) The meaning of each is the master's."""


class Heard(Enum):
    """What a signal means to a worker."""

    LEAVE = "leave"
    """Drain, then exit; also what a worker hears when its master is gone."""
    INTERRUPT = "interrupt"
    """End the requests that outlived their deadline."""
    STACKS = "stacks"
    """Write down where every thread and every task is. Comes by the same signal as INTERRUPT, if the row says so."""
    ABORT = "abort"
    """Exit now."""
    REOPEN = "reopen"
    """Open the log files anew."""
    NOTHING = "nothing"
    """Meant for the master; whoever signals the whole group (a terminal's Ctrl-C, `pkill -HUP`) reaches workers too."""


WORKER_SIGNALS: Mapping[Signals, Heard] = {
    Signals.SIGTERM: Heard.LEAVE,
    Signals.SIGUSR2: Heard.INTERRUPT,
    Signals.SIGQUIT: Heard.ABORT,
    Signals.SIGUSR1: Heard.REOPEN,
    Signals.SIGINT: Heard.NOTHING,
    Signals.SIGHUP: Heard.NOTHING,
}
"""A worker's handlers. Real handlers, also for nothing: what the application executes then starts with the defaults."""

DUMP_SIGNAL = Signals.SIGXCPU
"""Answered in C, by faulthandler, into the dump file: works while the interpreter lock is held by who never gives it back."""

_IGNORED_BY_WORKERS = (Signals.SIGTTIN, Signals.SIGTTOU)
"""Truly ignored: with a handler, reading a terminal from the background would be tried again for ever."""

NUDGE_SIGNALS: Mapping[Nudge, Signals] = {
    Nudge.DRAIN: Signals.SIGTERM,
    Nudge.FINISH: Signals.SIGTERM,
    Nudge.INTERRUPT: Signals.SIGUSR2,
    Nudge.DUMP: DUMP_SIGNAL,
    Nudge.ABORT: Signals.SIGQUIT,
    Nudge.KILL: Signals.SIGKILL,
    Nudge.STACKS: Signals.SIGUSR2,
    Nudge.REOPEN: Signals.SIGUSR1,
}
"""Which signal carries a nudge. FINISH differs from DRAIN by the row's `closing`, which is set before; STACKS from INTERRUPT by its
`asked`. (To be interrupted in addition does no harm: only what is overdue is ended.)"""


Action: TypeAlias = Callable[[FrameType | None], None]
"""Called with the frame that the signal interrupted."""


def _nothing(_frame: FrameType | None) -> None:
    """What is done where nobody has asked for more."""


class WorkerSignals:
    """What a worker was told by signals. This is the `stopping` of its worker context.

    True once the worker has to leave. `fileno()` is readable whenever any signal arrived, until `clear()`.

    Attributes:
        actions: what to do, in the main thread and inside the signal handler, when something is heard.
        leaves_queue: what waits to be accepted when the server stops isn't this one's to serve: somebody else keeps the listeners.
    """

    def __init__(self, row: BoardRow) -> None:
        self._row = row
        self._leaving = False
        self.leaves_queue = False
        self._dump_fd = -1
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self.actions: dict[Heard, Action] = dict.fromkeys(Heard, _nothing)

    def install(self, dump_fd: int) -> None:
        """Take over this process's signals. Main thread only; signals are blocked meanwhile by the caller."""
        self._dump_fd = dump_fd
        for number, heard in WORKER_SIGNALS.items():
            signal.signal(number, self._heard)
            signal.siginterrupt(number, heard is not Heard.NOTHING)
        for number in _IGNORED_BY_WORKERS:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        faulthandler.enable(dump_fd, all_threads=True)
        faulthandler.register(DUMP_SIGNAL, dump_fd, all_threads=True, chain=False)

    def __bool__(self) -> bool:
        return self._leaving

    @property
    def server(self) -> bool:
        """True: the whole server stops, so what waits in the accept queue has nobody else and is served first."""
        return self._row.closing and not self.leaves_queue

    @property
    def asked_for_stacks(self) -> bool:
        """Whether this worker left its stacks behind, because the master wanted to know what it waits for."""
        return os.fstat(self._dump_fd).st_size > 0

    def fileno(self) -> int:
        """A descriptor for a poller; readable when something happened, until `clear` is called."""
        return self._reader

    def clear(self) -> None:
        """Take what made the descriptor readable. Never blocks."""
        with suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def close(self) -> None:
        """Give the descriptors back: a process that was forked off has signals of its own, installed before."""
        os.close(self._reader)
        os.close(self._writer)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal, between two bytecodes of the main thread."""
        heard = WORKER_SIGNALS[Signals(number)]
        if heard is Heard.LEAVE:
            self._leaving = True
        # The wake-up descriptor wrote this byte already, unless the application took it (asyncio does).
        with suppress(BlockingIOError):
            os.write(self._writer, b"\0")
        if heard is Heard.INTERRUPT and self._row.asked:
            self._row.asked = False
            self.actions[Heard.STACKS](frame)
        self.actions[heard](frame)
