"""The I/O of every connection of one process, in one thread: what stands in front of the application.

It reads requests until they are complete and writes what slow clients have not read yet, so that neither costs more than
memory. It never runs the application; its owner does, for one connection of `runnable` at a time or in threads.

A turn: wait until something is ready; do all of that I/O; end the patience that is at its end; run what is complete; then,
and only if the owner could run it, accept one connection and serve it at once. The order matters twice. Patience ends after the
I/O, so that a client isn't blamed for what arrived while the application held this thread. And accepting comes last, so
that a connection is left to the siblings while this process has anything else to do.
"""

from __future__ import annotations

import math
import resource
import traceback
from collections import deque
from enum import Enum
from time import monotonic, time
from typing import TYPE_CHECKING, Protocol

from workerhub.http import HttpDate, Phase
from workerhub_workers._acceptor import Acceptor
from workerhub_workers._poller import IN, Poller, new_poller
from workerhub_workers._queue import PatientQueue

if TYPE_CHECKING:
    import socket
    from _socket import SocketType
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from workerhub.worker import Log, WorkerContext
    from workerhub_workers._arrival import Arrival
    from workerhub_workers._connection import Connection

    Admit: TypeAlias = Callable[["Reactor", socket.socket, SocketType, Any], Connection | Arrival]

MAX_CONNECTIONS = 1000
"""Connections that one process holds, running and waiting ones together; nginx's and Gunicorn's defaults are of this size.
Beyond it the oldest idle one is closed for a new one; if none is idle, new ones are left to the siblings."""

FULL_PATIENCE = 1.0
"""Seconds for which new connections wait where none is idle; then the one is closed for them that has been here for longest without having sent a
whole request. Clients that take so long while others can't get in are few, or not honest."""

FULL_PAUSE = 1.0
"""Seconds after which it is another occasion."""

SWEEP_PAUSE = 0.00002
"""Seconds between two looks at all deadlines, for each connection there is: a look costs a hundredth of that. So ten thousand clients whose
patience ends one by one cost no more than a few of them; and are told up to 0.2 s late."""

SPARE_DESCRIPTORS = 64
"""What the process and the application need besides connections and the files that bodies are kept in."""

CROWDED = 3
"""Turns in a row that found a new connection, after which the next ones probably do."""

CROWD_TIME = 0.0005
"""Seconds for which connections are then accepted without asking the poller in between: it saves a tenth of the cost of a
connection that is used once. So short that neither siblings nor other connections notice."""

NEWCOMER_TIME = 0.001
"""Seconds for which a process that has siblings takes no other connection after one that hasn't said anything yet. That one is about to
need what is free here; and one that says nothing at all is no hindrance for longer. (Many connect at once, and only then ask.)"""

DRAIN_LINGER = 1.0
"""Seconds that an idle keep-alive connection is kept when the worker leaves: a request that is on its way is then answered
with `Connection: close` instead of meeting a closed socket."""


class Owner(Protocol):
    """The worker class that runs what the reactor has made ready."""

    def has_room(self) -> bool:
        """Whether a request that is complete could run now."""

    def dispatch(self) -> None:
        """Run the requests that are complete (`Reactor.runnable`), or have them run, in order."""

    def look_again_in(self) -> float:
        """Seconds that the reactor may sleep although something is runnable that `dispatch` left."""

    def wait_for_room(self, connection: Connection) -> None:
        """Called by the request that runs on the connection: return when its outbox is small enough, or it is gone."""

    def is_idle(self) -> bool:
        """Whether nothing runs, also nothing whose client has left."""

    def leave(self) -> None:
        """The worker was told to leave: answers that haven't begun are their connections' last."""

    def hurry(self, deadline: float) -> None:
        """A connection's patience ends at this moment, earlier than any was known to: there has to be a turn then."""

    def connect(self, reactor: Reactor, listener: socket.socket, sock: SocketType, peer: Any) -> Connection:
        """Make the connection object of its kind."""


