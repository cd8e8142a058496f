"""What only `threaded` promises: requests side by side, and a stuck one that costs its client a 504 and nobody else anything."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from support.apps import facts, hello
from support.raw import RawClient, get
from support.serving import serving
from support.waiting import wait_for
from workerhub_workers.threaded import ThreadedWorker
from workerhub_workers.threaded_options import ThreadedOptions

from workerhub.worker import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.latch import Latch


def _stubbornly(running: Latch, latch: Latch) -> None:
    """Say that it runs, then wait whatever is raised, as C code does. It is raised only once."""
    try:
        running.open()
        while not latch.is_open():
            time.sleep(0.005)
    except RequestTimeout:
        while not latch.is_open():
            time.sleep(0.005)


def test_options() -> None:
    assert ThreadedOptions().threads == 8
    with pytest.raises(ValidationError):
        ThreadedOptions(threads=0)


def test_requests_run_side_by_side(latch: Callable[[], Latch]) -> None:
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.open()
        go_on.wait()
        return hello(environ, start_response)

    with serving(ThreadedWorker, app, options={"threads": 4}) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(4)]
        for number, client in enumerate(clients):
            client.send(get(f"/{number}"))
            running.wait()  # each while those before it are still inside
        go_on.open(4)
        assert [client.answer().text for client in clients] == [f"hello /{number}" for number in range(4)]


def test_never_more_than_there_are_threads() -> None:
    inside: list[None] = []
    most = [0]

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        inside.append(None)
        most[0] = max(most[0], len(inside))
        time.sleep(0.001)
        inside.pop()
        start_response("200 OK", [])
        return [str(most[0]).encode()]

    with serving(ThreadedWorker, app, options={"threads": 3}) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(20)]
        for client in clients:
            client.send(get() * 5)
        assert max(int(client.answer().text) for client in clients for _ in range(5)) <= 3


def test_it_takes_no_more_than_it_has_threads_for(latch: Callable[[], Latch]) -> None:
    """Also as long as it believes that requests are so brisk that one thread is enough."""
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.open()
        go_on.wait()
        return hello(environ, start_response)

    listener = socket.create_server(("127.0.0.1", 0))
    sibling = listener.dup()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RawClient(listener.getsockname())) for _ in range(6)]
        for client in clients:
            client.send(get())
        server = stack.enter_context(serving(ThreadedWorker, app, options={"threads": 2}, listeners=(listener,)))
        for _ in range(2):
            running.wait()
        sibling.settimeout(30)
        for _ in range(4):
            sibling.accept()[0].close()
        go_on.open(2)
        assert [client.answer().status for client in clients[:2]] == [200, 200]
        assert server.requests()[0] == 2
    sibling.close()


def test_the_environ_says_so() -> None:
    with serving(ThreadedWorker, facts) as server, server.connect() as client:
        assert client.ask().json()["wsgi.multithread"] is True


def test_a_request_that_is_stuck_is_answered_504_at_once_and_its_place_is_taken(latch: Callable[[], Latch]) -> None:
    """The thread doesn't end, whatever is raised in it; with one thread, nobody else could serve."""
    running, go_on, came_back = latch(), latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/stuck":
            _stubbornly(running, go_on)
            came_back.open()
        return hello(environ, start_response)

    with serving(ThreadedWorker, app, options={"threads": 1}) as server:
        with server.connect() as client:
            client.send(get("/stuck"))
            running.wait()
            server.interrupt()
            answer = client.answer()
            assert (answer.status, answer.closes) == (504, True)
            assert client.at_end()
        assert not came_back.is_open()
        for number in range(3):
            with server.connect() as other:
                assert other.ask(f"/{number}").text == f"hello /{number}"
        # It is still on the board, so that the master knows.
        wait_for(lambda: server.requests() == (4, 3), f"three of four requests to be over: {server.requests()}")
        go_on.open()
        came_back.wait()
        wait_for(lambda: server.requests() == (4, 4), "the stuck one to be over")


def test_a_stuck_request_that_had_begun_is_cut(latch: Callable[[], Latch]) -> None:
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "100")])
        yield b"begun"
        _stubbornly(running, go_on)
        yield b"too late"

    with serving(ThreadedWorker, app) as server, server.connect() as client:
        client.send(get())
        running.wait()
        server.interrupt()
        with pytest.raises(ConnectionError):
            client.answer()
        go_on.open()
        wait_for(lambda: server.requests() == (1, 1), "the request to be over")


def test_siblings_of_a_stuck_request_are_unharmed(latch: Callable[[], Latch]) -> None:
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.open()
        go_on.wait()
        return hello(environ, start_response)

    with (
        serving(ThreadedWorker, app, options={"threads": 2}) as server,
        server.connect() as first,
        server.connect() as second,
    ):
        first.send(get("/first"))
        running.wait()
        second.send(get("/second"))
        running.wait()
        server.interrupt()
        assert first.answer().status == 504
        go_on.open(2)
        assert second.answer().text == "hello /second"


def test_when_all_places_are_lost_it_waits_for_one_to_come_back(latch: Callable[[], Latch]) -> None:
    """One thread, two slots: the second stuck request leaves none."""
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/stuck":
            _stubbornly(running, go_on)
        return hello(environ, start_response)

    class Both(ThreadedWorker):
        def interrupt(self, index: int) -> bool:
            first = super().interrupt(0)
            return super().interrupt(1) or first

    with serving(Both, app, options={"threads": 1}) as server, contextlib.ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(server.connect())
            client.send(get("/stuck"))
            running.wait()
            server.interrupt()
            assert client.answer().status == 504
        late = stack.enter_context(server.connect())
        late.send(get("/late"))
        assert server.requests()[0] == 2
        go_on.open()
        assert late.answer().text == "hello /late"


def test_it_leaves_although_a_thread_is_stuck(latch: Callable[[], Latch]) -> None:
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.open()
        go_on.wait()
        return []

    with serving(ThreadedWorker, app) as server, server.connect() as client:
        client.send(get())
        running.wait()
        server.interrupt()
        assert client.answer().status == 504
        server.drain()
        assert server.wait() == 0


def test_it_does_not_leave_while_a_request_runs_whose_client_has_left(latch: Callable[[], Latch]) -> None:
    running, go_on, over = latch(), latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.open()
        go_on.wait()
        over.open()
        return hello(environ, start_response)

    with serving(ThreadedWorker, app) as server:
        client = server.connect()
        client.send(get())
        running.wait()
        client.vanish()
        server.drain()
        wait_for(lambda: "leaving" in "".join(server.log("debug")), "the worker to know")
        go_on.open()
        over.wait()
        assert server.wait() == 0
        assert server.requests() == (1, 1)


def test_interrupts_and_stops_reach_a_main_thread_that_sleeps(latch: Callable[[], Latch]) -> None:
    """Also when the system gives the signal to one of the other threads."""
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.open()
        go_on.wait()
        return hello(environ, start_response)

    def main_thread_is_deaf() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})
        start = threading.Thread.start

        def listening(thread: threading.Thread) -> None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGUSR2})
            start(thread)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})

        threading.Thread.start = listening  # type: ignore[method-assign, assignment]  # in the worker's process only

    with serving(ThreadedWorker, app, before=main_thread_is_deaf) as server, server.connect() as client:
        client.send(get())
        running.wait()
        server.interrupt()
        wait_for(server.interrupts, "the handler")
        server.drain()
        go_on.open()
        assert server.wait() == 0
