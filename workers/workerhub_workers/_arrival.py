"""A connection on which something comes before HTTP.

An `Arrival` stands in the reactor's table like a connection until its steps are over, one after the other; then the worker class makes the
real connection, which takes the place. All steps together have `timeouts.header`, from the first look: whoever is slow is
disconnected without an answer, as there is no language yet to give it in.

Where nothing comes before HTTP there are no arrivals, and no connection pays for them.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Protocol

from workerhub.http import Phase
from workerhub_workers._poller import IN

if TYPE_CHECKING:
    import socket
    from _socket import SocketType

    from workerhub_workers._connection import Connection
    from workerhub_workers._door import Door
    from workerhub_workers._reactor import Reactor


class StepError(Exception):
    """The connection is refused. The message says why, on one line.

    Attributes:
        status: answer with this, in plain HTTP; 0: close without a word.
        text: a sentence for whoever reads the answer.
    """

    def __init__(self, reason: str, *, status: int = 0, text: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.text = text


class Step(Protocol):
    """One thing that comes before HTTP, on one connection."""

    def go_on(self, arrival: Arrival) -> int:
        """Do what can be done now, without waiting.

        Returns:
            what to wait for, IN or OUT; 0 when it is over.

        Raises:
            StepError: the connection is refused.
            OSError: it broke.
        """


class Arrival:
    """One client that isn't a connection of the worker class's yet.

    Attributes:
        listener: where it came from.
        sock: the socket; a step may put another one of the same descriptor in its place.
        peer: who the client is, as `accept` returned it; a step may know better.
        facts: what steps have found out that applications are to see in their environ.
        fd: the socket's descriptor.
        deadline: the moment at which patience ends, on the monotonic clock.
        is_kept: never: nothing was answered on it.
        is_over: likewise.
        is_awaited: always: nothing of a request is here.
    """

    __slots__ = (
        "_door",
        "_mask",
        "_reactor",
        "_steps",
        "_successor",
        "deadline",
        "facts",
        "fd",
        "listener",
        "peer",
        "sock",
    )

    is_kept = is_over = False
    is_awaited = True

    def __init__(
        self,
        door: Door,
        reactor: Reactor,
        listener: socket.socket,
        sock: SocketType,
        peer: Any,
        *,
        steps: list[Step],
    ) -> None:
        self._door = door
        self._reactor = reactor
        self._steps = steps
        self._mask = 0
        self._successor: Connection | None = None
        self.listener = listener
        self.sock = sock
        self.peer = peer
        self.facts: dict[str, str] = {}
        self.fd = sock.fileno()
        self.deadline = math.inf

    @property
    def idle(self) -> bool:
        """Whether the client may be closed without losing anything: it has said nothing, or its connection says so."""
        return self._successor is None or self._successor.idle

    def ready(self, mask: int) -> None:  # noqa: ARG002  # a step finds out
        """The poller reported the socket, or it is new."""
        try:
            while self._steps:
                if awaited := self._steps[0].go_on(self):
                    self._wait_for(awaited)
                    return
                del self._steps[0]
        except StepError as refusal:
            self._door.complain(self.peer, str(refusal))
            if refusal.status:
                self._answer(refusal)
            else:
                self.drop()
        except OSError:
            self.drop()
        else:
            self._hand_over()

    def expire(self) -> None:
        """Patience is at its end."""
        self._door.complain(self.peer, "too slow with what comes before its first request")
        self.drop()

    def drop(self) -> None:
        """Close and forget. Safe at any time, and twice."""
        if self._successor is not None:
            self._successor.drop()
            return
        self._unwatch()
        self._reactor.forget(self)
        self.sock.close()

    def _wait_for(self, mask: int) -> None:
        if self.deadline == math.inf:
            self._reactor.expect(self, self._reactor.patience[Phase.HEAD])
        if not self._mask:
            self._reactor.poller.register(self.fd, mask)
        elif mask != self._mask:
            self._reactor.poller.modify(self.fd, mask)
        self._mask = mask

    def _unwatch(self) -> None:
        if self._mask:
            with contextlib.suppress(OSError):
                self._reactor.poller.unregister(self.fd)
            self._mask = 0

    def _hand_over(self) -> None:
        """Make the connection, and have it look at once for a request that came along."""
        successor = self._succeed()
        if self.facts:
            successor.http.know(self.facts)
        successor.ready(IN)

    def _answer(self, refusal: StepError) -> None:
        """Make a connection that begins with its last answer."""
        successor = self._succeed()
        successor.http.refuse(refusal.status, refusal.text)
        successor.proceed()

    def _succeed(self) -> Connection:
        self._unwatch()
        self._successor = self._door.connect(self._reactor, self.listener, self.sock, self.peer)
        self._reactor.connections[self.fd] = self._successor
        return self._successor
