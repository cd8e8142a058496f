"""The real kernel: forks, waits, reaps, signals. Single-threaded, as fork demands.

Theory of operation. `wait` sleeps in one selector on the wake-up pipe, which the signal handlers of the C level write
to, on the children's report pipes, and on the control socket and its clients; each is registered with what to call when it is ready. After
every waking all children that ended are reaped, whatever woke it: signals of one kind merge, so none is counted on. What isn't a child of
this kernel is reaped and forgotten, as PID 1 must.
"""

from __future__ import annotations

import gc
import math
import os
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from workerhub.kernel.asides import Asides
from workerhub.kernel.birth import Birth
from workerhub.kernel.children import Children
from workerhub.kernel.control.listener import ControlListener
from workerhub.kernel.control.reception import Reception
from workerhub.kernel.control.wire import Outcome, Step
from workerhub.kernel.forkserver import ForkServer, be_template
from workerhub.kernel.newborn import Newborn, be_worker, exit_process, signals_blocked
from workerhub.kernel.orders import Order, order_pipe, send_order
from workerhub.kernel.orphans import adopt_orphans, system_tells
from workerhub.kernel.protocol import Happening, SignalArrived
from workerhub.kernel.relatives import Relatives
from workerhub.kernel.signals import MASTER_SIGNALS, NUDGE_SIGNALS
from workerhub.kernel.streams import flush
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildId, Exit, Reading, Ticket
from workerhub.supervisor.exits import WorkerExit

if TYPE_CHECKING:
    from workerhub.kernel.command_line import CommandLine
    from workerhub.kernel.inheritance import Legacy, Predecessor

_LONGEST_SLEEP = 3600.0
"""Seconds; the selector's own limit is some weeks."""

_HANDLED = (*MASTER_SIGNALS, signal.SIGCHLD)


