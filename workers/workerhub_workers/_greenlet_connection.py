"""One client's connection and the greenlet that serves it."""

from __future__ import annotations

import contextlib
import math
import os
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO

import gevent
from gevent import getcurrent
from gevent.event import Event

from workerhub.http import Phase
from workerhub.worker import ClientDisconnected, RequestTimeout
from workerhub_workers._outbox import Outbox

if TYPE_CHECKING:
    from _socket import SocketType
    from collections.abc import Callable

    from workerhub.http import Outcome, Request, ServerConnection
    from workerhub.worker import RequestSlot
    from workerhub_workers._greenlet_server import GreenletServer

READ_SIZE = 64 * 1024
"""Bytes asked for at once: a whole head and what most forms send, in one system call."""

LINGER_PAUSE = 1.0
"""Seconds without a byte after which a client that was answered early is believed to have stopped sending."""

LINGER_TOTAL = 5.0
"""Seconds after which it is cut although it goes on sending; nginx gives 30."""

_NO_LINGER = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""`struct linger`: on, 0 seconds. Closing sends RST, so that a cut answer can't be taken for a complete one."""

# Enum members as plain globals: an attribute look-up less, several times per request.
_IDLE, _HEAD, _BODY, _READY, _FAILED, _CLOSED = Phase


