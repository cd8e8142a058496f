"""From a command line to an exit code."""

from __future__ import annotations

import os
import random
import sys
from contextlib import ExitStack, suppress

from workerhub import __version__
from workerhub.config.report import render
from workerhub.errors import BindError, ConfigError
from workerhub.kernel.identity import IdentityError, find_account, open_standard_streams, set_title
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.pidfile import Pidfile, PidfileError
from workerhub.kernel.processes import PosixKernel
from workerhub.logs import Logs
from workerhub.master.generations import Generations, open_plan_logs
from workerhub.master.loop import Master
from workerhub.plan import Invocation, Plan, load_plan
from workerhub.supervisor import ServerExit


def serve(invocation: Invocation) -> int:
    """Serve until told to stop; the exit code.

    What can be refused is refused before anything is touched: first the configuration, then log files, pidfile and addresses, then
    the first fork.
    """
    open_standard_streams()
    try:
        plan = load_plan(invocation)
        logs = open_plan_logs(plan)
    except ConfigError as error:
        return _refuse(ServerExit.USAGE, render(error))
    except IdentityError as error:
        return _refuse(ServerExit.USAGE, str(error))
    except OSError as error:
        return _refuse(ServerExit.USAGE, f"can't open the log {error.filename}: {error.strerror}")
    return _serve(invocation, plan, logs)


def _serve(invocation: Invocation, plan: Plan, logs: Logs) -> int:
    account = find_account(plan.config.user, plan.config.group)
    owner = None if account is None else (account.uid, account.gid)
    listeners = Listeners(plan.backlog, plan.config.umask, owner)
    stage = Generations(invocation, plan, logs, listeners)
    with ExitStack() as stack:
        stack.callback(stage.close)
        try:
            pidfile = Pidfile(plan.pidfile) if plan.pidfile is not None else None
            if pidfile is not None:
                stack.callback(pidfile.remove)
            listeners.open(plan.bind)
        except PidfileError as error:
            logs.error.error(str(error))
            return ServerExit.USAGE
        except BindError as error:
            logs.error.error(str(error))
            return ServerExit.CANNOT_BIND
        kernel = PosixKernel()
        stack.callback(kernel.close)
        if pidfile is not None:
            kernel.private.add(pidfile.fd)
        set_title("master", plan.name)
        logs.error.info(start_line(plan, listeners))
        return Master(kernel, stage, lambda most: random.randint(0, most)).run()  # noqa: S311  # spreads load, hides nothing


def start_line(plan: Plan, listeners: Listeners) -> str:
    """What runs where, in one line."""
    pools = "; ".join(
        f"{pool.name}: {pool.policy.size} × {pool.worker.name} on {', '.join(listeners.urls(pool.bind))}"
        for pool in plan.pools
    )
    return f"workerhub {__version__} ({os.getpid()}) {pools}, config {plan.title}"


def _refuse(code: ServerExit, text: str) -> ServerExit:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201  # there is no log yet
    return code
