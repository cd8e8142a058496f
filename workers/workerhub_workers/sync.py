"""`sync`: one request at a time, in the main thread; clients wait in a reactor, not in a worker."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from workerhub.worker import RequestTimeout, Worker, WorkerContext
from workerhub_workers._connection import Connection, Stage
from workerhub_workers._honoured import HONOURED
from workerhub_workers._reactor import Reactor

if TYPE_CHECKING:
    import socket
    from _socket import SocketType
    from typing import Any

    from workerhub.worker import RequestSlot, WorkerOptions, WSGIApplication


_RUNNING = Stage.RUNNING


class SyncWorker(Worker["WorkerOptions"]):
    """Runs one request at a time.

    The right class for applications that aren't thread-safe, or that are bound by the processor. Slow clients don't
    hold it up: the reactor reads and writes for them. It has no options.
    """

    contract_version: ClassVar[int] = 1
    speaks_tls: ClassVar[bool] = True
    honours: ClassVar[frozenset[str]] = HONOURED

    default_keepalive: ClassVar[float | None] = None
    """Off: a kept connection ties its client to one process, which may be busy while its siblings idle."""

    @classmethod
    def capacity(cls, options: WorkerOptions) -> int:  # noqa: ARG003  # the contract's signature
        """One."""
        return 1

    def __init__(self, context: WorkerContext, options: WorkerOptions) -> None:
        super().__init__(context, options)
        self._loop: _Loop | None = None

    def serve(self, app: WSGIApplication) -> None:
        """Go round the reactor until everything is drained."""
        self._loop = _Loop(self.context, self.context.request(app))
        while self._loop.reactor.turn():
            pass

    def interrupt(self, index: int) -> bool:  # noqa: ARG002  # there is only one
        """Raise `RequestTimeout` in the request that runs: it runs in this very thread."""
        return self._loop is not None and self._loop.interrupt()

    def close(self) -> None:
        """Cut what is left."""
        if self._loop is not None:
            self._loop.reactor.close()


class _Loop:
    """Owns the reactor and runs what it makes ready, in the same thread.

    An interrupt comes between two bytecodes of that thread. In the application it is raised where it comes. While the
    request waits for its client, the reactor is doing other connections' I/O, which must not be torn: then it is raised
    at the next moment at which nothing is half done.
    """

    def __init__(self, context: WorkerContext, slot: RequestSlot) -> None:
        self._context = context
        self._slot = slot
        self._running = False
        self._shielded = False
        self._interrupted = False
        self.reactor = Reactor(context, self)

    def has_room(self) -> bool:
        """Whether no request is running."""
        return not self._running

    def dispatch(self) -> None:
        """Run what is complete now, here; what becomes so by that (pipelining) comes after the others' I/O."""
        runnable = self.reactor.runnable
        for _ in range(len(runnable)):
            connection = runnable.popleft()
            if connection.stage is not _RUNNING:
                continue
            try:
                request = connection.http.next_request()
                if request is None:  # READY promised one; whatever it is now, the connection knows what to do
                    connection.proceed()
                    continue
                self._interrupted = False
                self._running = True
                try:
                    outcome = self._slot.run(request, connection, last=self.reactor.leaving)
                finally:
                    self._running = False
                    self._shielded = False
                connection.answered(outcome)
            except Exception:  # noqa: BLE001  # the slot keeps what applications raise; this is ours, and one client's
                self.reactor.mishap(connection)

    def look_again_in(self) -> float:
        """At once, unless a request runs: then when it is over."""
        return math.inf if self._running else 0.0

    def is_idle(self) -> bool:
        """Whether nothing runs: nothing ever does between two turns."""
        return True

    def leave(self) -> None:
        """Nothing: a request that runs while this is heard waits for its client, so its answer has begun."""

    def hurry(self, deadline: float) -> None:
        """Nothing: whoever changes a deadline goes on to prepare the next turn."""

    def connect(self, reactor: Reactor, listener: socket.socket, sock: SocketType, peer: Any) -> Connection:
        """Make a connection."""
        return Connection(reactor, sock, self._context.connection(listener, peer))

    def wait_for_room(self, connection: Connection) -> None:
        """Keep every connection's I/O going, without running or accepting anything, until the client has read enough."""
        reactor = self.reactor
        while connection.outbox.size > reactor.response_memory:
            self._shielded = True
            timeout = reactor.prepare()
            self._shielded = False
            if self._interrupted:
                raise RequestTimeout
            events = reactor.poller.poll(timeout)
            self._shielded = True
            reactor.handle(events)
            self._shielded = False
        if self._interrupted:
            raise RequestTimeout

    def interrupt(self) -> bool:
        """End the request that runs, once."""
        if not self._slot.interruptible:
            return False
        if not self._interrupted:
            self._interrupted = True
            if not self._shielded:
                raise RequestTimeout
        return True
