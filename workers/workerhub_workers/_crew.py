"""The threads that run requests, and what happens to one that doesn't come back."""

from __future__ import annotations

import ctypes
import math
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from workerhub.http import error_answer
from workerhub.worker import RequestTimeout
from workerhub_workers._connection import Stage
from workerhub_workers._poller import IS_LIVE
from workerhub_workers._reactor import Reactor
from workerhub_workers._shared import SharedConnection
from workerhub_workers._waker import Waker

if TYPE_CHECKING:
    import socket
    from _socket import SocketType
    from collections.abc import Callable
    from typing import Any

    from workerhub.http import Request
    from workerhub.worker import RequestSlot, WorkerContext, WSGIApplication
    from workerhub_workers._connection import Connection


BRISK = 0.0005
"""Seconds. Requests that usually take less are bound by the interpreter lock: a second thread would only get in the way of
the first, at the price of two switches for each request. So what is complete is left to a thread that is at work."""

LATE = 0.001
"""Seconds after which it is handed to the waiting threads all the same: this time it takes longer."""

PROBE = 0.1
"""Seconds between looks whether requests are still not brisk; each look costs a few of them up to `LATE`."""


class Seat:
    """One thread and the request slot that it runs requests on.

    Attributes:
        index: of the slot.
        given_up: its request was interrupted; the thread ends when it comes back.
    """

    def __init__(self, index: int, slot: RequestSlot) -> None:
        self.index = index
        self.given_up = False
        self.connection: SharedConnection | None = None
        self._slot = slot
        self._request: Request | None = None
        """The one that runs."""
        self._bell = threading.Lock()
        self._bell.acquire()
        # Reentrant: the interrupt comes from a signal handler, which another one may interrupt.
        self._guard = threading.RLock()
        self._thread: threading.Thread | None = None

    # For the crew.

    def start(self, work: Callable[[Seat], None]) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=work, args=(self,), name=f"workerhub-{self.index}", daemon=True)
        self._thread.start()

    def call(self, connection: SharedConnection) -> None:
        """Give the waiting thread a connection to serve."""
        self.connection = connection
        self._bell.release()

    def dismiss(self) -> None:
        """Send the waiting thread home."""
        self.connection = None
        self._bell.release()
        if self._thread is not None:
            self._thread.join()

    # For the thread.

    def wait(self) -> SharedConnection | None:
        """Wait for a connection to serve; None: go home."""
        self._bell.acquire()
        return self.connection

    def run(self, connection: SharedConnection, *, last: bool) -> None:
        """Run the request that is complete on the connection."""
        request = self._request = connection.take_request(self)
        if request is not None:
            outcome = self._slot.run(request, connection, last=last, settle=self._settle)
            self._request = None
            connection.answered(outcome)

    def leave(self) -> None:
        """The worker leaves: an answer that hasn't begun is its connection's last."""
        request = self._request
        if request is not None:
            request.keep_alive = False

    def interrupt(self) -> bool:
        """Give the request up, and raise `RequestTimeout` in the thread as soon as it runs Python code again."""
        with self._guard:
            if not self._slot.interruptible or self.given_up:
                return self.given_up
            self.given_up = True
            _raise_in(self._ident(), RequestTimeout)
            return True

    def _settle(self) -> None:
        """The application is done: from here on nothing strikes."""
        with self._guard:
            self._slot.interruptible = False
            if self.given_up:
                _raise_in(self._ident(), None)

    def _ident(self) -> int:
        return (self._thread and self._thread.ident) or 0


