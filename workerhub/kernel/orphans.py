"""A worker leaves when its master is gone."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1


def leave_with_master(master_pid: int, lifeline: int | None) -> None:
    """Have this process sent SIGTERM as soon as the master is gone, also if it is gone already.

    To be called after the change of user, which makes the system forget the wish (prctl(2)).

    Args:
        master_pid: who it was at the fork.
        lifeline: the reading end of a pipe whose other end only the master holds, for systems that don't tell a child
            of its parent's death; a thread watches it. None: the system tells.
    """
    if lifeline is not None:
        threading.Thread(target=_watch, args=(lifeline,), name="workerhub-lifeline", daemon=True).start()
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != master_pid:
        os.kill(os.getpid(), signal.SIGTERM)


def system_tells() -> bool:
    """Whether this system can signal a child when its parent dies."""
    return sys.platform == "linux"


def _watch(lifeline: int) -> None:
    """Wait until the other end is closed."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
