"""The Date line, made once a second."""

from __future__ import annotations

from datetime import UTC, datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class HttpDate:
    """Formats the moment as an IMF-fixdate line (RFC 9110, 5.6.7), and remembers it for the rest of the second."""

    __slots__ = ("_line", "_next", "_second")

    def __init__(self) -> None:
        self._second = self._next = 0.0
        self._line = b""

    def line(self, epoch_seconds: float) -> bytes:
        r"""`b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"` for a moment in seconds since the epoch."""
        # Formatting takes 1.5 us, comparing 0.05 us. A clock that was set back is noticed too.
        if not self._second <= epoch_seconds < self._next:
            second = int(epoch_seconds)
            moment = datetime.fromtimestamp(second, UTC)
            day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
            self._line = f"Date: {day}, {moment.day:02} {month} {moment:%Y %H:%M:%S} GMT\r\n".encode("ascii")
            self._second, self._next = float(second), float(second + 1)
        return self._line
