"""What somebody who writes a worker class in another package writes; this file is only ever type-checked."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, BinaryIO, ClassVar, assert_type

from pydantic import Field

from workerhub.testing import Report, check_worker
from workerhub.testing.pytest_plugin import WorkerContract
from workerhub.worker import RequestSlot, RequestTimeout, Worker, WorkerContext, WorkerOptions, find

if TYPE_CHECKING:
    import socket

    from workerhub.http import Outcome, ServerConnection
    from workerhub.worker import WSGIApplication


class TinyOptions(WorkerOptions):
    """What `[worker]` takes for this class."""

    greeting: str = Field(default="hello", description="said at start")
    slots: int = Field(default=2, ge=1, description="requests at once")


class TinyWorker(Worker[TinyOptions]):
    """One connection after the other."""

    Options: ClassVar[type[WorkerOptions]] = TinyOptions
    default_keepalive: ClassVar[float | None] = None
    contract_version: ClassVar[int] = 1

    @classmethod
    def unavailable(cls) -> str | None:
        return None

    @classmethod
    def capacity(cls, options: TinyOptions) -> int:
        return options.slots

    def __init__(self, context: WorkerContext, options: TinyOptions) -> None:
        super().__init__(context, options)
        self.slot: RequestSlot | None = None

    def serve(self, app: WSGIApplication) -> None:
        assert_type(self.options, TinyOptions)
        assert_type(self.context, WorkerContext)
        self.context.log.info(self.options.greeting, pool=self.context.pool)
        self.slot = self.context.request(app, 0)
        selector = selectors.DefaultSelector()
        selector.register(self.context.stopping, selectors.EVENT_READ)
        for listener in self.context.listeners:
            selector.register(listener, selectors.EVENT_READ, listener)
        while not self.context.stopping:
            for key, _ in selector.select():
                if key.fileobj is self.context.stopping:
                    self.context.stopping.clear()
                else:
                    self.accept(key.data)

    def accept(self, listener: socket.socket) -> None:
        sock, peer = listener.accept()
        connection: ServerConnection = self.context.connection(listener, peer)
        connection.receive(sock.recv(65536))
        request = connection.next_request()
        if request is not None and self.slot is not None:
            outcome: Outcome = self.slot.run(request, Blocking(sock), last=True)
            assert_type(outcome.keep_alive, bool)
        sock.close()

    def interrupt(self, index: int) -> bool:
        if self.slot is None or not self.slot.interruptible:
            return False
        raise RequestTimeout


class Blocking:
    """`Output` on a blocking socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        self.sock.sendfile(file, offset, count)


class TestTiny(WorkerContract):
    """One test for each clause."""

    worker = TinyWorker
    options: ClassVar = {"slots": 1}


assert_type(find("sync").name, str)
assert_type(check_worker(TinyWorker, {"slots": 1}), Report)
