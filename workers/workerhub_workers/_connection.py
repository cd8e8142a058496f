"""One client's connection, as the reactor holds it."""

from __future__ import annotations

import contextlib
import math
import os
import socket
from enum import IntEnum
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO

from workerhub.http import Phase
from workerhub.worker import ClientDisconnected, RequestTimeout
from workerhub_workers._outbox import SEND_FLAGS, Outbox
from workerhub_workers._poller import BROKEN, IN, OUT

if TYPE_CHECKING:
    from _socket import SocketType

    from workerhub.http import Outcome, ServerConnection
    from workerhub_workers._queue import PatientQueue
    from workerhub_workers._reactor import Reactor

READ_SIZE = 64 * 1024
"""Bytes asked for at once: a whole head and what most forms send, in one system call."""

LINGER_PAUSE = 1.0
"""Seconds without a byte after which a client that was answered early is believed to have stopped sending."""

LINGER_TOTAL = 5.0
"""Seconds after which it is cut although it goes on sending; nginx gives 30, with a worker that costs more than nothing here."""

UNWATCHED = -1
"""The mask of a connection that the poller doesn't know yet. One that is served at once never gets to know it."""

_NOTHING = Outbox()
"""The outbox of connections that have nothing in it. Never added to."""

_DONTWAIT = socket.MSG_DONTWAIT

_NO_LINGER = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""`struct linger`: on, 0 seconds. Closing sends RST, so that a cut answer can't be taken for a complete one."""
_LINGER = b"\x00\x00\x00\x00\x00\x00\x00\x00"
"""Off, as every socket begins. Closing sends what was written, then FIN."""


class Stage(IntEnum):
    """What a connection is up to; the only attribute that says whose turn it is."""

    READING = 0
    """The client's turn: a request is arriving, or awaited. `ServerConnection.phase` tells how far it is."""
    RUNNING = 1
    """Ours: a complete request waits for the application, or runs."""
    FLUSHING = 2
    """The client's: it has to read what was written before anything else happens."""
    LINGERING = 3
    """The client's: it was answered and told that nothing more follows; what it still sends is thrown away."""
    GONE = 4
    """Nobody's."""


# Enum members as plain globals: an attribute look-up less, several times per request.
_READING, _RUNNING, _FLUSHING, _LINGERING, _GONE = Stage
_IDLE, _BODY, _READY, _FAILED, _CLOSED = Phase.IDLE, Phase.BODY, Phase.READY, Phase.FAILED, Phase.CLOSED


