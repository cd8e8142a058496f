"""One complete request, ready to be run."""

from __future__ import annotations

from typing import Any, BinaryIO


class Request:
    """A request whose head and body have arrived and have been checked.

    Attributes:
        method: "GET", "POST" ...
        target: the request target as the client sent it: visible ASCII.
        environ: the WSGI environment, complete with `wsgi.input` at position 0. CONTENT_LENGTH is the body's true size, also of one
            that came in chunks; HTTP_TRANSFER_ENCODING is never there.
        http_version: (1, 0) or (1, 1).
        keep_alive: whether the client wants to go on with this connection.
    """

    __slots__ = ("_spool", "environ", "http_version", "keep_alive", "method", "target")

    def __init__(
        self,
        method: str,
        target: str,
        environ: dict[str, Any],
        http_version: tuple[int, int],
        keep_alive: bool,  # noqa: FBT001  # by position on the hot path
    ) -> None:
        self.method = method
        self.target = target
        self.environ = environ
        self.http_version = http_version
        self.keep_alive = keep_alive
        self._spool: BinaryIO | None = None

    def keep_spool(self, spool: BinaryIO | None) -> None:
        """Hand over the temporary file of a large body, to be closed with this request."""
        self._spool = spool

    def close(self) -> None:
        """Free the temporary file of a large body. May be called more than once."""
        if self._spool is not None:
            self._spool.close()
