"""A client that says exactly the bytes it is told to, and one that keeps asking."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

Address: TypeAlias = tuple[str, int] | str
"""Host and port, or the path of a UNIX socket."""


class ConnectionEndedError(ConnectionError):
    """The server closed or reset before the answer was complete. `received`: whether any byte of it came."""

    def __init__(self, *, received: bool) -> None:
        super().__init__("the connection ended " + ("within an answer" if received else "without an answer"))
        self.received = received


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, its body decoded from chunks."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header; the last one if there are several."""
        return {key.lower(): value for key, value in self.headers}.get(name.lower())

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        """Whether the server says that it closes the connection."""
        return (self.header("Connection") or "").lower() == "close"


def connect(address: Address, timeout: float = 30.0) -> socket.socket:
    """A connected socket. Seconds."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock
    return socket.create_connection(address, timeout)


class Client:
    """One connection."""

    def __init__(self, address: Address, *, timeout: float = 30.0) -> None:
        self.sock = connect(address, timeout)
        self._file = self.sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send exactly these bytes."""
        self.sock.sendall(data)

    def request(
        self, target: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send one well-formed request and read its answer."""
        fields = {"Host": "testserver", **(headers or {})}
        if body:
            fields["Content-Length"] = str(len(body))
        head = "".join([f"{method} {target} HTTP/1.1\r\n", *(f"{key}: {value}\r\n" for key, value in fields.items())])
        self.send(head.encode() + b"\r\n" + body)
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """Read one answer: interim ones (1xx) too, each as its own.

        Raises:
            ConnectionEndedError: the server closed before the answer was complete.
        """
        line = self._line(received=False)
        _, status, reason = (*line.split(" ", 2), "")[:3]
        headers = []
        while line := self._line():
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        answer = Answer(int(status), reason, tuple(headers), b"")
        if method == "HEAD" or answer.status < 200 or answer.status in {204, 304}:
            return answer
        return Answer(answer.status, reason, answer.headers, self._body(answer))

    def at_end(self) -> bool:
        """Wait for what comes next: True if the server closed, False if it said something."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def _line(self, *, received: bool = True) -> str:
        try:
            line = self._file.readline()
        except ConnectionResetError as error:
            raise ConnectionEndedError(received=received) from error
        if not line.endswith(b"\r\n"):
            raise ConnectionEndedError(received=received or bool(line))
        return line[:-2].decode("latin-1")

    def _exactly(self, count: int) -> bytes:
        try:
            data = self._file.read(count)
        except ConnectionResetError as error:
            raise ConnectionEndedError(received=True) from error
        if len(data) < count:
            raise ConnectionEndedError(received=True)
        return data

    def _body(self, answer: Answer) -> bytes:
        if (answer.header("Transfer-Encoding") or "").lower() == "chunked":
            return b"".join(self._chunks())
        if (length := answer.header("Content-Length")) is not None:
            return self._exactly(int(length))
        return self._file.read()

    def _chunks(self) -> Iterable[bytes]:
        while size := int(self._line().partition(";")[0], 16):
            yield self._exactly(size)
            self._exactly(2)
        while self._line():
            pass  # trailers


def fetch(
    address: Address,
    target: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    timeout: float = 30.0,
) -> Answer:
    """One request on a connection of its own."""
    with Client(address, timeout=timeout) as client:
        return client.request(target, method=method, headers={"Connection": "close", **(headers or {})}, body=body)


@dataclass
class Load:
    """Clients that ask one after the other until the `with` block ends, and count what they got.

    Attributes:
        statuses: how often each status came.
        bodies: how often each body came.
        failures: what went wrong with a request that the server had to answer. A keep-alive connection that was closed
            between two requests is no failure (RFC 9112, 9.3.1: the client tries again), `stale` counts those.
    """

    address: Address
    target: str = "/"
    clients: int = 4
    keep_alive: bool = False
    statuses: Counter[int] = field(default_factory=Counter)
    bodies: Counter[bytes] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stale: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for _ in range(self.clients):
            thread = threading.Thread(target=self._ask, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        """How many answers have come so far."""
        return self.statuses.total()

    def _ask(self) -> None:
        client: Client | None = None
        headers = {} if self.keep_alive else {"Connection": "close"}
        while not self._over.is_set():
            reused = client is not None
            try:
                client = client or Client(self.address)
                answer = client.request(self.target, headers=headers)
            except OSError as error:
                if client is not None:
                    client.close()
                    client = None
                if reused and not getattr(error, "received", False):
                    self.stale += 1
                else:
                    self.failures.append(repr(error))
                continue
            self.statuses[answer.status] += 1
            self.bodies[answer.body] += 1
            if answer.closes or not self.keep_alive:
                client.close()
                client = None
        if client is not None:
            client.close()
