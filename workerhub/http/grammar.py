"""The gate: the grammar of a request head (RFC 9112, 2 to 5), stricter than either parser.

Bytes come to a parser only when a regular expression has accepted the whole head. So whatever two parsers would make of a
bare LF, a NUL, an obsolete fold or a space before a colon, they are never asked. Where the RFC leaves room, it is refused:

* lines end in CRLF, never in a bare LF (2.2 allows a recipient to be lenient); bare CR stands nowhere;
* the request target is visible ASCII without `"`, `#`, `<` and `>`: what every browser escapes. The RFC's own grammar is
  narrower, but browsers send `{`, `|`, `^` and their like as they are;
* a field value has no control characters but HTAB; obs-text (0x80 to 0xff) is let through, as WSGI has room for it.
"""

from __future__ import annotations

import re
from typing import Final

from workerhub.http.errors import Fault, Refused
from workerhub.http.target import split_target

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_TARGET: Final = rb"[!$-;=?-~]"
_VALUE: Final = rb"[\t\x20-\x7e\x80-\xff]"

HEAD: Final = re.compile(
    rb"([A-Z-]++) (" + _TARGET + rb"++) HTTP/1\.([01])\r\n(?:" + _TOKEN + rb"++:" + _VALUE + rb"*+(?<![\t ])\r\n)*+\r\n"
)
"""A whole head without white space behind its field values; groups: method, target, minor version.

One match of a C loop (0.8 us for five lines, quantifiers possessive so that it never goes back) finds the end of the head and checks
every byte of it: going through the lines in Python would cost more than the whole rest of the request.
"""

PLAIN_LINE: Final = re.compile(rb"([A-Z-]++) (/" + _TARGET + rb"*+) HTTP/1\.1")
"""What nearly all request lines are, without their CRLF; groups: method, target. Each of them is one that `HEAD` lets through."""

_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb"++) ([^\x00-\x20\x7f]++) HTTP/([0-9])\.([0-9])\r\n")
FIELD_LINE: Final = re.compile(rb"(" + _TOKEN + rb"++):(" + _VALUE + rb"*+)\r\n")
"""One field line of a head or of a trailer section; groups: name, value."""

_TARGET_BYTES: Final = re.compile(_TARGET + rb"++")

TRAILING_SPACE: Final = re.compile(rb"[ \t]++(?=\r\n)")
"""White space behind a field value: no part of it (RFC 9112, 5.1), yet llhttp leaves it there. Taken away before either parser looks."""

_NAMES: Final = (
    "ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY OPTIONS PATCH POST "
    "PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE"
)
METHODS: Final = {name.encode("ascii"): name for name in _NAMES.split()}
"""The methods that an application may see; every other one is answered 501 (RFC 9110, 9.1).

Those of IANA's registry that llhttp knows as well, and PURGE, which caches use. CONNECT is not among them: it asks for a tunnel.
"""


def check_request_line(line: bytes, limit: int) -> None:
    """The verdict on a request line that came with its LF, for heads that don't arrive whole or aren't clean.

    Raises:
        Refused: with the first thing that is wrong, in the same order as for a whole head.
    """
    if len(line) - 2 > limit:
        raise Refused(Fault.REQUEST_LINE_SIZE)
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Refused(Fault.REQUEST_LINE)
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in b"01":
        raise Refused(Fault.VERSION)
    if method not in METHODS:
        raise Refused(Fault.METHOD)
    if not _TARGET_BYTES.fullmatch(target):
        raise Refused(Fault.TARGET)
    split_target(METHODS[method], target.decode("ascii"))
