"""Between the fork and a life: what a process does first, whoever forked it, and last.

A fork is done with all signals blocked. In the child the parent's handlers, wake-up pipe and descriptors are gone and
the process's own handlers are in place before signals are let in again; one that was sent meanwhile is then delivered, to
the right handler, in the right process.
"""

from __future__ import annotations

import math
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple, NoReturn

from workerhub.kernel.birth import Birth
from workerhub.kernel.board import BoardRow
from workerhub.kernel.files import write_all
from workerhub.kernel.orphans import leave_with_master, wait_for_adoption
from workerhub.kernel.signals import WorkerSignals
from workerhub.kernel.streams import flush
from workerhub.slotted import dataclass
from workerhub.supervisor.exits import WorkerExit


class Descriptors(NamedTuple):
    """What a worker or a template writes to: its report pipe, the file for stacks that it is asked for, and the one for those of a crash."""

    report: int
    stacks: int
    dump: int

    def close(self) -> None:
        """Close them, in a process that isn't theirs."""
        for fd in self:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class Newborn:
    """What the fork gives to a worker or a template: its master, its row, and its descriptors.

    Attributes:
        master_pid: whose child it is, or will be when `parent_pid` has ended.
        parent_pid: who forked it.
    """

    master_pid: int
    parent_pid: int
    row: BoardRow
    fds: Descriptors
    lifeline: int | None


def be_worker(born: Newborn, life: Callable[[Birth], int], mask: frozenset[int]) -> int:
    """What a worker does right after the fork; the exit code.

    Args:
        born: what it has.
        life: what follows.
        mask: the signals that are blocked from now on.
    """
    signals = WorkerSignals(born.row)
    signals.install(born.fds.dump)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if born.parent_pid != born.master_pid:
        wait_for_adoption(born.parent_pid)
    watch_master = partial(leave_with_master, born.master_pid, born.lifeline)
    birth = Birth(born.master_pid, born.row, signals, born.fds.report, born.fds.stacks, watch_master)
    try:
        return life(birth)
    except BaseException as error:  # noqa: BLE001  # told to the master; the process ends here anyway
        birth.report_failed(f"{type(error).__name__}: {error}", traceback.format_exc())
        return WorkerExit.SETUP_FAILED


def be_hook(failure_fd: int, life: Callable[[], None], mask: frozenset[int]) -> int:
    """What a hook's process does right after the fork."""
    with suppress(OSError):
        os.setpgid(0, 0)  # so that what it starts can be ended with it
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        life()
    except SystemExit as wish:
        if wish.code in (None, 0):
            return 0
        os.write(failure_fd, f"SystemExit: {wish.code}".encode("utf-8", "backslashreplace"))
        return 1
    except BaseException:  # noqa: BLE001  # told to the master; the process ends here anyway
        os.write(failure_fd, traceback.format_exc().encode("utf-8", "backslashreplace"))
        return 1
    return 0


def work(task: Callable[[], bytes], result_fd: int, timeout: float) -> None:
    """What a task's process does. Its master ends it in time; if that one is gone meanwhile, the system does."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(timeout) + 1)
    write_all(result_fd, task())


@contextmanager
def signals_blocked() -> Iterator[frozenset[int]]:
    """For a fork: all signals wait until the end of the block. Yields the mask of before."""
    mask = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
    try:
        yield mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def exit_process(code: int) -> NoReturn:
    """End this process, with what it printed written out, without what the master registered to be done at exit."""
    with suppress(BaseException):
        flush()
    os._exit(code)
