"""Readiness of many descriptors: epoll where there is one, poll(2) elsewhere, behind the same four methods."""

from __future__ import annotations

import select
import sys
from typing import Protocol

IN = 0x001
OUT = 0x004
BROKEN = 0x008 | 0x010
"""ERR or HUP. The numbers of poll(2), which epoll and every platform share."""


class Poller(Protocol):
    """What the reactor asks of the system. Level-triggered: what is still ready is reported again."""

    def register(self, fd: int, eventmask: int, /) -> None:
        """Watch a descriptor; BROKEN is always watched."""

    def modify(self, fd: int, eventmask: int, /) -> None:
        """Watch it for something else."""

    def unregister(self, fd: int, /) -> None:
        """Watch it no more."""

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Wait for so many seconds (None: for ever) and tell what is ready."""

    def close(self) -> None:
        """Give back what it holds."""


class PollPoller:
    """poll(2) in the dress of epoll: seconds for milliseconds.

    What another thread changes while `poll` waits is only seen by the next `poll`.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register = self._poll.register
        self.modify = self._poll.modify
        self.unregister = self._poll.unregister

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Wait for so many seconds (None: for ever) and tell what is ready."""
        # Rounded up, as epoll does: waking a little early would mean waking again and again.
        return self._poll.poll(None if timeout is None else timeout * 1000 + 1)

    def close(self) -> None:
        """Nothing is held."""


if sys.platform == "linux":
    IS_LIVE = True
    """Whether what another thread changes takes effect while `poll` waits."""

    LISTENER = IN | select.EPOLLEXCLUSIVE
    """A new connection wakes one of the workers that sleep on the listener, not all of them."""

    def new_poller() -> Poller:
        """The best that this platform has."""
        return select.epoll()

else:
    IS_LIVE = False
    LISTENER = IN

    def new_poller() -> Poller:
        """The best that this platform has."""
        return PollPoller()
