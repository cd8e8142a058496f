"""The steps of which the lives of workers and templates consist, and what their exceptions mean as exit codes."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from workerhub.child.application import LoadError, load_application
from workerhub.child.cut import CutBoot, CutRequests, abort
from workerhub.child.hooks import call_hook
from workerhub.child.leaving import BootBreaker, ToldToLeave
from workerhub.child.orphaned import Orphaned
from workerhub.child.overdue import Overdue
from workerhub.child.stacks import traceback_of
from workerhub.child.stand_in import stand_in
from workerhub.child.whereabouts import Whereabouts
from workerhub.kernel.birth import Birth
from workerhub.kernel.board import RunRecord
from workerhub.kernel.identity import IdentityError, set_title, take_identity
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.signals import Heard
from workerhub.logs import Logs
from workerhub.plan import PoolPlan
from workerhub.supervisor.commands import Spawn
from workerhub.supervisor.exits import WorkerExit
from workerhub.supervisor.pools import FIRST_GENERATION
from workerhub.worker import TEMPLATE_SLOT, Books, Worker, WorkerContext, WSGIApplication


class _FailedError(Exception):
    """The life ends early: with this exit code, for this reason."""

    def __init__(self, code: WorkerExit, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.detail = detail


class Life:
    """One process's parts, as they come into being. The methods are the steps; a course of them is a life.

    Args:
        birth: what connects the process with the master.
        pool: what it serves, and how.
        order: who it is. In a template, the slot is `TEMPLATE_SLOT`.
        logs: where it writes.

    Attributes:
        error_log: which it writes to under its own name.
    """

    def __init__(self, birth: Birth, pool: PoolPlan, order: Spawn, logs: Logs) -> None:
        self._birth = birth
        self._pool = pool
        self._order = order
        self._logs = logs
        self._name = f"{order.pool} template" if order.slot == TEMPLATE_SLOT else f"{order.pool}/{order.slot}"
        self.error_log = logs.error.named(self._name, pool=order.pool, slot=order.slot, generation=order.generation)
        self._records: tuple[RunRecord, ...] = ()
        self._worker: Worker[Any] | None = None
        self._context: WorkerContext | None = None
        self._whereabouts = Whereabouts(birth)
        self._breaker = BootBreaker()

    def live(self, title: str, course: Callable[[], None]) -> int:
        """Live a whole life; the exit code. `title` is what the process's title begins with."""
        self.set_title(title)
        code = self.go(course)
        self.close()
        return code

    def set_title(self, title: str) -> None:
        """Show up in `ps` as what it is; `title` is what that begins with."""
        order = self._order
        who = f"template {order.pool}" if order.slot == TEMPLATE_SLOT else f"worker {self._name}"
        set_title(f"{who} (generation {order.generation})", title)

    def go(self, course: Callable[[], None]) -> int:
        """Go through a course of steps; the exit code. A failure is reported to the master."""
        actions = self._birth.signals.actions
        actions[Heard.REOPEN] = lambda _frame: self._logs.reopen()
        actions[Heard.ABORT] = abort
        actions[Heard.STACKS] = self._whereabouts
        actions[Heard.LEAVE] = self._breaker
        try:
            if not self._birth.signals:  # else it came before anybody could raise it
                course()
        except ToldToLeave:
            pass
        except _FailedError as failure:
            self._birth.report_failed(failure.reason, failure.detail)
            return failure.code
        finally:
            self._breaker.over()
        return WorkerExit.DRAINED

    # The steps

    def take_place(self, listeners: Listeners) -> None:
        """Become a process of the pool: its sockets only, its user, its directory.

        Raises:
            _FailedError: (SETUP_FAILED)
        """
        with self._setting_up():
            listeners.close_others(listeners.sockets(self._pool.bind))
            take_identity(self._pool.identity)
        self.watch_master()

    def make_worker(self, listeners: Listeners) -> None:
        """Make the worker class's instance.

        Raises:
            _FailedError: (SETUP_FAILED)
        """
        birth, pool, order = self._birth, self._pool, self._order
        with self._setting_up():
            birth.signals.leaves_queue = not listeners.own(pool.bind)
            self._records = self._whereabouts.records = birth.row.records()
            context = self._context = WorkerContext(
                pool=pool.name,
                slot=order.slot,
                generation=order.generation,
                worker_class=pool.worker.name,
                listeners=listeners.sockets(pool.bind),
                settings=pool.serve,
                stopping=birth.signals,
                log=self.error_log,
                books=Books(self._records, self._logs.access, order.recycle_after, birth.report_limit),
            )
            cls = pool.worker.load()
            self._worker = self._whereabouts.worker = cls(context, pool.options.open(cls))
            birth.signals.actions[Heard.ABORT] = CutBoot(self._worker, self.error_log, birth.signals)

    def prepare(self) -> None:
        """Have the worker class make the process ready for the import.

        Raises:
            _FailedError: (SETUP_FAILED)
        """
        with self._setting_up():
            self._made.prepare()

    def call_hook(self, setting: str) -> None:
        """Call one of the worker's hooks, if it is set.

        Raises:
            _FailedError: (SETUP_FAILED)
        """
        if dotted := self._pool.hooks.get(setting):
            with self._setting_up():
                call_hook(setting, dotted, self._facts())

    def load(self) -> WSGIApplication:
        """Import the application.

        Raises:
            _FailedError: (APP_FAILED)
        """
        try:
            return load_application(self._pool.app)
        except LoadError as error:
            if not (self._pool.serve.http.show_errors and self._order.generation == FIRST_GENERATION):
                raise _FailedError(WorkerExit.APP_FAILED, str(error), error.detail) from error
            self.error_log.error(f"{error}; requests are answered with this until a change mends it", error.detail)
            return stand_in(error)

    def watch_master(self) -> None:
        """Leave when the master is gone.

        Raises:
            _FailedError: (SETUP_FAILED)
        """
        with self._setting_up():
            self._birth.watch_master()

    def get_ready(self) -> bool:
        """The boot is over: tell the master. False if somebody has told us to leave, and we never were ready."""
        self._breaker.over()
        wanted = not self._birth.signals
        if wanted:
            self._birth.report_ready()
        return wanted

    def serve(self, app: WSGIApplication) -> None:
        """Tell the master, and serve until told to leave.

        Raises:
            _FailedError: (SERVE_FAILED)
        """
        birth, worker = self._birth, self._made
        about = birth.row, self._records, worker, self.error_log
        birth.signals.actions[Heard.INTERRUPT] = Overdue(*about)
        birth.signals.actions[Heard.ABORT] = CutRequests(*about, birth.signals)
        with self._setting_up():
            if self._context is not None:
                self._context.tls()  # should something be wrong with it, then now
        if not self.get_ready():
            return
        orphaned = Orphaned(birth.master_pid, self._pool.policy.graceful_timeout, self.error_log)
        birth.signals.actions[Heard.LEAVE] = orphaned
        orphaned(None)  # it may have been heard just before
        name = self._pool.worker.name
        try:
            worker.serve(app)
        except BaseException as error:
            reason = f"worker class {name} failed while serving: {_in_a_line(error)}"
            raise _FailedError(WorkerExit.SERVE_FAILED, reason, traceback_of(error)) from error
        finally:
            birth.signals.actions[Heard.INTERRUPT] = _go_on
        if not birth.signals:
            reason = f"worker class {name} stopped serving without being asked to"
            raise _FailedError(WorkerExit.SERVE_FAILED, reason)

    def close(self) -> None:
        """Have the worker class and the application clean up. A failure is logged and changes nothing."""
        if self._worker is not None:
            try:
                self._worker.close()
            except BaseException as error:  # noqa: BLE001  # what came before matters more
                self.error_log.error(
                    f"closing worker class {self._pool.worker.name} failed: {_in_a_line(error)}", traceback_of(error)
                )
        with suppress(BaseException):  # which prints what goes wrong by itself
            atexit._run_exitfuncs()  # noqa: SLF001  # os._exit skips them, and applications rely on them

    @property
    def _made(self) -> Worker[Any]:
        assert self._worker is not None, "make_worker comes first"  # noqa: S101  # a mistake in a course
        return self._worker

    @contextmanager
    def _setting_up(self) -> Iterator[None]:
        """What fails here means that there is no worker.

        Raises:
            _FailedError: (SETUP_FAILED)
        """
        try:
            yield
        except ToldToLeave:
            raise
        except (IdentityError, LoadError) as error:
            raise _FailedError(WorkerExit.SETUP_FAILED, str(error), getattr(error, "detail", "")) from error
        except BaseException as error:
            reason = f"setting up worker class {self._pool.worker.name} failed: {_in_a_line(error)}"
            raise _FailedError(WorkerExit.SETUP_FAILED, reason, traceback_of(error)) from error

    def _facts(self) -> Mapping[str, object]:
        """What a worker's hooks are told."""
        order = self._order
        return {"pool": order.pool, "slot": order.slot, "generation": order.generation, "pid": os.getpid()}


def _go_on(_frame: FrameType | None) -> None:
    """Nothing more than what the signal says by itself."""


def _in_a_line(error: BaseException) -> str:
    """`ValueError: message`."""
    return " ".join(f"{type(error).__name__}: {error}".split())
