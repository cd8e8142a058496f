"""One answer on its way out: framing (RFC 9112, 6), and never more or less than was announced."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from workerhub.errors import ClientDisconnected
from workerhub.http.errors import error_answer
from workerhub.http.response_head import Head, heads, read_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from workerhub.http.request import Request

_JOINED_MAX = 65536
"""Bytes up to which a list of blocks is sent as one: copying so much costs less than a second system call."""


class Output(Protocol):
    """The worker class's way to the client.

    It may have a method `guard()`, too, called before the head of an answer that only the end of the connection will end: from then on the
    connection should end in a reset, whatever becomes of this process, until the answer is known to be whole.
    """

    def write(self, data: bytes) -> None:
        """Take all of it: send, buffer, or wait.

        Raises:
            ClientDisconnected: the client is gone.
        """

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        """Send `count` bytes of a regular file (it has a `fileno`) from `offset`, without moving its position.

        Raises:
            ClientDisconnected: the client is gone.
        """


class LengthMismatch(Exception):  # noqa: N818  # a fact about the application's answer
    """The application announced another Content-Length than it produced."""


class Outcome:
    """How a request's run ended.

    Attributes:
        status: the status that was sent; 0 when nothing was.
        sent: body bytes given to the output.
        keep_alive: False: close the connection after flushing.
        error: the first thing that went wrong: an application's exception, `LengthMismatch`, `RequestTimeout`, `ClientDisconnected`.
    """

    __slots__ = ("error", "keep_alive", "sent", "status")

    def __init__(self, status: int, sent: int, *, keep_alive: bool, error: BaseException | None = None) -> None:
        self.status = status
        self.sent = sent
        self.keep_alive = keep_alive
        self.error = error

    @property
    def broke_off(self) -> bool:
        """An answer ended too early that only the end of the connection ends: reset it, or the client takes it for whole (RFC 9112, 8)."""
        return False


class Response(Outcome):
    """What `start_response` and `write` act on. One per request; when that is over, its outcome.

    Attributes:
        started: the head has been, or was about to be, given to the output.
        bodiless: the head is out, and no byte may follow it (HEAD, 204, 205, 304).
        overlong: the application produced more than it announced; the rest was cut off.
        gone: the client is.
    """

    __slots__ = (
        "_chunked",
        "_date",
        "_head",
        "_left",
        "_length",
        "_output",
        "_request",
        "_server",
        "bodiless",
        "gone",
        "overlong",
        "started",
    )

    def __init__(self, request: Request, output: Output, date: bytes, server: bytes, keep_alive: bool) -> None:  # noqa: FBT001  # by position on the hot path
        # Not by way of `Outcome`: that would be one call more for each request.
        self._request = request
        self._output = output
        self._date = date
        self._server = server
        self._head: Head | None = None
        self._left: int | None = None
        """Bytes that the announced length leaves room for."""
        self._chunked = False
        self.keep_alive = keep_alive
        self.status = self.sent = 0
        self.error = None
        self.started = self.bodiless = self.overlong = self.gone = False

    @property
    def broke_off(self) -> bool:
        """See `Outcome`: worked out when asked for, since requests that go well are never asked."""
        return (
            self.started and not self.bodiless and not self._chunked and self._left is None and self.error is not None
        )

    def start(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | None = None,
    ) -> Callable[[bytes], None]:
        """PEP 3333's `start_response`.

        Raises:
            RuntimeError: it was called before, and not because of an error.
            TypeError, ValueError: status or headers are invalid.
            BaseException: the one in `exc_info`, when the head is out already.
        """
        if exc_info is not None:
            try:
                if self.started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # PEP 3333: no reference cycle through the traceback
        elif self._head is not None:
            raise RuntimeError("start_response was called a second time without exc_info")
        try:
            head = heads.get((status, *headers)) if type(headers) is list else None
        except TypeError:  # something that can't be looked up, and may be wrong
            head = None
        if head is None:
            head = read_head(status, headers)
        self._head = head
        self.status = head.status
        self._length = head.length
        return self.write

    def write(self, data: bytes) -> None:
        """One block of the body; with the first one goes the head, in one write. Empty blocks are nothing.

        Raises:
            RuntimeError: `start_response` wasn't called.
            TypeError: the block isn't `bytes`.
            ClientDisconnected: the client is gone.
        """
        if not isinstance(data, bytes):
            raise TypeError(f"the body must be made of bytes, not {type(data).__name__}")
        if not data:
            return
        if self.started:
            if not self.bodiless and (payload := self._frame(data)):
                self._send(payload)
        else:
            head = self._open(None)
            self._send(head + self._frame(data))

    def write_all(self, blocks: Sequence[bytes]) -> None:
        """The whole body, when the application returned a list or tuple: its length is known. Then `finish`.

        Raises: as `write` and `finish`.
        """
        if len(blocks) == 1 and type(blocks[0]) is bytes and not self.started:
            body = blocks[0]
            size = len(body)
            head = self._open(size)
            if self._left == size:  # nearly always: then there is nothing to cut, to wrap or to add
                self._left = 0
                self.sent = size
                self.started = True  # from here on as in `_send`
                try:
                    self._output.write(head + body)
                except ClientDisconnected:
                    self.gone = True
                    raise
                return
            self._send(head + self._frame(body))
            self.finish()
            return
        if blocks and not self.started and all(isinstance(block, bytes) for block in blocks):
            size = sum(map(len, blocks))
            if size <= _JOINED_MAX:
                blocks = [b"".join(blocks)]
            self._send(self._open(size) + self._frame(blocks[0]))
            blocks = blocks[1:]
        for block in blocks:
            self.write(block)
        self.finish()

    def write_file(self, file: BinaryIO, offset: int, size: int) -> None:
        """A regular file's bytes, by way of the output's `sendfile`. Raises as `write`."""
        head = self._open(size)
        count = 0 if self.bodiless or self._left is None else min(size, self._left)
        self.overlong = not self.bodiless and size > count
        self._send(head)
        if count:
            self._left = (self._left or 0) - count
            self.sent += count
            try:
                self._output.sendfile(file, offset, count)
            except ClientDisconnected:
                self.gone = True
                raise

    def finish(self) -> None:
        """The application has produced all of it.

        Raises:
            LengthMismatch: more was announced: the connection must be closed, the client waits for the rest.
            RuntimeError: `start_response` wasn't called.
            ClientDisconnected: the client is gone.
        """
        if not self.started:
            self._send(self._open(0))
        if self._chunked:
            self._send(b"0\r\n\r\n")
            self._chunked = False
        elif self._left:
            raise LengthMismatch(f"the application announced {self._length} bytes and sent {self.sent}")
        # Whole, whatever may go wrong from here on; and a `write` that comes late (from a thread, say) adds nothing.
        self._left = 0

    def replace(self, status: int, text: str, page: tuple[str, bytes] | None = None) -> None:
        """Answer with an error instead; only before the head is out. Raises ClientDisconnected.

        Args:
            status: the status code.
            text: one sentence.
            page: in its place, a body and, in front of it, its Content-Type.
        """
        self.status = status
        self.started = True
        self._left = 0  # as in `finish`
        if self._request.stream is not None:
            self._request.stream.begin_answer()
        server = self._server.removeprefix(b"Server: ").rstrip().decode("latin-1")
        answer, self.sent = error_answer(
            status, text, page, date=self._date, server=server, with_body=self._request.method != "HEAD"
        )
        self._send(answer)

    def _send(self, data: bytes) -> None:
        # Set before the write: an answer that was interrupted half-way has begun.
        self.started = True
        try:
            self._output.write(data)
        except ClientDisconnected:
            self.gone = True
            raise

    def _open(self, total: int | None) -> bytes:
        """The head. Decides the framing from what is known: the announced length, or all the bytes there will be.

        Args:
            total: the size of the whole body, None if it isn't known.
        """
        head = self._head
        if head is None:
            raise RuntimeError("the application produced its answer without calling start_response")
        request = self._request
        stream = request.stream
        # Both may have changed since the request began to run.
        if not request.keep_alive or (stream is not None and not stream.begin_answer()):
            self.keep_alive = False
        is_1_1 = request.http_version[1] == 1
        usual = is_1_1 and request.method != "HEAD"
        if usual:
            date, server, size, kept, text = head.latest
            if size == total and kept is self.keep_alive and date == self._date and server == self._server:
                self._left = self._length = total
                return text
        framing = self._framing(total, is_1_1=is_1_1)
        if not self.keep_alive:
            framing += "Connection: close\r\n"
        elif not is_1_1:
            framing += "Connection: keep-alive\r\n"
        date, server = b"" if head.has_date else self._date, b"" if head.has_server else self._server
        text = b"".join((head.status_line, date, server, head.lines, framing.encode("ascii"), b"\r\n"))
        if usual and total is not None and total == self._left:
            head.latest = self._date, self._server, total, self.keep_alive, text
        return text

    def _framing(self, total: int | None, *, is_1_1: bool) -> str:
        """What tells the client where the body ends; here it is decided for the body's blocks, too."""
        length = self._length
        if self.status in _BODILESS or self._request.method == "HEAD":
            self.bodiless = True
            return _bodiless_framing(self.status, (total or None) if length is None else length)
        if length is None:
            length = self._length = total
        if length is not None:
            self._left = length
            return f"Content-Length: {length}\r\n"
        if is_1_1:
            self._chunked = True
            return "Transfer-Encoding: chunked\r\n"
        self.keep_alive = False  # the end of the connection is the end of the body
        guard = getattr(self._output, "guard", None)
        if guard is not None:
            guard()
        return ""

    def _frame(self, data: bytes) -> bytes:
        """A block as it goes over the wire: cut where the announced length ends, chunked if there is none."""
        if self.bodiless:
            return b""
        size = len(data)
        left = self._left
        if left is not None:
            if size > left:
                self.overlong = True
                data = data[:left]
                size = left
            self._left = left - size
        self.sent += size
        return b"%x\r\n%b\r\n" % (size, data) if self._chunked else data


_BODILESS = frozenset({204, 205, 304})
"""RFC 9110, 15.3.5, 15.3.6, 15.4.5."""


def _bodiless_framing(status: int, length: int | None) -> str:
    """What an answer without a body says about the length of one."""
    if status == 204:
        return ""  # RFC 9110, 8.6: never
    if status == 205:
        return "Content-Length: 0\r\n"  # framed as other answers are, but empty
    # 304 and the answer to HEAD say what GET would have got; that nothing was produced doesn't mean that it is nothing.
    return "" if length is None else f"Content-Length: {length}\r\n"
