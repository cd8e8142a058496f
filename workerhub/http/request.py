"""One request, ready to be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from workerhub.http.stream import BodyStream


class Request:
    """A request whose head, and unless it streams also its body, has arrived and has been checked.

    Attributes:
        method: "GET", "POST" ...
        target: the request target as the client sent it: visible ASCII.
        line: method and target, as bytes: what the request is called by.
        environ: the WSGI environment, complete with `wsgi.input` at position 0. CONTENT_LENGTH is the body's true size, also of one
            that was collected from chunks; one that streams in chunks has none. HTTP_TRANSFER_ENCODING is never there.
        http_version: (1, 0) or (1, 1).
        keep_alive: whether the client wants to go on with this connection. Set to false while it runs, as long as its answer hasn't
            begun: answer with `Connection: close`.
        spool: the temporary file of a large body; closed with this request.
        stream: the body, where it is read while it arrives.
    """

    __slots__ = ("environ", "http_version", "keep_alive", "line", "method", "spool", "stream", "target")

    def __init__(  # noqa: PLR0917  # by position on the hot path
        self,
        method: str,
        target: str,
        line: bytes,
        environ: dict[str, Any],
        http_version: tuple[int, int],
        keep_alive: bool,  # noqa: FBT001  # likewise
    ) -> None:
        self.method = method
        self.target = target
        self.line = line
        self.environ = environ
        self.http_version = http_version
        self.keep_alive = keep_alive
        self.spool: BinaryIO | None = None
        self.stream: BodyStream | None = None

    def close(self) -> None:
        """Free what the body is kept in; what is still to come of it is dropped. May be called more than once."""
        if self.stream is not None:
            self.stream.close()
        if self.spool is not None:
            self.spool.close()
