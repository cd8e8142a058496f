"""The greenlets that run requests, and the reactor in gevent's event loop that finds these.

The loop is the application's too. What runs in it, "in the loop", may not wait; a request's greenlet may. A turn of the reactor is a
callback of the loop: it switches to a request that is complete right there, and goes on when that request waits or is over.

An interrupt comes from a signal handler, which Python runs wherever the main thread is: in the loop, in some greenlet, in the
very one that is meant. In the last case `RequestTimeout` is raised on the spot, as that greenlet may never give the loop a turn; in
every other it is thrown by the loop, into a greenlet that waits.
"""

from __future__ import annotations

import gc
import math
from time import monotonic
from typing import TYPE_CHECKING

import gevent
from gevent import getcurrent
from gevent.event import Event
from gevent.hub import Hub
from greenlet import greenlet

from workerhub.worker import RequestTimeout
from workerhub_workers._connection import Stage
from workerhub_workers._greenlet_connection import GreenletConnection
from workerhub_workers._hub_poller import HubPoller
from workerhub_workers._reactor import Reactor

if TYPE_CHECKING:
    import socket
    from _socket import SocketType
    from collections.abc import Callable, Collection, Iterator
    from types import FrameType
    from typing import Any

    from workerhub.http import Request
    from workerhub.worker import RequestSlot, WorkerContext, WSGIApplication
    from workerhub_workers._connection import Connection

SPARE = 100
"""Greenlets that are kept for requests to come: some 20 KiB each."""

BEHIND_IO = -1
"""The priority of the reactor among the loop's events: it has its turn when all is reported that is ready."""

_RUNNING = Stage.RUNNING


class Seat:
    """One greenlet and the request slot that it runs requests on.

    Attributes:
        index: of the slot.
        greenlet: runs requests, one after the other.
        switch_to: gives it a connection on which a request is complete.
    """

    __slots__ = ("_loop", "_request", "_slot", "_struck", "greenlet", "index", "switch_to")

    def __init__(self, index: int, slot: RequestSlot, loop: Any) -> None:
        self._slot = slot
        self._loop = loop
        self._request: Request | None = None
        """The one that runs."""
        self._struck = False
        self.index = index
        self.greenlet: Any = None
        self.switch_to: Callable[[Connection | None], Any]

    def start(self, work: Callable[[Seat], None]) -> None:
        """Start the greenlet; it waits for its first connection."""
        self.greenlet = gevent.Greenlet(work, self)
        # The greenlet's own, not that of gevent's class: it takes less.
        self.switch_to = greenlet.switch.__get__(self.greenlet)
        greenlet.switch(self.greenlet)

    def run(self, connection: Connection, *, last: bool) -> None:
        """Run the request that is complete on the connection."""
        request = connection.http.next_request()
        if request is None:  # READY promised one; whatever it is now, the connection knows what to do
            connection.proceed()
            return
        self._struck = False
        self._request = request
        outcome = self._slot.run(request, connection, last=last)
        self._request = None
        connection.answered(outcome)

    def leave(self) -> None:
        """The worker leaves: an answer that hasn't begun is its connection's last."""
        if self._request is not None:
            self._request.keep_alive = False

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
            self._loop.run_callback(self._strike, self._request)
        return True

    def _strike(self, request: Request) -> None:
        """In the loop, so the greenlet waits: end its waiting, unless it is done with the request that was meant."""
        if self._slot.interruptible and self._request is request:
            self.greenlet.throw(RequestTimeout)


