"""A real kernel on which a test forks real children, and the story of what happened."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workerhub.kernel.processes import PosixKernel
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildExited, ChildId, ChildReady

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workerhub.kernel.birth import Birth
    from workerhub.kernel.protocol import Forks, Happening

PATIENCE = 20.0
"""Seconds until a test that waits for something gives up."""


class Stage:
    """A kernel, and the story of what happened to it."""

    def __init__(self, kernel: PosixKernel) -> None:
        self.kernel = kernel
        self.story: list[Happening] = []
        self._next = 1

    def spawn(self, life: Callable[[Birth], int], capacity: int = 1) -> ChildId:
        child = ChildId(self._next)
        self._next += 1
        self.kernel.spawn(child, capacity, life)
        return child

    def spawn_template(self, life: Callable[[Birth, Forks], int], capacity: int = 1) -> ChildId:
        child = ChildId(self._next)
        self._next += 1
        self.kernel.spawn_template(child, capacity, life)
        return child

    def spawn_from(self, template: ChildId, word: bytes, capacity: int = 1) -> ChildId:
        child = ChildId(self._next)
        self._next += 1
        self.kernel.spawn_from(template, child, capacity, word)
        return child

    def pid(self, child: ChildId) -> int:
        pid = self.kernel._children[child].pid
        assert pid is not None
        return pid

    def ready(self, child: ChildId) -> None:
        self.play(lambda _story: bool(self.of(ChildReady, child) or self.of(ChildExited, child)))
        assert self.of(ChildReady, child), self.story

    def play(self, done: Callable[[list[Happening]], bool]) -> list[Happening]:
        """Wait until the story is such; the whole of it."""
        deadline = time.monotonic() + PATIENCE
        while not done(self.story):
            self.story += self.kernel.wait(time.monotonic() + 0.2)
            assert time.monotonic() < deadline, f"in vain; the story so far: {self.story}"
        return self.story

    def of(self, kind: type[Happening], child: ChildId | None = None) -> list[Happening]:
        return [it for it in self.story if isinstance(it, kind) and child in (None, getattr(it, "child", None))]

    def exit_of(self, child: ChildId) -> ChildExited:
        self.play(lambda _story: bool(self.of(ChildExited, child)))
        (exited,) = self.of(ChildExited, child)
        assert isinstance(exited, ChildExited)
        return exited


@contextmanager
def real_kernel() -> Iterator[Stage]:
    """A stage that leaves nothing behind."""
    kernel = PosixKernel()
    try:
        yield Stage(kernel)
    finally:
        deadline = time.monotonic() + PATIENCE
        while kernel._children and time.monotonic() < deadline:
            for child in tuple(kernel._children):
                kernel.nudge(child, Nudge.KILL)
            kernel.wait(time.monotonic() + 0.1)
        kernel.close()