class Connection:
    """A socket, its HTTP state and what waits to be written. Also the `Output` of the request that runs on it.

    It never waits and never runs an application; the reactor does both.

    Attributes:
        http: requests from bytes.
        outbox: what the client hasn't read yet.
        stage: whose turn it is.
        deadline: the moment at which patience with the client ends, on the monotonic clock.
        is_kept: a request was answered on it, so the client knows that it may be closed at any moment.
    """

    __slots__ = (
        "_is_guarded",
        "_linger_until",
        "_mask",
        "_reactor",
        "_send",
        "deadline",
        "fd",
        "http",
        "is_kept",
        "last",
        "outbox",
        "sock",
        "stage",
    )

    def __init__(self, reactor: Reactor, sock: SocketType, http: ServerConnection) -> None:
        self._reactor = reactor
        self._send = sock.send
        self._mask = UNWATCHED
        self._is_guarded = False
        self._linger_until = 0.0
        self.sock = sock
        self.fd = sock.fileno()
        self.http = http
        self.outbox = _NOTHING
        self.stage = _READING
        self.deadline = math.inf
        self.is_kept = False
        self.last = False
        """Close when the outbox is empty."""

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has arrived, so that closing loses nothing."""
        return self.stage is _READING and self.http.phase is Phase.IDLE

    @property
    def is_over(self) -> bool:
        """Whether all was said, and it is only open so that the client can hear the end of it."""
        return self.stage is _LINGERING

    @property
    def is_awaited(self) -> bool:
        """Whether it is the client's turn to say something."""
        return self.stage is _READING

    # What the client does: called by the reactor.

    def ready(self, mask: int) -> None:
        """The poller reported the socket."""
        if self.stage is not _READING:
            self._ready_otherwise(mask)
            return
        try:
            data = self.sock.recv(READ_SIZE, _DONTWAIT)
        except BlockingIOError:
            if self._mask == UNWATCHED:
                self._reactor.expect(self, self._reactor.patience[Phase.HEAD])
                self._watch(IN)
            return
        except OSError:
            self.drop()
            return
        try:
            self.http.receive(data)
        except OSError as error:  # the temporary file of a long body
            self._cannot_keep(error)
        if self.http.phase is _READY:  # as `proceed` would: the hot path has a call less
            self.stage = _RUNNING
            self.deadline = math.inf
            self._reactor.runnable.append(self)
        else:
            self.proceed()

    def _cannot_keep(self, error: OSError) -> None:
        self._reactor.error_log.error(f"can't keep a request's body: {error}; answered 503")
        self.http.refuse(503)

    def _ready_otherwise(self, mask: int) -> None:
        """The socket was reported while nothing is awaited from the client."""
        if self.stage is _LINGERING:
            self._discard()
        elif self.stage is _GONE:  # by another thread's hand, after the poller reported it
            return
        elif mask & OUT:
            self.flush()
        elif mask & BROKEN:
            self.drop()
        else:  # it sends the next request while this one runs: that stays in the kernel until then
            self._watch(self._mask & ~IN)

    def proceed(self) -> None:
        """Go on with what the client has sent so far."""
        phase = self.http.phase
        if phase is _READY:
            self.stage = _RUNNING
            self.deadline = math.inf
            self._reactor.runnable.append(self)
        elif phase < _READY:
            self.stage = _READING
            self._reactor.expect(self, self._reactor.patience[phase])
            if self._mask != IN:
                self._watch(IN)
            if phase is _BODY and (interim := self.http.take_interim()):
                self._hint(interim)
        elif phase is _FAILED:
            self._refuse()
        else:
            self.drop()

    def _hint(self, interim: bytes) -> None:
        """Send `100 Continue`. The client has read all that came before it, so there is room for these few bytes."""
        try:
            if self._send(interim, SEND_FLAGS) == len(interim):
                return
        except OSError:
            pass
        self.drop()

    def _refuse(self) -> None:
        """Say what was wrong, and close."""
        if answer := self.http.failure(self._reactor.date()):
            self._queue().add(answer)
        self._finish(last=True)

    def _discard(self) -> None:
        """The answer is out; let the client finish its sentence, so that the answer isn't lost to a reset (RFC 9112, 9.6)."""
        try:
            if self.sock.recv(READ_SIZE, socket.MSG_DONTWAIT):
                self._reactor.expect(self, LINGER_PAUSE)
                self.deadline = min(self.deadline, self._linger_until)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.drop()

    def expire(self) -> None:
        """Patience is at its end."""
        self.deadline = math.inf
        if self.stage is _LINGERING or self.idle:
            self.drop()
        elif self.stage is _READING:
            self.refuse(408)
        elif self._reactor.queue is not None and self.stage is _RUNNING and not self.outbox.pieces:
            self._reactor.queue.turn_away(self)
        else:
            self.reset()

    def take_turn(self, queue: PatientQueue) -> None:
        """Its turn to run has come; where that is too late it is turned away."""
        if self.stage is _RUNNING:
            if self.deadline <= monotonic():
                queue.turn_away(self)
            else:
                self.deadline = math.inf

    def refuse(self, status: int, retry_after: int = 0) -> None:
        """Answer a request that wasn't taken, and close."""
        self.http.refuse(status, retry_after=retry_after)
        self._refuse()

    # What the application writes: the `Output` of the request that runs.

    def write(self, data: bytes) -> None:
        """Send, keep what the client doesn't take now, and wait where that would be too much.

        Raises:
            ClientDisconnected: the client is gone, or was cut because it read too slowly.
        """
        if self.stage is not _RUNNING:
            raise ClientDisconnected
        try:
            if self.outbox.pieces:
                self.outbox.add(data)
                self._press()
                return
            try:
                sent = self._send(data, SEND_FLAGS)
            except BlockingIOError:
                sent = 0
            if sent != len(data):
                self._queue().add(memoryview(data)[sent:])
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
        if self.stage is not _RUNNING:
            raise ClientDisconnected
        try:
            self.sock.setblocking(False)  # sendfile has no flag for it
            self._queue().add_file(os.dup(file.fileno()), offset, count)
            self._press()
        except RequestTimeout:
            self.reset()
            raise

    def guard(self) -> None:
        """Only the end of the connection will end this answer: have it end in a reset, also if this process is killed, until the answer is whole."""
        self._is_guarded = True
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    def _unguard(self) -> None:
        """All of the answer is in the system's hands."""
        self._is_guarded = False
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)

    def _queue(self) -> Outbox:
        """An outbox of its own. Most connections never need one."""
        if self.outbox is _NOTHING:
            self.outbox = Outbox()
        return self.outbox

    def _press(self) -> None:
        """Something waits in the outbox: send what the client takes, and wait if too much is left."""
        self.flush()
        if self.outbox.size > self._reactor.response_memory:
            self._reactor.wait_for_room(self)
        if self.stage is _GONE:
            raise ClientDisconnected

    def answered(self, outcome: Outcome) -> None:
        """The application is done with the request."""
        if self.stage is _RUNNING:
            # As `_finish`, `proceed` and `expect` would: the hot path has three calls less.
            phase = self.http.phase
            if self.outbox.pieces or not (phase is _IDLE or phase is _CLOSED):
                if outcome.broke_off:
                    self.reset()
                else:
                    self._finish(last=not outcome.keep_alive)
            elif outcome.keep_alive and phase is _IDLE:
                self.stage = _READING
                self.is_kept = True
                reactor = self._reactor
                self.deadline = deadline = monotonic() + reactor.patience[_IDLE]
                if deadline < reactor.next_check:
                    reactor.expect(self, reactor.patience[_IDLE])
                if self._mask != IN:
                    self._watch(IN)
            elif outcome.error is not None and outcome.broke_off:
                self.reset()
            else:
                if self._is_guarded:
                    self._unguard()
                self.drop()
        else:
            self._release()  # again: an interrupt may have come in the middle of it

    # How it goes on.

    def flush(self) -> None:
        """Send what the client takes."""
        try:
            sent = self.outbox.send(self.sock)
        except OSError as error:
            self._reactor.error_log.debug(f"a response was cut: {error}")
            self.reset()
            return
        if self.outbox.pieces:
            if sent or self.deadline == math.inf:
                self._reactor.expect(self, self._reactor.write_patience)
            self._watch(OUT)
        elif self.stage is _FLUSHING:
            self._finish(last=self.last)
        else:
            self.deadline = math.inf
            self._watch(0)

    def _finish(self, *, last: bool) -> None:
        """All of an answer is written; once it is also sent, close the connection if it was the last, or go on."""
        if self.outbox.pieces:
            self.stage = _FLUSHING
            self.last = last
            self.flush()
        elif not last:
            self.is_kept = True
            self.proceed()
        else:
            if self._is_guarded:
                self._unguard()
            self._part()

    def _part(self) -> None:
        """The last answer is out: close, but not while the client may still be sending."""
        if self.http.phase is _IDLE or self.http.phase is _CLOSED:
            self.drop()
        else:
            self._linger()

    def _linger(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.drop()
            return
        self.stage = _LINGERING
        self._reactor.expect(self, LINGER_PAUSE)
        self._linger_until = self.deadline - LINGER_PAUSE + LINGER_TOTAL
        self._watch(IN)

    def _watch(self, mask: int) -> None:
        if mask == self._mask:
            return
        if self._mask == UNWATCHED:
            self._reactor.poller.register(self.fd, mask)
        else:
            self._reactor.poller.modify(self.fd, mask)
        self._mask = mask

    def reset(self) -> None:
        """Cut: the client gets an error instead of a clean end."""
        if self.stage is not _GONE:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.drop()

    def drop(self) -> None:
        """Close and forget. Safe at any stage, and twice."""
        if self.stage is not _GONE:
            self.stage = _GONE
            self.deadline = math.inf
            self._release()

    def _release(self) -> None:
        """Give everything back. Each step may be repeated."""
        if self._mask != UNWATCHED:
            # Closing would be enough, were it not for copies of the descriptor in processes the application started.
            with contextlib.suppress(OSError):
                self._reactor.poller.unregister(self.fd)
            self._mask = UNWATCHED
        self._reactor.forget(self)
        if self.outbox.pieces:
            self.outbox.clear()
        phase = self.http.phase
        if not (phase is _IDLE or phase is _CLOSED):  # then it holds nothing
            self.http.close()
        self.sock.close()
