"""What can be wrong with a request, and what the client is told: one table, and the small answer made from it."""

from __future__ import annotations

from enum import Enum, auto

from workerhub.slotted import dataclass

REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
"""Reason phrases of RFC 9110, 15, and RFC 6585 for the answers that the server itself gives."""


class Fault(Enum):
    """Every reason to refuse a request."""

    REQUEST_LINE = auto()
    REQUEST_LINE_SIZE = auto()
    METHOD = auto()
    TARGET = auto()
    VERSION = auto()
    FIELD_LINE = auto()
    FIELD_BYTES = auto()
    FIELD_COUNT = auto()
    FIELD_REPEATED = auto()
    FIELD_SHADOW = auto()
    HOST_MISSING = auto()
    HOST_INVALID = auto()
    CONTENT_LENGTH = auto()
    LENGTH_AND_CODING = auto()
    CODING_IN_1_0 = auto()
    CODING_FRAMING = auto()
    CODING_UNKNOWN = auto()
    EXPECTATION = auto()
    BODY_SIZE = auto()
    CHUNK = auto()
    EXTENSION_BYTES = auto()
    TRAILER = auto()
    FORWARDED = auto()
    TRUNCATED = auto()
    PARSER = auto()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a fault: its status, and one sentence for whoever debugs the client. The connection is always closed."""

    status: int
    text: str
    fields: str = ""
    """More field lines, each with its CRLF."""


REFUSALS: dict[Fault, Refusal] = {
    # RFC 9112, 2.2 and 3
    Fault.REQUEST_LINE: Refusal(400, "The request line is malformed."),
    Fault.REQUEST_LINE_SIZE: Refusal(414, "The request line is too long."),
    Fault.METHOD: Refusal(501, "The method is not implemented."),
    Fault.TARGET: Refusal(400, "The request target is malformed."),
    Fault.VERSION: Refusal(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here."),
    # RFC 9112, 5; RFC 6585, 5; RFC 9110, 5.3
    Fault.FIELD_LINE: Refusal(400, "A header field line is malformed."),
    Fault.FIELD_BYTES: Refusal(431, "The header fields are too large."),
    Fault.FIELD_COUNT: Refusal(431, "There are too many header fields."),
    Fault.FIELD_REPEATED: Refusal(400, "A header field that has one value stands there more than once."),
    Fault.FIELD_SHADOW: Refusal(400, "A header field's name has underscores where another one has hyphens."),
    # RFC 9112, 3.2
    Fault.HOST_MISSING: Refusal(400, "The Host header field is missing."),
    Fault.HOST_INVALID: Refusal(400, "The Host header field is invalid, or contradicts the request target."),
    # RFC 9112, 6
    Fault.CONTENT_LENGTH: Refusal(400, "The Content-Length header field is malformed."),
    Fault.LENGTH_AND_CODING: Refusal(400, "Content-Length and Transfer-Encoding exclude each other."),
    Fault.CODING_IN_1_0: Refusal(400, "HTTP/1.0 has no Transfer-Encoding."),
    Fault.CODING_FRAMING: Refusal(400, "The Transfer-Encoding does not end in a single chunked."),
    Fault.CODING_UNKNOWN: Refusal(501, "The only transfer coding spoken here is chunked."),
    # RFC 9110, 10.1.1 and 15.5.14
    Fault.EXPECTATION: Refusal(417, "The only expectation met here is 100-continue."),
    Fault.BODY_SIZE: Refusal(413, "The body is too large."),
    # RFC 9112, 7.1; RFC 9110, 6.5.1
    Fault.CHUNK: Refusal(400, "The chunked body is malformed."),
    Fault.EXTENSION_BYTES: Refusal(400, "The chunk extensions are too large."),
    Fault.TRAILER: Refusal(400, "The trailer section is malformed, or holds a field that may not stand there."),
    # RFC 7239, 4
    Fault.FORWARDED: Refusal(400, "The Forwarded header field is malformed."),
    # RFC 9112, 8
    Fault.TRUNCATED: Refusal(400, "The request ended before it was complete."),
    # The gate in front of both parsers accepts nothing that either refuses; were it wrong, the request is refused all the same.
    Fault.PARSER: Refusal(400, "The request is malformed."),
}


class Refused(Exception):  # noqa: N818  # a verdict, not an error of ours
    """Carries a fault from where it is found to the connection. Never leaves this package."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def error_answer(
    status: int,
    text: str,
    page: tuple[str, bytes] | None = None,
    *,
    fields: str = "",
    date: bytes,
    server: str | None,
    with_body: bool,
) -> tuple[bytes, int]:
    """A whole answer that closes the connection, and the size of its body.

    Args:
        status: the status code; its reason phrase is looked up.
        text: one sentence.
        page: in its place, a body and, in front of it, its Content-Type.
        fields: more field lines, each with its CRLF.
        date: the Date line with its CRLF.
        server: the value of the Server line, or None for none.
        with_body: False for a HEAD request: the fields are the same, the body stays away (RFC 9110, 9.3.2).
    """
    reason = REASONS.get(status, "Error")
    content_type, body = page or ("text/plain; charset=us-ascii", f"{status} {reason}\n{text}\n".encode("ascii"))
    server_line = f"Server: {server}\r\n" if server else ""
    head = b"".join(
        (
            f"HTTP/1.1 {status} {reason}\r\n".encode("ascii"),
            date,
            f"{server_line}{fields}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n".encode("latin-1"),
        )
    )
    return (head + body, len(body)) if with_body else (head, 0)
