"""The order of a worker's life.

Fork → title → foreign sockets closed → identity → worker class made → `prepare` → hook `worker_forked` → application
imported → hook `worker_ready` → reported ready → `serve` → `close` → what the application registered with `atexit`.
The kernel has reset signals before and ends the process after. (Python's and OpenSSL's random generators notice a fork
by themselves.)

Told to leave while it boots, a worker leaves at once: nothing runs in it that anybody waits for.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

from workerhub.child.application import LoadError, load_application
from workerhub.child.cut import Cut, abort
from workerhub.child.hooks import call_hook
from workerhub.child.leaving import BootBreaker, ToldToLeave
from workerhub.child.overdue import Overdue
from workerhub.child.stacks import traceback_of
from workerhub.child.stand_in import stand_in
from workerhub.child.whereabouts import Whereabouts
from workerhub.kernel.birth import Birth
from workerhub.kernel.board import RunRecord
from workerhub.kernel.identity import IdentityError, set_title, take_identity
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.signals import Heard
from workerhub.logs import ErrorLog, Logs
from workerhub.plan import PoolPlan
from workerhub.supervisor.commands import Spawn
from workerhub.supervisor.exits import WorkerExit
from workerhub.supervisor.pools import FIRST_GENERATION
from workerhub.worker import Books, Worker, WorkerContext, WSGIApplication


class _FailedError(Exception):
    """The life ends early: with this exit code, for this reason."""

    def __init__(self, code: WorkerExit, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.detail = detail


def live(
    birth: Birth, pool: PoolPlan, order: Spawn, listeners: Listeners, logs: Logs, *, title: str = "workerhub"
) -> int:
    """Live a worker's whole life in this process.

    Args:
        birth: what connects it with the master.
        pool: what it serves, and how.
        order: who it is.
        listeners: the master's; those that aren't the pool's are closed.
        logs: where it writes.
        title: what the process's title begins with.

    Returns:
        the exit code; a failure was reported to the master before.
    """
    name = f"{order.pool}/{order.slot}"
    log = logs.error.named(name, pool=order.pool, slot=order.slot, generation=order.generation)
    set_title(f"worker {name} (generation {order.generation})", title)
    life = _Life(birth, pool, order, log)
    birth.signals.actions[Heard.REOPEN] = lambda _frame: logs.reopen()
    birth.signals.actions[Heard.ABORT] = abort
    birth.signals.actions[Heard.STACKS] = life.whereabouts
    birth.signals.actions[Heard.LEAVE] = breaker = BootBreaker()
    try:
        if birth.signals:  # came before anybody could raise it
            return WorkerExit.DRAINED
        life.boot(listeners, logs)
        app = life.load()
        breaker.over()
        if not birth.signals:
            life.serve(app)
        code = WorkerExit.DRAINED
    except ToldToLeave:
        code = WorkerExit.DRAINED
    except _FailedError as failure:
        birth.report_failed(failure.reason, failure.detail)
        code = failure.code
    breaker.over()
    life.close()
    return code


class _Life:
    """One worker's parts, as they come into being."""

    def __init__(self, birth: Birth, pool: PoolPlan, order: Spawn, log: ErrorLog) -> None:
        self._birth = birth
        self._pool = pool
        self._order = order
        self._log = log
        self._records: tuple[RunRecord, ...] = ()
        self._worker: Worker[Any] | None = None
        self.whereabouts = Whereabouts(birth)

    def boot(self, listeners: Listeners, logs: Logs) -> None:
        """Become a worker of the pool: all that comes before the application.

        Raises:
            _FailedError: (SETUP_FAILED)
        """
        pool = self._pool
        try:
            sockets = listeners.sockets(pool.bind)
            listeners.close_others(sockets)
            self._birth.signals.leaves_queue = not listeners.own(pool.bind)
            take_identity(pool.identity)
            self._birth.watch_master()
            self._records = self.whereabouts.records = self._birth.row.records()
            context = WorkerContext(
                pool=pool.name,
                slot=self._order.slot,
                generation=self._order.generation,
                worker_class=pool.worker.name,
                listeners=sockets,
                settings=pool.serve,
                stopping=self._birth.signals,
                log=self._log,
                books=Books(self._records, logs.access, self._order.recycle_after, self._birth.report_limit),
            )
            cls = pool.worker.load()
            self._worker = self.whereabouts.worker = cls(context, pool.options.open(cls))
            self._worker.prepare()
            self._call_hook("worker_forked")
        except IdentityError as error:
            raise _FailedError(WorkerExit.SETUP_FAILED, str(error)) from error
        except LoadError as error:
            raise _FailedError(WorkerExit.SETUP_FAILED, str(error), error.detail) from error
        except ToldToLeave:
            raise
        except BaseException as error:
            reason = f"setting up worker class {pool.worker.name} failed: {_in_a_line(error)}"
            raise _FailedError(WorkerExit.SETUP_FAILED, reason, traceback_of(error)) from error

    def load(self) -> WSGIApplication:
        """Import the application.

        Raises:
            _FailedError: (APP_FAILED), or (SETUP_FAILED) for the hook that follows.
        """
        try:
            app = load_application(self._pool.app)
        except LoadError as error:
            if not (self._pool.serve.http.show_errors and self._order.generation == FIRST_GENERATION):
                raise _FailedError(WorkerExit.APP_FAILED, str(error), error.detail) from error
            self._log.error(f"{error}; requests are answered with this until a change mends it", error.detail)
            app = stand_in(error)
        try:
            self._call_hook("worker_ready")
        except LoadError as error:
            raise _FailedError(WorkerExit.SETUP_FAILED, str(error), error.detail) from error
        return app

    def serve(self, app: WSGIApplication) -> None:
        """Tell the master, and serve until told to leave.

        Raises:
            _FailedError: (SERVE_FAILED)
        """
        assert self._worker is not None  # noqa: S101  # boot() went well
        birth = self._birth
        overdue = Overdue(birth.row, self._records, self._worker, self._log)
        birth.signals.actions[Heard.INTERRUPT] = overdue
        birth.signals.actions[Heard.ABORT] = Cut(birth.row, self._records, self._worker, self._log, birth.signals)
        birth.report_ready()
        name = self._pool.worker.name
        try:
            self._worker.serve(app)
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
                self._log.error(
                    f"closing worker class {self._pool.worker.name} failed: {_in_a_line(error)}", traceback_of(error)
                )
        with suppress(BaseException):  # which prints what goes wrong by itself
            atexit._run_exitfuncs()  # noqa: SLF001  # os._exit skips them, and applications rely on them

    def _call_hook(self, setting: str) -> None:
        """Call one of the worker's hooks, if it is set.

        Raises:
            LoadError: it failed.
        """
        if dotted := self._pool.hooks.get(setting):
            call_hook(setting, dotted, self._facts())

    def _facts(self) -> Mapping[str, object]:
        """What a worker's hooks are told."""
        order = self._order
        return {"pool": order.pool, "slot": order.slot, "generation": order.generation, "pid": os.getpid()}


def _go_on(_frame: FrameType | None) -> None:
    """Nothing more than what the signal says by itself."""


def _in_a_line(error: BaseException) -> str:
    """`ValueError: message`."""
    return " ".join(f"{type(error).__name__}: {error}".split())
