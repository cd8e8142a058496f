"""A client that says exactly the bytes it is told to, for well and for ill."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from workerhub.testing.waiting import PATIENCE

Address: TypeAlias = tuple[str, int] | str
"""Host and port, or the path of a UNIX socket."""

RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""`struct linger`: on, 0 seconds."""


def get(target: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    lines = (f"{method} {target} HTTP/{version}", "Host: testserver", *fields)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(body: bytes, target: str = "/", *fields: str) -> bytes:
    """A request with a body of known length."""
    return get(target, f"Content-Length: {len(body)}", *fields, method="POST") + body


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


def connect(address: Address, timeout: float = PATIENCE, receive_buffer: int | None = None) -> socket.socket:
    """A connected socket.

    Args:
        address: where to.
        timeout: seconds, for this and for all that is done with the socket.
        receive_buffer: bytes; a small one makes a slow reader.
    """
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family)
    try:
        if receive_buffer is not None:  # the window is agreed on while connecting
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout)
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


class Client:
    """One connection. See `connect` for the arguments."""

    def __init__(self, address: Address, *, timeout: float = PATIENCE, receive_buffer: int | None = None) -> None:
        self.sock = connect(address, timeout, receive_buffer)
        self._file = self.sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self.sock.close()

    def vanish(self) -> None:
        """Leave without a good-bye: the server gets a reset."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close()

    # Saying something

    def send(self, data: bytes) -> None:
        """Send exactly these bytes."""
        self.sock.sendall(data)

    def finish_sending(self) -> None:
        """Close the sending side only."""
        self.sock.shutdown(socket.SHUT_WR)

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

    def ask(self, target: str = "/", *fields: str) -> Answer:
        """One GET and its answer."""
        self.send(get(target, *fields))
        return self.answer()

    # Listening

    def head(self) -> Answer:
        """Read the head of an answer, an interim one's (1xx) too.

        Raises:
            ConnectionEndedError: the server closed before it was complete.
        """
        line = self._line(received=False)
        _, status, reason = (*line.split(" ", 2), "")[:3]
        headers = []
        while line := self._line():
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        return Answer(int(status), reason, tuple(headers), b"")

    def answer(self, method: str = "GET") -> Answer:
        """Read one answer: interim ones (1xx) too, each as its own.

        Args:
            method: of the request that it answers.

        Raises:
            ConnectionEndedError: the server closed before the answer was complete.
        """
        answer = self.head()
        if method == "HEAD" or answer.status < 200 or answer.status in {204, 304}:
            return answer
        return Answer(answer.status, answer.reason, answer.headers, self._body(answer))

    def take(self, size: int) -> bytes:
        """Read exactly so many bytes of what comes.

        Raises:
            ConnectionEndedError: the server closed before.
        """
        try:
            data = self._file.read(size)
        except ConnectionResetError as error:
            raise ConnectionEndedError(received=True) from error
        if len(data) < size:
            raise ConnectionEndedError(received=True)
        return data

    def at_end(self) -> bool:
        """Wait for what comes next: True if the server closed, False if it said something."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def was_reset(self) -> bool:
        """Read until the connection ends, and tell whether it ended in an error."""
        try:
            while self._file.read(65536):
                pass
        except ConnectionResetError:
            return True
        return False

    def _line(self, *, received: bool = True) -> str:
        try:
            line = self._file.readline()
        except ConnectionResetError as error:
            raise ConnectionEndedError(received=received) from error
        if not line.endswith(b"\r\n"):
            raise ConnectionEndedError(received=received or bool(line))
        return line[:-2].decode("latin-1")

    def _body(self, answer: Answer) -> bytes:
        if (answer.header("Transfer-Encoding") or "").lower() == "chunked":
            return b"".join(self._chunks())
        if (length := answer.header("Content-Length")) is not None:
            return self.take(int(length))
        return self._file.read()

    def _chunks(self) -> Iterable[bytes]:
        while size := int(self._line().partition(";")[0], 16):
            yield self.take(size)
            self.take(2)
        while self._line():
            pass  # trailers