class Crew:
    """Owns the reactor and has what it makes ready run by threads.

    Whichever thread is done takes what is complete; only when nothing is, it waits, and then the reactor hands it the next
    one. So under load a thread goes from request to request without a word to the reactor. While requests are brisk, it doesn't
    even call a second thread as long as the first gets on.

    A request that is interrupted is given up: the reactor answers for it at once, its thread can write no more and ends
    when it comes back, and another thread takes its place, as long as there are free request slots.
    """

    def __init__(self, context: WorkerContext, app: WSGIApplication, threads: int) -> None:
        self._context = context
        self._app = app
        self._threads = threads
        self._free_indexes = list(range(context.capacity))[::-1]
        self._seats: dict[int, Seat] = {}
        self._waiting: deque[Seat] = deque()
        self._given_up: deque[Seat] = deque()
        self._is_short = False
        self._size = 0
        self._pace = BRISK / 2
        self._probe_at = 0.0
        self._until_newcomers = 0
        self._invites = False
        self._first: Connection | None = None
        self._first_since = 0.0
        self._waker = Waker()
        self.reactor = Reactor(context, self)
        self.reactor.listen_to(self._waker.fileno(), self._answer)
        self._hire()

    def interrupt(self, index: int) -> bool:
        """Give up the request in a slot. Called from a signal handler, so the reactor may be in the middle of anything."""
        seat = self._seats.get(index)
        if seat is None or not seat.interrupt():
            return False
        self._given_up.append(seat)
        self._waker.ring()
        return True

    def close(self) -> None:
        """Send the threads that wait home. One that is stuck can't be; it doesn't keep the process alive."""
        while self._waiting:
            self._waiting.pop().dismiss()
        self.reactor.close()
        self._waker.close()

    # For the reactor.

    def has_room(self) -> bool:
        """Whether more threads wait than requests; if not, the next thread to wait wakes the reactor."""
        if len(self._waiting) <= len(self.reactor.runnable):
            self._is_short = True
            # Still: a thread may have come before it could know that it is missed.
            if len(self._waiting) <= len(self.reactor.runnable):
                return False
        self._is_short = False
        return True

    def dispatch(self) -> None:
        """Hand out what is complete, each to the thread that has waited least: what it needs may still be in the caches."""
        runnable = self.reactor.runnable
        all_at_once = not self._is_brisk()
        while runnable and self._waiting:
            try:
                if not all_at_once and len(self._waiting) < self._size:
                    # Somebody is at work and soon done.
                    if not self._is_late(runnable[0]):
                        return
                    all_at_once = True
                connection = runnable.popleft()
            except IndexError:  # the threads took the rest
                return
            if connection.stage is Stage.RUNNING:
                self._waiting.pop().call(connection)  # type: ignore[arg-type]  # `connect` made it

    def _is_brisk(self) -> bool:
        """Whether requests are so short that one thread is better than two."""
        if self._pace <= BRISK:
            return True
        # With all threads at work a request takes long because of the others. So now and then see how it is without them.
        now = monotonic()
        if now >= self._probe_at:
            self._probe_at = now + PROBE
            self._pace = BRISK / 2
        return False

    def look_again_in(self) -> float:
        """Until the first in line is late; for ever where no thread waits that could be called."""
        return LATE if self._waiting else math.inf

    def _is_late(self, connection: Connection) -> bool:
        """Whether it has been the first in line for long."""
        now = monotonic()
        if connection is not self._first:
            self._first, self._first_since = connection, now
        return now - self._first_since >= LATE

    def wait_for_room(self, connection: Connection) -> None:
        """Hold the thread up until the client has read enough."""
        connection.wait_for_room(self.reactor.response_memory)  # type: ignore[attr-defined]  # `connect` made it

    def is_idle(self) -> bool:
        """Whether all threads wait that weren't given up."""
        return len(self._waiting) == self._present()

    def leave(self) -> None:
        """The worker leaves."""
        for seat in list(self._seats.values()):
            seat.leave()

    def hurry(self, deadline: float) -> None:
        """Nothing: a thread pokes when it is done with the connection."""

    def connect(self, reactor: Reactor, listener: socket.socket, sock: SocketType, peer: Any) -> Connection:
        """Make a connection."""
        return SharedConnection(reactor, sock, self._context.connection(listener, peer), self._poke)

    def _answer(self) -> None:
        """A thread, or the signal handler, wants the reactor's attention."""
        self._waker.clear()
        if self._invites:
            self._invites = False
            self.reactor.take_newcomers()
        while self._given_up:
            seat = self._given_up.popleft()
            connection = seat.connection
            if connection is not None:
                connection.give_up(seat, self._timed_out(connection))
        self._hire()

    def _timed_out(self, connection: SharedConnection) -> bytes:
        """What the client of a request that was given up is told."""
        answer, _ = error_answer(
            504,
            "The request took too long.",
            date=self.reactor.date(),
            server=self._context.settings.http.server_header,
            with_body=connection.method != "HEAD",
        )
        return answer

    def _hire(self) -> None:
        """Start threads for the places that are empty."""
        while self._free_indexes and self._present() < self._threads:
            index = self._free_indexes.pop()
            seat = self._seats[index] = Seat(index, self._context.request(self._app, index))
            seat.start(self._work)
        self._size = self._present()

    def _present(self) -> int:
        """How many threads there are, not counting those that were given up."""
        return sum(not seat.given_up for seat in list(self._seats.values()))

    # For the threads.

    def _work(self, seat: Seat) -> None:
        """A thread's life."""
        connection = self._next(seat)
        while connection is not None or (connection := seat.wait()) is not None:
            begun_at = monotonic()
            try:
                seat.run(connection, last=self.reactor.leaving)
            except Exception:  # noqa: BLE001  # the slot keeps what applications raise; this is ours, and one client's
                self.reactor.mishap(connection)
            if seat.given_up:
                break
            # Follows the median; the average would be that of the few that were held up.
            self._pace *= 1.1 if monotonic() - begun_at > self._pace else 0.9
            connection = self._next(seat)
        del self._seats[seat.index]
        self._free_indexes.append(seat.index)
        if seat.given_up:
            self._waker.ring()

    def _next(self, seat: Seat) -> SharedConnection | None:
        """Take what is complete; if nothing is, wait in line."""
        runnable = self.reactor.runnable
        try:
            while True:
                connection = runnable.popleft()
                if connection.stage is Stage.RUNNING:
                    seat.connection = connection  # type: ignore[assignment]  # `connect` made it
                    self._until_newcomers -= 1
                    if self._until_newcomers < 0:
                        self._invite()
                    return seat.connection
        except IndexError:
            pass
        self._waiting.append(seat)
        if self._is_short or self.reactor.leaving:
            self._waker.ring()
        return None

    def _invite(self) -> None:
        """Have the reactor look for a connection that nobody takes: all processes may be as busy as this one.

        Once for as many requests as there are connections, so that who comes anew waits about as long as everybody else. (An idle
        sibling has taken it long before.)
        """
        self._until_newcomers = len(self.reactor.connections)
        self._invites = True
        self._waker.ring()

    def _poke(self, deadline: float) -> None:
        """A thread changed what the reactor waits for."""
        if deadline < self.reactor.wakes_at or not IS_LIVE:
            self._waker.ring()


def _raise_in(ident: int, error: type[BaseException] | None) -> None:
    """Have an exception raised in a thread when it next runs Python code; None takes it back if it wasn't yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(error) if error else None)
