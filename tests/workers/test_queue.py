"""`queue.max_wait`: a request that has waited for its turn for too long is answered 503, and soon after an overload all is well again."""

from __future__ import annotations

from contextlib import ExitStack
from time import monotonic, time
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import hello
from support.raw import get
from support.serving import serving
from support.waiting import wait_for
from support.worker_classes import one_slot

from workerhub.worker import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.latch import Latch

    from workerhub.worker import WorkerType

WAIT = 1.0
"""Seconds. A wait that the test waits for, and long enough for whatever isn't to wait, on a busy machine too."""

LONG = 20.0
"""Seconds. No request of a test waits for so long."""

CROWD = 8


@pytest.mark.cell("queue")
def test_what_waited_too_long_is_turned_away_and_the_next_is_served(
    worker: WorkerType, latch: Callable[[], Latch]
) -> None:
    """On connections that are kept, and on new ones that nobody had the time to accept."""
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/block":
            running.open()
            go_on.wait()
        return hello(environ, start_response)

    with (
        serving(worker, app, options=one_slot(worker), max_connections=100, queue_wait=WAIT) as server,
        server.connect() as blocker,
        ExitStack() as stack,
    ):
        crowd = [stack.enter_context(server.connect()) for _ in range(CROWD)]
        assert {client.ask().status for client in crowd} == {200}
        blocker.send(get("/block"))
        running.wait()
        crowd += [stack.enter_context(server.connect()) for _ in range(CROWD)]
        begun = monotonic()
        for client in crowd:
            client.send(get("/late"))
        wait_for(lambda: monotonic() - begun > 1.1 * WAIT, "patience to end")
        go_on.open()
        assert blocker.answer().text == "hello /block", "whatever runs isn't touched"
        for client in crowd:
            answer = client.answer()
            assert (answer.status, answer.header("Retry-After"), answer.closes) == (503, "1", True)
            assert client.at_end()
        with server.connect() as client:
            assert [client.ask().text for _ in range(3)] == ["hello /"] * 3
        (line,) = server.log("warning")
        assert "answered 503 after more than queue.max_wait, 1 s" in line


@pytest.mark.cell("queue")
def test_a_trusted_proxy_says_since_when(worker: WorkerType) -> None:
    with serving(worker, hello, http={"trusted_proxies": ("127.0.0.1",)}, queue_wait=LONG) as server:
        with server.connect() as client:
            assert client.ask("/", f"X-Request-Start: t={time() - 1:.3f}").status == 200
            assert client.ask("/", f"X-Request-Start: t={time() + 100:.3f}").status == 200
            client.send(
                get("/", f"X-Request-Start: t={time() - 2 * LONG:.3f}", "Content-Length: 4", method="POST") + b"body"
            )
            assert (client.answer().status, client.at_end()) == (503, True)
        with server.connect() as client:
            client.send(get() + get("/", f"X-Request-Start: t={int((time() - 2 * LONG) * 1000)}") + get())
            assert [client.answer().status for _ in range(2)] == [200, 503]
            assert client.at_end()
        with server.connect() as client:
            assert client.ask().status == 200
        wait_for(lambda: server.requests()[1] == 4, "four requests to be over")
        assert server.requests() == (4, 4)
        assert sorted(line[2] for line in server.access()) == [200] * 4 + [503] * 2, "the access log has all of them"


def test_nobody_else_is_believed_about_it(worker: WorkerType) -> None:
    with serving(worker, hello, queue_wait=LONG) as server, server.connect() as client:
        assert client.ask("/", f"X-Request-Start: t={time() - 2 * LONG:.3f}").status == 200


def test_threads_that_are_stuck_do_not_keep_those_who_wait_from_being_told(latch: Callable[[], Latch]) -> None:
    """The reactor has a thread of its own. (`sync` has nobody who could; `gevent` has hardly a queue.)"""
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/block":
            running.open()
            go_on.wait()
        return hello(environ, start_response)

    with (
        serving(find("threaded").cls, app, options={"threads": 1}, queue_wait=WAIT) as server,
        server.connect() as waiting,
        server.connect() as blocker,
    ):
        assert waiting.ask().status == 200
        blocker.send(get("/block"))
        running.wait()
        waiting.send(get())
        assert waiting.answer().status == 503
        assert waiting.at_end()
        go_on.open()
        assert blocker.answer().text == "hello /block"
        assert blocker.ask().status == 200
