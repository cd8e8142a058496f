"""The real kernel: forks, waits, reaps, signals. Single-threaded, as fork demands.

Theory of operation. `wait` sleeps in one selector on the wake-up pipe, which the signal handlers of the C level write
to, on the children's report pipes, and on the control socket and its clients; each is registered with what to call when it is ready. After every waking all children that ended are reaped, whatever woke it: signals
of one kind merge, so none is counted on. What isn't a child of this kernel is reaped and forgotten, as PID 1 must.

A fork is done with all signals blocked. In the child the master's handlers, wake-up pipe and descriptors are gone and
the worker's own handlers are in place before signals are let in again; one that was sent meanwhile is then delivered, to
the right handler, in the right process.
"""

from __future__ import annotations

import gc
import math
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from workerhub.kernel.birth import Birth
from workerhub.kernel.board import Board, BoardRow
from workerhub.kernel.control.listener import ControlListener
from workerhub.kernel.control.reception import Reception
from workerhub.kernel.control.wire import Outcome, Step
from workerhub.kernel.dumps import open_dump, read_dump, take_dump
from workerhub.kernel.files import nameless_file, read_all, read_text, write_all
from workerhub.kernel.memory import private_memory
from workerhub.kernel.orphans import leave_with_master, system_tells
from workerhub.kernel.protocol import Happening, HookEnded, SignalArrived, TaskEnded
from workerhub.kernel.relatives import Relatives
from workerhub.kernel.reports import ReportPipe
from workerhub.kernel.signals import MASTER_SIGNALS, NUDGE_SIGNALS, WorkerSignals
from workerhub.kernel.streams import flush
from workerhub.slotted import dataclass
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildExited, ChildId, Exit, Reading, Ticket
from workerhub.supervisor.exits import WorkerExit

if TYPE_CHECKING:
    from workerhub.kernel.command_line import CommandLine
    from workerhub.kernel.inheritance import Legacy, Predecessor

_LONGEST_SLEEP = 3600.0
"""Seconds; the selector's own limit is some weeks."""

_HANDLED = (*MASTER_SIGNALS, signal.SIGCHLD)


@dataclass(slots=True)
class _Child:
    """A worker process that isn't reaped yet."""

    id: ChildId
    pid: int
    row: BoardRow
    reports: ReportPipe
    dump_fd: int
    dumped: int = 0
    """Where in the dump file that begins which the latest DUMP asked for."""


@dataclass(frozen=True, slots=True)
class _Newborn:
    """What the fork gives to a worker: its master, its row, and its descriptors."""

    master_pid: int
    row: BoardRow
    report_fd: int
    stacks_fd: int
    dump_fd: int
    lifeline: int | None


