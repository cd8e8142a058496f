"""What an application gives to `start_response`, checked and turned into bytes (PEP 3333; RFC 9110, 5 and 15; RFC 9112, 4 and 5).

Nothing an application passes can end a line: names are tokens, values have no control character but HTAB, the status is three digits
and a phrase. What is wrong is raised where the application called `start_response`, so its own traceback shows the place.
"""

from __future__ import annotations

import re
from itertools import cycle
from typing import Final

_STATUS: Final = re.compile(r"([2-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_DIGITS_MAX: Final = 18
"""Digits of a Content-Length: so nobody's integer overflows."""

_LENGTH: Final = "content-length"
_LENGTHS: Final = frozenset({"Content-Length", _LENGTH})
"""The usual spellings, known without a look."""

_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    }
)
"""PEP 3333, "Other HTTP Features": the connection is the server's business; an application that sets one of these is in error."""

_REMEMBERED_MAX: Final = 1024
"""Status lines and field names remembered; an application that makes up more pays for working them out."""

_statuses: dict[str, tuple[int, bytes]] = {}
"""What `read_status` made: looking it up takes 0.05 us, making it 1 us."""

_beginnings: dict[str, str] = {}
"""Names of fields that mean nothing to the server, with what stands between them and the value."""


_HEADS_MAX: Final = 128
"""Whole heads remembered, and forgotten together when there is no room left."""

_HEAD_SIZE_MAX: Final = 1024
"""Bytes of field lines beyond which a head isn't remembered."""

heads: dict[tuple[object, ...], Head] = {}
"""What `read_head` made, by the status and the pairs of name and value. Only exact `str` in exact `tuple` get in
here: whatever is equal to them is answered with what was made of them, which is valid."""

_is_due: Final = cycle((True,) + (False,) * 31).__next__
"""Whether to remember a head that isn't known: one in 32, so that those that never come again cost little."""


class Head:
    """A status and field lines that were found valid, in the form in which they are sent.

    Attributes:
        status: the code.
        status_line: with its CRLF.
        lines: the field lines but for Content-Length, each with its CRLF.
        length: the Content-Length, if there is one.
        has_date: whether Date is among the lines.
        has_server: whether Server is.
        latest: what was made of it last, for the next answer like that one: Date line, Server line, size of the body, whether the connection
            is kept, and the head's bytes.
    """

    __slots__ = ("has_date", "has_server", "latest", "length", "lines", "status", "status_line")

    def __init__(self, status: str, fields: list[tuple[str, str]]) -> None:
        self.status, self.status_line = _statuses.get(status) or read_status(status)
        lines, self.length, self.has_date, self.has_server = read_fields(fields)
        self.lines = lines.encode("latin-1")
        self.latest = b"", b"", -1, False, b""


def read_head(status: str, fields: list[tuple[str, str]]) -> Head:
    """Check what an application gave to `start_response`.

    Raises:
        TypeError, ValueError: as `read_status` and `read_fields`.
    """
    head = Head(status, fields)
    if _is_due() and len(head.lines) <= _HEAD_SIZE_MAX and _is_plain(status, fields):
        if len(heads) >= _HEADS_MAX:
            heads.clear()
        heads[status, *fields] = head
    return head


def _is_plain(status: str, fields: list[tuple[str, str]]) -> bool:
    """Whether it is made of nothing that has a mind of its own about what it is equal to."""
    return type(fields) is list and all(
        type(each) is tuple and type(each[0]) is type(each[1]) is type(status) is str for each in fields
    )


def read_status(status: str) -> tuple[int, bytes]:
    r"""The code and the status line with its CRLF.

    Raises:
        TypeError: it isn't a `str`.
        ValueError: it isn't three digits from 200 up and a reason phrase without control characters.
    """
    if not isinstance(status, str):
        raise TypeError(f"the status must be a str like '200 OK', not {type(status).__name__}")
    match = _STATUS.fullmatch(status)
    if match is None:
        raise ValueError(f"invalid status {status!r}: expected three digits from 200 up, a space and a reason phrase")
    made = int(match[1]), f"HTTP/1.1 {match[1]} {match[2] or ''}\r\n".encode("latin-1")
    if len(_statuses) < _REMEMBERED_MAX:
        _statuses[status] = made
    return made


def _check_name(name: str) -> str:
    """The name in lower case, if it may stand there."""
    if not isinstance(name, str):
        raise TypeError(f"a header name must be a str, not {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"invalid header name {name!r}")
    folded = str.lower(name)  # whatever a subclass makes of it
    if folded in _HOP_BY_HOP:
        raise ValueError(f"{name} is a hop-by-hop header: it belongs to the server, not to the application")
    return folded


def read_fields(fields: list[tuple[str, str]]) -> tuple[str, int | None, bool, bool]:
    r"""The field lines but for Content-Length, the Content-Length if any, and whether Date and Server are among the lines.

    Raises:
        TypeError: a name or value isn't a `str`.
        ValueError: a name or value is invalid, or says what only the server may say.
    """
    lines = ""
    length: int | None = None
    has_date = has_server = False
    for name, value in fields:
        # `isprintable` (0.04 us) is False for everything that must not stand there, and for some that may: then look closer.
        if type(value) is not str or not value.isprintable():
            value = _plain_value(name, value)  # noqa: PLW2901  # what was checked, and nothing else, goes on
        beginning = _beginnings.get(name)
        if beginning is not None:
            lines += f"{beginning}{value}\r\n"
            continue
        folded = _LENGTH if name in _LENGTHS else _check_name(name)
        if folded == _LENGTH:
            if not (value.isdecimal() and value.isascii()) or len(value) > _DIGITS_MAX:
                raise ValueError(f"invalid Content-Length {value!r}")
            if length is not None and length != int(value):
                raise ValueError(f"the application announced two lengths, {length} and {value}")
            length = int(value)
            continue
        beginning = f"{str.__str__(name)}: "
        lines += f"{beginning}{value}\r\n"
        if folded == "date":
            has_date = True
        elif folded == "server":
            has_server = True
        elif len(_beginnings) < _REMEMBERED_MAX:
            _beginnings[beginning[:-2]] = beginning
    return lines, length, has_date, has_server


def _plain_value(name: str, value: str) -> str:
    """The value, if it may stand there. Of a subclass the text that was looked at, which it may format as another (`class E(str, Enum)` does)."""
    if not isinstance(value, str):
        raise TypeError(f"the value of header {name} must be a str, not {type(value).__name__}")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of header {name} holds control characters or what latin-1 hasn't got")
    return str.__str__(value)
