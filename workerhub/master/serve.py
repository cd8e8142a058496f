"""From a command line to an exit code."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from workerhub import __version__
from workerhub.errors import BindError
from workerhub.kernel.control.listener import ControlListener, adopt_place, find_place, take_place
from workerhub.kernel.control.place import PlaceError, nameless
from workerhub.kernel.identity import IdentityError, set_title
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.notify import Notifier
from workerhub.kernel.pidfile import PidfileError
from workerhub.kernel.processes import PosixKernel
from workerhub.kernel.systemd import FromSystemd
from workerhub.logs import Logs
from workerhub.master.estate import Estate
from workerhub.master.generations import Generations, find_owner, open_plan_logs, share_worker_classes
from workerhub.master.loop import Master
from workerhub.plan import Plan, Planner
from workerhub.supervisor import ServerExit

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub.kernel.inheritance import Predecessor
    from workerhub.master.watcher import Watcher


_PRIVATE = ("http://127.", "http://[::1]", "unix:")
"""How addresses begin that only this machine reaches."""


def serve(
    planner: Planner,
    plan: Plan,
    systemd: FromSystemd = FromSystemd(),  # noqa: B008  # immutable
    predecessor: Predecessor | None = None,
) -> int:
    """Serve until told to stop; the exit code.

    What can be refused is refused before anything is touched: first the configuration, by whom made the plan, then log files, pidfile
    and addresses, then the first fork.

    Args:
        planner: where further plans come from.
        plan: the first one.
        systemd: what systemd told this process; by default nothing.
        predecessor: the master that this one is to replace; None: there is none.
    """
    complain = predecessor.complain if predecessor is not None else lambda _trouble: None
    try:
        share_worker_classes(plan)
        logs = open_plan_logs(plan)
    except IdentityError as error:
        return _refuse(ServerExit.USAGE, str(error), complain)
    except OSError as error:
        return _refuse(ServerExit.USAGE, f"can't open the log {error.filename}: {error.strerror}", complain)
    try:
        return _serve(planner, plan, logs, systemd, predecessor)
    except (PidfileError, BindError) as error:
        complain(str(error))
        return ServerExit.USAGE if isinstance(error, PidfileError) else ServerExit.CANNOT_BIND


def _serve(planner: Planner, plan: Plan, logs: Logs, systemd: FromSystemd, predecessor: Predecessor | None) -> int:
    """Serve; see `serve`.

    Raises:
        PidfileError: the pidfile can't be had. It is logged.
        BindError: an address can't be listened on. It is logged.
    """
    listeners = Listeners(plan.backlog, plan.pools[0].identity.umask, find_owner(plan), systemd)
    stage = Generations(planner, plan, logs, listeners)
    with ExitStack() as stack:
        stack.callback(stage.close)

        def warn(trouble: str) -> None:
            stage.log("warning", trouble, {}, "")

        notifier = Notifier(systemd.notify_socket, systemd.watchdog, warn, silent=predecessor is not None)
        stack.callback(notifier.close)
        estate = Estate(listeners, notifier, lambda: stage.plan.bind, plan.pidfile, predecessor, warn)
        stack.callback(estate.close)
        try:
            if predecessor is not None:
                listeners.inherit(predecessor.legacy.sockets)
            else:
                estate.take_pidfile()
            listeners.open(plan.bind)
            estate.control = open_control(plan, logs, predecessor.legacy.control if predecessor is not None else None)
        except (PidfileError, BindError) as error:
            logs.error.error(str(error))
            raise
        watcher = _watch(plan, logs, listeners)
        kernel = PosixKernel()
        stack.callback(kernel.close)
        estate.receive = kernel.receive
        if watcher is not None:
            stack.callback(watcher.close)  # before the kernel, which knows what to do when it sends a signal
            kernel.private.add(watcher.fileno())
        kernel.private |= {notifier.fileno(), *estate.private}
        if estate.control is not None:
            kernel.private.add(estate.control.socket.fileno())
        estate.private = kernel.private
        if predecessor is not None:
            kernel.follow(predecessor)
        else:
            estate.open_reception()
        kernel.private.update(passed.fd for passed in systemd.sockets)  # a listener is a duplicate of its own
        set_title("master", plan.name)
        logs.error.info(start_line(plan, listeners))
        for passed in listeners.unclaimed():
            logs.error.warning(f"systemd passed a socket that no bind names: {passed.name} (descriptor {passed.fd})")
        for note in plan.notes:
            logs.error.warning(note)
        gc.freeze()  # what is here now stays until the end: never looked at again, its pages are shared with every worker
        gc.enable()
        return Master(kernel, stage, _draw, notifier, estate).run()


def _watch(plan: Plan, logs: Logs, listeners: Listeners) -> Watcher | None:
    """Have the source watched, if somebody develops."""
    if plan.watch is None:
        return None
    from workerhub.master.watcher import Watcher  # noqa: PLC0415  # never in production

    if public := [url for url in listeners.urls(plan.bind) if not url.startswith(_PRIVATE)]:
        logs.error.warning(f"--dev shows source code to whoever asks, and many can: {', '.join(public)}")
    return Watcher(plan.watch, plan.name, logs, partial(listeners.close_others, ()))


def open_control(plan: Plan, logs: Logs, left: tuple[str, int] | None = None) -> ControlListener | None:
    """Open the control socket, if there is to be one. Without a place of its own choice a server does without.

    Args:
        plan: tells where.
        logs: where it is said that there is none.
        left: path and descriptor of the one that the master before this one has; it is kept where it is the same.

    Raises:
        BindError: another server listens there, or the place that the configuration names won't do.
    """
    if left is not None:
        path, fd = Path(left[0]), left[1]
        if plan.control is not None and (path == plan.control.path or plan.control.name in ("", path.name)):
            with suppress(OSError):
                return adopt_place(path, fd)
        os.close(fd)
    if plan.control is None:
        return None
    if plan.control.path is not None:
        return take_place(plan.control.path)
    try:
        return find_place(plan.control.name or nameless(plan.pools[0].app.module, os.getpid()))
    except PlaceError as error:
        logs.error.warning(f"no control socket, so `workerhub status` and its like won't find this server: {error}")
        return None


def _draw(most: int) -> int:
    """A random number from 0 to `most`."""
    # `random` itself, with what it imports, would cost more memory than all of the supervisor.
    return int.from_bytes(os.urandom(8), "big") % (most + 1)


def start_line(plan: Plan, listeners: Listeners) -> str:
    """What runs where, in one line."""
    pools = "; ".join(
        f"{pool.name}: {pool.policy.size} × {pool.worker.name} on {', '.join(listeners.urls(pool.bind, pool.scheme))}"
        for pool in plan.pools
    )
    return f"workerhub {__version__} ({os.getpid()}) {pools}, config {plan.title}"


def _refuse(code: ServerExit, text: str, complain: Callable[[str], None]) -> ServerExit:
    complain(text)
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201  # there is no log yet
    return code
