"""What is promised of every worker class, and which tests prove it: `@pytest.mark.cell("drain")` on a test says "this one, of that".

A cell is one promise held against one worker class. A marked test runs once for each class (its parameter `worker_class` or
`worker`), and proves the cells of its promises; `tests/conftest.py` collects how that went and prints the table at the end.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.worker_classes import WORKER_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

POLICIES: Mapping[str, str] = {
    # The life of a worker
    "boot": "A worker that isn't ready within `timeouts.boot` is ended, and where it hung is in the log; at the start, with nobody ready, that is "
    "exit code 4.",
    "load": "An application that can't be loaded ends the start with exit code 4 and its traceback, once.",
    "readiness": "A worker is ready when it says so itself; until its successor has, no worker is told to leave.",
    "setup": "User, group, umask, directory and environment are in force before the application is imported, and the master never imports it.",
    "crash": "A worker that dies is replaced, its siblings are untouched, and the log says of what it died and what it was running.",
    "crash loop": "A pool that crashes again and again is slowed down, not given up, as long as anything in it is healthy.",
    "orphan": "Workers whose master is gone finish what they run, and leave.",
    # One request's deadline
    "deadline: log": "At its deadline the log gets a request's line, client and age, and the stack of exactly the thread or greenlet that runs it.",
    "deadline: 504": "At its deadline a request is ended, alone: 504 to its client if nothing was sent yet, else the connection is cut.",
    "deadline: blocked": "The 504 comes at the deadline also while the request waits in a call: a sleep, a socket, a lock, a C function that signals interrupt.",
    "deadline: siblings": "Other clients of the same worker don't notice the deadline of one.",
    "deadline: capacity": "After a request was ended, as many run at once as before.",
    "deadline: replaced": "If the request can't be ended within `timeouts.kill`, the worker is replaced first and then killed, also when C code holds the "
    "interpreter lock.",
    "deadline: others finish": "What else a worker runs, and can still finish, is finished before it is killed for a request that can't be ended.",
    "deadline: steps": "The log tells apart: it is late; it can't be ended; the worker was killed.",
    # Recycling
    "max_requests": "A worker that has served `recycle.max_requests` is replaced, jitter included, and no request fails under load.",
    "max_memory": "A worker above `recycle.max_memory` is replaced, and no request fails under load.",
    "max_age": "A worker that has served for `recycle.max_age` is replaced, and no request fails under load.",
    "not together": "Workers that reach their limits at once leave one after the other: never fewer than the pool's size serve.",
    # Leaving
    "drain": "A worker that leaves finishes what it runs, what is arriving and what is being read.",
    "drain: idle": "A kept connection gets its next request answered with `Connection: close`, or is closed after a moment; no request is lost.",
    "drain: cut": "After `timeouts.graceful` what still runs is cut, and the log lists each request with its stack.",
    "TERM": "TERM finishes what runs and what waits to be accepted, then exits with 0.",
    "INT": "INT and QUIT don't wait, and leave nobody behind.",
    # The pool
    "HUP": "HUP replaces every worker, new before old, without a failed request.",
    "switch": "HUP with another `worker.class` moves the running pool to that class without a failed request.",
    "preload": "With `preload` a template imports the application and forks the workers: after a crash, after its own end, and anew at each reload.",
    "scale": "TTIN and TTOU start and drain one worker.",
    "logs": "USR1 opens the logs anew; each request is one access line; what the application raises is in the error log.",
    # Clients
    "slow head": "A client that sends its head slowly costs a buffer, no worker; 408 after `timeouts.header` without progress.",
    "slow body": "A client that sends its body slowly costs a buffer, no worker; 408 after `timeouts.body` without progress.",
    "slow reader": "A client that reads slowly costs a buffer, no worker; after `timeouts.write` without progress it is cut.",
    "keep-alive": "A connection serves request after request, pipelined ones in order, until `timeouts.keepalive` has passed or either side says close.",
    "limits": "What is too long, too large or malformed is answered with its status, and the connection closed.",
    "proxy protocol": "With `http.proxy_protocol` a connection is that of the client which its header names, to the application, the logs and "
    "`http.trusted_proxies`; without a header, in time and from a trusted proxy, it is closed.",
    "connections": "A process holds `http.max_connections`; for a new one the oldest idle one is closed, or in the end whoever hasn't sent a whole request.",
    "queue": "A request that waited for its turn for longer than `queue.max_wait`, in the server or before it, is answered 503, and the next is served.",
    "tls": "With `tls.certificate` all that is promised here holds over TLS, each host shows its own certificate, and what can't be agreed upon or doesn't "
    "come in time is closed and hurts nobody.",
    "sendfile": "A file that the application hands over by `wsgi.file_wrapper` goes to a plain socket by `sendfile`, and its bytes are never read.",
    "disconnect": "A client that leaves ends its own request and hurts nobody.",
    "spread": "Connections that are kept spread over the processes.",
    "newcomers": "A new connection gets its turn also where others keep the worker busy all the time.",
    "busy": "A worker that can't run one more leaves new connections to its siblings.",
}
"""The promises by name, as the manual words them."""

_CLASS_PARAMETERS = ("worker_class", "worker")


def cells_of(item: pytest.Item) -> tuple[str, list[str]] | None:
    """The worker class that a marked test runs with, and the names of what it proves; None for a test without the mark.

    Raises:
        pytest.UsageError: a promise that isn't in the list, or a test that doesn't run for each class.
    """
    names = [name for mark in item.iter_markers("cell") for name in mark.args]
    if not names:
        return None
    if unknown := set(names) - POLICIES.keys():
        raise pytest.UsageError(f"{item.nodeid}: not in support.cells.POLICIES: {', '.join(sorted(unknown))}")
    parameters: dict[str, Any] = getattr(item, "callspec").params if hasattr(item, "callspec") else {}  # noqa: B009  # of functions only
    for parameter in _CLASS_PARAMETERS:
        if parameters.get(parameter) in WORKER_CLASSES:
            return parameters[parameter], names
    raise pytest.UsageError(f"{item.nodeid}: proves {', '.join(names)}, but doesn't run for each worker class")


class Table:
    """Outcomes by cell."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str], Counter[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._outcomes)

    def add(self, worker_class: str, names: list[str], outcome: str) -> None:
        """One test is over."""
        for name in names:
            self._outcomes.setdefault((name, worker_class), Counter())[outcome] += 1

    def lines(self) -> Iterator[str]:
        """The table: a line for each promise of which anything was run, a column for each class."""
        run = [name for name in POLICIES if any(promise == name for promise, _ in self._outcomes)]
        yield f"{'':24}" + "".join(f"{name:>14}" for name in WORKER_CLASSES)
        for name in run:
            yield f"{name:24}" + "".join(f"{self._cell(name, worker_class):>14}" for worker_class in WORKER_CLASSES)
        if len(run) < len(POLICIES):
            yield f"nothing was run of: {', '.join(name for name in POLICIES if name not in run)}"

    def _cell(self, name: str, worker_class: str) -> str:
        """Passed tests are counted; failed ones and those that didn't run are named."""
        outcomes = self._outcomes.get((name, worker_class), Counter())
        passed = outcomes.pop("passed", 0)
        others = [f"{count} {outcome}" for outcome, count in sorted(outcomes.items())]
        return ", ".join([str(passed)] * bool(passed) + others) or "not run"