class PosixKernel:
    """The operating system, as `workerhub.kernel.protocol.Kernel` has it. One for each master; main thread only.

    Takes over the signal handlers of the process until `close`.

    Attributes:
        private: descriptors of the master that no child keeps. What is opened later may be added at any time.
    """

    def __init__(self, *, lifeline: bool | None = None) -> None:
        """Make the board and listen for signals.

        Args:
            lifeline: whether workers watch a pipe to see the master go; None: where the system doesn't tell them.

        Raises:
            OSError: no memory or no descriptors.
        """
        self.private: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._children = Children(self._selector, self.now, self._is_no_child)
        self._asides = Asides(self._fork)
        self._news: list[Happening] = []
        self._reception: Reception | None = None
        self._relatives = Relatives(self._selector, self.private, self.now)
        use_lifeline = not system_tells() if lifeline is None else lifeline
        self._lifeline = os.pipe() if use_lifeline else None
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, lambda _mask: self._take_signals())
        self._old_handlers = {number: signal.signal(number, _wake) for number in _HANDLED}
        self._old_wakeup = signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        # Whoever started the master may have blocked some; workers inherit the mask.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_HANDLED, *NUDGE_SIGNALS.values()} - {signal.SIGKILL})

    def close(self) -> None:
        """Give everything back: handlers, board, descriptors. Waits for hooks that still run, up to their deadlines; ends tasks."""
        self._asides.end_tasks(self.now())
        while self._asides:
            self.wait(self.now() + 1.0)  # which ends those that are late
        if self._reception is not None:
            self._reception.close()
            self._reception = None
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._relatives.close()
        self._close_descriptors()
        self._children.board.close()

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def wait(self, until: float | None) -> Sequence[Happening]:
        """Sleep until something happens or the moment comes (None: no moment). Empty when only time passed."""
        while True:
            happenings, self._news = self._news, []
            for key, mask in self._selector.select(self._sleep(until)):
                happenings += key.data(mask)
            happenings += self._reap()
            self._asides.end_late(self.now())
            if self._reception is not None:
                self._reception.sweep()
            if happenings or (until is not None and self.now() >= until):
                return happenings

    def spawn(self, child: ChildId, capacity: int, life: Callable[[Birth], int]) -> int:
        """Fork a worker; see the protocol.

        Raises:
            OSError: no room on the board, no descriptors, or no process; the message says which.
        """
        return self._start(child, capacity, lambda born: partial(be_worker, born, life))

    def spawn_template(self, child: ChildId, capacity: int, life: Callable[[Birth, ForkServer], int]) -> int:
        """Fork a template; see the protocol.

        Raises:
            OSError: as for `spawn`, or this system doesn't let a process adopt orphans.
        """
        adopt_orphans()
        try:
            ours, theirs = order_pipe()
        except OSError as error:
            raise OSError(error.errno, f"no descriptors for another child: {error.strerror}") from error
        with theirs:
            return self._start(child, capacity, lambda born: partial(be_template, born, theirs, life), ours)

    def spawn_from(self, template: ChildId, child: ChildId, capacity: int, word: bytes) -> None:
        """Have a template fork a worker; see the protocol.

        Raises:
            OSError: no room on the board, no descriptors, or the template takes no orders; the message says which.
        """
        home = self._children.get(template)
        if home is None or home.orders is None:
            raise ProcessLookupError(None, "the template is gone")
        known, fds = self._children.make_room(child, capacity)
        try:
            send_order(home.orders, Order(known.row, fds, word))
        except OSError as error:
            self._children.give_back(known)
            raise OSError(error.errno, f"the template takes no orders: {error.strerror}") from error
        finally:
            os.close(fds.report)
        self._children.add(known)

    def nudge(self, child: ChildId, nudge: Nudge) -> None:
        """Tell a child something; a child that is gone is ignored."""
        known = self._children.get(child)
        if known is not None and (met := self._children.nudge(known, nudge)):
            self._tell_later(*met)

    def read_board(self, memory: Mapping[ChildId, int]) -> Mapping[ChildId, Reading]:
        """Look at every living child's row; see the protocol."""
        return self._children.read_board(memory)

    def read_dump(self, child: ChildId) -> str:
        """What a child has left that was nudged by DUMP; see the protocol."""
        return self._children.read_dump(child)

    def receive(self, listener: ControlListener) -> None:
        """From now on clients of the control socket may ask, until this kernel is closed. No child keeps the listener."""
        self._reception = Reception(listener, self._selector, self.now)

    def tell(self, ticket: Ticket, message: str, fields: Mapping[str, object]) -> None:
        """Tell one asker how far it is; one that is gone is ignored."""
        if self._reception is not None:
            self._reception.tell(ticket, Step(message, fields))

    def answer(self, ticket: Ticket, message: str, *, ok: bool, detail: str, fields: Mapping[str, object]) -> None:
        """Tell one asker how it ended; see the protocol."""
        if self._reception is not None:
            self._reception.answer(ticket, Outcome(ok, message, detail, fields))

    def start_successor(self, legacy: Legacy, command: CommandLine) -> int:
        """Start a new master; see the protocol.

        Raises:
            OSError: it can't be started; the message says why.
        """
        flush()
        return self._relatives.start_successor(legacy, command)

    def end_successor(self, nudge: Nudge) -> None:
        """Tell the new master to leave; one that is gone is ignored."""
        self._relatives.end_successor(nudge)

    def hand_over(self) -> None:
        """Tell the new master that everything is its own. Who asks from now on asks that one."""
        if self._reception is not None:
            self._reception.withdraw()
        self._relatives.hand_over()

    def follow(self, predecessor: Predecessor) -> None:
        """Listen to the master before this one."""
        self._relatives.follow(predecessor)

    def claim(self) -> None:
        """Tell the master before this one that everything serves."""
        self._relatives.claim()

    def complain(self, text: str) -> None:
        """Tell the master before this one, if it still waits, what goes wrong."""
        self._relatives.complain(text)

    def run_hook(self, hook: str, life: Callable[[], None], timeout: float) -> None:
        """Run a hook in a process of its own and a process group of its own; both end after `timeout` seconds."""
        if ended := self._asides.run_hook(hook, life, timeout, self.now()):
            self._tell_later(ended)

    def run_task(self, task: str, work: Callable[[], bytes], timeout: float) -> None:
        """Have something found out in a process of its own, as a hook is run."""
        if ended := self._asides.run_task(task, work, timeout, self.now()):
            self._tell_later(ended)

    # What happened

    def _sleep(self, until: float | None) -> float | None:
        """Seconds until the next moment that somebody waits for."""
        moments = self._asides.deadlines()
        if until is not None:
            moments.append(until)
        if self._reception is not None and self._reception.deadline < math.inf:
            moments.append(self._reception.deadline)
        return min(max(0.0, min(moments) - self.now()), _LONGEST_SLEEP) if moments else None

    def _take_signals(self) -> Iterator[SignalArrived]:
        """Empty the wake-up pipe: a byte for each signal, in order."""
        with suppress(BlockingIOError):
            for number in os.read(self._wake_reader, 4096):
                if number in MASTER_SIGNALS:
                    yield SignalArrived(self.now(), signal.Signals(number).name)

    def _tell_later(self, *happenings: Happening) -> None:
        """Report with the next `wait`, which has no reason to sleep."""
        self._news += happenings
        os.write(self._wake_writer, b"\0")

    def _is_no_child(self, pid: int) -> bool:
        """Whether a process of ours is something else than a worker or a template."""
        return pid in self._asides or self._relatives.is_successor(pid)

    def _reap(self) -> Iterator[Happening]:
        """Reap all that ended."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                how = _exit_of(status)
                if self._relatives.is_successor(pid):
                    yield self._relatives.lost(how)
                elif pid in self._asides:
                    yield self._asides.reaped(pid, how, self.now())
                else:
                    yield from self._children.reaped(pid, how)

    # Forking

    def _start(
        self,
        child: ChildId,
        capacity: int,
        body: Callable[[Newborn], Callable[[frozenset[int]], int]],
        orders: socket.socket | None = None,
    ) -> int:
        """Fork a child of ours; its pid.

        Raises:
            OSError: no room on the board, no descriptors, or no process; the message says which.
        """
        known, fds = self._children.make_room(child, capacity)
        known.orders = orders
        me = os.getpid()
        born = Newborn(me, me, known.row, fds, self._lifeline[0] if self._lifeline else None)
        foreign = {known.reports.fd, orders.fileno()} if orders is not None else {known.reports.fd}
        try:
            known.pid = self._fork(body(born), foreign)
        except OSError as error:
            self._children.give_back(known)
            raise OSError(error.errno, f"no process can be started: {error.strerror}") from error
        finally:
            os.close(fds.report)
        self._children.add(known)
        return known.pid

    def _fork(self, body: Callable[[frozenset[int]], int], foreign: set[int]) -> int:
        """Fork; the child runs `body` with the signal mask to restore, and never returns from here.

        Args:
            body: what the child does; gets the mask, returns the exit code.
            foreign: descriptors that are the parent's, besides those it has anyway.

        Raises:
            OSError: no process could be started.
        """
        flush()
        with signals_blocked() as mask:
            pid = os.fork()
            if pid == 0:
                self._be_child(partial(body, mask), foreign)
        return pid

    def _be_child(self, body: Callable[[], int], foreign: set[int]) -> NoReturn:
        """Forget the master, run `body`, exit: whatever happens, nothing goes on from here."""
        code = int(WorkerExit.SETUP_FAILED)
        try:
            gc.freeze()  # what the master made is never looked at again, so its pages stay shared
            signal.set_wakeup_fd(-1)
            for number in _HANDLED:
                signal.signal(number, signal.SIG_DFL)
            for fd in {*self.private, *foreign}:
                with suppress(OSError):
                    os.close(fd)
            self._close_descriptors(keep_lifeline=True)
            code = body()
        except BaseException:  # noqa: BLE001  # a child must not become a second master
            with suppress(BaseException):
                traceback.print_exc()
        finally:
            exit_process(code)

    def _close_descriptors(self, *, keep_lifeline: bool = False) -> None:
        """Close what is this kernel's own. In a child only the descriptors: a `Selector.unregister` would reach the master's."""
        self._selector.close()
        if self._reception is not None:
            self._reception.close_in_child()
        for fd in (self._wake_reader, self._wake_writer):
            os.close(fd)
        self._children.close()
        self._asides.close()
        if self._lifeline:
            os.close(self._lifeline[1])
            if not keep_lifeline:
                os.close(self._lifeline[0])


def _wake(_number: int, _frame: object) -> None:
    """A handler that only has to exist: the C level writes the signal's number to the wake-up pipe."""


def _exit_of(status: int) -> Exit:
    """Read a wait status."""
    if os.WIFSIGNALED(status):
        return Exit(signal=os.WTERMSIG(status), core_dumped=os.WCOREDUMP(status))
    return Exit(code=os.waitstatus_to_exitcode(status))
