"""How things end: the server's exit codes, a worker's, and the cause that the supervisor reads in a worker's exit."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workerhub.supervisor.events import Exit


class ServerExit(IntEnum):
    """What `workerhub` itself exits with."""

    STOPPED = 0
    """Asked to stop, and did."""
    REFUSED = 1
    """A control verb's answer is no."""
    USAGE = 2
    """Wrong usage, or a configuration that can't be used."""
    CANNOT_BIND = 3
    """An address can't be listened on."""
    BOOT_FAILED = 4
    """At start, no worker became ready."""
    BUDGET_SPENT = 5
    """The crash budget is spent and nothing healthy is left."""
    DEFECT = 70
    """The master met an error that it has no name for: a defect in workerhub. The workers were stopped. (EX_SOFTWARE)"""


class WorkerExit(IntEnum):
    """What a worker exits with. Codes that shells and `sys.exit(1)` use are avoided, so that none is mistaken."""

    DRAINED = 0
    """It was told to leave, and everything that ran is finished."""
    APP_FAILED = 64
    """The application could not be imported, or is not callable."""
    SETUP_FAILED = 65
    """Something before the application failed: user, directory, hook, or the worker class's `prepare`."""
    SERVE_FAILED = 66
    """The worker class's `serve` raised, or returned without being asked to."""
    ABORTED = 67
    """It was told to leave now; what ran was cut."""


class Cause(Enum):
    """Why a worker is gone. The value completes the sentence "worker main/0 is gone: ..."."""

    STOPPED = "the server stops"
    SCALED_DOWN = "fewer workers are wanted"
    RECYCLED = "recycled"
    RELOADED = "replaced by a new generation"
    ABANDONED = "its generation was rolled back"
    SURPLUS = "its slot is filled already"
    STUCK = "a request could not be ended"
    NOT_DRAINED = "did not finish within timeouts.graceful"
    STALLED = "forked nobody any more"
    BOOT_TIMEOUT = "not ready within timeouts.boot"
    APP_FAILED = "the application failed to load"
    SETUP_FAILED = "the worker could not be set up"
    SERVE_FAILED = "the worker class failed"
    LEFT = "left, asked by a signal from outside"
    KILLED_OUTSIDE = "killed from outside (SIGKILL), perhaps out of memory"
    CRASHED = "crashed"
    EXITED = "the process ended itself"
    UNBORN = "could not be started"


CAUSES_BY_CODE: Final = {
    int(WorkerExit.DRAINED): Cause.LEFT,
    int(WorkerExit.APP_FAILED): Cause.APP_FAILED,
    int(WorkerExit.SETUP_FAILED): Cause.SETUP_FAILED,
    int(WorkerExit.SERVE_FAILED): Cause.SERVE_FAILED,
}
"""How a code reads when nobody here had told the worker to leave."""

SIGQUIT: Final = 3
SIGKILL: Final = 9
SIGTERM: Final = 15

SIGNAL_NAMES: Final = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 8: "SIGFPE", 9: "SIGKILL",
    11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
}  # fmt: skip
"""The numbers that POSIX systems agree about; this package may not ask the system for the others."""

HARMLESS: Final = frozenset(
    {Cause.STOPPED, Cause.SCALED_DOWN, Cause.RECYCLED, Cause.RELOADED, Cause.ABANDONED, Cause.SURPLUS, Cause.LEFT}
)
"""Nothing for an operator to look into."""

FROM_OUTSIDE: Final = frozenset({Cause.KILLED_OUTSIDE, Cause.UNBORN})
"""Would have hit any worker: says nothing about the code that it runs."""

BOOT_VERDICTS: Final = frozenset({Cause.APP_FAILED, Cause.SETUP_FAILED})
"""At first start these are final: trying again would fail the same way."""


def in_words(exit_: Exit) -> str:
    """The exit as an operator reads it: "exit code 1", "SIGSEGV, core dumped"."""
    if exit_.signal is None:
        return f"exit code {exit_.code}"
    name = SIGNAL_NAMES.get(exit_.signal, f"signal {exit_.signal}")
    return f"{name}, core dumped" if exit_.core_dumped else name
