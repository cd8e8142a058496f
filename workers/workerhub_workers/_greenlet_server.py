"""All connections of one process, each in a greenlet, and what they have in common: accepting, patience, leaving.

The loop is gevent's, and the application shares it. What runs in it, "in the loop", may not wait; a connection's greenlet may.
An interrupt comes from a signal handler, which Python runs wherever the main thread is: in the loop, in some greenlet, in the
very one that is meant. In the last case `RequestTimeout` is raised on the spot, as that greenlet may never give the loop a turn; in
every other it is thrown by the loop, into a greenlet that waits.
"""

from __future__ import annotations

import math
import resource
import traceback
from enum import Enum
from time import monotonic, time
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from greenlet import greenlet

from workerhub.http import HttpDate, Phase
from workerhub_workers._greenlet_connection import GreenletConnection
from workerhub_workers._greenlet_listeners import GreenletListeners

if TYPE_CHECKING:
    import socket
    from _socket import SocketType
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from workerhub.worker import RequestSlot, WorkerContext, WSGIApplication

SPARE_DESCRIPTORS = 64
"""What the process and the application need besides connections and what belongs to them."""

DRAIN_LINGER = 1.0
"""Seconds that an idle keep-alive connection is kept when the worker leaves: a request that is on its way is then answered
with `Connection: close` instead of meeting a closed socket."""

BEHIND_IO = -1
"""The priority of patience's end among the loop's events: a client isn't blamed for what arrived while the application held the
thread."""


class Mode(Enum):
    """Where the worker is between serving and leaving."""

    SERVING = "serving"
    EMPTYING = "emptying"
    """The whole server stops: what the kernel has already accepted on its behalf is served first."""
    DRAINING = "draining"
    """No new connections; what is there is finished."""


