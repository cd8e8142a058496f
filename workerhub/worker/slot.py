"""The life of one request, the same for every worker class."""

from __future__ import annotations

import math
import sys
import traceback
from itertools import count
from time import monotonic, time
from typing import TYPE_CHECKING

from workerhub.errors import ClientDisconnected, RequestTimeout
from workerhub.http import BodyError, HttpDate, Outcome, Output, Request, WsgiGateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub.worker.context import AccessLog, RunRecord, WorkerContext, WSGIApplication


class Tally:
    """Counts this worker's finished requests, which tells when it is time for a fresh process.

    Attributes:
        add: counts one request more and returns how many there are. Atomic, so threads may share it.
        limit: with how many finished requests `reached` is to be called, once.
    """

    __slots__ = ("add", "limit", "reached")

    def __init__(self, limit: int | None, reached: Callable[[], None]) -> None:
        self.add = count(1).__next__
        self.limit = limit
        self.reached = reached


class RequestSlot:
    """Runs requests on one row of the board, one at a time: the only request lifecycle there is.

    Dispatched: written on the board with its deadline. Run: by the WSGI gateway. Over, however it went: taken off the
    board, counted, written to the access log, its files freed. The worker class adds nothing to this and can't skip
    a part of it.

    Attributes:
        interruptible: whether an `interrupt` may raise `RequestTimeout` into the request now. True only while the
            gateway runs; what comes before and after has to be left in peace.
    """

    __slots__ = (
        "_access",
        "_date",
        "_date_line",
        "_date_until",
        "_gateway",
        "_log",
        "_record",
        "_tally",
        "_timeout",
        "interruptible",
    )

    def __init__(
        self, context: WorkerContext, app: WSGIApplication, record: RunRecord, access: AccessLog | None
    ) -> None:
        self._gateway = WsgiGateway(app, context.settings.http, self._failed)
        self._date = HttpDate()
        self._date_line = b""
        self._date_until = -math.inf
        """The moment, on the monotonic clock, at which the Date line has to be looked at again: one clock less to read for a request."""
        self._record = record
        self._tally = context.tally
        self._access = access
        self._log = context.log
        self._timeout = context.settings.request_timeout or math.inf
        self.interruptible = False

    def run(
        self, request: Request, output: Output, *, last: bool = False, settle: Callable[[], None] | None = None
    ) -> Outcome:
        """Run one complete request and write its response. Never raises for what the application or the client does.

        Args:
            request: a complete request; it is closed before this returns.
            output: takes the response's bytes.
            last: answer with `Connection: close`, because the worker is leaving.
            settle: called when the application is done. A class whose `interrupt` takes effect later than it returns (an
                exception sent to a thread) makes sure here that none arrives any more; until it returns,
                `RequestTimeout` may still come, and is absorbed.

        Returns:
            what became of it; `keep_alive` false means: close the connection after what is written has been sent.
        """
        environ = request.environ
        environ["wsgi.errors"] = sys.stderr
        started_at = monotonic()
        if started_at >= self._date_until:
            self._renew_date(started_at)
        self._record.begin(request.line, environ["REMOTE_ADDR"].encode(), started_at, started_at + self._timeout)
        outcome: Outcome | None = None
        try:
            self.interruptible = True
            outcome = self._gateway.run(request, output, self._date_line, last=last)
            self.interruptible = False
            if settle is not None:
                settle()
        except RequestTimeout as late:
            # It came in the crack between the gateway, which answers it, and the line after.
            self.interruptible = False
            if settle is not None:
                settle()
            if outcome is None:
                outcome = Outcome(status=504, sent=0, keep_alive=False, error=late)
        self._record.end()
        tally = self._tally
        if tally.add() == tally.limit:
            tally.reached()
        if self._access is not None:
            self._access(environ, outcome.status, outcome.sent, monotonic() - started_at)
        if request.stream is not None or request.spool is not None:
            request.close()
        return outcome

    def _renew_date(self, now: float) -> None:
        """Make the Date line of the second that has begun. A clock that was set is noticed with the next one."""
        epoch = time()
        self._date_line = self._date.line(epoch)
        self._date_until = now + 1.0 - epoch % 1.0

    def _failed(self, request: Request, error: BaseException) -> None:
        """The application raised, or answered what can't be sent."""
        line = f"{request.method} {request.target}"
        if isinstance(error, ClientDisconnected):
            self._log.debug(f"the client went away during {line}")
        elif isinstance(error, BodyError):
            self._log.debug(f"the body of {line} could not be read: {error}")
        elif not isinstance(error, RequestTimeout):  # which was logged when it was sent, with the stack
            self._log.error(f"the application failed in {line}", "".join(traceback.format_exception(error)))
