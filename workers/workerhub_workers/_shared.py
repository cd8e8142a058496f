"""A connection that the reactor and one thread at a time work on."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO

from workerhub_workers._connection import Connection, Stage
from workerhub_workers._poller import IS_LIVE

if TYPE_CHECKING:
    from _socket import SocketType
    from collections.abc import Callable

    from workerhub.http import Outcome, Request, ServerConnection
    from workerhub_workers._queue import PatientQueue
    from workerhub_workers._reactor import Reactor
    from workerhub_workers._seat import Seat

# By name on the hot path: `super()` takes 0.3 us on Python 3.11.
_ready, _write, _answered = Connection.ready, Connection.write, Connection.answered


class SharedConnection(Connection):
    """`Connection` under a lock.

    While its stage is RUNNING a thread writes on it, and the reactor may flush, cut or time it out meanwhile; each
    takes the lock for what it does. Neither keeps it while it waits.

    Args:
        reactor: whose it is.
        sock: the socket.
        http: its HTTP side.
        wake: called by a thread that changed something the reactor has to know of before it would wake up.

    Attributes:
        lock: held by whoever works on the connection.
        method: of the running request.
        runner: has its running request, or had the last one.
        begun: whether anything of the running request's answer was written.
    """

    __slots__ = ("_room", "_wake", "begun", "lock", "method", "runner")

    def __init__(self, reactor: Reactor, sock: SocketType, http: ServerConnection, wake: Callable[[], None]) -> None:
        super().__init__(reactor, sock, http)
        self._wake = wake
        self.lock = threading.RLock()
        self.begun = False
        self.method = ""
        self.runner: Seat | None = None
        self._room: threading.Condition | None = None

    # The reactor's side.

    def ready(self, mask: int) -> None:
        """The poller reported the socket."""
        with self.lock:
            _ready(self, mask)
            if self._room is not None:
                self._tell()

    def expire(self) -> None:
        """Patience is at its end."""
        with self.lock:
            if self.deadline <= monotonic():  # still: a thread may have changed it while this waited for the lock
                super().expire()
                self._tell()

    def take_turn(self, queue: PatientQueue) -> None:
        """Its turn to run has come; where that is too late it is turned away."""
        with self.lock:
            super().take_turn(queue)
        self._poke()

    def drop(self) -> None:
        """Close and forget."""
        with self.lock:
            super().drop()
            self._tell()

    def give_up(self, runner: Seat, answer: bytes) -> None:
        """The runner's request took too long: send this if nothing was sent, else cut; the runner can write no more."""
        with self.lock:
            if self.stage is not Stage.RUNNING or self.runner is not runner:
                return  # it was over before it could be given up, and the next one may be running
            if self.begun:
                self.reset()
            else:
                self._queue().add(answer)
                self._finish(last=True)
            self._tell()

    def _tell(self) -> None:
        """Let the thread that waits for room look again."""
        if self._room is not None:
            self._room.notify_all()

    # The thread's side.

    def take_request(self, runner: Seat) -> Request | None:
        """Begin to run the request that is complete; None if the client has left meanwhile."""
        with self.lock:
            return self.start(runner) if self.stage is Stage.RUNNING else None

    def start(self, runner: Seat) -> Request | None:
        """The same for who has the reactor, too: the stage is RUNNING and nobody else would touch the connection."""
        self.runner = runner
        self.begun = False
        request = self.http.next_request()
        if request is not None:
            self.method = request.method
        return request

    def write(self, data: bytes) -> None:
        """Send, keep what the client doesn't take now, and wait where that would be too much."""
        with self.lock:
            self.begun = True
            _write(self, data)
        if self.outbox.pieces:
            self._poke()

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        """Send a piece of a file; what the client doesn't take now is sent from the file later."""
        with self.lock:
            self.begun = True
            super().sendfile(file, offset, count)
        self._poke()

    def answered(self, outcome: Outcome) -> None:
        """The application is done with the request; the next one, if it is there already, becomes runnable."""
        with self.lock:
            _answered(self, outcome)
        if self.deadline < self._reactor.wakes_at or not IS_LIVE:  # `_poke`: the hot path has a call less
            self._wake()

    def wait_for_room(self, limit: int) -> None:
        """Wait, without the lock, until the client has read enough or is gone."""
        with self.lock:
            self._poke()
            self._room = threading.Condition(self.lock)
            while self.outbox.size > limit:
                self._room.wait()
            self._room = None

    def _poke(self) -> None:
        """Wake the reactor if it would sleep for longer than the client has time, or doesn't see what it is to watch now."""
        if self.deadline < self._reactor.wakes_at or not IS_LIVE:
            self._wake()
