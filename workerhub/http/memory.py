"""Heads that come again: what was made of their two parts is looked up instead of being worked out.

A client says the same about itself with every request, and the same things are asked for again and again. The field lines of a head, and
its request line, are therefore remembered, each by their exact bytes and independently of the other. What is made of them depends on
nothing but these bytes, the settings and the kind of peer, and each pair of the latter has a memory of its own: so it makes no difference who
sent them first. A test compares each request with what is made of the same bytes without a memory.

Only the plainest are remembered: HTTP/1.1, a target that begins with "/", no body, no expectation, nothing that a proxy says. Everything
else, and everything that is refused, goes the whole way each time.

Of what isn't known one in 32 is remembered, and when there is no room left, all is forgotten. So what comes often is soon known (again), and
clients too various to remember cost hardly anything.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any, Final, TypeAlias

from workerhub.http.errors import Refused
from workerhub.http.grammar import METHODS, PLAIN_LINE
from workerhub.http.target import split_target

_KEPT_MAX: Final = 128
"""Parts remembered of each kind: with the two limits below at most 0.5 MiB."""

_FIELDS_MAX: Final = 1024
"""Bytes of all field lines together; what browsers send is half of that, without cookies."""

_LINE_MAX: Final = 256
"""Bytes of a request line."""

KnownLine: TypeAlias = tuple[bool, str, str, bytes, dict[str, str]]
"""Whether the method is HEAD; method and target; both as they came; the entries of the environ that they make."""

KnownFields: TypeAlias = tuple[dict[str, str], bool]
"""The entries of the environ that the field lines make, and whether the connection is kept."""


class HeadMemory:
    """The heads of one kind of peer, under one set of settings. For any thread.

    Args:
        max_request_line: a line that is longer is refused, so never remembered.

    Attributes:
        lines: what is known by the request line without its CRLF. For looking up.
        fields: what is known by all that follows it, to the end of the empty line. For looking up.
        is_due: tells once for each unknown head, or line, whether it is one to remember.
    """

    __slots__ = ("_max_line", "fields", "is_due", "lines")

    def __init__(self, max_request_line: int) -> None:
        self._max_line = max_request_line
        self.lines: dict[bytes, KnownLine] = {}
        self.fields: dict[bytes, KnownFields] = {}
        self.is_due = cycle((True,) + (False,) * 31).__next__

    def read_line(self, line: bytes) -> KnownLine | None:
        """What a request line means that is not in `lines`; None if it isn't one of the plain ones, or has to be refused."""
        match = PLAIN_LINE.fullmatch(line)
        if match is None or len(line) > self._max_line:
            return None
        method = METHODS.get(match[1])
        if method is None:
            return None
        target = match[2].decode()
        try:
            _, path, query = split_target(method, target)
        except Refused:
            return None
        entries = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "RAW_URI": target,
            "REQUEST_URI": target,
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        known = method == "HEAD", method, target, line[: match.end(2)], entries
        if self.is_due() and len(line) <= _LINE_MAX:
            if len(self.lines) >= _KEPT_MAX:
                self.lines.clear()
            self.lines[line] = known
        return known

    def learn_fields(self, fields: bytes, environ: dict[str, Any], *, keep_alive: bool) -> None:
        """Remember what field lines made of an environment.

        To be called only where none of them says anything about a body, an expectation or a proxy's client.
        """
        if len(fields) <= _FIELDS_MAX:
            if len(self.fields) >= _KEPT_MAX:
                self.fields.clear()
            entries = {key: environ[key] for key in environ if key[:5] == "HTTP_" or key == "CONTENT_TYPE"}
            self.fields[fields] = entries, keep_alive
