"""The threads that run requests, and what happens to one that doesn't come back."""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from workerhub.http import error_answer
from workerhub_workers._connection import Connection, Stage
from workerhub_workers._lease import Lease, Standby
from workerhub_workers._poller import IN
from workerhub_workers._reactor import Reactor
from workerhub_workers._seat import Seat
from workerhub_workers._shared import SharedConnection
from workerhub_workers._waker import Waker

if TYPE_CHECKING:
    import socket
    from _socket import SocketType
    from typing import Any

    from workerhub.worker import WorkerContext, WSGIApplication

QUIET = 0.003
"""Seconds without a request after which a thread gives the reactor back, and before which nobody is lent it: requests that come
one by one are handed over, and the main thread sleeps in between."""

_RUNNING = Stage.RUNNING
_answered = Connection.answered


class TakenBack(Exception):  # noqa: N818  # what happened, not a mistake
    """Raised in the borrower, behind the request that was late: the reactor is somebody else's, leave it at once."""


class Crew:
    """Owns the reactor and has what it makes ready run by threads.

    Whichever thread is done takes what is complete; only when nothing is, it waits, and then the reactor hands it the next
    one. So under load a thread goes from request to request without a word to the reactor. While requests are brisk, it has
    the reactor, too (`_lease`).

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
        self._until_newcomers = 0
        self._invites = False
        self._lease: Lease | None = None
        self._is_to_be_lent = False
        self._busy_at = -math.inf
        self._standby = _standby(context)
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

    def turn(self) -> bool:
        """Go round the reactor once, or have a thread go round it for a while; False: everything is drained."""
        while self._is_to_be_lent and self.reactor.runnable:
            self._is_to_be_lent = self._may_lend() and self._lend(self._waiting.pop())
        self._is_to_be_lent = False
        goes_on = self.reactor.turn()
        if self._invites:
            # Not within the turn: a new connection may have the descriptor of one that was reported in it and is gone.
            self._invites = False
            self.reactor.take_newcomers()
        return goes_on

    def close(self) -> None:
        """Send the threads that wait home. One that is stuck can't be; it doesn't keep the process alive."""
        while self._waiting:
            self._waiting.pop().dismiss()
        self.reactor.close()
        if self._standby is not None:
            self._standby.close()
        self._waker.close()

    # For the reactor.

    def has_room(self) -> bool:
        """Whether more threads wait than requests; if not, the next thread to wait wakes the reactor."""
        if self._lease is not None:  # who asks runs what it finds
            return True
        if len(self._waiting) <= len(self.reactor.runnable):
            self._is_short = True
            # Still: a thread may have come before it could know that it is missed.
            if len(self._waiting) <= len(self.reactor.runnable):
                return False
        self._is_short = False
        return True

    def dispatch(self) -> None:
        """Run what is complete: here, in a thread that has the reactor; else hand it out, or leave it to one that is to have it.

        To the thread that has waited least: what it needs may still be in the caches.
        """
        if self._lease is not None:
            self._run_here(self._lease)
            return
        now = monotonic()
        self._is_to_be_lent = now - self._busy_at < QUIET and self._may_lend()
        self._busy_at = now
        if self._is_to_be_lent:
            return
        waiting = self._waiting
        while waiting and (connection := self._take()) is not None:
            seat = waiting.pop()
            seat.call(partial(self._run, seat, connection))

    def look_again_in(self) -> float:
        """At once where a thread can run it; else for ever, as the next one to be done takes it, or wakes the reactor."""
        return 0.0 if self._lease is not None or self._waiting else math.inf

    def wait_for_room(self, connection: Connection) -> None:
        """Hold the thread up until the client has read enough."""
        lease = connection.runner.lease  # type: ignore[attr-defined]  # `connect` made it
        if lease is not None:
            lease.forgo()
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
        return SharedConnection(reactor, sock, self._context.connection(listener, peer), self._waker.ring)

    def _answer(self) -> None:
        """A thread, or the signal handler, wants the reactor's attention."""
        self._waker.clear()
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

    def _present(self) -> int:
        """How many threads there are, not counting those that were given up."""
        return sum(not seat.given_up for seat in list(self._seats.values()))

    # Lending the reactor.

    def _may_lend(self) -> bool:
        """Whether there is a thread to lend it to, and trust."""
        standby = self._standby
        return (
            standby is not None
            and standby.trust.is_given(monotonic())
            and bool(self._waiting)
            and not self._context.stopping
        )

    def _lend(self, seat: Seat) -> bool:
        """Have a thread go round the reactor until it gives it back, or loses it; True: by a request that was late."""
        standby = self._standby
        if standby is None:
            return False
        lease = self._lease = seat.lease = Lease(seat, standby)
        self._is_short = False
        seat.call(partial(self._borrow, lease))
        try:
            was_late = standby.wait(lease, self._waker.ring)
        finally:
            standby.have_back(lease, self._waker.ring)
            self._lease = None
            self._busy_at = monotonic()
        if lease.failure is not None:
            raise lease.failure
        return was_late

    def _borrow(self, lease: Lease) -> None:
        """In a thread: go round the reactor in the main thread's place."""
        try:
            self._go_round(lease)
        except TakenBack:
            pass
        except BaseException as failure:  # noqa: BLE001  # for the main thread, as if it had happened there
            lease.failure = failure
            lease.give_back()
        else:
            lease.give_back()
        finally:
            lease.seat.lease = None

    def _go_round(self, lease: Lease) -> None:
        """Until the reactor is wanted back, or there is nothing to do.

        Raises:
            TakenBack: by the end of a request the reactor was somebody else's.
        """
        reactor = self.reactor
        poll = reactor.poller.poll
        signal = (self._context.stopping.fileno(), IN)
        self._run_here(lease)
        while not lease.is_wanted and not lease.seat.given_up:
            seconds = reactor.prepare()
            events = poll(QUIET if seconds is None or seconds > QUIET else seconds)
            if signal in events or not (events or reactor.runnable):
                return
            reactor.go_on(events)

    def _run_here(self, lease: Lease) -> None:
        """In the thread that has the reactor: run what is complete now; what becomes so by that comes after the others' I/O.

        Raises:
            TakenBack: by the end of a request the reactor was somebody else's.
        """
        seat, runnable = lease.seat, self.reactor.runnable
        for _ in range(len(runnable)):
            try:
                connection = runnable.popleft()
            except IndexError:  # threads that were at work when it was lent took the rest
                return
            if connection.stage is _RUNNING:
                self._run_found(connection, lease)  # type: ignore[arg-type]  # `connect` made it
                if lease.is_wanted or seat.given_up:
                    return

    def _run_found(self, connection: SharedConnection, lease: Lease) -> None:
        seat = lease.seat
        is_ours = True
        try:
            request = connection.start(seat)
            if request is None:
                return
            lease.enter()
            try:
                outcome = seat.run(connection, request, last=self.reactor.leaving)
            finally:
                is_ours = lease.leave()
            if is_ours:
                _answered(connection, outcome)  # nobody else is about, so without the lock
            else:
                connection.answered(outcome)
        except Exception:  # noqa: BLE001  # the slot keeps what applications raise; this is ours, and one client's
            self.reactor.mishap(connection)
        if not is_ours:
            raise TakenBack

    # For the threads.

    def _work(self, seat: Seat) -> None:
        """A thread's life: it runs what is complete; when nothing is, it waits for something to do."""
        while not seat.given_up:
            connection = self._next(seat)
            if connection is not None:
                self._run(seat, connection)
            elif (task := seat.wait()) is not None:
                task()
            else:
                break
        del self._seats[seat.index]
        self._free_indexes.append(seat.index)
        if seat.given_up:
            self._waker.ring()

    def _next(self, seat: Seat) -> SharedConnection | None:
        """Take what is complete; if nothing is, or another thread has the reactor and runs it, wait in line."""
        if self._lease is None:
            connection = self._take()
            if connection is not None:
                self._until_newcomers -= 1
                if self._until_newcomers < 0:
                    self._invite()
                return connection
        self._waiting.append(seat)
        if self._is_short or self.reactor.leaving or self.reactor.runnable:
            self._waker.ring()
        return None

    def _take(self) -> SharedConnection | None:
        """The next connection on which a request is complete."""
        runnable = self.reactor.runnable
        try:
            while (connection := runnable.popleft()).stage is not _RUNNING:
                pass
        except IndexError:
            return None
        return connection  # type: ignore[return-value]  # `connect` made it

    def _run(self, seat: Seat, connection: SharedConnection) -> None:
        try:
            request = connection.take_request(seat)
            if request is not None:
                connection.answered(seat.run(connection, request, last=self.reactor.leaving))
        except Exception:  # noqa: BLE001  # the slot keeps what applications raise; this is ours, and one client's
            self.reactor.mishap(connection)

    def _invite(self) -> None:
        """Have the reactor look for a connection that nobody takes: all processes may be as busy as this one.

        Once for as many requests as there are connections, so that who comes anew waits about as long as everybody else. (An idle
        sibling has taken it long before.)
        """
        self._until_newcomers = len(self.reactor.connections)
        self._invites = True
        self._waker.ring()


def _standby(context: WorkerContext) -> Standby | None:
    """What lending takes, where the system has it."""
    try:
        return Standby(context.stopping.fileno())
    except OSError as error:
        error_log = context.log
        error_log.debug(f"each request is handed over to another thread: {error}")
        return None
