"""A body that the application reads while it arrives, for worker classes that can wait in the middle of a request."""

from __future__ import annotations

from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

    from workerhub.http.errors import Refusal

DRAIN_MAX: Final = 64 * 1024
"""Bytes that the application left unread and that are read and dropped to keep the connection: one `recv`. Closing is cheaper than more."""


class BodyError(OSError):
    """Raised by `wsgi.input`: the rest of the body will not come, or is not acceptable. What was read so far is not the whole.

    An `OSError`, as that is what frameworks expect of a body that can't be read (Django's UnreadablePostError, Werkzeug's
    ClientDisconnected). Left alone it becomes the answer that a body collected beforehand would have got.

    Attributes:
        refusal: the status and the sentence for that answer: 400, 408 or 413.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class BodyStream:
    """Between the connection, which writes what arrives, and the application, which reads it.

    Holds what one `receive` brought, as nothing more is asked for before that was read.

    Args:
        pull: waits for more, and has the connection `receive` it.
        length: of the whole body, None where it comes in chunks.
        expects: the client waits for a 100 Continue before it sends the body.

    Attributes:
        complete: the last byte is here.
        answered: the answer has begun, so no 100 Continue can be said any more.
    """

    __slots__ = ("_buffer", "_closed", "_expects", "_length", "_pull", "_refusal", "_size", "answered", "complete")

    def __init__(self, pull: Callable[[], None], length: int | None, *, expects: bool) -> None:
        self._pull = pull
        self._length = length
        self._expects = expects
        self._buffer = bytearray()
        self._size = 0
        self._refusal: Refusal | None = None
        self._closed = False
        self.answered = False
        self.complete = False

    # For the connection.

    def open(self) -> BufferedReader:
        """The application's end: what becomes `wsgi.input`."""
        return BufferedReader(_Reader(self))

    def write(self, data: bytes) -> None:
        """A piece of the body is here."""
        self._size += len(data)
        if not self._closed:
            self._buffer += data

    def fail(self, refusal: Refusal) -> None:
        """The rest will not come."""
        self._refusal = refusal

    def close(self) -> None:
        """The application is done with it: what still comes is dropped."""
        self._closed = True
        self._buffer.clear()

    # For the answer.

    def begin_answer(self) -> bool:
        """The answer begins; tells whether the connection can be used again after it (RFC 9112, 9.3)."""
        self.answered = True
        if self.complete:
            return True
        if self._refusal is not None or self._length is None:
            return False
        # Whether a client that was kept waiting still sends its body nobody knows (RFC 9110, 10.1.1).
        return not self._expects and self._length - self._size <= DRAIN_MAX

    # For the reader.

    def take(self, size: int) -> bytes | bytearray:
        """At most so many bytes, at least one; none: the body ended here.

        Raises:
            BodyError: it ended too early, or is refused.
            ValueError: the request is over.
        """
        buffer = self._buffer
        while not buffer:
            if self._closed:
                raise ValueError("the request is over, its body can't be read any more")
            if self._refusal is not None:
                raise BodyError(self._refusal)
            if self.complete:
                return b""
            self._expects = False
            self._pull()
        taken = buffer[:size]
        del buffer[:size]
        return taken


class _Reader(RawIOBase):
    """What `BufferedReader` makes `read`, `readline` and all the others from."""

    def __init__(self, stream: BodyStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        data = self._stream.take(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        whole = bytearray()
        while piece := self._stream.take(_PIECE):
            whole += piece
        return bytes(whole)


_PIECE: Final = 1 << 20
