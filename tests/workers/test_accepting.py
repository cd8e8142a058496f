"""A worker accepts what it can run, and leaves the rest to its siblings."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import hello
from support.raw import RawClient, get
from support.serving import serving
from support.waiting import wait_for
from support.worker_classes import one_slot
from workerhub_workers import _reactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.latch import Latch

    from workerhub.worker import WorkerType


def test_one_slot_runs_one_request_at_a_time(worker: WorkerType) -> None:
    """Also when many connections have complete requests at the same moment."""
    inside: list[None] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        inside.append(None)
        alone = len(inside) == 1
        answer = hello(environ, start_response)
        inside.pop()
        return answer if alone else []

    with serving(worker, app, options=one_slot(worker)) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(20)]
        for client in clients:
            client.send(get("/x") * 5)
        for client in clients:
            assert [client.answer().text for _ in range(5)] == ["hello /x"] * 5


@pytest.mark.cell("busy")
def test_a_worker_without_a_free_slot_accepts_nothing(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/block":
            running.open()
            go_on.wait()
        return hello(environ, start_response)

    listener = socket.create_server(("127.0.0.1", 0))
    sibling = listener.dup()
    sibling.settimeout(30)
    with serving(worker, app, options=one_slot(worker), listeners=(listener,)) as server, server.connect() as blocker:
        blocker.send(get("/block"))
        running.wait()
        with server.connect() as late:
            late.send(get("/late"))
            accepted, _ = sibling.accept()  # which it could not, had the busy worker taken it
            assert accepted.recv(1000) == get("/late")
            accepted.close()
        go_on.open()
        assert blocker.answer().text == "hello /block"
        with server.connect() as client:
            assert client.ask("/again").text == "hello /again"
    sibling.close()


@pytest.mark.cell("busy")
def test_two_workers_on_one_listener_both_serve(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.open()
        go_on.wait()
        return hello(environ, start_response)

    listener = socket.create_server(("127.0.0.1", 0))
    with (
        serving(worker, app, options=one_slot(worker), listeners=(listener.dup(),)) as server,
        serving(worker, app, options=one_slot(worker), listeners=(listener,)),
        server.connect() as first,
    ):
        first.send(get("/first"))
        running.wait()
        # Only now: while both were idle, one of them might have taken both connections.
        with server.connect() as second:
            second.send(get("/second"))
            running.wait()  # both are inside at the same time
            go_on.open(2)
            assert (first.answer().text, second.answer().text) == ("hello /first", "hello /second")


@pytest.mark.cell("spread")
def test_connections_that_are_kept_are_spread_over_the_processes(worker: WorkerType) -> None:
    """Although each of them comes when everybody is idle."""
    listener = socket.create_server(("127.0.0.1", 0))
    with (
        serving(worker, hello, listeners=(listener.dup(),), multiprocess=True) as first,
        serving(worker, hello, listeners=(listener,), multiprocess=True) as second,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(24):
            assert stack.enter_context(first.connect()).ask().status == 200
        wait_for(lambda: first.requests()[1] + second.requests()[1] == 24, "all to be over")
        assert min(first.requests()[1], second.requests()[1]) > 1


@pytest.mark.cell("newcomers")
def test_a_new_connection_gets_its_turn_although_others_keep_the_worker_busy(worker: WorkerType) -> None:
    """There are always more complete requests on kept connections than can run at once."""
    options = {"threads": 1} if "threads" in worker.Options.model_fields else {}
    over = threading.Event()

    def insist(client: RawClient) -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                client.send(get() * 200)

    def listen(client: RawClient) -> None:
        with contextlib.suppress(OSError):
            while client.sock.recv(1 << 20):
                pass

    with serving(worker, hello, options=options) as server:
        clients = [server.connect() for _ in range(3)]
        threads = [threading.Thread(target=run, args=(client,)) for client in clients for run in (insist, listen)]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: server.requests()[1] > 600, "the others to be at it")
            with server.connect() as newcomer:
                assert newcomer.ask("/new").text == "hello /new"
        finally:
            over.set()
            for client in clients:
                client.sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            for client in clients:
                client.vanish()


def test_out_of_descriptors_it_waits_says_so_once_and_goes_on(worker: WorkerType) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/lower":
            lowest_free = os.dup(0)
            os.close(lowest_free)
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (lowest_free + 10, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
        return hello(environ, start_response)

    with serving(worker, app) as server, contextlib.ExitStack() as stack:
        first = stack.enter_context(server.connect())
        assert first.ask("/lower").status == 200
        held = [stack.enter_context(server.connect()) for _ in range(30)]
        for client in held:
            client.send(b"GET / HT")
        wait_for(lambda: len(server.log("warning")) == 1, "the warning")
        (warning,) = server.log("warning")
        assert "Too many open files" in warning
        before = server.cpu_seconds()
        assert first.ask("/still").text == "hello /still"
        for client in held:
            client.vanish()
        with server.connect() as client:
            assert client.ask().status == 200
        assert server.cpu_seconds() - before < 2
        # Vanishing one by one, they may let it in and shut it out a few times more; but not once per attempt.
        assert len(server.log("warning")) < 10
        assert any("accepting connections again" in line for line in server.log("info"))


def few_descriptors() -> None:
    """Room for 16 connections, the least there is."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (80, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def test_at_the_limit_an_idle_connection_makes_room(worker: WorkerType) -> None:
    with serving(worker, hello, before=few_descriptors) as server, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(16)]
        for client in idle:
            assert client.ask().status == 200
        wait_for(lambda: server.requests() == (16, 16), "all to be idle")
        newest = stack.enter_context(server.connect())
        assert newest.ask().status == 200
        assert idle[0].at_end()
        # It alone: nobody makes room for a connection that isn't there.
        assert [client.ask().status for client in (*idle[1:], newest)] == [200] * 16


