"""Requests as bytes, and a client that can behave badly."""

from __future__ import annotations

import contextlib
import socket

from support.client import Address, Answer, Client
from support.waiting import PATIENCE

RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""`struct linger`: on, 0 seconds."""


def get(target: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    lines = (f"{method} {target} HTTP/{version}", "Host: testserver", *fields)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(body: bytes, target: str = "/", *fields: str) -> bytes:
    """A request with a body of known length."""
    return get(target, f"Content-Length: {len(body)}", *fields, method="POST") + body


class RawClient(Client):
    """One connection, for well and for ill."""

    def __init__(self, address: Address, *, receive_buffer: int | None = None) -> None:
        if receive_buffer is None:
            super().__init__(address, timeout=PATIENCE)
            return
        # A small window has to be agreed on before connecting.
        self.sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(address)
        self._file = self.sock.makefile("rb")

    def ask(self, target: str = "/", *fields: str) -> Answer:
        """One GET and its answer."""
        self.send(get(target, *fields))
        return self.answer()

    def take(self, size: int) -> bytes:
        """Read exactly so many bytes of what comes."""
        return self._exactly(size)

    def was_reset(self) -> bool:
        """Read until the connection ends, and tell whether it ended in an error."""
        try:
            while self._file.read(65536):
                pass
        except ConnectionResetError:
            return True
        return False

    def finish_sending(self) -> None:
        """Close the sending side only."""
        self.sock.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        """Leave without a good-bye: the server gets a reset."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close()
