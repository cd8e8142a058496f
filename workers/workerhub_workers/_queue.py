"""The queue of complete requests where waiting has an end: `queue.max_wait`.

Who waits for longer than that is answered 503: while it waits, where the reactor has a thread of its own to notice; else when its turn comes,
which costs about a hundredth of what running it would. So a queue that has grown too long is short again a moment after whatever made it
so is over, instead of serving, one after the other, clients that have long gone away.

A wait begins when the request was complete, here or in the system's buffers: while requests run inline nobody reads, and a connection
that isn't accepted yet waits as well as any other. Linux knows how long ago the last byte came. A proxy may know of a longer wait and says
so in X-Request-Start.

Where waiting has no end the queue is a plain deque, and no request pays for this.
"""

from __future__ import annotations

import math
import socket
from collections import deque
from time import monotonic, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _socket import SocketType

    from workerhub_workers._connection import Connection
    from workerhub_workers._reactor import Reactor

REPORT_PAUSE = 10.0
"""Seconds between two lines about requests that waited for too long."""

_INFO = getattr(socket, "TCP_INFO", None)
_SINCE_LAST_DATA = slice(52, 56)
"""Where `struct tcp_info` has `tcpi_last_data_recv`: milliseconds since data arrived."""


class PatientQueue(deque["Connection"]):
    """A deque of connections whose requests are complete, in order.

    A connection's deadline is the end of its wait as long as it is in here. What comes out may have been turned away: its stage says so, as
    that of a connection whose client has left.
    """

    def __init__(self, reactor: Reactor, max_wait: float) -> None:
        super().__init__()
        self._reactor = reactor
        self._max_wait = max_wait
        self._retry_after = max(1, math.ceil(max_wait))
        self._turned_away = 0
        self._report_at = -math.inf

    def append(self, connection: Connection, /) -> None:
        """The request on the connection is complete."""
        self._reactor.expect(connection, self._max_wait - self._waited(connection))
        super().append(connection)

    def popleft(self) -> Connection:
        """The next one; also one that has waited for too long, and has been told."""
        connection = super().popleft()
        connection.take_turn(self)
        return connection

    def turn_away(self, connection: Connection) -> None:
        """Answer 503."""
        connection.refuse(503, self._retry_after)
        self._turned_away += 1
        now = monotonic()
        if now >= self._report_at:
            self._report_at = now + REPORT_PAUSE
            count = "a request was" if self._turned_away == 1 else f"{self._turned_away} requests were"
            self._reactor.error_log.warning(
                f"{count} answered 503 after more than queue.max_wait, {self._max_wait:g} s"
            )
            self._turned_away = 0

    def _waited(self, connection: Connection) -> float:
        """Seconds that the request has waited already."""
        return max(connection.http.waited(time()), _since_last_data(connection.sock))


def _since_last_data(sock: SocketType) -> float:
    """Seconds since the last byte came in; 0 where the system doesn't tell."""
    if _INFO is None or sock.family == socket.AF_UNIX:
        return 0.0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _INFO, _SINCE_LAST_DATA.stop)
    except OSError:
        return 0.0
    return int.from_bytes(info[_SINCE_LAST_DATA], "little" if socket.htons(1) != 1 else "big") / 1000
