"""The master's end of the control socket: takes requests in, gives replies out, and waits for nobody.

Everything is bounded: how many clients there are, what each may send and how long it may take, what is held for those that don't
read. Of too many clients the one makes room that has been there longest without having asked anything; of too much that is held, the
one that most is held for. So whoever behaves gets through. (The bounds are for scripts that hang and for mistakes: whoever may
connect may end the master as well.)

A client that has asked is only looked at for whether it is still there. It may close its sending side and wait on, as `nc` does.
"""

from __future__ import annotations

import os
import select
import selectors
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from math import inf
from typing import Final

from workerhub.kernel.control.listener import ControlListener
from workerhub.kernel.control.peers import peer_of
from workerhub.kernel.control.wire import (
    MAX_REQUEST,
    Lines,
    Outcome,
    Request,
    Step,
    Verb,
    WireError,
    read_request,
    write_reply,
)
from workerhub.kernel.protocol import DiffRequested, Happening, Question, StacksRequested, StatusRequested
from workerhub.slotted import dataclass, field
from workerhub.supervisor.events import ReloadRequested, ScaleRequested, StopRequested, Ticket, UpgradeRequested

MAX_CLIENTS: Final = 32

MAX_HELD: Final = 32 << 20
"""Bytes held for all clients together. The longest reply, everybody's stacks, has some 100 KiB for each worker."""

ASK_PATIENCE: Final = 5.0
"""Seconds from connecting to the end of the request."""

READ_PATIENCE: Final = 10.0
"""Seconds in which a client that is being told something reads at least some of it."""

PARTING_PATIENCE: Final = 1.0
"""Seconds that clients have for reading the last words of a master that leaves."""

REST: Final = 1.0
"""Seconds in which nobody is accepted after the system refused to accept, for want of descriptors, say."""

_PIECE: Final = 64 << 10
"""Bytes sent at one turn."""


@dataclass(slots=True, eq=False)
class _Client:
    """One conversation.

    Attributes:
        origin: who it is, for the log.
        ticket: by which its outcome is known; None before it has asked, and once it is answered.
        over: the outcome is said; what is left is to send it.
        deaf: nothing that it may still send matters.
        deadline: when patience with it ends.
        interest: what the selector watches its socket for; 0: nothing, so it isn't in there.
    """

    sock: socket.socket
    origin: str
    deadline: float
    lines: Lines = field(default_factory=lambda: Lines(MAX_REQUEST))
    outbox: bytearray = field(default_factory=bytearray)
    ticket: Ticket | None = None
    over: bool = False
    deaf: bool = False
    interest: int = 0

    @property
    def asking(self) -> bool:
        """It hasn't asked yet."""
        return self.ticket is None and not self.over


