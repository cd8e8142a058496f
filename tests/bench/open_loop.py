"""A client that asks at moments that nobody can move: an open loop.

A client that waits for its answer before it asks again asks a slow server less often, and so never sees what the people see who come
whether the server is ready or not ("coordinated omission"). Here the moments are thrown in advance, by a dice that falls the same for every
server, and a request that finds no free connection waits on our side while its clock is running.
"""

from __future__ import annotations

import math
import random
import re
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONNECTIONS = 64
"""At most, so that no server is flooded with connections it may refuse."""

GRACE = 10.0
"""Seconds after the last request that its answer may take."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class _Request:
    due: float
    path: str
    again: bool = False
    """It was sent on a kept connection that the server was about to close: no failure, if it works on a new one."""


@dataclass(slots=True)
class _Line:
    """A connection, and what runs on it."""

    sock: socket.socket
    fresh: bool = True
    request: _Request | None = None
    received: bytearray = field(default_factory=bytearray)

    @property
    def complete(self) -> bool:
        """Whether all of an answer is here."""
        head, found, body = self.received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return bool(found) and length is not None and len(body) >= int(length[1])

    @property
    def good(self) -> bool:
        """Whether it is a success."""
        return self.received.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 "))

    @property
    def kept(self) -> bool:
        """Whether the server will take another request on it."""
        head = self.received.partition(b"\r\n\r\n")[0].lower()
        return head.startswith(b"http/1.1") and b"\r\nconnection: close" not in head


def moments(rate: float, seconds: float, paths: Sequence[str]) -> Iterator[tuple[float, str]]:
    """When to ask, in seconds from the start, and for what: independent arrivals, `rate` of them a second."""
    dice = random.Random(1)
    at = dice.expovariate(rate)
    while at < seconds:
        yield at, dice.choice(paths)
        at += dice.expovariate(rate)


class OpenLoop:
    """Ask one server.

    Attributes:
        times: how long each answer took, in seconds, from the moment at which it had to be asked for.
        failures: how many requests got no good answer.
    """

    def __init__(self, port: int, rate: float, seconds: float, paths: Sequence[str] = ("/",)) -> None:
        self.times: list[float] = []
        self.failures = 0
        self._address = ("127.0.0.1", port)
        self._free: list[_Line] = []
        self._lines = 0
        self._waiting: deque[_Request] = deque()
        self._selector = selectors.DefaultSelector()
        start = time.monotonic() + 0.05
        self._coming = deque(_Request(start + at, path) for at, path in moments(rate, seconds, paths))
        self._end = start + seconds + GRACE

    def run(self) -> None:
        """Until all is answered, or the time is over; what has no answer then has failed."""
        with self._selector:
            while (self._coming or self._waiting or self._selector.get_map()) and time.monotonic() < self._end:
                self._ask()
                due = self._coming[0].due if self._coming else self._end
                for key, _ in self._selector.select(max(0.0, due - time.monotonic())):
                    self._hear(key.data)
            for key in list(self._selector.get_map().values()):
                self._fail(key.data)
        self.failures += len(self._waiting) + len(self._coming)
        for line in self._free:
            line.sock.close()

    def quantile(self, share: float) -> float:
        """The time within which this share of the requests was answered, in seconds; infinite where so many failed."""
        times = sorted([*self.times, *[math.inf] * self.failures])
        return times[min(len(times) - 1, int(share * len(times)))]

    def _ask(self) -> None:
        now = time.monotonic()
        while self._coming and self._coming[0].due <= now:
            self._waiting.append(self._coming.popleft())
        while self._waiting and (self._free or self._lines < CONNECTIONS):
            request = self._waiting.popleft()
            line = self._free.pop() if self._free and not request.again else self._connected()
            if line is None:
                self.failures += 1
                continue
            line.request = request
            line.received.clear()
            self._selector.register(line.sock, selectors.EVENT_READ, line)
            try:
                line.sock.sendall(f"GET {request.path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            except OSError:
                self._broken(line)

    def _connected(self) -> _Line | None:
        try:
            sock = socket.create_connection(self._address, timeout=GRACE)
        except OSError:
            return None
        self._lines += 1
        return _Line(sock)

    def _hear(self, line: _Line) -> None:
        try:
            data = line.sock.recv(1 << 18)
        except OSError:
            data = b""
        line.received += data
        if line.complete and line.request is not None:
            self._selector.unregister(line.sock)
            if line.good:
                self.times.append(time.monotonic() - line.request.due)
            else:
                self.failures += 1
            line.request = None
            line.fresh = False
            if line.kept:
                self._free.append(line)
            else:
                self._close(line)
        elif not data:
            self._broken(line)

    def _broken(self, line: _Line) -> None:
        request = line.request
        if request is not None and not line.fresh and not line.received and not request.again:
            request.again = True
            self._waiting.appendleft(request)
            self._selector.unregister(line.sock)
            self._close(line)
        else:
            self._fail(line)

    def _fail(self, line: _Line) -> None:
        self.failures += 1
        self._selector.unregister(line.sock)
        self._close(line)

    def _close(self, line: _Line) -> None:
        self._lines -= 1
        line.sock.close()
