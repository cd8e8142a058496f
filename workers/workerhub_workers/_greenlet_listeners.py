"""The listening sockets in an event loop of gevent's."""

from __future__ import annotations

import errno
import socket
from _socket import SocketType  # the system's, also where `socket.socket` is patched: greenlets wait elsewhere
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workerhub.worker import Log

PAUSE = 0.25
"""Seconds without accepting after the system had no descriptor or memory for one connection more."""

AFTER_CLIENTS = -2
"""The priority of new connections among the loop's events: a worker that has something to do for its clients does that first, and
a sibling may be faster."""

_NOTHING_HERE = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ECONNABORTED, errno.EPROTO, errno.EPERM})
"""A sibling was faster, or the client left again: nothing to speak of (accept(2), "Error handling")."""


class GreenletListeners:
    """Takes connections, one when asked.

    Args:
        listeners: the sockets, shared with the siblings.
        loop: gevent's.
        report: called in the loop with a listener that has a connection to take, again and again until it is taken.
        resume: called in the loop when a pause is over.
        log: the error log.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        loop: Any,
        report: Callable[[socket.socket], None],
        resume: Callable[[], None],
        log: Log,
    ) -> None:
        self._watchers = {listener: loop.io(listener.fileno(), 1, priority=AFTER_CLIENTS) for listener in listeners}
        # Looked up here, as a socket makes enum members of them at each look: 3 us per connection.
        self._kinds = {listener: (int(listener.family), int(listener.type), listener.proto) for listener in listeners}
        self._timer = loop.timer(PAUSE)
        self._report = report
        self._resume = resume
        self._log = log
        self._in_trouble = False
        self._unemptied = list(listeners)
        self.paused = False
        for listener in listeners:
            if listener.family != socket.AF_UNIX:
                # Accepted connections inherit it. Every answer is one send, so there is nothing to collect.
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def watch(self) -> None:
        """Have new connections reported."""
        for listener, watcher in self._watchers.items():
            if not watcher.active:
                watcher.start(self._report, listener)

    def unwatch(self) -> None:
        """Leave new connections to the siblings."""
        for watcher in self._watchers.values():
            watcher.stop()

    def accept(self, listener: socket.socket) -> tuple[SocketType, Any] | None:
        """Take one connection and its peer's address; None if there was none to take, or nothing to take it with."""
        try:
            # What `listener.accept()` does, without dressing the result up: 9 us instead of 13.
            fd, peer = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        except OSError as error:
            if error.errno not in _NOTHING_HERE:
                self._pause(str(error))
            return None
        if self._in_trouble:
            self._in_trouble = False
            self._log.info("accepting connections again")
        family, kind, proto = self._kinds[listener]
        sock = SocketType(family, kind, proto, fileno=fd)
        sock.setblocking(False)
        return sock, peer

    def accept_last(self) -> tuple[socket.socket, tuple[SocketType, Any]] | None:
        """Take one of the connections that wait in any queue, with its listener; None when the queues were seen to be empty."""
        while self._unemptied and not self.paused:
            listener = self._unemptied[0]
            accepted = self.accept(listener)
            if accepted is not None:
                return listener, accepted
            if not self.paused:
                del self._unemptied[0]
        return None

    def close(self) -> None:
        """Give the watchers back; the sockets are somebody else's."""
        for watcher in (*self._watchers.values(), self._timer):
            watcher.stop()
            watcher.close()

    def _pause(self, reason: str) -> None:
        """Accept nothing for a moment: asking again at once would only burn what the requests in work need.

        Says so once, until a connection is accepted again.
        """
        if not self._in_trouble:
            self._in_trouble = True
            self._log.warning(f"not accepting connections for now: {reason}; trying again every {PAUSE} s")
        self.paused = True
        self.unwatch()
        self._timer.stop()
        self._timer.start(self._go_on, update=True)

    def _go_on(self) -> None:
        self.paused = False
        self._resume()