class Reception:
    """All clients. Registers their sockets with the kernel's selector; the data of each key is what to call when it is ready.

    Args:
        listener: whom they connect to; stays whose it is.
        selector: the kernel's.
        now: the kernel's clock.
    """

    def __init__(self, listener: ControlListener, selector: selectors.BaseSelector, now: Callable[[], float]) -> None:
        self._listener = listener
        self._selector = selector
        self._now = now
        self._clients: dict[_Client, None] = {}
        self._tickets: dict[Ticket, _Client] = {}
        self._numbers = count(1)
        self._users = {0, os.geteuid()}
        self._rests_until = inf
        self._listen()

    def tell(self, ticket: Ticket, step: Step) -> None:
        """Say how far it is, to a client that may be gone."""
        if client := self._tickets.get(ticket):
            self._say(client, step)

    def answer(self, ticket: Ticket, outcome: Outcome) -> None:
        """Say how it ended, to a client that may be gone."""
        if client := self._tickets.pop(ticket, None):
            client.ticket = None
            self._say(client, outcome)

    @property
    def deadline(self) -> float:
        """When `sweep` is wanted next; `inf`: not at all."""
        return min([self._rests_until, *(client.deadline for client in self._clients)])

    def sweep(self) -> None:
        """Send away those that took too long."""
        now = self._now()
        for client in [client for client in self._clients if client.deadline <= now]:
            if client.asking:
                self._say(client, Outcome(ok=False, message=f"nothing was asked within {ASK_PATIENCE:g} s"))
            self._drop(client)
        if self._rests_until <= now:
            self._rests_until = inf
            self._listen()

    def withdraw(self) -> None:
        """Accept nobody any more; another master does. Those who are here are answered here."""
        with suppress(KeyError):  # it rests
            self._selector.unregister(self._listener.socket)
        self._rests_until = inf

    def close(self) -> None:
        """Let the last words arrive, for a moment at most; then close all conversations. The listener stays open."""
        until = self._now() + PARTING_PATIENCE
        while unread := [client for client in self._clients if client.outbox]:
            _, ready, _ = select.select([], [client.sock for client in unread], [], max(0.0, until - self._now()))
            if not ready:
                break
            for client in unread:
                if client.sock in ready:
                    self._send(client)
        for client in list(self._clients):
            self._drop(client)
        self.withdraw()

    def close_in_child(self) -> None:
        """Close this process's descriptors and nothing more; the selector's and the file are the master's."""
        for client in self._clients:
            client.sock.close()
        self._listener.socket.close()

    # Clients come.

    def _listen(self) -> None:
        self._selector.register(self._listener.socket, selectors.EVENT_READ, self._accept)

    def _accept(self, _mask: int) -> Iterable[Happening]:
        try:
            sock, _ = self._listener.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return ()
        except OSError:
            self._selector.unregister(self._listener.socket)
            self._rests_until = self._now() + REST
            return ()
        sock.setblocking(False)
        pid, user = peer_of(sock)
        origin = f"control socket, pid {pid}" if pid is not None else "control socket"
        client = _Client(sock, origin, self._now() + ASK_PATIENCE)
        self._make_room()
        self._clients[client] = None
        if user is not None and user not in self._users:
            self._say(client, Outcome(ok=False, message=f"user {user} may not ask anything here"))
        elif len(self._clients) > MAX_CLIENTS:
            self._say(client, Outcome(ok=False, message=f"{MAX_CLIENTS} others are waiting for an outcome; try again"))
        else:
            self._watch(client)
        return ()

    def _make_room(self) -> None:
        """Send one away, if there are too many: the first of those that haven't asked, else of those that don't read."""
        if len(self._clients) >= MAX_CLIENTS:
            dispensable = sorted((client for client in self._clients if not client.ticket), key=lambda it: it.over)
            if dispensable:
                self._drop(dispensable[0])

    # Clients ask.

    def _ready(self, client: _Client, mask: int) -> Iterable[Happening]:
        if mask & selectors.EVENT_WRITE:
            self._send(client)
        if client not in self._clients or not mask & selectors.EVENT_READ:
            return ()
        return self._listen_to(client) if client.asking else self._look_after(client)

    def _listen_to(self, client: _Client) -> Iterator[Happening]:
        """Take what it says; a whole line is the request."""
        try:
            data = client.sock.recv(MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        client.lines.feed(data)
        try:
            line = client.lines.take()
            request = None if line is None else read_request(line)
        except WireError as error:
            self._say(client, Outcome(ok=False, message=str(error)))
            return
        if request is not None:
            client.ticket = ticket = Ticket(next(self._numbers))
            client.deadline = inf
            self._tickets[ticket] = client
            yield _happening(request, self._now(), client.origin, ticket)

    def _look_after(self, client: _Client) -> Iterable[Happening]:
        """It has asked and makes itself heard: gone, or done with sending, or talking out of turn."""
        try:
            gone = not client.sock.recv(1, socket.MSG_PEEK) and _hung_up(client.sock)
        except BlockingIOError:
            return ()
        except OSError:
            gone = True
        if gone:
            self._drop(client)
        else:
            client.deaf = True
            self._watch(client)
        return ()

    # Clients are told.

    def _say(self, client: _Client, reply: Step | Outcome) -> None:
        client.outbox += write_reply(reply)
        client.over = isinstance(reply, Outcome)
        client.deadline = self._now() + READ_PATIENCE
        self._send(client)
        while sum(len(client.outbox) for client in self._clients) > MAX_HELD:
            self._drop(max(self._clients, key=lambda client: len(client.outbox)))

    def _send(self, client: _Client) -> None:
        """Send what the client takes now."""
        try:
            sent = client.sock.send(client.outbox[:_PIECE])
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(client)
            return
        if sent:
            del client.outbox[:sent]
            client.deadline = self._now() + READ_PATIENCE
        if client.outbox:
            self._watch(client)
        elif client.over:
            self._drop(client)
        else:
            client.deadline = inf
            self._watch(client)

    def _watch(self, client: _Client) -> None:
        """Have the selector watch for what matters now."""
        interest = 0 if client.deaf or client.over else selectors.EVENT_READ
        if client.outbox:
            interest |= selectors.EVENT_WRITE
        if interest == client.interest:
            return
        if client.interest:
            self._selector.unregister(client.sock)
        if interest:
            self._selector.register(client.sock, interest, lambda mask: self._ready(client, mask))
        client.interest = interest

    def _drop(self, client: _Client) -> None:
        """Close; whatever it waits for goes on without it."""
        if client not in self._clients:
            return
        del self._clients[client]
        if client.ticket is not None:
            del self._tickets[client.ticket]
        if client.interest:
            self._selector.unregister(client.sock)
        client.sock.close()


_QUESTIONS: Final[Mapping[Verb, type[Question]]] = {
    Verb.STATUS: StatusRequested,
    Verb.STACKS: StacksRequested,
    Verb.DIFF: DiffRequested,
}


def _happening(request: Request, at: float, origin: str, ticket: Ticket) -> Happening:
    """What a request is to the master."""
    match request.verb:
        case Verb.STATUS | Verb.STACKS | Verb.DIFF:
            return _QUESTIONS[request.verb](at, ticket)
        case Verb.RELOAD:
            return ReloadRequested(at, origin, ticket)
        case Verb.UPGRADE:
            return UpgradeRequested(at, origin, ticket)
        case Verb.STOP:
            return StopRequested(at, request.fast, origin, ticket)
        case Verb.SCALE:
            return ScaleRequested(at, request.change, origin, request.pool, ticket, request.size)


def _hung_up(sock: socket.socket) -> bool:
    """Whether the other end is closed altogether, rather than for sending only."""
    poll = select.poll()
    poll.register(sock, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))
