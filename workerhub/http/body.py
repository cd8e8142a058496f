"""The body of a request: its framing (RFC 9112, 6 and 7), and where its bytes are kept."""

from __future__ import annotations

import re
from enum import IntEnum
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from workerhub.http.errors import Fault, Refused
from workerhub.http.grammar import FIELD_LINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub.http.settings import HttpSettings


class BodyBuffer:
    """Keeps a body in memory up to a size, beyond it in a file of the caller's making.

    The first write that crosses the limit moves what is there; `OSError` from the file comes through to who fed the bytes.
    """

    __slots__ = ("_file", "_memory", "_new_spool", "size", "spool")

    def __init__(self, memory: int, new_spool: Callable[[], BinaryIO]) -> None:
        self._memory = memory
        self._new_spool = new_spool
        self._file: BinaryIO = BytesIO()
        self.size = 0
        self.spool: BinaryIO | None = None
        """The file, once there is one."""

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self.size += len(data)
        if self.size > self._memory and self.spool is None:
            self.spool = self._new_spool()
            self._file.seek(0)
            self.spool.write(self._file.read())
            self._file = self.spool
        self._file.write(data)

    def finish(self) -> BinaryIO:
        """The whole body as a file at position 0: it is `wsgi.input`, with no wrapper around it."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Free the file, if there is one."""
        if self.spool is not None:
            self.spool.close()


class BodySink(Protocol):
    """Where the bytes of a body go: a `BodyBuffer`, or a `BodyStream`."""

    def write(self, data: bytes, /) -> None:
        """Take a piece."""


class BodyFraming(Protocol):
    """Finds the end of a body."""

    def feed(self, data: bytes, body: BodySink) -> bytes | None:
        """Put what belongs to the body into the sink; None: there is more to come, else what stands behind it.

        Raises:
            Refused: it is malformed or too large.
        """


class LengthFraming:
    """A body of as many bytes as Content-Length says (RFC 9112, 6.2)."""

    __slots__ = ("_missing", "length")

    def __init__(self, length: int) -> None:
        self._missing = self.length = length

    def feed(self, data: bytes, body: BodySink) -> bytes | None:
        """See `BodyFraming.feed`."""
        missing = self._missing
        if len(data) < missing:
            body.write(data)
            self._missing = missing - len(data)
            return None
        body.write(data[:missing])
        return data[missing:]


class _State(IntEnum):
    SIZE = 0
    DATA = 1
    DATA_END = 2
    TRAILERS = 3


_CHUNK_LINE_MAX: Final = 256
"""Bytes of a chunk's size line without its CRLF. Nobody sends extensions; this is room enough, and no place to hide a request."""

_CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,8})"  # 4 GiB less one: no client's buffer is larger, and no reader's integer overflows
    rb"(?:;[!#$%&'*+.^_`|~0-9A-Za-z-]++"
    rb'(?:=(?:[!#$%&\'*+.^_`|~0-9A-Za-z-]++|"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"))?)*+'
    rb"\r\n"
)
"""RFC 9112, 7.1 and 7.1.1, without the "bad" white space that a recipient may but need not put up with."""

_FORBIDDEN_TRAILERS: Final = frozenset(
    b"authorization cache-control connection content-encoding content-length content-range content-type cookie expect forwarded "
    b"host keep-alive max-forwards pragma proxy-authorization proxy-connection range set-cookie te trailer transfer-encoding "
    b"upgrade".split()
)
"""RFC 9110, 6.5.1: what frames, routes, authorises or changes the request must have been known before its body."""


class ChunkedFraming:
    """A chunked body (RFC 9112, 7.1), read by the letter. Extensions are checked and ignored, trailers are checked and dropped."""

    __slots__ = (
        "_extension_bytes",
        "_line",
        "_missing",
        "_settings",
        "_state",
        "_total",
        "_trailer_bytes",
        "_trailer_count",
    )

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._state = _State.SIZE
        self._missing = 0
        """Bytes of the current chunk that aren't here."""
        self._total = 0
        """Bytes announced so far."""
        self._line = b""
        """The beginning of a line whose end isn't here."""
        self._extension_bytes = 0
        """Of all chunks."""
        self._trailer_bytes = 0
        self._trailer_count = 0

    def feed(self, data: bytes, body: BodySink) -> bytes | None:
        """See `BodyFraming.feed`."""
        at = 0
        if self._line:
            data = self._line + data
            self._line = b""
        size = len(data)
        while at < size:
            if self._state is _State.DATA:
                end = min(size, at + self._missing)
                body.write(data[at:end])
                self._missing -= end - at
                at = end
                if not self._missing:
                    self._state = _State.DATA_END
                continue
            end = data.find(b"\n", at) + 1
            if not end:
                self._judge_beginning(data, at)
                self._line = data[at:]
                return None
            line = data[at:end]
            at = end
            if self._state is _State.SIZE:
                self._chunk(line)
            elif self._state is _State.DATA_END:
                if line != b"\r\n":
                    raise Refused(Fault.CHUNK)
                self._state = _State.SIZE
            elif line == b"\r\n":
                return data[at:]
            else:
                self._trailer(line)
        return None

    def _judge_beginning(self, data: bytes, at: int) -> None:
        """A line whose LF isn't here is refused for a size that its end could not mend; it is never longer than that."""
        pending = len(data) - at
        if self._state is _State.SIZE:
            if pending - 1 > _CHUNK_LINE_MAX:
                raise Refused(Fault.CHUNK)
        elif self._state is _State.DATA_END:
            if data[at:] != b"\r":
                raise Refused(Fault.CHUNK)
        elif self._trailer_bytes + pending - 1 > self._settings.max_header_bytes:
            raise Refused(Fault.FIELD_BYTES)

    def _chunk(self, line: bytes) -> None:
        if len(line) - 2 > _CHUNK_LINE_MAX or (match := _CHUNK_LINE.fullmatch(line)) is None:
            raise Refused(Fault.CHUNK)
        # RFC 9112, 7.1.1: their total is to be limited, too, or there is no end to what a small body takes (CVE-2023-39326).
        self._extension_bytes += len(line) - 2 - match.end(1)
        if self._extension_bytes > self._settings.max_header_bytes:
            raise Refused(Fault.EXTENSION_BYTES)
        size = int(match[1], 16)
        if not size:
            self._state = _State.TRAILERS
            return
        self._total += size
        if self._settings.max_body is not None and self._total > self._settings.max_body:
            raise Refused(Fault.BODY_SIZE)
        self._missing = size
        self._state = _State.DATA

    def _trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > self._settings.max_header_bytes:
            raise Refused(Fault.FIELD_BYTES)
        self._trailer_count += 1
        if self._trailer_count > self._settings.max_headers:
            raise Refused(Fault.FIELD_COUNT)
        match = FIELD_LINE.fullmatch(line)
        # Some turn hyphens into underscores and back, so a forbidden name is one in either spelling.
        if match is None or match[1].lower().replace(b"_", b"-") in _FORBIDDEN_TRAILERS:
            raise Refused(Fault.TRAILER)
