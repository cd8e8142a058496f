"""Child processes of a test: begun, waited for, and never left behind."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NoReturn

from workerhub.testing.journal import Journal
from workerhub.testing.waiting import PATIENCE, Found, wait_for


class DiedError(AssertionError):
    """A process ended when nobody expected it to."""


class ThreadsError(RuntimeError):
    """This process has threads, so it can't be forked safely."""


class Child:
    """A process that a test has begun.

    Attributes:
        pid: its number.
        patience: seconds that anything may take.
        exit_code: None until its end was seen; negative for a signal.
    """

    def __init__(self, pid: int, patience: float = PATIENCE) -> None:
        self.pid = pid
        self.patience = patience
        self.exit_code: int | None = None

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        if self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
        return self.exit_code is not None

    def wait(self) -> int:
        """Wait for its end; its exit code.

        Raises:
            AssertionError: it doesn't end in time.
        """
        wait_for(self.has_ended, "the worker's exit", timeout=self.patience)
        return self.exit_code or 0

    def wait_until(self, condition: Callable[[], Found], what: str) -> Found:
        """Wait for something that it does.

        Raises:
            AssertionError: it doesn't do it in time.
            DiedError: it can't any more.
        """

        def look() -> Found:
            had_ended = self.has_ended()
            found = condition()
            if not found and had_ended:
                raise DiedError(f"the worker was gone before it was to {what}; its exit code is {self.exit_code}")
            return found

        return wait_for(look, f"the worker to {what}", timeout=self.patience)

    def kill(self) -> None:
        """End it, and what it has started."""
        if not self.has_ended():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def fork(live: Callable[[frozenset[int]], None], journal: Journal) -> int:
    """Have a process of its own run `live` and exit with 0, or with 1 and a traceback in the journal.

    Args:
        live: is given the signals that were blocked so far; all are when it begins.
        journal: where the traceback goes.

    Returns:
        its number, which is also that of its process group.

    Raises:
        ThreadsError: this process has threads.
    """
    if threading.active_count() > 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise ThreadsError(f"a process with threads can't be forked safely; this one has {names}")
    mask = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
    try:
        pid = os.fork()
        if pid == 0:
            be_worker(partial(live, mask), journal)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def be_worker(live: Callable[[], None], journal: Journal) -> NoReturn:
    """Live, then exit: whatever happens, the test doesn't go on from here. The name is that of `kernel.dumps.OUTERMOST`."""
    code = 1
    try:
        os.setpgid(0, 0)  # so that what it starts can be ended with it
        live()
        code = 0
    except BaseException:  # noqa: BLE001  # whatever it is, the test wants to read it
        journal.error("the worker died", traceback.format_exc())
    finally:
        os._exit(code)


def aside(work: Callable[[], str], patience: float = PATIENCE) -> str:
    """Have something found out in a process of its own.

    Raises:
        AssertionError: it raised, ended, or took too long.
        ThreadsError: this process has threads.
    """
    journal = Journal()
    try:
        child = Child(fork(lambda _mask: journal.info(work()), journal), patience)
        try:
            child.wait()
        finally:
            child.kill()
        for level, message, detail in journal.lines():
            if level == "info":
                return message
            raise AssertionError(f"{message}\n{detail}")
        raise DiedError(f"the process exited with {child.exit_code} and said nothing")
    finally:
        journal.close()
