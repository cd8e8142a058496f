"""All that a worker class may know of the server it works in."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, TypeAlias

from workerhub.http import HttpSettings, ServerConnection, environ_template
from workerhub.slotted import dataclass
from workerhub.worker.slot import RequestSlot, Tally
from workerhub.worker.tls_settings import TlsSettings

if TYPE_CHECKING:
    import socket
    import ssl

TEMPLATE_SLOT: Final = -1
"""In the place of a slot, in a process that forks workers and runs no requests."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What the configuration says about serving, in seconds and bytes; None is "off". Made by `workerhub.planning`.

    Attributes:
        http: limits and habits of the HTTP core.
        request_timeout: one request, from dispatch to the last byte produced.
        header_timeout: no progress for so long while a request's head arrives: 408.
        body_timeout: no progress for so long while a request's body arrives: 408.
        write_timeout: no progress for so long while the client reads: cut.
        keepalive_timeout: idle for so long between requests: closed. None: no keep-alive.
        response_memory: bytes that are held for a slow reader before the producer has to wait.
        multiprocess: whether the pool has more than one process (`wsgi.multiprocess`).
        proxy_protocol: every connection begins with a header that `workerhub.http.proxy_protocol` reads; one without is closed.
        max_connections: held by one process at most; None: the class's own number.
        queue_wait: a request may wait for its turn for so long: 503.
        tls: what to speak TLS with; None: plain HTTP.
    """

    http: HttpSettings
    request_timeout: float | None
    header_timeout: float | None
    body_timeout: float | None
    write_timeout: float | None
    keepalive_timeout: float | None
    response_memory: int
    multiprocess: bool
    proxy_protocol: bool = False
    max_connections: int | None = None
    queue_wait: float | None = None
    tls: TlsSettings | None = None


class Stopping(Protocol):
    """Whether this worker was told to leave. Readable through `fileno()` when that changed."""

    @property
    def server(self) -> bool:
        """True: the whole server stops, so what waits in the accept queue has nobody else and is served first."""

    def __bool__(self) -> bool: ...

    def fileno(self) -> int:
        """A descriptor for the main thread's poller; readable whenever a signal arrived, until `clear` is called.

        The system may give a signal to any thread, but only the main thread acts on it; so a main thread that sleeps
        has to wake up for this descriptor, or neither a stop nor an interrupt reaches it.
        """

    def clear(self) -> None:
        """Take what made the descriptor readable. Never blocks."""


class RunRecord(Protocol):
    """One request slot of this worker on the shared board. Written without a system call, read by the master."""

    def begin(self, line: bytes, client: bytes, started_at: float, deadline: float) -> None:
        """A request was dispatched. Times on the monotonic clock; `deadline` is `inf` where there is none."""

    def end(self) -> None:
        """It is over; counts one finished request."""


class Log(Protocol):
    """The error log. `detail` is for several lines (a traceback); `fields` go to the JSON format."""

    def debug(self, message: str, detail: str = "", **fields: object) -> None:
        """What only a developer of the server or of a worker class wants to read."""

    def info(self, message: str, detail: str = "", **fields: object) -> None:
        """What an operator may want to read."""

    def warning(self, message: str, detail: str = "", **fields: object) -> None:
        """What may need an operator's hand."""

    def error(self, message: str, detail: str = "", **fields: object) -> None:
        """What went wrong."""


WSGIApplication: TypeAlias = Callable[..., Any]
"""What PEP 3333 calls the application object."""

AccessLog: TypeAlias = Callable[[Mapping[str, Any], int, int, float], None]
"""Writes one line: the request's environ, the status, the body's bytes, the seconds it took."""


def _nothing() -> None:
    """Nobody is told."""


def new_spool() -> BinaryIO:
    """A temporary file without a name, for a body that is too long for memory.

    Raises:
        OSError: there is no room, or no place.
    """
    import tempfile  # noqa: PLC0415  # brings much along, and most workers never need it

    try:
        return tempfile.TemporaryFile(prefix="workerhub-body-")
    except FileNotFoundError as error:  # a file system that is read-only as a whole, as a container's may be
        what = "no temporary directory can be written to; mount one on /tmp, or raise http.body_memory"
        raise OSError(errno.EROFS, what) from error


@dataclass(frozen=True, slots=True)
class Books:
    """Where this worker's requests are written down. For the context's maker; a worker class has no use for it.

    Attributes:
        records: the worker's request slots on the board, one for each index.
        access: the access log; None is off.
        recycle_after: call `limit_reached` when so many requests are finished; None is never.
        limit_reached: tells the master, once.
    """

    records: Sequence[RunRecord]
    access: AccessLog | None = None
    recycle_after: int | None = None
    limit_reached: Callable[[], None] = _nothing