@dataclass(slots=True)
class _Hook:
    """A hook's or a task's process that isn't reaped yet.

    `failure_fd` holds what its traceback said, `result_fd` a task's result; a hook has none.
    """

    name: str
    failure_fd: int
    result_fd: int | None
    timeout: float
    deadline: float
    late: bool = False

    def close(self) -> None:
        """Close its descriptors."""
        os.close(self.failure_fd)
        if self.result_fd is not None:
            os.close(self.result_fd)


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
        self._board = Board()
        self._selector = selectors.DefaultSelector()
        self._children: dict[ChildId, _Child] = {}
        self._pids: dict[int, _Child] = {}
        self._hooks: dict[int, _Hook] = {}
        self._failed_hooks: list[HookEnded | TaskEnded] = []
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
        for hook in self._hooks.values():
            if hook.result_fd is not None:  # nobody is there for the result
                hook.deadline = self.now()
        while self._hooks:
            self.wait(self.now() + 1.0)  # which ends those that are late
        if self._reception is not None:
            self._reception.close()
            self._reception = None
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._relatives.close()
        self._close_descriptors()
        self._board.close()

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def wait(self, until: float | None) -> Sequence[Happening]:
        """Sleep until something happens or the moment comes (None: no moment). Empty when only time passed."""
        while True:
            happenings: list[Happening] = []
            for key, mask in self._selector.select(self._sleep(until)):
                happenings += key.data(mask)
            happenings += self._reap()
            happenings += self._failed_hooks
            self._failed_hooks.clear()
            self._end_late_hooks()
            if self._reception is not None:
                self._reception.sweep()
            if happenings or (until is not None and self.now() >= until):
                return happenings

    def spawn(self, child: ChildId, capacity: int, life: Callable[[Birth], int]) -> int:
        """Fork a worker; see the protocol.

        Raises:
            OSError: no room on the board, no descriptors, or no process; the message says which.
        """
        row = self._board.allocate(capacity)
        fds: list[int] = []
        try:
            fds += [open_dump()]
            fds += [nameless_file("stacks")]
            fds += os.pipe()
            dump_fd, stacks_fd, reader, writer = fds
            born = _Newborn(os.getpid(), row, writer, stacks_fd, dump_fd, self._lifeline[0] if self._lifeline else None)
            pid = self._fork(partial(_be_worker, born, life), {reader})
        except OSError as error:
            for fd in fds:
                os.close(fd)
            self._board.free(row)
            what = "no process can be started" if len(fds) == 4 else "no descriptors for another child"
            raise OSError(error.errno, f"{what}: {error.strerror}") from error
        os.close(writer)
        known = _Child(child, pid, row, ReportPipe(child, reader, stacks_fd), dump_fd)
        self._children[child] = self._pids[pid] = known
        self._selector.register(reader, selectors.EVENT_READ, lambda _mask: self._take_reports(known))
        return pid

    def nudge(self, child: ChildId, nudge: Nudge) -> None:
        """Tell a child something; a child that is gone is ignored."""
        known = self._children.get(child)
        if known is None:
            return
        if nudge is Nudge.FINISH:
            known.row.closing = True
        elif nudge is Nudge.STACKS:
            known.row.asked = True
        elif nudge is Nudge.DUMP:
            known.dumped = os.fstat(known.dump_fd).st_size
        with suppress(ProcessLookupError):  # not reaped yet, so the pid is still its own
            os.kill(known.pid, NUDGE_SIGNALS[nudge])

    def read_board(self, memory: Mapping[ChildId, int]) -> Mapping[ChildId, Reading]:
        """Look at every living child's row; see the protocol."""
        readings = {}
        for child, known in self._children.items():
            reading = known.row.snapshot()
            if child in memory:
                reading = replace(reading, memory=private_memory(known.pid, memory[child]))
            readings[child] = reading
        return readings

    def read_dump(self, child: ChildId) -> str:
        """What a child has left that was nudged by DUMP; see the protocol."""
        known = self._children.get(child)
        return "" if known is None else take_dump(known.dump_fd, known.dumped)

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
        self._run_aside(hook, life, None, timeout)

    def run_task(self, task: str, work: Callable[[], bytes], timeout: float) -> None:
        """Have something found out in a process of its own, as a hook is run."""
        self._run_aside(task, None, work, timeout)

    def _run_aside(
        self, name: str, life: Callable[[], None] | None, work: Callable[[], bytes] | None, timeout: float
    ) -> None:
        """Start a hook, which has a `life`, or a task, which has `work`."""
        fds: list[int] = []
        try:
            fds += [nameless_file("hook")]
            if work is not None:
                fds += [nameless_file("task")]
                life = partial(_work, work, fds[1], timeout)
            assert life is not None  # noqa: S101  # one of them is given
            pid = self._fork(partial(_be_hook, fds[0], life), set())
        except OSError as error:
            for fd in fds:
                os.close(fd)
            failure = f"no process could be started: {error.strerror}"
            failed = HookEnded(self.now(), name, failure)
            self._failed_hooks.append(failed if work is None else TaskEnded(self.now(), name, None, failure))
            os.write(self._wake_writer, b"\0")
            return
        self._hooks[pid] = _Hook(name, fds[0], fds[1] if work is not None else None, timeout, self.now() + timeout)

    # What happened

    def _sleep(self, until: float | None) -> float | None:
        """Seconds until the next moment that somebody waits for."""
        moments = [hook.deadline for hook in self._hooks.values() if not hook.late]
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

    def _take_reports(self, child: _Child) -> Sequence[Happening]:
        """Read a child's pipe, one turn; at its end, stop listening."""
        reports = list(child.reports.read(self.now()))
        if child.reports.ended:
            self._selector.unregister(child.reports.fd)
        return reports

    def _reap(self) -> Iterator[Happening]:
        """Reap all that ended."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if child := self._pids.pop(pid, None):
                    yield from self._bury(child, _exit_of(status))
                elif self._relatives.is_successor(pid):
                    yield self._relatives.lost(_exit_of(status))
                elif hook := self._hooks.pop(pid, None):
                    yield self._hook_ended(hook, _exit_of(status))

    def _bury(self, child: _Child, how: Exit) -> Iterator[Happening]:
        """Tell all that a reaped child left, and free what was its."""
        del self._children[child.id]
        yield from child.reports.read_last(self.now())
        with suppress(KeyError):
            self._selector.unregister(child.reports.fd)
        child.reports.close()
        last, dump = child.row.snapshot(), read_dump(child.dump_fd)
        os.close(child.dump_fd)
        self._board.free(child.row)
        yield ChildExited(self.now(), child.id, how, last, dump)

    def _hook_ended(self, hook: _Hook, how: Exit) -> HookEnded | TaskEnded:
        """Say how a hook or a task went."""
        failure = read_text(hook.failure_fd)
        result = None if hook.result_fd is None else read_all(hook.result_fd)
        hook.close()
        if hook.late:
            failure = f"it did not end within {hook.timeout:g} s and was killed"
        elif not failure and how.signal is not None:
            failure = f"it was killed by signal {how.signal}"
        elif not failure and how.code:
            failure = f"it exited with code {how.code}"
        if result is None:
            return HookEnded(self.now(), hook.name, failure)
        if not failure and not result:
            failure = "it exited before it was done"
        return TaskEnded(self.now(), hook.name, None if failure else result, failure)

    def _end_late_hooks(self) -> None:
        """Kill hooks that outlived their timeout, and what they started."""
        for pid, hook in self._hooks.items():
            if not hook.late and self.now() >= hook.deadline:
                hook.late = True
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    # Forking

    def _fork(self, body: Callable[[frozenset[int]], int], foreign: set[int]) -> int:
        """Fork; the child runs `body` with the signal mask to restore, and never returns from here.

        Args:
            body: what the child does; gets the mask, returns the exit code.
            foreign: descriptors that are the parent's, besides those it has anyway.

        Raises:
            OSError: no process could be started.
        """
        flush()
        mask = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
        try:
            pid = os.fork()
            if pid == 0:
                self._be_child(partial(body, mask), foreign)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
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
            _exit(code)

    def _close_descriptors(self, *, keep_lifeline: bool = False) -> None:
        """Close what is this kernel's own. In a child only the descriptors: a `Selector.unregister` would reach the master's."""
        self._selector.close()
        if self._reception is not None:
            self._reception.close_in_child()
        for fd in (self._wake_reader, self._wake_writer):
            os.close(fd)
        for child in self._children.values():
            child.reports.close()
            os.close(child.dump_fd)
        for hook in self._hooks.values():
            hook.close()
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


def _be_worker(born: _Newborn, life: Callable[[Birth], int], mask: frozenset[int]) -> int:
    """What a worker does right after the fork."""
    signals = WorkerSignals(born.row)
    signals.install(born.dump_fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    watch_master = partial(leave_with_master, born.master_pid, born.lifeline)
    birth = Birth(born.master_pid, born.row, signals, born.report_fd, born.stacks_fd, watch_master)
    try:
        return life(birth)
    except BaseException as error:  # noqa: BLE001  # told to the master; the process ends here anyway
        birth.report_failed(f"{type(error).__name__}: {error}", traceback.format_exc())
        return WorkerExit.SETUP_FAILED


def _be_hook(failure_fd: int, life: Callable[[], None], mask: frozenset[int]) -> int:
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


def _work(work: Callable[[], bytes], result_fd: int, timeout: float) -> None:
    """What a task's process does. Its master ends it in time; if that one is gone meanwhile, the system does."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(timeout) + 1)
    write_all(result_fd, work())


def _exit(code: int) -> NoReturn:
    """End this process, with what it printed written out, without what the master registered to be done at exit."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(code)
