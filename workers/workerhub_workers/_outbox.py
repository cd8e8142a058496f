"""What was written for a client and waits until the client reads: memory and pieces of files, in order."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

SEND_FLAGS = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)
"""Non-blocking, without the system call that would make the whole socket so; no signal for a client that left."""

MERGE = 64 * 1024
"""Bytes. Pieces are collected up to this size into one, so that a thousand small writes are one send."""

TURN = 4 * 1024 * 1024
"""Bytes. At most so much is sent to one client before others get their turn, however fast it reads."""


@dataclass(slots=True)
class _FilePiece:
    fd: int
    offset: int
    count: int


class Outbox:
    """A queue of bytes on their way to one client.

    Attributes:
        pieces: empty when nothing waits.
        size: the bytes held in memory; what lies in files doesn't count.
    """

    __slots__ = ("pieces", "size")

    def __init__(self) -> None:
        # A list, as it is nearly always empty and an empty deque has room for 64; and seldom longer than two.
        self.pieces: list[bytearray | memoryview | _FilePiece] = []
        self.size = 0

    def add(self, data: bytes | memoryview) -> None:
        """Append bytes: small ones are copied together, large ones are kept as they are."""
        self.size += len(data)
        if len(data) >= MERGE:
            self.pieces.append(memoryview(data))
        elif self.pieces and isinstance(last := self.pieces[-1], bytearray) and len(last) < MERGE:
            last += data
        else:
            self.pieces.append(bytearray(data))

    def add_file(self, fd: int, offset: int, count: int) -> None:
        """Append a piece of a file. The descriptor becomes the outbox's own, to be closed when it is done."""
        self.pieces.append(_FilePiece(fd, offset, count))

    def send(self, sock: socket.SocketType) -> int:
        """Send until the socket takes no more, a turn's worth is sent, or nothing is left; tell how many bytes it took.

        Raises:
            OSError: the client is gone, or a file has become shorter than it was.
        """
        total = 0
        try:
            while self.pieces and total < TURN:
                total += self._send_first(sock, self.pieces[0])
        except BlockingIOError:
            pass
        return total

    def _send_first(self, sock: socket.SocketType, piece: bytearray | memoryview | _FilePiece) -> int:
        if isinstance(piece, _FilePiece):
            return self._send_file(sock, piece)
        sent = sock.send(piece, SEND_FLAGS)
        self.size -= sent
        if sent == len(piece):
            del self.pieces[0]
        elif isinstance(piece, memoryview):
            self.pieces[0] = piece[sent:]
        else:
            del piece[:sent]
        return sent

    def _send_file(self, sock: socket.SocketType, piece: _FilePiece) -> int:
        count = min(piece.count, TURN)
        send_from = getattr(sock, "send_from", None)  # of what has to be encrypted first
        if send_from is not None:
            sent: int = send_from(piece.fd, piece.offset, count)
        else:
            sent = os.sendfile(sock.fileno(), piece.fd, piece.offset, count)
        if sent == 0:
            raise OSError("the file ended before what was promised of it")
        piece.offset += sent
        piece.count -= sent
        if piece.count == 0:
            del self.pieces[0]
            os.close(piece.fd)
        return sent

    def clear(self) -> None:
        """Throw everything away."""
        for piece in self.pieces:
            if isinstance(piece, _FilePiece):
                os.close(piece.fd)
        self.pieces.clear()
        self.size = 0
