"""Reading a worker's exit: what was ordered, what happened, and which of the two the operator should hear about."""

from __future__ import annotations

from workerhub.supervisor.children import Child
from workerhub.supervisor.events import Exit
from workerhub.supervisor.exits import CAUSES_BY_CODE, SIGKILL, SIGQUIT, SIGTERM, Cause, WorkerExit
from workerhub.supervisor.states import FORCED, LEAVING, State


def cause_of(child: Child, exit_: Exit) -> Cause:
    """Why the child is gone: the reason of our order if it went as ordered, else what its exit says.

    The state tells our own SIGKILL from anybody else's: a worker that only drains and dies of SIGKILL was killed from outside.
    """
    if child.leave is Cause.BOOT_TIMEOUT:
        return child.leave
    if child.state in LEAVING and child.leave is not None and _as_ordered(child.state, exit_):
        return child.leave
    if exit_.signal is not None:
        return {SIGKILL: Cause.KILLED_OUTSIDE, SIGTERM: Cause.LEFT}.get(exit_.signal, Cause.CRASHED)
    if exit_.code == WorkerExit.DRAINED and child.state is State.BOOTING:
        return Cause.EXITED  # an import that calls os._exit(0) is likelier than a signal from outside just now
    return CAUSES_BY_CODE.get(exit_.code or 0, Cause.EXITED)


def _as_ordered(state: State, exit_: Exit) -> bool:
    if exit_.code == WorkerExit.DRAINED or exit_.signal == SIGTERM:
        return True
    if exit_.code == WorkerExit.ABORTED or exit_.signal == SIGQUIT:
        return state in FORCED
    return exit_.signal == SIGKILL and state is State.KILLED
