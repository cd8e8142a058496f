"""A verb's end of the control socket: connect, ask, listen until the outcome."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from workerhub.errors import WorkerhubError
from workerhub.kernel.control.peers import peer_of
from workerhub.kernel.control.wire import (
    MAX_REPLY,
    Lines,
    Outcome,
    Request,
    Step,
    WireError,
    read_reply,
    write_request,
)
from workerhub.slotted import dataclass

PATIENCE: Final = 10.0
"""Seconds in which a master that lives takes a connection, and answers what it needn't wait for itself."""


class UnansweredError(WorkerhubError):
    """Nobody answers at a socket. The text says why, without the path."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A server that answers. `pid` is its master's, where the system tells."""

    path: Path
    sock: socket.socket
    pid: int | None


def connect(path: Path) -> Connection:
    """Connect to a server of one's own, or as root to anybody's.

    Raises:
        UnansweredError: nobody listens there, or somebody else.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(PATIENCE)
        _connect(sock, path)
        pid, user = peer_of(sock)
    except OSError as error:
        sock.close()
        raise UnansweredError(_words(error)) from error
    if user not in {None, 0, os.geteuid()} and os.geteuid() != 0:
        sock.close()
        raise UnansweredError(f"user {user} listens there, not you")
    return Connection(path, sock, pid)


def _connect(sock: socket.socket, path: Path) -> None:
    """Connect. Where too many others are waiting to be accepted the system doesn't wait for us; so we do.

    Raises:
        OSError: it can't be done, or not within `PATIENCE`.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return sock.connect(str(path))
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError from None
            time.sleep(0.02)


def converse(connection: Connection, request: Request, patience: float | None) -> Iterator[Step | Outcome]:
    """Ask, and yield what is replied; the outcome is the last. Closes the connection.

    Args:
        connection: to whom.
        request: what to ask.
        patience: seconds between two replies; None: as long as it takes.

    Raises:
        UnansweredError: there is no outcome: the server is gone, or silent, or speaks another language.
    """
    lines = Lines(MAX_REPLY)
    with connection.sock as sock:
        try:
            with suppress(BrokenPipeError):  # it refused us at sight; what it says is still there to be read
                sock.sendall(write_request(request))
            sock.settimeout(patience)
            while True:
                while (line := lines.take()) is None:
                    data = sock.recv(1 << 16)
                    if not data:
                        raise UnansweredError("the server has closed the connection before there was an outcome")
                    lines.feed(data)
                reply = read_reply(line)
                yield reply
                if isinstance(reply, Outcome):
                    return
        except OSError as error:
            raise UnansweredError(_words(error)) from error
        except WireError as error:
            raise UnansweredError(f"the server's answer can't be understood: {error}") from error


def _words(error: OSError) -> str:
    """The system's answer, in words."""
    if isinstance(error, TimeoutError):
        return "the server doesn't answer"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there any more"
    text = error.strerror
    return str(error) if text is None else text[:1].lower() + text[1:]