def test_a_connection_that_was_not_answered_yet_makes_no_room(
    worker: WorkerType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request may be on its way, and its client doesn't expect to be hung up on."""
    monkeypatch.setattr(_reactor, "FULL_PATIENCE", 60.0)
    with serving(worker, hello, before=few_descriptors) as server, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(server.connect()) for _ in range(16)]
        newest = stack.enter_context(server.connect())
        newest.send(get("/newest"))
        wait_for(lambda: any("connections are open" in line for line in server.log("warning")), "the worker to be full")
        assert [client.ask().status for client in silent] == [200] * 16
        assert newest.answer().text == "hello /newest"
        assert silent[0].at_end()


@pytest.mark.cell("connections")
def test_at_the_limit_those_who_never_come_to_the_point_make_room_in_the_end(
    worker: WorkerType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are: the oldest first, and whoever was answered stays."""
    monkeypatch.setattr(_reactor, "FULL_PATIENCE", 0.3)
    with serving(worker, hello, max_connections=10) as server, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(15)]
        for client in slow[::2]:
            client.send(get()[:-1])
        with server.connect() as good:
            assert good.ask().text == "hello /"
            assert [client.at_end() for client in slow[:6]] == [True] * 6
            assert good.ask().text == "hello /"
            slow[-1].send(get()[-1:])
            assert slow[-1].answer().text == "hello /"


@pytest.mark.cell("connections")
def test_a_number_that_was_chosen_is_the_limit(worker: WorkerType) -> None:
    with serving(worker, hello, max_connections=3) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(4)]
        assert [client.ask().status for client in clients] == [200] * 4
        assert clients[0].at_end()
        assert [client.ask().status for client in clients[1:]] == [200] * 3


def test_whoever_chooses_more_connections_than_usual_gets_the_descriptors(worker: WorkerType) -> None:
    """As far as the hard limit goes; a usual number leaves the soft one as it is."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]).encode()]

    before, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for chosen, expected in ((100, 215), (None, 80)):
        with serving(worker, app, before=few_descriptors, max_connections=chosen) as server, server.connect() as client:
            assert int(client.ask().text) == expected
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before


def test_at_the_limit_a_connection_whose_answer_was_slow_to_be_read_makes_room_too(worker: WorkerType) -> None:
    large = b"x" * (8 << 20)  # more than the system buffers for a connection

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/hello":
            return hello(environ, start_response)
        start_response("200 OK", [("Content-Length", str(len(large)))])
        return [large]

    with (
        serving(worker, app, before=few_descriptors, response_memory=len(large)) as server,
        contextlib.ExitStack() as stack,
    ):
        kept = [stack.enter_context(server.connect(receive_buffer=1 << 16)) for _ in range(16)]
        for count, client in enumerate(kept, 1):
            client.send(get("/large"))
            wait_for(lambda count=count: server.requests() == (count, count), "the application to be done")  # type: ignore[misc]  # a lambda
            assert len(client.answer().body) == len(large)
        assert stack.enter_context(server.connect()).ask("/hello").text == "hello /hello"


@pytest.mark.cell("connections")
def test_a_connection_that_idles_costs_next_to_nothing(worker: WorkerType) -> None:
    """Neither parser nor buffers: ten thousand are less than 100 MiB (the benchmark `idle` has so many)."""
    crowd = 400

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        start_response("200 OK", [])
        return [str(resident).encode()]

    with serving(worker, app, max_connections=crowd + 10) as server, contextlib.ExitStack() as stack:
        observer = stack.enter_context(server.connect())
        before = [int(observer.ask().text) for _ in range(20)][-1]
        for _ in range(crowd):
            client = stack.enter_context(server.connect())
            client.send(get("/", "X-Long: " + "x" * 8000))
            assert client.answer().status == 200
        assert int(observer.ask().text) - before < crowd * 10 * 1024
