r"""Making a stranger's words harmless: whatever isn't printable becomes `\xNN`, `\uNNNN`; a line stays one line."""

from __future__ import annotations

from time import localtime


def one_line(text: str) -> str:
    """Escape what isn't printable: control characters, line ends of every alphabet, lone surrogates. Spaces stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def quotable(text: str) -> str:
    """Make text fit to stand between double quotes in a log of ASCII: quotes and backslashes are escaped, too."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(
        char if char.isascii() and char.isprintable() and char not in '"\\' else _escape(char) for char in text
    )


def bare(text: str) -> str:
    """Make text fit to stand without quotes: as `quotable`, and without spaces."""
    return quotable(text).replace(" ", "\\x20")


def decoded(text: str) -> str:
    """Read a header's value, which WSGI passes as latin-1, as the UTF-8 that it most likely is."""
    return text if text.isascii() else text.encode("latin-1", "backslashreplace").decode("utf-8", "backslashreplace")


def offset_of(now: float) -> str:
    """The local zone's distance from UTC at that time: `+0100`."""
    seconds = localtime(now).tm_gmtoff or 0
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{abs(seconds) // 3600:02d}{abs(seconds) % 3600 // 60:02d}"


def date_and_time(now: float) -> str:
    """`2026-11-22 17:01:02`, local time, `now` in seconds since the epoch."""
    at = localtime(now)
    return f"{at.tm_year:04d}-{at.tm_mon:02d}-{at.tm_mday:02d} {at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"


def iso(now: float) -> str:
    """`2026-11-22T17:01:02.123+00:00`, as RFC 3339 has it."""
    offset = offset_of(now)
    return f"{date_and_time(now).replace(' ', 'T')}.{int(now * 1000) % 1000:03d}{offset[:3]}:{offset[3:]}"


def _escape(char: str) -> str:
    r"""One character as `\n`, `\xNN`, `\uNNNN`, `\\` or `\"`."""
    if char == '"':
        return '\\"'
    escaped = char.encode("unicode_escape").decode("ascii")
    return escaped if escaped != char else f"\\x{ord(char):02x}"
