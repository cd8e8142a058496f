"""A connection whose request runs in a greenlet, so that it can wait for its client in the middle."""

from __future__ import annotations

import math
import socket
from typing import TYPE_CHECKING

from gevent.event import Event

from workerhub.http import Phase
from workerhub.worker import ClientDisconnected
from workerhub_workers._connection import READ_SIZE, Connection, Stage
from workerhub_workers._poller import IN, OUT

if TYPE_CHECKING:
    from _socket import SocketType
    from collections.abc import Callable

    from workerhub.http import ServerConnection
    from workerhub_workers._reactor import Reactor

_RUNNING = Stage.RUNNING


class GreenletConnection(Connection):
    """`Connection` with two places where a request waits: for room in the outbox, and for more of its body.

    Args:
        reactor: whose it is.
        sock: the socket.
        open_http: makes the HTTP side, given what it calls for more of a body.
    """

    __slots__ = ("_news", "_pulls")

    def __init__(
        self, reactor: Reactor, sock: SocketType, open_http: Callable[[Callable[[], None]], ServerConnection]
    ) -> None:
        super().__init__(reactor, sock, open_http(self.pull))
        self._pulls = False
        """Whether the request waits for the client's word."""
        self._news: Event | None = None
        """Set when something has happened to the client; there is one as soon as a request has waited."""

    # For the request, in its greenlet.

    def pull(self) -> None:
        """The application needs more of the body: wait for it.

        Raises:
            ClientDisconnected: the connection was cut.
        """
        if interim := self.http.take_interim():
            self.write(interim)
        try:
            while not self._receive():
                self._await_more()
        finally:
            if self._pulls:
                self._pulls = False
                self.deadline = math.inf
                if self.outbox.pieces:
                    self._reactor.expect(self, self._reactor.write_patience)
        if self.stage is not _RUNNING:
            raise ClientDisconnected

    def _receive(self) -> bool:
        """Read what is there; False: nothing is, but may come."""
        if self.stage is not _RUNNING or self.http.phase is not Phase.BODY:
            return True
        try:
            data = self.sock.recv(READ_SIZE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        try:
            self.http.receive(data)
        except OSError as error:  # the temporary file of the next request's body
            self._cannot_keep(error)
        return True

    def _await_more(self) -> None:
        """Wait until there may be more to read. Any progress of the client's keeps it alive, also that it reads."""
        self._pulls = True
        self._reactor.expect(self, self._reactor.patience[Phase.BODY])
        self._watch(OUT if self.outbox.pieces else 0)
        self._wait()

    def wait_for_room(self, limit: int) -> None:
        """Wait until the client has read enough, or is gone."""
        while self.outbox.size > limit:
            self._wait()

    def _wait(self) -> None:
        if self._news is None:
            self._news = Event()
        self._news.clear()
        self._news.wait()

    # For the reactor, in the loop.

    def ready(self, mask: int) -> None:
        """The socket was reported."""
        if self._pulls and not mask & OUT:
            self._tell()
        else:
            super().ready(mask)

    def flush(self) -> None:
        """Send what the client takes."""
        super().flush()
        self._tell()

    def expire(self) -> None:
        """Patience is at its end."""
        if self._pulls:
            self.http.refuse(408)
            self._tell()
        else:
            super().expire()

    def drop(self) -> None:
        """Close and forget."""
        super().drop()
        self._tell()

    def _watch(self, mask: int) -> None:
        super()._watch(mask | IN if self._pulls else mask)

    def _release(self) -> None:
        super()._release()
        self.http.close()  # it holds a method of this connection

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
