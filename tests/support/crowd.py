"""Clients that give a server no rest, and a strict account of what became of their requests.

A request fails if its client gets anything but the whole, right answer: a refused or reset connection, a cut answer, another status.
One excuse counts: the connection was held by a worker at the moment in which that worker was killed. Who kills tells the account
which connections those were; it has stopped the process before, so that it couldn't accept or close another in between (`Kill`). A
connection that waits to be accepted is held by nobody, and is no excuse.

A kept connection may be closed by the server when it was idle for long; a request that crosses that on its way is asked again
(RFC 9112, 9.3.1). For long means `LINGER`: these clients hardly ever pause that long, so if a connection is closed under them sooner,
the request has failed.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from support.client import Address, Answer, Client, Load
from support.raw import post

LINGER = 1.0
"""Seconds for which a worker that leaves keeps an idle connection (`workerhub_workers._reactor.DRAIN_LINGER`)."""

PAUSE = 0.02
"""Seconds between two requests of one client, at most: a steady load that leaves the machine some room."""

PATIENCE = 60.0
"""Seconds that a client waits for anything."""

SHORT = b"hello\n"
"""What a request without a body is answered (`sites/echo.py`)."""

UPLOAD = bytes(range(256)) * 400
"""What is sent in two halves, and comes back."""

UPLOADING = "upload"
TARGETS = ("/", "/", "/", "/5", "/30", UPLOADING)
"""At once, after so many milliseconds, or an upload."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker was killed, while it held the connections from these ports."""

    at: float
    pid: int
    ports: frozenset[int]


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without its answer.

    Attributes:
        port: the client's; None if it couldn't connect.
        pid: of the process that gave this connection's last answer, if there was one.
        opened_at, at: when the connection was begun, and the failure seen; monotonic seconds.
    """

    what: str
    target: str
    port: int | None
    pid: int | None
    opened_at: float
    at: float

    def excused_by(self, kill: Kill) -> bool:
        """Whether this very connection was held by the worker that was killed."""
        same = self.port in kill.ports and self.opened_at <= kill.at <= self.at
        return same and self.pid in {None, kill.pid}


@dataclass
class Account:
    """What became of all requests.

    Attributes:
        answered: how many had their right answer, by the pid of who gave it.
        kept: how many of these on a connection that had served before.
        stale: kept connections that were closed under a request after `LINGER` or more without one.
    """

    answered: Counter[int] = field(default_factory=Counter)
    kept: int = 0
    stale: int = 0
    troubles: list[Failure] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)

    @property
    def answers(self) -> int:
        """How many requests had their right answer."""
        return self.answered.total()

    @property
    def failed(self) -> list[Failure]:
        """Those without an excuse."""
        return [each for each in self.troubles if not self._is_excused(each)]

    @property
    def excused(self) -> list[Failure]:
        """Those whose connection a killed worker held."""
        return [each for each in self.troubles if self._is_excused(each)]

    def _is_excused(self, failure: Failure) -> bool:
        return any(failure.excused_by(kill) for kill in self.kills)

    def __str__(self) -> str:
        held = sum(len(kill.ports) for kill in self.kills)
        return (
            f"{self.answers} answers of {len(self.answered)} processes ({self.kept} on kept connections); "
            f"{len(self.failed)} failed; {len(self.excused)} excused of {held} connections held by {len(self.kills)} killed "
            f"workers; {self.stale} closed after an idle second"
        )


class _Connection:
    """One connection of one client.

    Attributes:
        idle_for: seconds that the server may have been idle before the latest request.
        pid: who gave the last answer.
    """

    def __init__(self, address: Address) -> None:
        self.opened_at = self._asked_at = time.monotonic()
        self.idle_for = 0.0
        self.pid: int | None = None
        self._client = Client(address, timeout=PATIENCE)
        self.port: int = self._client.sock.getsockname()[1]

    def ask(self, target: str, *fields: str) -> Answer:
        """One request and its answer; an upload in two halves.

        Raises:
            OSError: the connection ended.
            ValueError: what came is no answer.
        """
        now = time.monotonic()
        # Since the last request was sent, not since its answer was here: the server can't have been idle for longer.
        self.idle_for, self._asked_at = now - self._asked_at, now
        if target != UPLOADING:
            return self._client.ask(target, *fields)
        data = post(UPLOAD, "/", *fields)
        half = len(data) - len(UPLOAD) // 2
        self._client.send(data[:half])
        time.sleep(PAUSE / 2)
        self._client.send(data[half:])
        return self._client.answer()

    def close(self) -> None:
        """Close it."""
        with contextlib.suppress(OSError):
            self._client.close()


@dataclass
class Crowd(Load):
    """Every other client keeps its connection; requests are short, slow, or uploads, by chance."""

    mixed: bool = True
    account: Account = field(default_factory=Account)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answered(self) -> int:
        """How many answers have come so far."""
        with self._lock:
            return self.account.answers

    def _ask(self, keep_alive: bool) -> None:  # noqa: FBT001  # a thread's arguments have no names
        connection: _Connection | None = None
        while not self._over.wait(random.uniform(0, PAUSE)):
            connection = self._request(connection, keep_alive=keep_alive)
        if connection is not None:
            connection.close()

    def _request(self, connection: _Connection | None, *, keep_alive: bool) -> _Connection | None:
        """One request, on the connection of before if there is one; the connection, if it can serve another."""
        target = random.choice(TARGETS)
        begun = time.monotonic()
        try:
            connection = connection or _Connection(self.address)
            answer = connection.ask(target, *([] if keep_alive else ["Connection: close"]))
        except (OSError, ValueError) as error:
            crossed = isinstance(error, ConnectionError) and not getattr(error, "received", False)
            self._note(repr(error), target, connection, begun, crossed=crossed)
        else:
            if answer.status == 200 and answer.body == (UPLOAD if target == UPLOADING else SHORT):
                with self._lock:
                    self.account.kept += connection.pid is not None
                    connection.pid = int(answer.header("X-Pid") or 0)
                    self.account.answered[connection.pid] += 1
                if keep_alive and not answer.closes:
                    return connection
            else:
                self._note(f"answered {answer.status} {answer.reason}", target, connection, begun, crossed=False)
        if connection is not None:
            connection.close()
        return None

    def _note(self, what: str, target: str, connection: _Connection | None, begun: float, *, crossed: bool) -> None:
        """A request has no answer. `crossed`: it may have met the server's closing of an idle connection."""
        with self._lock:
            if connection is None:
                self.account.troubles.append(Failure(what, target, None, None, begun, time.monotonic()))
            elif crossed and connection.pid is not None and connection.idle_for >= LINGER:
                self.account.stale += 1
            else:
                where = (connection.port, connection.pid, connection.opened_at)
                self.account.troubles.append(Failure(what, target, *where, time.monotonic()))
