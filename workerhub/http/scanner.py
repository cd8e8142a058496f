"""Heads that don't come in one piece, or aren't clean: read line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workerhub.http.errors import Fault, Refused
from workerhub.http.grammar import FIELD_LINE, check_request_line

if TYPE_CHECKING:
    from workerhub.http.settings import HttpSettings


class HeadScanner:
    """Collects one head and refuses it at the first line that is wrong, not only when it is complete.

    The verdict depends on the bytes alone, never on where they were cut: lines are judged in order, each for its size before its
    form, and a line without its end is refused only for a size that no end could mend. Every byte is looked at once.
    """

    __slots__ = ("_buffer", "_fields", "_line", "_seen", "_settings", "_skipped", "_started")

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._buffer = bytearray()
        self._seen = 0
        """Up to here there is no LF behind the beginning of the current line."""
        self._line = 0
        """Where the current line begins."""
        self._fields = 0
        """Where the field lines begin; 0 while the request line is awaited."""
        self._started = 0
        """Field lines so far."""
        self._skipped = False

    @property
    def is_empty(self) -> bool:
        """True when nothing of a head is here."""
        return not self._buffer

    @property
    def beginning(self) -> bytes:
        """All that has come of the head, from the request line on."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Take more bytes; once the head is complete: the head, and what came behind it.

        Raises:
            Refused: a line is too long or malformed, or there are too many.
        """
        buffer = self._buffer
        buffer += data
        while (end := buffer.find(b"\n", self._seen) + 1) > 0:
            line = bytes(buffer[self._line : end])
            self._seen = self._line = end
            if line != b"\r\n":
                self._judge(line, end)
            elif self._fields:
                return bytes(buffer[:end]), bytes(buffer[end:])
            elif self._skipped:
                raise Refused(Fault.REQUEST_LINE)
            else:
                # RFC 9112, 2.2: at least one empty line before a request is to be ignored. Exactly one is.
                self._skipped = True
                del buffer[:end]
                self._seen = self._line = 0
        self._seen = len(buffer)
        self._judge_beginning(self._seen)
        return None

    def _judge(self, line: bytes, end: int) -> None:
        if not self._fields:
            check_request_line(line, self._settings.max_request_line)
            self._fields = end
            return
        if end - self._fields > self._settings.max_header_bytes:
            raise Refused(Fault.FIELD_BYTES)
        self._started += 1
        if self._started > self._settings.max_headers:
            raise Refused(Fault.FIELD_COUNT)
        if not FIELD_LINE.fullmatch(line):
            raise Refused(Fault.FIELD_LINE)

    def _judge_beginning(self, size: int) -> None:
        """A line whose LF isn't here: the last byte of it may be its CR."""
        if not self._fields:
            if size - 1 > self._settings.max_request_line:
                raise Refused(Fault.REQUEST_LINE_SIZE)
        elif size - 1 - self._fields > self._settings.max_header_bytes:
            raise Refused(Fault.FIELD_BYTES)
