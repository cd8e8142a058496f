"""The access log: one line for each request."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from time import localtime, time
from typing import Any, TypeAlias
from urllib.parse import quote

from workerhub.config.access_format import Atom, parse_access_format
from workerhub.logs.files import LogFile
from workerhub.logs.text import bare, decoded, iso, offset_of, quotable

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Whatever the locale is that the application chose."""

_Reader: TypeAlias = Callable[[Mapping[str, Any], int, int, float, str], object]
"""Reads one field from a request's environ, status, sent bytes, seconds, and the time of the line, ready to print."""


class AccessLog:
    """Writes one line when a request is over: combined, JSON, or a pattern (docs/reference/logs.md).

    A few µs for each line, the write included (tests/bench/writing.py measures): every value that a client
    chose is looked at once, by C, and only rewritten when something is wrong with it.
    """

    __slots__ = ("_file", "_readers", "_second", "_template", "_when", "_write")

    def __init__(self, file: LogFile, format: str = "combined") -> None:  # noqa: A002  # named as the setting is
        """Read the format.

        Raises:
            ValueError: it is not in the language of `workerhub.config.access_format`.
        """
        self._file = file
        self._second = -1
        self._when = ""
        self._write = {"json": self._as_json, "combined": self._as_combined}.get(format, self._as_text)
        parts = () if format == "json" else parse_access_format(format)
        self._template = "".join("%s" if isinstance(part, Atom) else part.replace("%", "%%") for part in parts) + "\n"
        self._readers: Sequence[_Reader] = [_reader(part) for part in parts if isinstance(part, Atom)]

    def __call__(self, environ: Mapping[str, Any], status: int, sent: int, seconds: float) -> None:
        """Write the line of one request. Never raises.

        Args:
            environ: the request's, as the application got it.
            status: the response's.
            sent: bytes of the response's body.
            seconds: from dispatch to the last byte produced.
        """
        self._file.write(self._write(environ, status, sent, seconds).encode("utf-8", "backslashreplace"))

    def _as_text(self, environ: Mapping[str, Any], status: int, sent: int, seconds: float) -> str:
        now = time()
        second = int(now)
        if second != self._second:
            self._when = _apache_time(now)
            self._second = second
        when = self._when
        return self._template % tuple([read(environ, status, sent, seconds, when) for read in self._readers])

    def _as_combined(self, environ: Mapping[str, Any], status: int, sent: int, seconds: float) -> str:
        """What `_as_text` makes of this format, at half the price: all that a client chose is looked at once, and is nearly always harmless."""
        get = environ.get
        client, referer, agent = get("REMOTE_ADDR", ""), get("HTTP_REFERER", ""), get("HTTP_USER_AGENT", "")
        method, target, protocol = get("REQUEST_METHOD"), get("REQUEST_URI"), get("SERVER_PROTOCOL")
        told = f"{client}{method}{target}{protocol}{referer}{agent}"
        is_harmless = (
            told.isascii() and told.isprintable() and '"' not in told and "\\" not in told and " " not in client
        )
        is_usual = (
            method and target and protocol and "HTTP_AUTHORIZATION" not in environ and "REMOTE_USER" not in environ
        )
        if not (is_harmless and is_usual and int(time()) == self._second):
            return self._as_text(environ, status, sent, seconds)
        return (
            f'{client or "-"} - - {self._when} "{method} {target} {protocol}" {status} {sent or "-"} '
            f'"{referer or "-"}" "{agent or "-"}"\n'
        )

    def _as_json(self, environ: Mapping[str, Any], status: int, sent: int, seconds: float) -> str:
        now = time()
        second = int(now)
        if second != self._second:
            self._when = iso(second)
            self._second = second
        get = environ.get
        # Put together by hand: half the price of an encoder's run, and the fields are always the same.
        return (
            f'{{"time": "{self._when[:20]}{int(now * 1000) % 1000:03d}{self._when[23:]}"'
            f', "client": {quoted(get("REMOTE_ADDR", ""))}'
            f', "user": {quoted(_user(environ))}'
            f', "method": {quoted(get("REQUEST_METHOD", ""))}'
            f', "target": {quoted(_target(environ))}'
            f', "protocol": {quoted(get("SERVER_PROTOCOL", ""))}'
            f', "host": {quoted(decoded(get("HTTP_HOST", "")))}'
            f', "status": {status}, "bytes": {sent}, "seconds": {seconds:.6f}'
            f', "referer": {quoted(decoded(get("HTTP_REFERER", "")))}'
            f', "user_agent": {quoted(decoded(get("HTTP_USER_AGENT", "")))}'
            f', "pid": {os.getpid()}}}\n'
        )


