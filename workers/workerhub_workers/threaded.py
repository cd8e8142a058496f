"""`threaded`: as many requests at a time as there are threads; clients wait in a reactor, not in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from workerhub.worker import Worker, WorkerContext, lazy_options
from workerhub_workers._crew import Crew
from workerhub_workers._honoured import HONOURED

if TYPE_CHECKING:
    from workerhub.worker import WorkerOptions, WSGIApplication
    from workerhub_workers.threaded_options import ThreadedOptions


class ThreadedWorker(Worker["ThreadedOptions"]):
    """Runs each request in one of a fixed number of threads.

    The right class for applications that wait: for a database, for other services. They have to be thread-safe. Slow
    clients hold no thread up: the reactor reads and writes for them.
    """

    Options: ClassVar[type[WorkerOptions]] = lazy_options("workerhub_workers.threaded_options:ThreadedOptions")
    contract_version: ClassVar[int] = 1
    speaks_tls: ClassVar[bool] = True
    honours: ClassVar[frozenset[str]] = HONOURED

    @classmethod
    def capacity(cls, options: ThreadedOptions) -> int:
        """Twice the threads: one slot for each, and one for each that was given up and hasn't come back."""
        return 2 * options.threads

    def __init__(self, context: WorkerContext, options: ThreadedOptions) -> None:
        super().__init__(context, options)
        self._crew: Crew | None = None

    def serve(self, app: WSGIApplication) -> None:
        """Go round the reactor until everything is drained."""
        self._crew = Crew(self.context, app, self.options.threads)
        while self._crew.turn():
            pass

    def interrupt(self, index: int) -> bool:
        """Answer for the request, and have `RequestTimeout` raised in its thread as soon as that runs Python code again."""
        return self._crew is not None and self._crew.interrupt(index)

    def close(self) -> None:
        """Cut what is left, and send the threads home."""
        if self._crew is not None:
            self._crew.close()
