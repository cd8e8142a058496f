"""The listening sockets: when they are watched, and what comes out of them."""

from __future__ import annotations

import errno
import socket
from _socket import SocketType  # the system's, also where gevent has put its own in its place
from time import monotonic
from typing import TYPE_CHECKING, Any

from workerhub_workers._poller import LISTENER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workerhub.worker import Log
    from workerhub_workers._poller import Poller

PAUSE = 0.25
"""Seconds without accepting after the system had no descriptor or memory for one connection more."""

_NOTHING_HERE = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ECONNABORTED, errno.EPROTO, errno.EPERM})
"""A sibling was faster, or the client left again: nothing to speak of (accept(2), "Error handling")."""


class Acceptor:
    """Takes connections, one when asked.

    Attributes:
        is_watching: whether the poller reports new connections.
        reports: the listeners that were reported and not taken yet.
        resume_at: after trouble, the moment to try again, on the monotonic clock; 0 when all is well.
    """

    def __init__(self, listeners: Sequence[socket.socket], poller: Poller, log: Log) -> None:
        self._listeners = {listener.fileno(): listener for listener in listeners}
        # Looked up here, as a socket makes enum members of them at each look: 3 us per connection.
        self._kinds = {listener: (int(listener.family), int(listener.type), listener.proto) for listener in listeners}
        self._poller = poller
        self._log = log
        self.is_watching = False
        self.reports: list[socket.socket] = []
        self.resume_at = 0.0
        for listener in listeners:
            if listener.family != socket.AF_UNIX:
                # Accepted connections inherit it. Every answer is one send, so there is nothing to collect.
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def watch(self) -> None:
        """Have the poller report new connections."""
        if not self.is_watching:
            self.is_watching = True
            for fd in self._listeners:
                self._poller.register(fd, LISTENER)

    def unwatch(self) -> None:
        """Leave new connections to the siblings."""
        if self.is_watching:
            self.is_watching = False
            for fd in self._listeners:
                self._poller.unregister(fd)

    def stand_last(self) -> None:
        """Let the siblings be asked first for the next connection.

        It wakes the one of those who sleep that has watched for longest (EPOLLEXCLUSIVE): as long as that one sleeps again in time, always the
        same, who would hold all connections that are kept in the end.
        """
        if self.is_watching:
            self.unwatch()
            self.watch()

    def report(self, fd: int) -> None:
        """The poller reported a descriptor; remember it if it is a listener."""
        if fd in self._listeners:
            self.reports.append(self._listeners[fd])

    def take_reports(self) -> list[socket.socket]:
        """The listeners that were reported since the last time."""
        reports, self.reports = self.reports, []
        return reports

    def accept(self, listener: socket.socket) -> tuple[SocketType, Any] | None:
        """Take one connection and its peer's address; None if there was none to take, or nothing to take it with."""
        try:
            # What `listener.accept()` does, without dressing the result up: 9 us instead of 13.
            fd, peer = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        except OSError as error:
            if error.errno not in _NOTHING_HERE:
                self.pause(str(error))
            return None
        if self.resume_at:
            self.resume_at = 0.0
            self._log.info("accepting connections again")
        family, kind, proto = self._kinds[listener]
        return SocketType(family, kind, proto, fileno=fd), peer

    def paused(self) -> bool:
        """Whether it is too early to try again."""
        return self.resume_at > 0 and monotonic() < self.resume_at

    def pause(self, reason: str) -> None:
        """Accept nothing for a moment: asking again at once would only burn what the requests in work need.

        Says so once, until a connection is accepted again.
        """
        if not self.resume_at:
            self._log.warning(f"not accepting connections for now: {reason}; trying again every {PAUSE} s")
        self.resume_at = monotonic() + PAUSE
