"""What the HTTP core is told. Pure data: the defaults and their reasons stand in `workerhub.config`."""

from __future__ import annotations

from typing import Literal

from workerhub.slotted import dataclass


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The `http` table of the configuration, as the core needs it. Sizes are bytes.

    Attributes:
        parser: the library that reads heads; "auto" is httptools where it is importable, else h11.
        max_request_line: the request line without its CRLF; beyond it 414.
        max_header_bytes: all field lines with their CRLFs; the same again for the trailers of a chunked body; beyond it 431. And for
            its chunk extensions together; beyond it 400.
        max_headers: field lines in a head, and again in the trailers; beyond it 431.
        max_body: the decoded body; None for no limit; beyond it 413, from Content-Length before reading.
        body_memory: a body up to this size is kept in memory, a larger one goes to the file that `new_spool` makes.
        trusted_proxies: addresses ("10.0.0.1"), networks ("10.0.0.0/8") and "unix" (any peer on a UNIX socket).
        forwarded: which family of forwarding fields is believed from a trusted proxy.
        server_header: the value of `Server:` in answers; None for no such line.
        keepalive: False makes every answer say `Connection: close`.
        show_errors: answer with the traceback when the application fails. For who develops it alone.
    """

    parser: Literal["auto", "httptools", "h11"]
    max_request_line: int
    max_header_bytes: int
    max_headers: int
    max_body: int | None
    body_memory: int
    trusted_proxies: tuple[str, ...]
    forwarded: Literal["x-forwarded", "rfc7239", "off"]
    server_header: str | None
    keepalive: bool
    show_errors: bool = False
