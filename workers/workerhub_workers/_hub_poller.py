"""The readiness that gevent's event loop reports, behind the methods of a poller."""

from __future__ import annotations

from typing import Any

from workerhub_workers._poller import IN, OUT

_READ, _WRITE = 1, 2
"""libev's names for IN and OUT."""


class HubPoller:
    """Watches by the watchers of an event loop.

    The loop does the waiting. So `poll` only hands over what was reported since it was called last, and whoever owns the
    loop calls it when `reported` isn't empty.

    A watcher doesn't tell which of its events it was, nor that a connection broke: that is found out by reading and writing.

    Attributes:
        reported: descriptors and what they are watched for.
    """

    def __init__(self, loop: Any) -> None:
        self.reported: list[tuple[int, int]] = []
        self._loop = loop
        self._watchers: dict[int, Any] = {}

    def register(self, fd: int, eventmask: int, /) -> None:
        """Watch a descriptor."""
        if events := _events(eventmask):
            watcher = self._watchers[fd] = self._loop.io(fd, events)
            # A method of C, called by C: a report costs no Python.
            watcher.start(self.reported.append, (fd, eventmask))

    def modify(self, fd: int, eventmask: int, /) -> None:
        """Watch it for something else."""
        self.unregister(fd)
        self.register(fd, eventmask)

    def unregister(self, fd: int, /) -> None:
        """Watch it no more."""
        if watcher := self._watchers.pop(fd, None):
            watcher.stop()
            watcher.close()

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:  # noqa: ARG002  # the loop has waited
        """Tell what was reported."""
        events = self.reported[:]
        self.reported.clear()
        return events

    def close(self) -> None:
        """Give the watchers back."""
        for fd in list(self._watchers):
            self.unregister(fd)


def _events(eventmask: int) -> int:
    return (_READ if eventmask & IN else 0) | (_WRITE if eventmask & OUT else 0)
