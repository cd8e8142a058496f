"""Hooks and tasks: what is done aside, in a process and a process group of its own, and ended with all it started if it takes too long."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeAlias

from workerhub.kernel.files import nameless_file, read_all, read_text
from workerhub.kernel.newborn import be_hook, work
from workerhub.kernel.protocol import HookEnded, TaskEnded
from workerhub.slotted import dataclass
from workerhub.supervisor.events import Exit

Fork: TypeAlias = Callable[[Callable[[frozenset[int]], int], set[int]], int]
"""Forks: takes what the child does and which descriptors it closes, returns the child's pid. Raises OSError."""


@dataclass(slots=True)
class _Aside:
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


class Asides:
    """All of them that aren't reaped. Times are seconds on the monotonic clock."""

    def __init__(self, fork: Fork) -> None:
        self._fork = fork
        self._by_pid: dict[int, _Aside] = {}

    def __contains__(self, pid: int) -> bool:
        return pid in self._by_pid

    def __bool__(self) -> bool:
        return bool(self._by_pid)

    def run_hook(self, hook: str, life: Callable[[], None], timeout: float, now: float) -> HookEnded | None:
        """Start a hook; it has ended already if there is no process for it."""
        fds: list[int] = []
        try:
            fds += [nameless_file("hook")]
            self._start(_Aside(hook, fds[0], None, timeout, now + timeout), life)
        except OSError as error:
            return HookEnded(now, hook, _no_process(error, fds))
        return None

    def run_task(self, task: str, find_out: Callable[[], bytes], timeout: float, now: float) -> TaskEnded | None:
        """Start a task; it has ended already if there is no process for it."""
        fds: list[int] = []
        try:
            fds += [nameless_file("hook")]
            fds += [nameless_file("task")]
            life = partial(work, find_out, fds[1], timeout)
            self._start(_Aside(task, fds[0], fds[1], timeout, now + timeout), life)
        except OSError as error:
            return TaskEnded(now, task, None, _no_process(error, fds))
        return None

    def deadlines(self) -> list[float]:
        """When one has to be ended."""
        return [aside.deadline for aside in self._by_pid.values() if not aside.late]

    def reaped(self, pid: int, how: Exit, now: float) -> HookEnded | TaskEnded:
        """One of them is gone: say how it went."""
        aside = self._by_pid.pop(pid)
        failure = read_text(aside.failure_fd)
        result = None if aside.result_fd is None else read_all(aside.result_fd)
        aside.close()
        if aside.late:
            failure = f"it did not end within {aside.timeout:g} s and was killed"
        elif not failure and how.signal is not None:
            failure = f"it was killed by signal {how.signal}"
        elif not failure and how.code:
            failure = f"it exited with code {how.code}"
        if result is None:
            return HookEnded(now, aside.name, failure)
        if not failure and not result:
            failure = "it exited before it was done"
        return TaskEnded(now, aside.name, None if failure else result, failure)

    def end_late(self, now: float) -> None:
        """Kill those that outlived their timeout, and what they started."""
        for pid, aside in self._by_pid.items():
            if not aside.late and now >= aside.deadline:
                aside.late = True
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def end_tasks(self, now: float) -> None:
        """Nobody is there for the results any more."""
        for aside in self._by_pid.values():
            if aside.result_fd is not None:
                aside.deadline = now

    def close(self) -> None:
        """Close their descriptors."""
        for aside in self._by_pid.values():
            aside.close()

    def _start(self, aside: _Aside, life: Callable[[], None]) -> None:
        self._by_pid[self._fork(partial(be_hook, aside.failure_fd, life), set())] = aside


def _no_process(error: OSError, fds: list[int]) -> str:
    for fd in fds:
        os.close(fd)
    return f"no process could be started: {error.strerror}"
