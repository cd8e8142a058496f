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
        environ: the WSGI environment, complete with `wsgi.input` at position 0. CONTENT_LENGTH is the body's true size, also of one
            that was collected from chunks; one that streams in chunks has none. HTTP_TRANSFER_ENCODING is never there.
        http_version: (1, 0) or (1, 1).
        keep_alive: whether the client wants to go on with this connection. Set to false while it runs, as long as its answer hasn't
            begun: answer with `Connection: close`.
        stream: the body, where it is read while it arrives.
    """

    __slots__ = ("_spool", "environ", "http_version", "keep_alive", "method", "stream", "target")

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
        self.stream: BodyStream | None = None

    def keep_spool(self, spool: BinaryIO | None) -> None:
        """Hand over the temporary file of a large body, to be closed with this request."""
        self._spool = spool

    def close(self) -> None:
        """Free what the body is kept in; what is still to come of it is dropped. May be called more than once."""
        if self.stream is not None:
            self.stream.close()
        if self._spool is not None:
            self._spool.close()
