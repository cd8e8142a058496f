"""`gevent`: a greenlet for each request that runs, for applications that hold many conversations at once.

Neither this module nor anything in the master imports gevent: `prepare` does, in the worker, and patches the standard library
before the application is imported.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from workerhub.worker import Worker, WorkerContext, lazy_options
from workerhub_workers._honoured import HONOURED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from workerhub.worker import WorkerOptions, WSGIApplication
    from workerhub_workers._greenlets import Greenlets
    from workerhub_workers.gevent_options import GeventOptions


class GeventWorker(Worker["GeventOptions"]):
    """Runs each request in a greenlet, as cooperative code in one thread.

    The right class for applications that wait much and long: for slow services, for streams, for clients that listen. What
    they wait with has to be cooperative, which monkey-patching makes of the standard library and of what is built on it. Slow
    clients wait in a reactor, but the body of a request is read while it arrives.
    """

    Options: ClassVar[type[WorkerOptions]] = lazy_options("workerhub_workers.gevent_options:GeventOptions")
    contract_version: ClassVar[int] = 1
    speaks_tls: ClassVar[bool] = True
    honours: ClassVar[frozenset[str]] = HONOURED

    @classmethod
    def unavailable(cls) -> str | None:
        """Whether gevent is installed."""
        if find_spec("gevent") is None:
            return "gevent is not installed; pip install 'workerhub[gevent]'"
        return None

    @classmethod
    def capacity(cls, options: GeventOptions) -> int:
        """As many as there may be connections."""
        return options.connections

    def __init__(self, context: WorkerContext, options: GeventOptions) -> None:
        super().__init__(context, options)
        self._greenlets: Greenlets | None = None
        self._waiting: Callable[[], Iterable[tuple[str, FrameType]]] = tuple

    def prepare(self) -> None:
        """Make the standard library cooperative."""
        from gevent import monkey  # noqa: PLC0415  # never in the master

        with _entry_points_read_once():
            monkey.patch_all()
        from workerhub_workers._greenlets import waiting_greenlets  # noqa: PLC0415  # it imports gevent, after it was patched

        self._waiting = waiting_greenlets

    def serve(self, app: WSGIApplication) -> None:
        """Serve in the event loop until everything is drained."""
        from workerhub_workers._greenlets import Greenlets  # noqa: PLC0415  # it imports gevent

        self._greenlets = Greenlets(self.context, app, stream_chunked=self.options.stream_chunked)
        self._greenlets.serve()

    def interrupt(self, index: int) -> bool:
        """Raise `RequestTimeout` in the request's greenlet: here, if it is the one that runs, else at its place of waiting."""
        return self._greenlets is not None and self._greenlets.interrupt(index)

    def stack(self, index: int) -> FrameType | None:
        """Where the greenlet waits that runs the request; None for the one that is running this very thread."""
        return self._greenlets.stack(index) if self._greenlets is not None else None

    def tasks(self) -> Iterable[tuple[str, FrameType]]:
        """The greenlets that run no request: the application's own, and while it is imported, the one that does it."""
        return self._greenlets.tasks() if self._greenlets is not None else self._waiting()

    def close(self) -> None:
        """Cut what is left."""
        if self._greenlets is not None:
            self._greenlets.close()


@contextmanager
def _entry_points_read_once() -> Iterator[None]:
    """Let gevent look for plug-ins without reading the files of all distributions 25 times, which is half the time of its patching."""
    from importlib import metadata  # noqa: PLC0415  # gevent imports it anyway; the master doesn't

    read = metadata.entry_points
    metadata.entry_points = read().select
    try:
        yield
    finally:
        metadata.entry_points = read
