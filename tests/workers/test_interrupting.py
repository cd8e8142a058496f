"""A request that is interrupted ends, alone, and its client is told."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import hello
from support.raw import get
from support.serving import serving
from support.waiting import wait_for
from support.worker_classes import one_slot

from workerhub.worker import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.latch import Latch

    from workerhub.worker import WorkerType

LARGE = b"x" * (8 << 20)


@pytest.mark.cell("deadline: 504")
def test_a_request_in_python_code_is_answered_504(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    running, ended = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/loop":
            try:
                running.open()
                while True:
                    pass
            except RequestTimeout:
                ended.open()
                raise
        return hello(environ, start_response)

    with serving(worker, app, options=one_slot(worker)) as server, server.connect() as client:
        client.send(get("/loop"))
        running.wait()
        server.interrupt()
        answer = client.answer()
        assert (answer.status, answer.closes) == (504, True)
        ended.wait()
        with server.connect() as other:
            assert other.ask("/after").text == "hello /after"
        wait_for(lambda: server.requests() == (2, 2), "both requests to be over")


@pytest.mark.cell("deadline: 504")
def test_an_answer_that_has_begun_is_cut(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    running = latch()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        running.open()
        while True:
            pass

    with serving(worker, app, options=one_slot(worker)) as server, server.connect() as client:
        client.send(get())
        running.wait()
        server.interrupt()
        with pytest.raises(ConnectionError):
            client.answer()
        wait_for(lambda: server.requests() == (1, 1), "the request to be over")


@pytest.mark.cell("deadline: siblings")
def test_a_request_that_waits_for_its_reader_is_ended_and_others_are_unharmed(
    worker: WorkerType, latch: Callable[[], Latch]
) -> None:
    running = latch()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        if environ["PATH_INFO"] == "/waits":
            running.open()
        yield LARGE

    with serving(worker, app, options=one_slot(worker)) as server, contextlib.ExitStack() as stack:
        slow = stack.enter_context(server.connect(receive_buffer=4096))
        trickling = [stack.enter_context(server.connect()) for _ in range(5)]
        for client in trickling:
            client.send(b"GET / HTTP/1.1\r\n")
        slow.send(get("/waits"))
        running.wait()
        for client in trickling:
            client.send(b"Host: x\r\n")  # the worker has something to do while it waits
        server.interrupt()
        slow.was_reset()  # or the bytes that were on their way, and an end
        wait_for(lambda: server.requests()[1] == 1, "the request to be over")
        for client in trickling:  # one after the other: with one slot, who isn't being read keeps the others waiting
            client.send(b"\r\n")
            assert len(client.answer().body) == len(LARGE)


@pytest.mark.cell("deadline: capacity")
def test_a_request_that_was_ended_costs_no_capacity(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    """Also if its thread doesn't come back from what it called: with one slot nobody else could serve."""
    running = latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/stuck":
            running.open()
            time.sleep(3600)
        return hello(environ, start_response)

    with serving(worker, app, options=one_slot(worker)) as server:
        with server.connect() as client:
            client.send(get("/stuck"))
            running.wait()
            server.interrupt()
            assert client.answer().status == 504
        with server.connect() as other:
            assert [other.ask(f"/{number}").text for number in range(3)] == [f"hello /{number}" for number in range(3)]


@pytest.mark.cell("deadline: others finish")
def test_other_requests_are_finished_by_a_worker_that_leaves_because_of_one(
    worker: WorkerType, latch: Callable[[], Latch]
) -> None:
    """In the same process, if the class runs several at once; else a sibling got the other one."""
    running, let_go, go_on = latch(), latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.open()
        if environ["PATH_INFO"] == "/stubborn":
            with contextlib.suppress(RequestTimeout):
                let_go.wait()
            let_go.wait()
        else:
            go_on.wait()
        return hello(environ, start_response)

    listener = socket.create_server(("127.0.0.1", 0))
    alone = worker.capacity(worker.Options()) > 1
    with contextlib.ExitStack() as stack:
        listeners = [listener] if alone else [listener.dup(), listener]
        servers = [stack.enter_context(serving(worker, app, listeners=(each,))) for each in listeners]
        stubborn = stack.enter_context(servers[0].connect())
        stubborn.send(get("/stubborn"))
        running.wait()
        (stuck,) = (server for server in servers if server.requests()[0])
        # Only now: while both were idle, one of them might have taken both connections.
        other = stack.enter_context(servers[0].connect())
        other.send(get("/other"))
        running.wait()
        stuck.interrupt()
        for server in servers:
            server.drain()
        go_on.open()
        assert other.answer().text == "hello /other"
        let_go.open(2)
        assert [server.wait() for server in servers] == [0] * len(servers)


def test_with_nothing_running_an_interrupt_is_refused(worker: WorkerType) -> None:
    with serving(worker, hello) as server, server.connect() as client:
        client.ask()
        wait_for(lambda: server.requests() == (1, 1), "the request to be over")
        server.interrupt()
        wait_for(lambda: server.interrupts() == ["False"], "the answer")
        assert client.ask("/next").text == "hello /next"


@pytest.mark.cell("deadline: siblings")
def test_interrupts_at_any_moment_never_hurt_the_worker(worker: WorkerType) -> None:
    """Hundreds of interrupts while requests come and go: each request is answered, by the application or by 504, or cut."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        sum(range(3000))
        return hello(environ, start_response)

    outcomes: set[int | str] = set()
    with serving(worker, app, options=one_slot(worker)) as server:
        client = server.connect()
        # The last one isn't interrupted: an interrupt that comes while the answer is sent cuts the connection behind it.
        for number in range(401):
            try:
                client.send(get("/x"))
                if number % 2:
                    server.interrupt()
                answer = client.answer()
            except ConnectionError:
                outcomes.add("cut")
                client.close()
                client = server.connect()
                continue
            outcomes.add(answer.status)
            if answer.closes:
                client.close()
                client = server.connect()
        assert client.ask("/x").text == "hello /x"
        client.close()
        wait_for(lambda: len(set(server.requests())) == 1, "as many ends as beginnings")
    assert 200 in outcomes
    assert outcomes <= {200, 504, "cut"}
