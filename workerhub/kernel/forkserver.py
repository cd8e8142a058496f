"""The part of a template that forks: takes orders from the master, and forks twice for each.

Theory of operation. The template forks a process in between, that one forks the worker and exits, and the worker becomes the child of
the master, which adopts orphans: so the master waits for all workers alike, and a template may die without harm to those that it
forked. The worker's pid comes to the master by the board: it is written into the worker's row by the process in between, before that
one exits and so before the master can see the worker's end, and by the worker itself, before it says that it is there. The master checks
that it is a child of its own; what an application might write there leads to nobody else.

In between nothing may go on for long. If the process hangs (a lock that was held in the template by a thread which the fork left out), it is
killed, and the order has failed.

The first fork is the system's own. The second is whatever `os.fork` is by then: a worker class that brings an event loop along has it
see the loop over the fork.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from posix import WNOHANG, fork, waitpid  # the real ones, also where a worker class patches os
from select import POLLIN, poll  # likewise
from time import monotonic, sleep  # likewise
from typing import NoReturn

from workerhub.kernel.birth import Birth, report
from workerhub.kernel.newborn import Newborn, be_worker, exit_process, signals_blocked
from workerhub.kernel.orders import Order, receive_order
from workerhub.kernel.signals import WorkerSignals
from workerhub.kernel.streams import flush
from workerhub.supervisor.exits import WorkerExit

PATIENCE = 10.0
"""Seconds that the process in between may take to fork and exit. It takes milliseconds."""

_LOOK = 0.001
"""Seconds between two looks whether it has."""


class ForkServer:
    """Forks workers off this process. Made by the kernel, for the life of a template.

    Args:
        born: what the template has itself.
        signals: what it is told.
        orders: its end of the order pipe.
    """

    def __init__(self, born: Newborn, signals: WorkerSignals, orders: socket.socket) -> None:
        self._born = born
        self._signals = signals
        self._orders = orders

    def serve(self, life: Callable[[Birth, bytes], int]) -> None:
        """Fork a worker for each order, until told to leave or until the master is gone. Returns in the template only.

        Args:
            life: what a worker does with the word that came with its order; returns its exit code.
        """
        poller = poll()
        poller.register(self._orders, POLLIN)
        poller.register(self._signals, POLLIN)
        while not self._signals:
            poller.poll()
            self._signals.clear()
            with suppress(OSError):  # nothing to take; or no descriptors for it, and the master sees its pipe's end
                order = receive_order(self._orders, self._born.row)
                if order is None:
                    return
                try:
                    self._carry_out(order, life)
                finally:
                    order.fds.close()

    def _carry_out(self, order: Order, life: Callable[[Birth, bytes], int]) -> None:
        flush()
        try:
            with signals_blocked() as mask:
                pid = fork()
                if pid == 0:
                    self._fork_again(order, life, mask)
                in_time = _see_off(pid)
        except OSError as error:
            _report_unborn(order, error)
        else:
            if not in_time:
                _report_unborn(order, TimeoutError(f"forking took more than {PATIENCE:g} s"))

    def _fork_again(self, order: Order, life: Callable[[Birth, bytes], int], mask: frozenset[int]) -> NoReturn:
        """In between."""
        code = int(WorkerExit.SETUP_FAILED)
        try:
            parent_pid = os.getpid()
            pid = os.fork()
            order.row.pid = pid or os.getpid()
            if pid == 0:
                code = be_worker(self._newborn(order, parent_pid), partial(self._live, order.word, life), mask)
        except OSError as error:
            _report_unborn(order, error)
        finally:
            exit_process(code)

    def _newborn(self, order: Order, parent_pid: int) -> Newborn:
        template = self._born
        return Newborn(template.master_pid, parent_pid, order.row, order.fds, template.lifeline)

    def _live(self, word: bytes, life: Callable[[Birth, bytes], int], birth: Birth) -> int:
        """As a worker: forget the template."""
        self._orders.close()
        self._signals.close()
        self._born.fds.close()
        return life(birth, word) if birth.report_born() else WorkerExit.ABORTED


def be_template(
    born: Newborn, orders: socket.socket, life: Callable[[Birth, ForkServer], int], mask: frozenset[int]
) -> int:
    """What a template does right after the fork: as a worker, and it can fork."""
    return be_worker(born, lambda birth: life(birth, ForkServer(born, birth.signals, orders)), mask)


def _see_off(pid: int) -> bool:
    """Wait for a child that is about to exit; one that doesn't is killed. Whether it did."""
    until = monotonic() + PATIENCE
    with suppress(ChildProcessError):  # the application has told the system to wait in its place
        while waitpid(pid, WNOHANG)[0] == 0:
            if monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                waitpid(pid, 0)
                return False
            sleep(_LOOK)
    return True


def _report_unborn(order: Order, error: OSError) -> None:
    report(order.fds.report, "unborn", reason=f"no process can be started: {error.strerror or error}")
