"""Parents that go before their children: a worker leaves when its master is gone, and a master adopts what a template leaves behind."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import threading
from time import sleep  # the real one, also where a worker class patches it

_libc = ctypes.CDLL(None, use_errno=True)
"""Made once, not in each worker, where it would be 0.2 MiB that nobody shares."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_LOOK = 0.0005
"""Seconds between two looks at whose child one is. The process in question has nothing left to do but to exit."""


def leave_with_master(master_pid: int, lifeline: int | None) -> None:
    """Have this process sent SIGTERM as soon as the master is gone, also if it is gone already.

    To be called after the change of user, which makes the system forget the wish (prctl(2)), and as a child of the master: the system
    tells of the death of whoever is the parent then.

    Args:
        master_pid: who it was at the fork.
        lifeline: the reading end of a pipe whose other end only the master holds, for systems that don't tell a child
            of its parent's death; a thread watches it. None: the system tells.
    """
    if lifeline is not None:
        threading.Thread(target=_watch, args=(lifeline,), name="workerhub-lifeline", daemon=True).start()
        return
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != master_pid:
        os.kill(os.getpid(), signal.SIGTERM)


def system_tells() -> bool:
    """Whether this system can signal a child when its parent dies."""
    return sys.platform == "linux"


def adopt_orphans() -> None:
    """From now on, whoever descends from this process and loses its parent becomes its child (a "child subreaper", prctl(2)).

    Raises:
        OSError: this system has no such thing, or doesn't allow it.
    """
    number = _prctl(_PR_SET_CHILD_SUBREAPER, 1) if adoption_is_possible() else errno.ENOSYS
    if number:
        raise OSError(number, f"orphans can't be adopted: {os.strerror(number)}")


def adoption_is_possible() -> bool:
    """Whether a process can become the parent of its orphaned grandchildren here."""
    return sys.platform == "linux"


def wait_for_adoption(parent_pid: int) -> None:
    """Wait until the parent, which is about to exit, is gone and somebody else is this process's parent."""
    while os.getppid() == parent_pid:
        sleep(_LOOK)


def _prctl(option: int, value: int) -> int:
    """Call prctl(2); the error number, 0 where all is well."""
    return ctypes.get_errno() if _libc.prctl(option, value, 0, 0, 0) < 0 else 0


def _watch(lifeline: int) -> None:
    """Wait until the other end is closed."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