class GreenletServer:
    """All connections of one process.

    Args:
        context: the worker's.
        app: the application.
        stream_chunked: hand out requests with chunked bodies before these are here.

    Attributes:
        loop: gevent's.
        switch_to_loop: waits: returns what somebody passes who switches back.
        connections: by the index of their request slot.
        patience: seconds for each `Phase` in which the client has the word.
        write_patience: seconds without progress while the client reads.
        response_memory: bytes that are held for one client before the application waits.
        next_check: no connection's patience ends before this moment.
        is_full: new connections are left alone until one that is here ends or idles.
        leaving: whether the worker was told to leave, so that every answer is its connection's last.
    """

    def __init__(self, context: WorkerContext, app: WSGIApplication, *, stream_chunked: bool) -> None:
        settings = context.settings
        self.context = context
        self.error_log = context.log
        self.stream_chunked = stream_chunked
        hub = gevent.get_hub()
        self.loop = hub.loop
        # The greenlet's own, not the hub's, which looks for what only a hub can do wrong: 0.5 us a request.
        self.switch_to_loop: Callable[[], Any] = greenlet.switch.__get__(hub)
        self.connections: dict[int, GreenletConnection] = {}
        self.patience = {
            Phase.IDLE: settings.keepalive_timeout or math.inf,
            Phase.HEAD: settings.header_timeout or math.inf,
            Phase.BODY: settings.body_timeout or math.inf,
        }
        self.write_patience = settings.write_timeout or math.inf
        self.response_memory = settings.response_memory
        self.next_check = math.inf
        self.is_full = False
        self.leaving = False
        self._app = app
        self._slots: dict[int, RequestSlot] = {}
        self._free = list(range(_connection_limit(context)))[::-1]
        self._date = HttpDate()
        self._mode = Mode.SERVING
        self._over = Event()
        self._timer = self.loop.timer(0, priority=BEHIND_IO)
        self._listeners = GreenletListeners(context.listeners, self.loop, self._serve_one, self._make_sure, context.log)
        self._bell = self.loop.io(context.stopping.fileno(), 1)

    # For the worker class.

    def serve(self) -> None:
        """Serve until told to leave, and nothing is left to do."""
        self._bell.start(self._listen)
        self._listeners.watch()
        self._look_whether_to_leave()
        self._over.wait()

    def interrupt(self, index: int) -> bool:
        """End the request in a slot, and only that. Called from a signal handler.

        Raises:
            RequestTimeout: it is that request's greenlet which the signal handler has interrupted.
        """
        connection = self.connections.get(index)
        return connection is not None and connection.interrupt()

    def stack(self, index: int) -> FrameType | None:
        """Where the greenlet waits that has the slot; None if it is the one that runs."""
        connection = self.connections.get(index)
        return connection.greenlet.gr_frame if connection is not None else None

    def close(self) -> None:
        """Cut what is left and give everything back."""
        for connection in list(self.connections.values()):
            connection.reset()
        self._listeners.close()
        for watcher in (self._bell, self._timer):
            watcher.stop()
            watcher.close()

    # For connections.

    def check_at(self, deadline: float) -> None:
        """Some patience ends earlier than any was known to."""
        self.next_check = deadline
        self._timer.stop()
        self._timer.close()
        self._timer = self.loop.timer(max(0.0, deadline - monotonic()), priority=BEHIND_IO)
        self._timer.start(self._sweep, update=True)

    def date(self) -> bytes:
        """The Date line of an answer that isn't an application's."""
        return self._date.line(time())

    def forget(self, connection: GreenletConnection) -> None:
        """A connection has ended."""
        del self.connections[connection.index]
        self._free.append(connection.index)
        self.look_again()
        self._look_whether_over()

    def look_again(self) -> None:
        """A connection has ended or becomes idle: have the loop look for new ones, if it doesn't."""
        if self.is_full:
            self.is_full = False
            self.loop.run_callback(self._make_sure)

    def mishap(self) -> None:
        """Something of ours went wrong: log it with the traceback, and let one client bear it, not all."""
        self.error_log.error("a connection was dropped because of an error in the server", traceback.format_exc())

    # In the loop.

    def _serve_one(self, listener: socket.socket) -> None:
        """A listener has a connection to take. One, as the siblings want some too."""
        if not self._has_room():
            self._listeners.unwatch()
            return
        accepted = self._listeners.accept(listener)
        if accepted is not None:
            self._begin(listener, *accepted)

    def _begin(self, listener: socket.socket, sock: SocketType, peer: Any) -> None:
        index = self._free.pop()
        slot = self._slots.get(index)
        if slot is None:
            slot = self._slots[index] = self.context.request(self._app, index)
        connection = self.connections[index] = GreenletConnection(self, sock, index, slot)
        connection.http = self.context.connection(
            listener, peer, pull=connection.pull, stream_chunked=self.stream_chunked
        )
        connection.greenlet = gevent.spawn(connection.serve)

    def _has_room(self) -> bool:
        """Whether one connection more may be held; if need be the oldest idle one is closed for it."""
        if not self._free:
            for connection in list(self.connections.values()):
                if connection.is_kept and connection.is_idle:
                    connection.expire()
                    if self._free:
                        break
        self.is_full = not self._free
        return not self.is_full

    def _make_sure(self) -> None:
        """Take new connections, if it is time for it and there is room."""
        if self._mode is Mode.SERVING:
            if not self._listeners.paused:
                self._listeners.watch()
        elif self._mode is Mode.EMPTYING:
            self._empty()

    def _listen(self) -> None:
        """A signal arrived."""
        self.context.stopping.clear()
        self._look_whether_to_leave()

    def _look_whether_to_leave(self) -> None:
        if not self.context.stopping:
            return
        if not self.leaving:
            self.leaving = True
            self._mode = Mode.DRAINING
            self._listeners.unwatch()
            self.patience[Phase.IDLE] = min(self.patience[Phase.IDLE], DRAIN_LINGER)
            until = monotonic() + DRAIN_LINGER
            for connection in self.connections.values():
                connection.leave()
                if connection.is_idle:
                    connection.deadline = min(connection.deadline, until)
            if until < self.next_check:
                self.check_at(until)
            how = "the server stops" if self.context.stopping.server else "this worker only"
            self.error_log.debug(f"leaving: {len(self.connections)} connections, {how}")
        if self.context.stopping.server and self._mode is Mode.DRAINING:
            self._mode = Mode.EMPTYING
            self.loop.run_callback(self._empty)
        self._look_whether_over()

    def _empty(self) -> None:
        """Serve what still waits in the accept queues, as far as there is room."""
        while self._has_room():
            waiting = self._listeners.accept_last()
            if waiting is None:
                if not self._listeners.paused:
                    self._mode = Mode.DRAINING
                    self._look_whether_over()
                return
            listener, accepted = waiting
            self._begin(listener, *accepted)

    def _look_whether_over(self) -> None:
        if self._mode is Mode.DRAINING and not self.connections:
            self._over.set()

    def _sweep(self) -> None:
        """Look at all deadlines.

        They only move away from now while clients make progress, and nobody tells `next_check`; so this runs about once
        per connection and timeout, and a request costs one comparison.
        """
        now = monotonic()
        self.next_check = math.inf
        following = math.inf
        for connection in list(self.connections.values()):
            if connection.write_deadline <= now:
                connection.reset()
            elif connection.deadline <= now:
                connection.expire()
            else:
                following = min(following, connection.deadline, connection.write_deadline)
        if following < self.next_check:
            self.check_at(following)


def _connection_limit(context: WorkerContext) -> int:
    """As many as are configured, but two thirds of the process's descriptors at most: applications need some too."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return context.capacity
    limit = max(16, (soft - SPARE_DESCRIPTORS) * 2 // 3)
    if limit < context.capacity:
        error_log = context.log
        error_log.info(
            f"holding {limit} connections at most, not {context.capacity}: this process may open {soft} files"
        )
    return min(limit, context.capacity)