class GreenletConnection:
    """A socket, its HTTP state and what waits to be written. Also the `Output` of the request that runs on it.

    What the client doesn't take at once is kept, up to `response_memory`, and sent by the loop, whatever the application is
    doing meanwhile; beyond that the application waits.

    Attributes:
        http: requests from bytes.
        greenlet: serves it.
        index: of its request slot.
        deadline: the moment at which patience with a client ends that has the word, on the monotonic clock.
        write_deadline: the moment at which patience with a client ends that doesn't read.
        is_kept: a request was answered on it, so the client knows that it may be closed at any moment.
    """

    __slots__ = (
        "_is_watching",
        "_progress",
        "_reader",
        "_recv",
        "_request",
        "_send",
        "_server",
        "_sleeper",
        "_slot",
        "_sock",
        "_struck",
        "_writer",
        "deadline",
        "greenlet",
        "http",
        "index",
        "is_gone",
        "is_kept",
        "outbox",
        "write_deadline",
    )

    greenlet: Any
    http: ServerConnection

    def __init__(self, server: GreenletServer, sock: SocketType, index: int, slot: RequestSlot) -> None:
        self._server = server
        self._sock = sock
        self._send = sock.send
        self._recv = sock.recv
        self._slot = slot
        self._request: Request | None = None
        """The one that runs."""
        self._struck = False
        self._reader = server.loop.io(sock.fileno(), 1)
        self._is_watching = False
        self._writer: Any = None
        self._sleeper: Any = None
        """The greenlet that waits for the client's word."""
        self._progress: Event | None = None
        """Set when the client has read something, or is gone."""
        self.outbox = Outbox()
        self.index = index
        self.deadline = self.write_deadline = math.inf
        self.is_kept = False
        self.is_gone = False
        """Closed; whoever still works on it finds out."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has arrived, so that closing loses nothing."""
        return self._sleeper is not None and self.http.phase is _IDLE

    def leave(self) -> None:
        """The worker leaves: an answer that hasn't begun is the connection's last."""
        if self._request is not None:
            self._request.keep_alive = False

    # The greenlet's life.

    def serve(self) -> None:
        """Serve the client until either side has enough."""
        try:
            self._converse()
        except (Exception, gevent.GreenletExit):  # noqa: BLE001  # one connection's trouble is not the others'
            self._server.mishap()
        finally:
            self.drop()
            self.http.close()
            self._server.forget(self)

    def _converse(self) -> None:
        http, server, slot = self.http, self._server, self._slot
        patience = server.patience
        # Nearly always the first request is here already; if it isn't, its head is due.
        more = self._receive() or self._read(patience[_HEAD])
        while more:
            phase = http.phase
            if phase is _READY:
                request = http.next_request()
                if request is None:
                    raise AssertionError("phase READY without a request")
                self._struck = False
                self._request = request
                outcome = slot.run(request, self, last=server.leaving)
                self._request = None
                if outcome.keep_alive and http.phase is _IDLE and not self.outbox.pieces:
                    # As `_go_on` would: the hot path has a call less.
                    self.is_kept = True
                    if server.is_full:
                        server.look_again()
                    more = self._read(patience[_IDLE])
                else:
                    more = self._go_on(outcome)
            elif phase < _READY:
                if phase is _BODY and (interim := http.take_interim()):
                    self.write(interim)
                more = self._read(patience[phase])
            else:
                more = False
                self._refuse()

    def _go_on(self, outcome: Outcome) -> bool:
        """A request was run; tells whether another one may come."""
        self._flush_all()
        if self.is_gone:
            return False
        if outcome.keep_alive:
            self.is_kept = True
            if self._server.is_full:
                self._server.look_again()
            if self.http.phase is _READY:
                gevent.sleep(0)  # the others' turn: a client that pipelines shall not have the loop for itself
            return True
        if self.http.phase is not _IDLE and self.http.phase is not _CLOSED:
            self._linger()
        return False

    def _refuse(self) -> None:
        """Say what was wrong, if anything is to be said."""
        if answer := self.http.failure(self._server.date()):
            with contextlib.suppress(ClientDisconnected):
                self.write(answer)
                self._flush_all()
                self._linger()

    def _linger(self) -> None:
        """The answer is out; let the client finish its sentence, so that the answer isn't lost to a reset (RFC 9112, 9.6)."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            until = monotonic() + LINGER_TOTAL
            while (left := until - monotonic()) > 0 and self._wait(min(left, LINGER_PAUSE)):
                with contextlib.suppress(BlockingIOError):
                    if not self._recv(READ_SIZE):
                        return

    # What the client sends.

    def _read(self, seconds: float) -> bool:
        """Wait for the client's word, at most so long; False: the connection is over."""
        waited = self._wait(seconds)
        if self.is_gone:
            return False
        # Also at the end of patience: it may have spoken while the loop was busy with that of others.
        if self._receive() or waited:
            return True
        if self.http.phase is _IDLE:
            return False
        self.http.refuse(408)
        return True

    def _receive(self) -> bool:
        """Read what is there; False if there is nothing."""
        try:
            data = self._recv(READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        try:
            self.http.receive(data)
        except OSError as error:  # the temporary file of a long body
            self._server.error_log.error(f"can't keep a request's body: {error}; answered 503")
            self.http.refuse(503)
        return True

    def pull(self) -> None:
        """The application needs more of the body: wait for it.

        Raises:
            ClientDisconnected: the client is gone, or was cut.
        """
        if interim := self.http.take_interim():
            self.write(interim)
        if self._receive() or self._read(self._server.patience[_BODY]):
            return
        raise ClientDisconnected

    def _wait(self, seconds: float) -> bool:
        """Wait until there is something to read; False: that took too long, or the connection is gone."""
        self._sleeper = getcurrent()
        if not self._is_watching:
            self._is_watching = True
            self._reader.start(self._ready)
        self.deadline = deadline = monotonic() + seconds
        server = self._server
        if deadline < server.next_check:
            server.check_at(deadline)
        try:
            return server.switch_to_loop()  # type: ignore[no-any-return]  # what `_ready` and `expire` pass
        finally:
            self._sleeper = None
            self.deadline = math.inf

    # In the loop.

    def _ready(self) -> None:
        """There is something to read."""
        sleeper = self._sleeper
        if sleeper is not None:
            sleeper.switch(True)
        else:  # it sends the next request while this one runs: that stays in the kernel until then
            self._is_watching = False
            self._reader.stop()

    def expire(self) -> None:
        """Patience with what the client has to say is at its end, or the connection is."""
        if self._sleeper is not None:
            self._sleeper.switch(False)

    # Interrupts.

    def interrupt(self) -> bool:
        """End the request that runs, once. Called from a signal handler.

        Raises:
            RequestTimeout: it was this greenlet that the signal interrupted.
        """
        if not self._slot.interruptible:
            return False
        if not self._struck:
            self._struck = True
            if getcurrent() is self.greenlet:
                raise RequestTimeout
            self._server.loop.run_callback(self._strike, self._request)
        return True

    def _strike(self, request: Request) -> None:
        """In the loop, so the greenlet waits: end its waiting, unless it is done with the request that was meant."""
        if self._slot.interruptible and self._request is request:
            self.greenlet.throw(RequestTimeout)

    # What the application writes: the `Output` of the request that runs.

    def write(self, data: bytes) -> None:
        """Send, keep what the client doesn't take now, and wait where that would be too much.

        Raises:
            ClientDisconnected: the client is gone, or was cut because it read too slowly.
        """
        if self.is_gone:
            raise ClientDisconnected
        try:
            if self.outbox.pieces:
                self.outbox.add(data)
                self._press()
                return
            try:
                sent = self._send(data)
            except BlockingIOError:
                sent = 0
            if sent != len(data):
                self.outbox.add(memoryview(data)[sent:])
                self._press()
        except OSError:
            self.drop()
            raise ClientDisconnected from None
        except RequestTimeout:
            # In the middle of sending: nobody knows how much went out.
            self.reset()
            raise

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        """Send a piece of a file. Never waits: what the client doesn't take now is sent from the file later.

        Raises:
            ClientDisconnected: the client is gone, or was cut because it read too slowly.
        """
        if self.is_gone:
            raise ClientDisconnected
        try:
            self.outbox.add_file(os.dup(file.fileno()), offset, count)
            self._press()
        except RequestTimeout:
            self.reset()
            raise

    def _press(self) -> None:
        """Something waits in the outbox: send what the client takes, and wait if too much is left."""
        self._flush()
        limit = self._server.response_memory
        if self.outbox.size > limit:
            self._wait_until(lambda: self.outbox.size <= limit)
        if self.is_gone:
            raise ClientDisconnected

    def _flush_all(self) -> None:
        """Wait until the client has read everything, or is gone."""
        if self.outbox.pieces:
            self._wait_until(lambda: not self.outbox.pieces)

    def _wait_until(self, enough: Callable[[], bool]) -> None:
        if self._progress is None:
            self._progress = Event()
        while not self.is_gone and not enough():
            self._progress.clear()
            self._progress.wait()

    def _flush(self) -> None:
        """Send what the client takes; what is left is sent by the loop."""
        try:
            sent = self.outbox.send(self._sock)
        except OSError as error:
            self._server.error_log.debug(f"a response was cut: {error}")
            self.reset()
            return
        if self.outbox.pieces:
            if sent or self.write_deadline == math.inf:
                self._expect_reading()
            if self._writer is None:
                self._writer = self._server.loop.io(self._sock.fileno(), 2)
            if not self._writer.active:
                self._writer.start(self._flush)
        else:
            self.write_deadline = math.inf
            if self._writer is not None:
                self._writer.stop()
        if self._progress is not None:
            self._progress.set()

    def _expect_reading(self) -> None:
        server = self._server
        self.write_deadline = deadline = monotonic() + server.write_patience
        if deadline < server.next_check:
            server.check_at(deadline)

    # The end.

    def reset(self) -> None:
        """Cut: the client gets an error instead of a clean end."""
        if not self.is_gone:
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.drop()

    def drop(self) -> None:
        """Close. Safe at any moment, and twice; whoever waits for the client is told."""
        self.is_gone = True
        self.write_deadline = math.inf
        for watcher in (self._reader, self._writer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self.outbox.clear()
        self._sock.close()
        if self._progress is not None:
            self._progress.set()
        if self._sleeper is not None:
            self._server.loop.run_callback(self.expire)
