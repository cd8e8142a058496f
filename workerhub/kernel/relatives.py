"""The masters before and after this one, while they have to do with it."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from workerhub.kernel.protocol import Relation
from workerhub.kernel.signals import NUDGE_SIGNALS
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import Exit, Inherited, StopRequested, SuccessorLost, SuccessorReady

if TYPE_CHECKING:
    from workerhub.kernel.command_line import CommandLine
    from workerhub.kernel.inheritance import Legacy, Predecessor
    from workerhub.kernel.successor import Successor


class Relatives:
    """Part of the kernel.

    Args:
        selector: the kernel's.
        private: descriptors that no child keeps; the links are added.
        now: the clock.
    """

    def __init__(self, selector: selectors.BaseSelector, private: set[int], now: Callable[[], float]) -> None:
        self._selector = selector
        self._private = private
        self._now = now
        self._successor: Successor | None = None
        self._predecessor: Predecessor | None = None

    # --- the next one -------------------------------------------------------------------------------------------------------

    def start_successor(self, legacy: Legacy, command: CommandLine) -> int:
        """Start a new master; its pid.

        Raises:
            OSError: it can't be started; the message says why.
        """
        from workerhub.kernel.successor import Successor  # noqa: PLC0415  # most masters never need it

        self._successor = Successor(legacy, command)
        self._listen(self._successor.link.fileno(), self._hear_successor)
        return self._successor.pid

    def end_successor(self, nudge: Nudge) -> None:
        """Tell it to leave."""
        if self._successor is not None:
            with suppress(ProcessLookupError):  # not reaped yet, so the pid is still its own
                os.kill(self._successor.pid, NUDGE_SIGNALS[nudge])

    def hand_over(self) -> None:
        """Tell it that everything is its own; from now on it is nobody's business here."""
        if self._successor is not None:
            self._successor.hand_over()
            self._forget_successor()

    def is_successor(self, pid: int) -> bool:
        """Whether the new master has this pid."""
        return self._successor is not None and self._successor.pid == pid

    def lost(self, how: Exit) -> SuccessorLost:
        """It was reaped."""
        assert self._successor is not None  # noqa: S101  # see `is_successor`
        for _ in self._successor.hear():
            pass  # a readiness that its end has overtaken
        troubles = self._successor.troubles
        self._forget_successor()
        return SuccessorLost(self._now(), how, "\n".join(troubles))

    def _hear_successor(self, _mask: int) -> Iterator[SuccessorReady]:
        assert self._successor is not None  # noqa: S101  # nobody listens else
        for _ in self._successor.hear():
            yield SuccessorReady(self._now())
        if self._successor.ended:  # its exit follows
            self._ignore(self._successor.link.fileno())

    def _forget_successor(self) -> None:
        assert self._successor is not None  # noqa: S101  # the callers have looked
        self._ignore(self._successor.link.fileno())
        self._successor.close()
        self._successor = None

    # --- the one before -----------------------------------------------------------------------------------------------------

    def follow(self, predecessor: Predecessor) -> None:
        """Listen to it."""
        self._predecessor = predecessor
        self._listen(predecessor.fileno(), self._hear_predecessor)

    def claim(self) -> None:
        """Tell it that everything serves."""
        if self._predecessor is not None:
            self._predecessor.claim()

    def complain(self, text: str) -> None:
        """Tell it what goes wrong."""
        if self._predecessor is not None:
            self._predecessor.complain(text)

    def _hear_predecessor(self, _mask: int) -> Iterator[Inherited | StopRequested]:
        assert self._predecessor is not None  # noqa: S101  # nobody listens else
        handed_over = self._predecessor.hear()
        if handed_over is None:
            return
        self._ignore(self._predecessor.fileno())
        self._predecessor.close()
        self._predecessor = None
        if handed_over:
            yield Inherited(self._now())
        else:
            yield StopRequested(self._now(), fast=False, origin="the master that is to be replaced is gone")

    # --- both ---------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Hear of nobody any more. A new master that isn't handed anything takes that for the end."""
        for relative in (self._successor, self._predecessor):
            if relative is not None:
                relative.close()
        self._successor = self._predecessor = None

    def _listen(self, fd: int, hear: Callable[[int], Iterator[Relation]]) -> None:
        self._private.add(fd)
        self._selector.register(fd, selectors.EVENT_READ, hear)

    def _ignore(self, fd: int) -> None:
        self._private.discard(fd)
        with suppress(KeyError):
            self._selector.unregister(fd)
