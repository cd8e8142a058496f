"""What systemd does for a service that it starts, without systemd: it listens to it, and passes it sockets."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

from support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_CREDENTIALS = struct.Struct("3i")


class Message(NamedTuple):
    """One notification: who sent it, and its lines."""

    pid: int
    lines: tuple[str, ...]


class NotifySocket:
    """A notify socket that hears everything, and who said it.

    Attributes:
        heard: every message, in order.
        environ: what a service is told about the socket.
    """

    def __init__(self, directory: Path) -> None:
        self.heard: list[Message] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(directory / "notify"))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.environ = {"NOTIFY_SOCKET": self._socket.getsockname()}
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def wait(self, *lines: str, behind: int = 0) -> Message:
        """Wait for a message that has all these lines, among those behind the first `behind`."""

        def found() -> Message | None:
            return next((message for message in self.heard[behind:] if set(lines) <= set(message.lines)), None)

        message = wait_for(found, f"{lines} among {self.heard[behind:]}")
        assert message is not None
        return message

    def said(self, line: str) -> list[int]:
        """The places of the messages that have this line."""
        return [place for place, message in enumerate(self.heard) if line in message.lines]

    def _listen(self) -> None:
        while True:
            data, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
            if not data:
                return
            ((_, _, credentials),) = ancillary
            self.heard.append(Message(_CREDENTIALS.unpack(credentials)[0], tuple(data.decode().split("\n"))))


def passing(sockets: Sequence[socket.socket], names: str) -> tuple[str, ...]:
    """A command to put in front of another one: passes it these sockets as systemd would.

    The process that executes the other command has to have been given their descriptors.
    """
    script = (
        "import os, sys\n"
        "passed = [int(number) for number in sys.argv[2].split()]\n"
        "given = [os.dup(fd) for fd in passed]\n"  # gone after exec
        "for fd in passed: os.close(fd)\n"
        "for number, fd in enumerate(given, 3): os.set_inheritable(os.dup2(fd, number), True)\n"
        "os.environ.update(LISTEN_FDS=str(len(given)), LISTEN_FDNAMES=sys.argv[1], LISTEN_PID=str(os.getpid()))\n"
        "os.execv(sys.argv[3], sys.argv[3:])\n"
    )
    descriptors = " ".join(str(sock.fileno()) for sock in sockets)
    return (sys.executable, "-Ic", script, names, descriptors)


def inode(sock: socket.socket) -> str:
    """How a socket is called in /proc/PID/fd."""
    return f"socket:[{os.fstat(sock.fileno()).st_ino}]"