class Greenlets:
    """Owns the reactor and has what it makes ready run by greenlets, one for each request.

    Args:
        context: the worker's.
        app: the application.
        stream_chunked: hand out requests with chunked bodies before these are here.
    """

    def __init__(self, context: WorkerContext, app: WSGIApplication, *, stream_chunked: bool) -> None:
        hub = gevent.get_hub()
        # The greenlet's own, not the hub's, which looks for what only a hub can do wrong: 0.5 us a request.
        self._switch_to_loop: Callable[[], Any] = greenlet.switch.__get__(hub)
        self._loop = hub.loop
        self._context = context
        self._app = app
        self._stream_chunked = stream_chunked
        self._seats: dict[int, Seat] = {}
        self._waiting: list[Seat] = []
        self._free_indexes = list(range(context.capacity))[::-1]
        self._is_short = False
        self._in_turn = False
        self._is_due = False
        self._wakes_at = math.inf
        self._over = Event()
        self._failure: BaseException | None = None
        self._poller = HubPoller(self._loop)
        self._check = self._loop.check(priority=BEHIND_IO)
        self._timer = self._loop.timer(0)
        self._reactor = Reactor(context, self, self._poller, context.capacity)

    # For the worker class.

    def serve(self) -> None:
        """Serve until told to leave, and nothing is left to do."""
        self._check.start(self._look)
        self._wake_at(monotonic())
        self._over.wait()
        if self._failure is not None:
            raise self._failure

    def interrupt(self, index: int) -> bool:
        """End the request in a slot, and only that. Called from a signal handler.

        Raises:
            RequestTimeout: it is that request's greenlet which the signal handler has interrupted.
        """
        seat = self._seats.get(index)
        return seat is not None and seat.interrupt()

    def stack(self, index: int) -> FrameType | None:
        """Where the greenlet waits that has the slot; None if it is the one that runs."""
        seat = self._seats.get(index)
        return seat.greenlet.gr_frame if seat is not None else None

    def tasks(self) -> Iterator[tuple[str, FrameType]]:
        """Every greenlet that waits, but for the loop's and ours, which run requests or are spare. Called from a signal handler."""
        return waiting_greenlets({id(seat.greenlet) for seat in self._seats.values()})

    def close(self) -> None:
        """Cut what is left and give everything back."""
        self._reactor.close()
        for watcher in (self._check, self._timer):
            watcher.stop()
            watcher.close()

    # In the loop.

    def _look(self) -> None:
        """The loop has reported what is ready."""
        if self._poller.reported or self._is_due:
            self._is_due = False
            self._in_turn = True
            try:
                self._turn()
            except BaseException as failure:  # noqa: BLE001  # for whoever serves; the loop would only print it
                self._failure = failure
                self._over.set()
            self._in_turn = False

    def _turn(self) -> None:
        """A turn of the reactor, and what it takes to have the next one in time."""
        if not self._reactor.go_on(self._poller.poll()):
            self._check.stop()
            self._over.set()
            return
        self._reactor.prepare()
        if self._reactor.wakes_at < self._wakes_at:
            self._wake_at(self._reactor.wakes_at)

    def _wake_at(self, moment: float) -> None:
        """Have a turn at that moment even if nothing is reported."""
        self._wakes_at = moment
        self._timer.stop()
        self._timer.close()
        self._timer = self._loop.timer(max(0.0, moment - monotonic()))
        self._timer.start(self._wake, update=True)

    def _wake(self) -> None:
        """The moment has come: a turn is due as soon as all is reported that is ready."""
        self._wakes_at = math.inf
        self._is_due = True

    # For the reactor.

    def has_room(self) -> bool:
        """Whether a request slot is free."""
        self._is_short = not (self._waiting or self._free_indexes)
        return not self._is_short

    def dispatch(self) -> None:
        """Run what is complete now; what becomes so by that (pipelining) comes after the others' I/O."""
        runnable = self._reactor.runnable
        for _ in range(len(runnable)):
            if not self._waiting:
                if not self._free_indexes:
                    return
                self._hire()
            connection = runnable.popleft()
            if connection.stage is _RUNNING:
                self._waiting.pop().switch_to(connection)

    def look_again_in(self) -> float:
        """At once, if a slot is free."""
        return 0.0 if self.has_room() else math.inf

    def wait_for_room(self, connection: Connection) -> None:
        """Hold the request's greenlet up until the client has read enough."""
        connection.wait_for_room(self._reactor.response_memory)  # type: ignore[attr-defined]  # `connect` made it

    def is_idle(self) -> bool:
        """Whether no greenlet runs a request."""
        return len(self._waiting) == len(self._seats)

    def leave(self) -> None:
        """The worker leaves."""
        for seat in self._seats.values():
            seat.leave()

    def hurry(self, deadline: float) -> None:
        """A connection's patience ends earlier than any was known to."""
        if not self._in_turn and deadline < self._wakes_at:
            self._wake_at(deadline)

    def connect(self, reactor: Reactor, listener: socket.socket, sock: SocketType, peer: Any) -> Connection:
        """Make a connection."""
        return GreenletConnection(
            reactor,
            sock,
            lambda pull: self._context.connection(listener, peer, pull=pull, stream_chunked=self._stream_chunked),
        )

    # For the greenlets.

    def _hire(self) -> None:
        """Start one more greenlet."""
        index = self._free_indexes.pop()
        seat = self._seats[index] = Seat(index, self._context.request(self._app, index), self._loop)
        seat.start(self._work)

    def _work(self, seat: Seat) -> None:
        """A greenlet's life."""
        waiting, reactor = self._waiting, self._reactor
        try:
            while len(waiting) < SPARE:
                waiting.append(seat)
                connection = self._switch_to_loop()
                try:
                    seat.run(connection, last=reactor.leaving)
                except (Exception, gevent.GreenletExit):  # noqa: BLE001  # applications' are kept by the slot; this is ours
                    reactor.mishap(connection)
                if not self._in_turn and (self._is_short or reactor.runnable or reactor.leaving):
                    self._wake_at(monotonic())
        finally:
            # Somebody may have killed it, while it waited, together with greenlets of his own.
            if seat in waiting:
                waiting.remove(seat)
            del self._seats[seat.index]
            self._free_indexes.append(seat.index)


def waiting_greenlets(ours: Collection[int] = ()) -> Iterator[tuple[str, FrameType]]:
    """Every greenlet that waits, with its name, but for the loop's and those with these `id`s. May be called from a signal handler."""
    for found in gc.get_objects():
        # Not `isinstance`, which asks the object, and some applications' proxies don't like to be asked.
        kind = type(found)
        if issubclass(kind, greenlet) and kind is not Hub and found.gr_frame is not None and id(found) not in ours:
            yield getattr(found, "name", "greenlet"), found.gr_frame