def _apache_time(now: float) -> str:
    """`[22/Nov/2026:17:01:02 +0000]`, local time."""
    at = localtime(now)
    clock = f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"
    return f"[{at.tm_mday:02d}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year:04d}:{clock} {offset_of(now)}]"


def _target(environ: Mapping[str, Any]) -> str:
    """The request's target as it was sent, or made again from what WSGI keeps of it."""
    raw: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    if raw:
        return raw
    path = quote(
        environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), safe="/%~:@!$&'()*+,;=", encoding="latin-1"
    )
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path


def _user(environ: Mapping[str, Any]) -> str:
    """The user name of basic authentication (RFC 7617), as claimed, or nothing."""
    if name := environ.get("REMOTE_USER"):
        return str(name)
    scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(credentials).decode("utf-8", "backslashreplace").partition(":")[0]
    except ValueError:
        return ""


def _request_line(environ: Mapping[str, Any]) -> str:
    get = environ.get
    # Of a request that was refused there may be nothing but what stands for its target.
    return quotable(f"{get('REQUEST_METHOD', '')} {_target(environ)} {get('SERVER_PROTOCOL', '')}".strip(" ")) or "-"


def _environ_reader(key: str, clean: Callable[[str], str]) -> _Reader:
    """What reads one value of the environ."""
    return lambda environ, *_: clean(str(environ.get(key, ""))) or "-"


_READERS: Mapping[str, _Reader] = {
    "h": _environ_reader("REMOTE_ADDR", bare),
    "l": lambda *_: "-",
    "u": lambda environ, *_: bare(_user(environ)) or "-",
    "t": lambda _environ, _status, _sent, _seconds, when: when,
    "r": lambda environ, *_: _request_line(environ),
    "m": _environ_reader("REQUEST_METHOD", bare),
    "U": lambda environ, *_: bare(_target(environ).partition("?")[0]) or "-",
    "q": _environ_reader("QUERY_STRING", bare),
    "H": _environ_reader("SERVER_PROTOCOL", bare),
    "s": lambda _environ, status, *_: status,
    "B": lambda _environ, _status, sent, *_: sent,
    "b": lambda _environ, _status, sent, *_: sent or "-",
    "f": _environ_reader("HTTP_REFERER", quotable),
    "a": _environ_reader("HTTP_USER_AGENT", quotable),
    "T": lambda _environ, _status, _sent, seconds, _when: int(seconds),
    "M": lambda _environ, _status, _sent, seconds, _when: int(seconds * 1_000),
    "D": lambda _environ, _status, _sent, seconds, _when: int(seconds * 1_000_000),
    "L": lambda _environ, _status, _sent, seconds, _when: f"{seconds:.6f}",
    "p": lambda *_: os.getpid(),
}


def _reader(atom: Atom) -> _Reader:
    """What reads one atom's value, fit to print."""
    if not atom.name:
        return _READERS[atom.letter]
    key = atom.name
    if atom.letter == "i":
        header = atom.name.upper().replace("-", "_")
        key = header if header in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{header}"
    return _environ_reader(key, quotable)