class Mode(Enum):
    """Where the worker is between serving and leaving."""

    SERVING = "serving"
    EMPTYING = "emptying"
    """The whole server stops: what the kernel has already accepted on its behalf is served first."""
    DRAINING = "draining"
    """No new connections; what is there is finished."""


_SERVING, _EMPTYING, _DRAINING = Mode
"""As plain globals: an enum's attribute takes 0.1 us to look up."""


class Reactor:
    """All connections of one process.

    Attributes:
        connections: by descriptor; in the place of one that isn't made yet, its arrival.
        runnable: connections on which a request is complete, in order.
        queue: the same, where `queue.max_wait` ends their waiting; else None.
        patience: seconds for each `Phase` in which the client has the word.
        write_patience: seconds without progress while the client reads.
        response_memory: bytes that are held for one client before the application waits.
        next_check: no connection's deadline is before this moment.
        wakes_at: when the poller returns at the latest.
        leaving: whether the worker was told to leave, so that every answer is its connection's last.
    """

    def __init__(
        self,
        context: WorkerContext,
        owner: Owner,
        poller: Poller | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        settings = context.settings
        self.error_log = context.log
        self.poller = poller or new_poller()
        self.connections: dict[int, Connection | Arrival] = {}
        self.queue = PatientQueue(self, settings.queue_wait) if settings.queue_wait is not None else None
        self.runnable: deque[Connection] = deque() if self.queue is None else self.queue
        self.patience = {
            Phase.IDLE: settings.keepalive_timeout or math.inf,
            Phase.HEAD: settings.header_timeout or math.inf,
            Phase.BODY: settings.body_timeout or math.inf,
        }
        self.write_patience = settings.write_timeout or math.inf
        self.response_memory = settings.response_memory
        self.next_check = math.inf
        self.wakes_at = -math.inf
        self.leaving = False
        self._owner = owner
        self._admit = _admission(context, owner)
        self._bells: dict[int, Callable[[], None]] = {}
        self._context = context
        self._date = HttpDate()
        self._mode = _SERVING
        self._crowded = 0
        self._has_siblings = settings.multiprocess
        self._held = 0
        self._newcomer: Connection | Arrival | None = None
        self._newcomer_until = 0.0
        self._full_since = self._full_seen = 0.0
        self._limit = _connection_limit(settings.max_connections, max_connections, context.log)
        self._acceptor = Acceptor(context.listeners, self.poller, context.log)
        self._unemptied = list(context.listeners)
        self.poller.register(context.stopping.fileno(), IN)
        self._look_whether_to_leave()

    # The loop: called by the owner.

    def turn(self) -> bool:
        """Go round once; False when the worker was told to leave and nothing is left to do."""
        return self.go_on(self.poller.poll(self.prepare()))

    def go_on(self, events: list[tuple[int, int]]) -> bool:
        """The part of a turn that comes after the waiting."""
        self.handle(events)
        if self.runnable:
            self._owner.dispatch()
        if self._mode is _SERVING:
            if not self._acceptor.reports:
                self._crowded = 0
                return True
            self._crowded = min(self._crowded + 1, CROWDED)
            for listener in self._acceptor.take_reports():
                self._serve_some(listener)
            return True
        if self._mode is _EMPTYING:
            self._empty()
        return self._mode is _EMPTYING or bool(self.connections) or not self._owner.is_idle()

    def prepare(self) -> float | None:
        """Get ready to sleep: watch the listeners or not, and tell for how many seconds at most (None: for ever)."""
        acceptor = self._acceptor
        # While this is being thought about, a thread that sets a deadline had better wake us.
        self.wakes_at = math.inf
        until = self.next_check
        has_room = self._owner.has_room()
        awaits_newcomer = self._newcomer is not None and self._awaits_newcomer()
        if (
            self._mode is _SERVING
            and has_room
            and not awaits_newcomer
            and not (acceptor.resume_at and acceptor.paused())
        ):
            if self._has_siblings:
                held = len(self.connections)
                if held > self._held:
                    acceptor.stand_last()
                self._held = held
            if not acceptor.is_watching:
                acceptor.watch()
        else:
            # Before sleeping, not when one is reported: a report to this process is one that no sibling got.
            acceptor.unwatch()
            until = min(until, acceptor.resume_at or until)
            if awaits_newcomer:
                until = min(until, self._newcomer_until)
        if has_room and self._mode is _EMPTYING and not acceptor.paused():
            self.wakes_at = -math.inf
            return 0.0
        if self.runnable:
            until = min(until, monotonic() + self._owner.look_again_in())
        self.wakes_at = until
        return None if until == math.inf else max(0.0, until - monotonic())

    def handle(self, events: list[tuple[int, int]]) -> None:
        """Do the I/O that the poller reported, then end the patience that is at its end."""
        connections = self.connections
        for fd, mask in events:
            connection = connections.get(fd)
            if connection is None:
                self._handle_other(fd)
                continue
            try:
                connection.ready(mask)
            except Exception:  # noqa: BLE001  # one connection's trouble is not the others'
                self.mishap(connection)
        if monotonic() >= self.next_check:
            self._sweep()

    def take_newcomers(self) -> None:
        """Take a connection from each listener where one waits, although there is no room: it waits for its turn with the others."""
        if self._mode is Mode.SERVING and not self._acceptor.paused():
            for listener in self._context.listeners:
                self._serve_one(listener)

    def listen_to(self, fd: int, answer: Callable[[], None]) -> None:
        """Have `answer` called in a turn of this reactor whenever the descriptor is readable."""
        self._bells[fd] = answer
        self.poller.register(fd, IN)

    # For connections.

    def expect(self, connection: Connection | Arrival, seconds: float) -> None:
        """Give a client so much time, from now."""
        connection.deadline = deadline = monotonic() + seconds
        if deadline < self.next_check:
            self.next_check = deadline
            self._owner.hurry(deadline)

    def wait_for_room(self, connection: Connection) -> None:
        """Hold up whoever writes on the connection until its client has read enough, or is gone."""
        self._owner.wait_for_room(connection)

    def date(self) -> bytes:
        """The Date line of an answer that isn't an application's."""
        return self._date.line(time())

    def forget(self, connection: Connection | Arrival) -> None:
        """A connection was closed."""
        if self.connections.get(connection.fd) is connection:
            del self.connections[connection.fd]

    def close(self) -> None:
        """Cut what is left and give everything back."""
        for connection in list(self.connections.values()):
            connection.drop()
        self.poller.close()

    def mishap(self, connection: Connection | Arrival) -> None:
        """Something of ours went wrong: log it with the traceback, and let one client bear it, not all."""
        self.error_log.error("a connection was dropped because of an error in the server", traceback.format_exc())
        connection.drop()

    # Inside.

    def _serve_some(self, listener: socket.socket) -> None:
        """Serve one connection; more, for a moment, where there have been more all the time."""
        has_room = self._owner.has_room
        if self._crowded < CROWDED:
            if has_room():
                self._serve_one(listener)
            return
        until = monotonic() + CROWD_TIME
        while has_room() and self._newcomer is None and monotonic() < until:
            if not self._serve_one(listener):
                self._crowded = 0
                return

    def _serve_one(self, listener: socket.socket) -> bool:
        """Accept one connection and serve at once what is there; False if there was none."""
        victim = None
        if len(self.connections) >= self._limit:
            victim = self._dispensable()
            if victim is None:
                self._acceptor.pause(f"{self._limit} connections are open and none is idle")
                return False
        accepted = self._acceptor.accept(listener)
        if accepted is None:
            return False
        if victim is not None:
            victim.drop()
        sock, peer = accepted
        connection = self._admit(self, listener, sock, peer)
        self.connections[connection.fd] = connection
        try:
            connection.ready(IN)  # with its first request, more often than not
        except Exception:  # noqa: BLE001  # one connection's trouble is not the others'
            self.mishap(connection)
        if connection.idle and self._has_siblings:
            self._newcomer = connection
            self._newcomer_until = monotonic() + NEWCOMER_TIME
        if self.runnable:
            self._owner.dispatch()
        return True

    def _awaits_newcomer(self) -> bool:
        """Whether the latest connection may be about to say what it wants."""
        if self._newcomer is not None and self._newcomer.idle and monotonic() < self._newcomer_until:
            return True
        self._newcomer = None
        return False

    def _dispensable(self) -> Connection | Arrival | None:
        """The connection that has to make room for a new one.

        The oldest idle one; or else one that was told that nothing more follows; or else, after a while, one that has sent no whole request.
        """
        told = awaited = None
        for each in list(self.connections.values()):
            # Only one whose client knows that it may be closed at any moment: it has had an answer.
            if each.is_kept and each.idle:
                return each
            if told is None and each.is_over:
                told = each
            elif awaited is None and each.is_awaited:
                awaited = each
        return told or (awaited if self._was_full_for_long() else None)

    def _was_full_for_long(self) -> bool:
        """Whether there has been no room for new connections for a while."""
        now = monotonic()
        if now - self._full_seen > FULL_PAUSE:
            self._full_since = now
        self._full_seen = now
        return now - self._full_since >= FULL_PATIENCE

    def _sweep(self) -> None:
        """Look at all deadlines.

        They only move away from now while clients make progress, and nobody tells `next_check`; so this runs about once
        per connection and timeout, less often where there are many, and a request costs one comparison.
        """
        now = monotonic()
        soonest = now + SWEEP_PAUSE * len(self.connections)
        self.next_check = math.inf
        for connection in list(self.connections.values()):
            if connection.deadline <= now:
                try:
                    connection.expire()
                except Exception:  # noqa: BLE001  # one connection's trouble is not the others'
                    self.mishap(connection)
            elif connection.deadline < self.next_check:
                self.next_check = max(connection.deadline, soonest)

    def _handle_other(self, fd: int) -> None:
        if fd == self._context.stopping.fileno():
            self._context.stopping.clear()
            self._look_whether_to_leave()
        elif fd in self._bells:
            self._bells[fd]()
        else:
            self._acceptor.report(fd)

    def _look_whether_to_leave(self) -> None:
        if not self._context.stopping:
            return
        if self._context.stopping.server and self._unemptied:
            self._mode = _EMPTYING
        elif self._mode is _SERVING:
            self._mode = _DRAINING
        if not self.leaving:
            self.leaving = True
            self.error_log.debug(f"leaving: {len(self.connections)} connections, {self._mode.value}")
            self.patience[Phase.IDLE] = min(self.patience[Phase.IDLE], DRAIN_LINGER)
            self._owner.leave()
            for connection in list(self.connections.values()):
                if connection.idle:
                    self.expect(connection, DRAIN_LINGER)

    def _empty(self) -> None:
        """Serve one more connection from each listener that still has any."""
        for listener in tuple(self._unemptied):
            if not self._owner.has_room():
                return
            if not self._serve_one(listener) and not self._acceptor.paused():
                self._unemptied.remove(listener)
        if not self._unemptied:
            self._mode = _DRAINING


def _admission(context: WorkerContext, owner: Owner) -> Admit:
    """What takes accepted connections in: the worker class itself, or first the steps that come before HTTP."""
    if not context.settings.proxy_protocol and context.settings.tls is None:
        return owner.connect
    from workerhub_workers._door import door_for  # noqa: PLC0415  # most have no use for it

    return door_for(context, owner.connect).arrive


def _connection_limit(chosen: int | None, usual: int, error_log: Log) -> int:
    """As many as are wanted, but two thirds of the process's descriptors at most: the application needs some too.

    Whoever has chosen a number gets the descriptors for it, as far as the system allows. For a usual number the limit that the process was
    given stays: it is low for the sake of programs that can't handle large descriptors (`select`), and those may be started here.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return chosen or usual
    wanted = chosen or usual
    needed = wanted * 3 // 2 + SPARE_DESCRIPTORS + 1
    if chosen is not None and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    limit = max(16, (soft - SPARE_DESCRIPTORS) * 2 // 3)
    if limit < wanted:
        error_log.info(f"holding {limit} connections at most, not {wanted}: this process may open {soft} files")
    return min(limit, wanted)
