"""A connection that the reactor and one thread at a time work on."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO

from workerhub_workers._connection import Connection, Stage

if TYPE_CHECKING:
    from _socket import SocketType
    from collections.abc import Callable

    from workerhub.http import Outcome, Request, ServerConnection
    from workerhub_workers._queue import PatientQueue
    from workerhub_workers._reactor import Reactor


class SharedConnection(Connection):
    """`Connection` under a lock.

    While its stage is RUNNING a thread writes on it, and the reactor may flush, cut or time it out meanwhile; each
    takes the lock for what it does. Neither keeps it while it waits.

    Args:
        reactor: whose it is.
        sock: the socket.
        http: its HTTP side.
        poke: called by a thread that changed something the reactor may be waiting for, with the connection's deadline.

    Attributes:
        lock: held by whoever works on the connection.
        method: of the running request.
        begun: whether anything of the running request's answer was written.
    """

    __slots__ = ("_poke", "_room", "_runner", "begun", "lock", "method")

    def __init__(
        self, reactor: Reactor, sock: SocketType, http: ServerConnection, poke: Callable[[float], None]
    ) -> None:
        super().__init__(reactor, sock, http)
        self._poke = poke
        self.lock = threading.RLock()
        self.begun = False
        self.method = ""
        self._runner: object = None
        self._room: threading.Condition | None = None

    # The reactor's side.

    def ready(self, mask: int) -> None:
        """The poller reported the socket."""
        with self.lock:
            super().ready(mask)
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
            deadline = self.deadline
        self._poke(deadline)

    def drop(self) -> None:
        """Close and forget."""
        with self.lock:
            super().drop()
            self._tell()

    def give_up(self, runner: object, answer: bytes) -> None:
        """The runner's request took too long: send this if nothing was sent, else cut; the runner can write no more."""
        with self.lock:
            if self.stage is not Stage.RUNNING or self._runner is not runner:
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

    def take_request(self, runner: object) -> Request | None:
        """Begin to run the request that is complete; None if the client has left meanwhile."""
        with self.lock:
            if self.stage is not Stage.RUNNING:
                return None
            self._runner = runner
            self.begun = False
            request = self.http.next_request()
            if request is not None:
                self.method = request.method
            return request

    def write(self, data: bytes) -> None:
        """Send, keep what the client doesn't take now, and wait where that would be too much."""
        with self.lock:
            self.begun = True
            super().write(data)
        self._poke(self.deadline)

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        """Send a piece of a file; what the client doesn't take now is sent from the file later."""
        with self.lock:
            self.begun = True
            super().sendfile(file, offset, count)
        self._poke(self.deadline)

    def answered(self, outcome: Outcome) -> None:
        """The application is done with the request; the next one, if it is there already, becomes runnable."""
        with self.lock:
            super().answered(outcome)
        self._poke(self.deadline)

    def wait_for_room(self, limit: int) -> None:
        """Wait, without the lock, until the client has read enough or is gone."""
        with self.lock:
            self._poke(self.deadline)
            self._room = threading.Condition(self.lock)
            while self.outbox.size > limit:
                self._room.wait()
            self._room = None
