"""`threaded` runs short requests where they are found, and nobody but the clock can tell."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from support.raw import get
from support.serving import serving
from support.waiting import wait_for
from workerhub_workers import _crew, _lease
from workerhub_workers.threaded import ThreadedWorker

from workerhub.worker import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.latch import Latch

    from workerhub.testing.client import Client
    from workerhub.testing.served import Served

BURST = 40

LARGE = 4 << 20


def is_found() -> bool:
    """Whether the request that asks runs in the thread that has the reactor."""
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]  # it ends with None
        if frame.f_code is _crew.Crew._run_here.__code__:
            return True
    return False


def say(start_response: Any, text: str) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def warm_up(client: Client) -> None:
    """Until the reactor is lent. (A moment in which another process has the processor may end it again.)"""
    wait_for(lambda: client.ask("/brisk").text == "found", "requests to run where they are found")


@contextlib.contextmanager
def lending(app: Any, **circumstances: Any) -> Iterator[Served[Any]]:
    """Run a worker that doesn't mind pauses between requests, as a client that is a test makes them."""

    def patiently() -> None:
        _crew.QUIET = 30.0  # in the worker's process only

    with serving(ThreadedWorker, app, before=patiently, **circumstances) as server:
        yield server


class Site:
    """Says of each request whether it ran where it was found.

    `/wait` waits until somebody asks for `/go`; `/long` takes 5 ms.
    """

    def __init__(self, running: Latch | None = None, go_on: Latch | None = None) -> None:
        self._gone = threading.Event()
        self._running = running
        self._go_on = go_on

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        found = "found" if is_found() else "handed over"
        if path == "/wait":
            assert self._running is not None
            self._running.open()
            assert self._gone.wait(20)
        elif path == "/go":
            self._gone.set()
        elif path == "/long":
            time.sleep(0.005)
        elif path == "/stuck":
            self._hold_on()
        elif path == "/large":
            return self._large(start_response)
        return say(start_response, found)

    def _hold_on(self) -> None:
        """As C code does, whatever is raised."""
        assert self._running is not None
        assert self._go_on is not None
        self._running.open()
        while not self._go_on.is_open():
            with contextlib.suppress(RequestTimeout):
                time.sleep(0.005)

    def _large(self, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", str(LARGE))])
        for _ in range(LARGE >> 16):
            yield b"x" * (1 << 16)


def test_brisk_requests_run_where_they_are_found() -> None:
    with lending(Site()) as server, server.connect() as client:
        warm_up(client)


def test_one_request_may_wait_for_another(latch: Callable[[], Latch]) -> None:
    running = latch()
    with lending(Site(running), options={"threads": 2}) as server, server.connect() as client:
        warm_up(client)
        with server.connect() as other:
            client.send(get("/brisk") * BURST + get("/wait"))
            running.wait()
            other.send(get("/go"))
            assert other.answer().status == 200
        assert [client.answer().status for _ in range(BURST + 1)] == [200] * (BURST + 1)


def test_requests_that_take_their_time_are_handed_over() -> None:
    """But for one now and then, to see whether they still do."""
    with lending(Site(), options={"threads": 2}) as server, server.connect() as client:
        warm_up(client)
        assert [client.ask("/long").text for _ in range(BURST)].count("found") < BURST // 2
        warm_up(client)


def test_one_that_is_stuck_is_answered_504_and_the_others_go_on(latch: Callable[[], Latch]) -> None:
    running, go_on = latch(), latch()
    with (
        lending(Site(running, go_on), options={"threads": 1}) as server,
        server.connect() as client,
        server.connect() as other,
    ):
        warm_up(client)
        client.send(get("/brisk") * BURST + get("/stuck"))
        running.wait()
        other.send(get("/brisk"))
        server.interrupt()
        assert [client.answer().status for _ in range(BURST + 1)] == [200] * BURST + [504]
        assert client.at_end()
        assert other.answer().status == 200
        warm_up(other)
        go_on.open()


def test_one_whose_client_reads_slowly_gives_the_reactor_away_that_would_send_the_rest() -> None:
    with (
        lending(Site(), options={"threads": 2}) as server,
        server.connect() as client,
        server.connect() as other,
    ):
        warm_up(client)
        client.send(get("/brisk") * BURST + get("/large"))
        for _ in range(BURST):
            assert client.answer().status == 200
        wait_for(lambda: other.ask("/brisk").status == 200, "another client to be served")
        assert len(client.answer().body) == LARGE


def test_it_leaves_while_it_is_lent() -> None:
    with lending(Site()) as server, server.connect() as client:
        warm_up(client)
        server.drain()
        client.send(get("/brisk") * BURST)
        answers = [client.answer()]
        while not answers[-1].closes and len(answers) < BURST:
            answers.append(client.answer())
        assert {answer.status for answer in answers} == {200}
        assert server.wait() == 0


def test_where_the_system_has_no_such_timer_each_is_handed_over() -> None:
    def no_timer() -> None:
        def refuse(_seconds: float) -> None:
            raise OSError("not here")

        vars(_lease)["Alarm"] = refuse  # in the worker's process only

    with serving(ThreadedWorker, Site(), before=no_timer) as server, server.connect() as client:
        assert {client.ask("/brisk").text for _ in range(BURST)} == {"handed over"}
        assert "each request is handed over to another thread: not here" in server.log("debug")