class WorkerContext:
    """What a worker class is given: who it is, what it listens on, how to make connections and run requests.

    Made by the child process, one for its whole life. Attributes are for reading.

    Attributes:
        pool: the pool's name.
        slot: this worker's place in the pool, 0 .. size - 1; `TEMPLATE_SLOT` in a template (`preload`), which runs no requests.
        generation: which reload it belongs to.
        worker_class: the name by which the configuration chose the class.
        listeners: listening sockets, non-blocking, shared with the siblings.
        settings: what the configuration says about serving.
        stopping: true once the worker was told to leave.
        log: the error log.
        capacity: how many requests may run at once, as the class itself said.
    """

    __slots__ = (
        "_books",
        "_environs",
        "_tls",
        "capacity",
        "generation",
        "listeners",
        "log",
        "pool",
        "settings",
        "slot",
        "stopping",
        "tally",
        "worker_class",
    )

    def __init__(
        self,
        *,
        pool: str,
        slot: int,
        generation: int,
        worker_class: str,
        listeners: Sequence[socket.socket],
        settings: ServeSettings,
        stopping: Stopping,
        log: Log,
        books: Books,
    ) -> None:
        self.pool = pool
        self.slot = slot
        self.generation = generation
        self.worker_class = worker_class
        self.listeners = tuple(listeners)
        self.settings = settings
        self.stopping = stopping
        self.log = log
        self.capacity = len(books.records)
        self._books = books
        self._environs = {listener: self._environ(listener) for listener in self.listeners}
        self.tally = Tally(books.recycle_after, books.limit_reached)
        self._tls: ssl.SSLContext | None = None

    def connection(
        self,
        listener: socket.socket,
        peer: object,
        *,
        pull: Callable[[], None] | None = None,
        stream_chunked: bool = False,
    ) -> ServerConnection:
        """Make the HTTP side of one accepted connection.

        Args:
            listener: the listening socket that it came from.
            peer: the peer's address, as `accept` returned it, or the PROXY protocol's header said.
            pull: given, the application reads bodies while they arrive; called in the middle of a request to have the connection
                receive more. See `ServerConnection`.
            stream_chunked: also those that come in chunks.
        """
        return ServerConnection(
            self.settings.http,
            self._environs[listener],
            new_spool,
            peer=(peer[0], str(peer[1])) if isinstance(peer, tuple) else None,
            pull=pull,
            stream_chunked=stream_chunked,
            access=self._books.access,
        )

    def tls(self) -> ssl.SSLContext | None:
        """What every connection has to be wrapped with before anything is read from it; None: with nothing.

        One for the worker's whole life, with the certificates of all hosts in it. A class that wraps sockets says so (`Worker.speaks_tls`);
        `tls_environ` then tells a connection's `ServerConnection.know` what applications are to learn. Not to be asked for before
        `Worker.prepare` was called, which may patch `ssl`.

        Raises:
            OSError: there is no descriptor left; or OpenSSL has changed its mind since the plan was made.
        """
        if self._tls is None and self.settings.tls is not None:
            from workerhub.worker.tls import make_context  # noqa: PLC0415  # ssl, for who speaks it

            self._tls = make_context(self.settings.tls)
        return self._tls

    def request(self, app: WSGIApplication, index: int = 0) -> RequestSlot:
        """Make the slot that runs requests on board row `index`: one object for each, used again and again.

        Raises:
            IndexError: there are only `capacity` slots.
        """
        return RequestSlot(self, app, self._books.records[index], self._books.access)

    def _environ(self, listener: socket.socket) -> dict[str, Any]:
        """What the environ of every request from this listener has in common (PEP 3333)."""
        scheme = "http" if self.settings.tls is None else "https"
        name, port = "localhost", "80" if self.settings.tls is None else "443"
        address = listener.getsockname()
        if isinstance(address, tuple):
            name, port = address[0], str(address[1])
        return environ_template(
            {
                "SERVER_NAME": name,
                "SERVER_PORT": port,
                "wsgi.url_scheme": scheme,
                "wsgi.multithread": self.capacity > 1,
                "wsgi.multiprocess": self.settings.multiprocess,
                # Who answers, for a status page, a log or a metric of the application's.
                "workerhub.worker": f"{self.pool}/{self.slot}",
                "workerhub.class": self.worker_class,
                "workerhub.generation": self.generation,
            }
        )
