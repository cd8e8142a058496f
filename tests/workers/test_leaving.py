"""How a worker leaves: it accepts no more, finishes what it has, and loses no request."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import echo, hello
from support.raw import RawClient, get, post
from support.serving import serving
from support.waiting import wait_for
from support.worker_classes import one_slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.latch import Latch

    from workerhub.worker import WorkerType


def test_without_connections_it_leaves_at_once(worker: WorkerType) -> None:
    with serving(worker, hello) as server:
        server.drain()
        assert server.wait() == 0


@pytest.mark.cell("drain")
def test_a_running_request_is_finished_and_is_the_connections_last(
    worker: WorkerType, latch: Callable[[], Latch]
) -> None:
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        running.open()
        go_on.wait()
        return hello(environ, start_response)

    with serving(worker, app) as server, server.connect() as client:
        client.send(get("/a"))
        running.wait()
        server.drain()
        has_others = worker.capacity(worker.Options()) > 1
        if has_others:  # it can hear of anything while one request runs, and the answer hasn't begun
            wait_for(lambda: "leaving" in "".join(server.log("debug")), "the worker to know")
        go_on.open()
        answer = client.answer()
        assert (answer.text, answer.closes) == ("hello /a", has_others)
        assert client.at_end()
        assert server.wait() == 0


@pytest.mark.cell("drain: idle")
def test_an_idle_connection_gets_its_next_request_answered(worker: WorkerType) -> None:
    with serving(worker, hello) as server, server.connect() as client, server.connect() as witness:
        assert not client.ask("/before").closes
        witness.ask()
        server.drain()
        wait_for(lambda: "leaving" in "".join(server.log("debug")), "the worker to know")
        answer = client.ask("/after")
        assert (answer.text, answer.closes) == ("hello /after", True)
        assert client.at_end()
        assert server.wait() == 0


@pytest.mark.cell("drain: idle")
def test_idle_connections_are_closed_after_a_while(worker: WorkerType) -> None:
    with serving(worker, hello) as server, server.connect() as client, server.connect() as fresh:
        client.ask()
        server.drain()
        assert client.at_end()
        assert fresh.at_end()
        assert server.wait() == 0


@pytest.mark.cell("drain")
def test_a_request_that_is_arriving_is_served(worker: WorkerType) -> None:
    with serving(worker, echo) as server, server.connect() as in_head, server.connect() as in_body:
        in_head.ask()
        in_body.ask()
        in_head.send(post(b"one")[:20])
        in_body.send(post(b"two")[:-1])
        with server.connect() as other:  # served after those bytes were read
            other.ask()
        server.drain()
        wait_for(lambda: "leaving" in "".join(server.log("debug")), "the worker to know")
        in_head.send(post(b"one")[20:])
        in_body.send(b"o")
        for client, body in ((in_head, b"one"), (in_body, b"two")):
            answer = client.answer()
            assert (answer.body, answer.closes) == (body, True)
        assert server.wait() == 0


@pytest.mark.cell("drain")
def test_an_answer_that_is_being_read_is_finished(worker: WorkerType) -> None:
    large = b"x" * (3 << 20)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(len(large)))])
        return [large]

    with serving(worker, app, response_memory=4 << 20) as server, server.connect(receive_buffer=4096) as client:
        client.send(get())
        wait_for(lambda: server.requests() == (1, 1), "the end of the request")
        server.drain()
        assert client.answer().body == large
        assert server.wait() == 0


@pytest.mark.cell("drain")
def test_new_connections_are_left_to_the_siblings(worker: WorkerType) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ours = listener.dup()
    with serving(worker, hello, listeners=(listener,)) as server, server.connect() as client:
        client.ask()
        server.drain()
        wait_for(lambda: "leaving" in "".join(server.log("debug")), "the worker to know")
        with server.connect() as late:
            late.send(get())
            assert server.wait() == 0
            # Still in the queue, for whoever accepts next.
            sock, _ = ours.accept()
            assert sock.recv(1000) == get()
            sock.close()
    ours.close()


@pytest.mark.cell("TERM")
def test_when_the_server_stops_the_accept_queue_is_served_first(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/block":
            running.open()
            go_on.wait()
        return hello(environ, start_response)

    options = one_slot(worker)
    with serving(worker, app, options=options) as server, contextlib.ExitStack() as stack:
        blocker = stack.enter_context(server.connect())
        blocker.send(get("/block"))
        running.wait()
        waiting = [stack.enter_context(server.connect()) for _ in range(20)]
        for number, client in enumerate(waiting):
            client.send(get(f"/{number}"))
        server.stop_server()
        go_on.open()
        assert blocker.answer().text == "hello /block"
        for number, client in enumerate(waiting):
            answer = client.answer()
            assert (answer.text, answer.closes) == (f"hello /{number}", True)
        assert server.wait() == 0


@pytest.mark.cell("TERM")
def test_told_before_it_serves_it_still_empties_the_queue(worker: WorkerType) -> None:
    """A stop may come while the application is being imported, after the kernel took connections on our behalf."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = RawClient(listener.getsockname())
    client.send(get("/early"))

    class EarlyStop(worker):  # type: ignore[misc, valid-type]  # a class made from a parameter
        def prepare(self) -> None:
            super().prepare()
            self.context.stopping._row.closing = True
            os.kill(os.getpid(), signal.SIGTERM)

    with serving(EarlyStop, hello, listeners=(listener,)) as server:
        answer = client.answer()
        assert (answer.text, answer.closes) == ("hello /early", True)
        assert server.wait() == 0
    client.close()


def test_requests_pipelined_before_the_stop_are_answered_until_the_last(
    worker: WorkerType, latch: Callable[[], Latch]
) -> None:
    """The answer that says close is the last; what is pipelined behind it is for the client to repeat (RFC 9112, 9.3.2)."""
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/0":
            running.open()
            go_on.wait()
        return hello(environ, start_response)

    with serving(worker, app) as server, server.connect() as client:
        client.send(b"".join(get(f"/{number}") for number in range(3)))
        running.wait()
        server.drain()
        go_on.open()
        answers = [client.answer()]
        # All three may be answered before the worker looks whether it was told to leave.
        while not answers[-1].closes and len(answers) < 3:
            answers.append(client.answer())
        assert [answer.text for answer in answers] == [f"hello /{number}" for number in range(len(answers))]
        assert client.at_end()
        assert server.wait() == 0
