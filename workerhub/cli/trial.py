"""Imports an application in a process of its own, as a worker would, and tells how it went."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from workerhub.child import LoadError, load_application
from workerhub.kernel.identity import IdentityError, take_identity

if TYPE_CHECKING:
    from workerhub.plan import PoolPlan


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went. `failure` is one line, empty for success; `detail` is the traceback, if there is one."""

    seconds: float
    failure: str = ""
    detail: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the application is there and can be called."""
        return not self.failure


def try_import(pool: PoolPlan) -> Trial:
    """Import the pool's application with its directory, import path and environment; as its user, where we are root.

    What the application prints goes to standard error. It gets as long as a worker would, `timeouts.boot`.
    """
    began = time.monotonic()
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _import_and_exit(pool, writing)
    os.close(writing)
    told, hanging = b"", False
    with os.fdopen(reading, "rb") as pipe:
        if select.select([pipe], [], [], pool.policy.boot_timeout)[0]:
            told = pipe.read()
        else:
            hanging = True
            os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    seconds = time.monotonic() - began
    if told:
        return Trial(seconds, **json.loads(told))
    if hanging:
        return Trial(seconds, f"was not imported within timeouts.boot ({pool.policy.boot_timeout:g} s)")
    return Trial(seconds, f"the process ended while importing it: {_ending(os.waitstatus_to_exitcode(status))}")


def _import_and_exit(pool: PoolPlan, report: int) -> NoReturn:
    """In the child: one report, then the end, whatever the application registered for it."""
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    told = {"failure": "", "detail": ""}
    try:
        identity = pool.identity if os.geteuid() == 0 else replace(pool.identity, user=None, group=None)
        take_identity(identity)
        load_application(pool.app)
    except IdentityError as error:
        told["failure"] = str(error)
    except LoadError as error:
        told = {"failure": str(error), "detail": error.detail}
    sys.stderr.flush()
    os.write(report, json.dumps(told).encode())
    os._exit(0)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
