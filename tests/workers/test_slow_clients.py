"""A slow client costs memory, never the worker; and patience with it ends. Order and conditions are asserted, never a time."""

from __future__ import annotations

import contextlib
import select
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import echo, hello
from support.client import ConnectionEndedError
from support.raw import get, post
from support.serving import serving
from support.waiting import wait_for
from support.worker_classes import one_slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.latch import Latch

    from workerhub.worker import WorkerType

SMALL = 0.1
"""Seconds. A timeout that the test waits for."""

LARGE = bytes(range(256)) * 4096 * 8
"""8 MiB: more than the buffers of two sockets on the loopback take."""


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HTTP/1.1\r\nHo",
        b"G",
        post(b"x" * 100)[:-50],
        get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhe",
    ],
    ids=["head", "first byte", "body", "chunk"],
)
@pytest.mark.cell("slow head", "slow body")
def test_thirty_clients_that_trickle_do_not_delay_a_good_one(worker: WorkerType, beginning: bytes) -> None:
    with serving(worker, echo) as server, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(30)]
        for client in slow:
            client.send(beginning)
        good = stack.enter_context(server.connect())
        for number in range(10):
            for client in slow:
                with contextlib.suppress(OSError):
                    client.send(b"h")
            good.send(post(b"%d" % number))
            assert good.answer().body == b"%d" % number
        # Only the good one's requests ever got through the application.
        wait_for(lambda: server.requests()[1] == 10, "ten requests")


@pytest.mark.cell("slow reader")
def test_thirty_clients_that_do_not_read_do_not_delay_a_good_one(worker: WorkerType) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/small":
            return hello(environ, start_response)
        body = LARGE[: 3 << 20]
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    with serving(worker, app, response_memory=4 << 20) as server, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(server.connect(receive_buffer=4096)) for _ in range(30)]
        for client in slow:
            client.send(get("/large"))
            client.take(1)  # its answer has begun
        with server.connect() as good:
            assert [good.ask("/small").text for _ in range(10)] == ["hello /small"] * 10
        for client in slow[:3]:
            rest = b"H" + client._file.read1(1 << 20)
            head, _, body = rest.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert body + client.take((3 << 20) - len(body)) == LARGE[: 3 << 20]


@pytest.mark.cell("slow reader")
def test_a_producer_waits_for_its_reader_and_holds_little(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    """Beyond `response_memory` the application isn't asked for more; others' answers in work go on meanwhile."""
    produced, done = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        for at in range(0, len(LARGE), 65536):
            produced.open()
            yield LARGE[at : at + 65536]
        done.open()

    with serving(worker, app, response_memory=128 * 1024) as server, server.connect(receive_buffer=4096) as client:
        client.send(get())
        produced.wait()
        client.take(1)
        assert not done.is_open()
        assert client._file.readline() == b"TTP/1.1 200 OK\r\n"
        while client._file.readline().strip():
            pass
        assert client.take(len(LARGE)) == LARGE
        done.wait()


def test_while_a_producer_waits_nothing_else_is_started_in_its_slot(
    worker: WorkerType, latch: Callable[[], Latch]
) -> None:
    """One slot, one request: a streaming response isn't interleaved with another request."""
    running = latch()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/other":
            yield b"other"
            return
        running.open()
        yield LARGE

    options = one_slot(worker)
    with (
        serving(worker, app, options=options) as server,
        server.connect() as known,
        server.connect(receive_buffer=4096) as slow,
    ):
        assert known.ask("/other").text == "other"
        slow.send(get("/slow"))
        running.wait()
        slow.take(1)
        with server.connect() as other:
            known.send(get("/other"))
            other.send(get("/other"))
            assert server.requests()[0] == 2
            slow.vanish()
            assert other.answer().text == "other"
        with contextlib.suppress(
            ConnectionEndedError
        ):  # a class that has one connection closed it, idle, for the slow one
            assert known.answer().text == "other"


@pytest.mark.cell("slow head")
def test_a_head_that_does_not_go_on_is_answered_408(worker: WorkerType) -> None:
    with serving(worker, hello, header_timeout=SMALL) as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost:")
        answer = client.answer()
        assert (answer.status, answer.closes) == (408, True)
        assert client.at_end()


@pytest.mark.cell("slow body")
def test_a_body_that_does_not_go_on_is_answered_408(worker: WorkerType) -> None:
    with serving(worker, echo, body_timeout=SMALL) as server, server.connect() as client:
        client.send(post(b"x" * 100)[:-1])
        answer = client.answer()
        assert (answer.status, answer.closes) == (408, True)
        assert client.at_end()


def test_a_connection_that_says_nothing_is_closed_without_a_word(worker: WorkerType) -> None:
    with serving(worker, hello, header_timeout=SMALL) as server, server.connect() as client:
        assert client.at_end()


@pytest.mark.cell("keep-alive")
def test_an_idle_connection_is_closed_without_a_word(worker: WorkerType) -> None:
    with serving(worker, hello, keepalive_timeout=SMALL) as server, server.connect() as client:
        assert client.ask().status == 200
        assert client.at_end()


@pytest.mark.cell("slow reader")
def test_a_reader_that_stops_is_cut_with_a_reset(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    over = latch()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        try:
            for at in range(0, len(LARGE), 65536):
                yield LARGE[at : at + 65536]
        finally:
            over.open()

    with serving(worker, app, write_timeout=SMALL) as server, server.connect(receive_buffer=4096) as client:
        client.send(get())
        over.wait()
        assert client.was_reset()


def test_a_reader_that_stops_after_the_application_is_done_is_cut_too(worker: WorkerType) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [LARGE]

    with serving(worker, app, write_timeout=SMALL, response_memory=64 << 20) as server:
        with server.connect() as quiet:
            assert quiet.ask().status == 200
            before = server.open_files()
        with server.connect(receive_buffer=4096) as client:
            client.send(get())
            client.take(1)
            wait_for(lambda: server.open_files() < before, "the cut")
            assert client.was_reset()


@pytest.mark.cell("slow head", "slow body")
def test_progress_keeps_a_slow_client_alive(worker: WorkerType) -> None:
    """What counts is the time without progress, not the whole time."""
    request = post(b"slow")
    with serving(worker, echo, header_timeout=1.0, body_timeout=1.0) as server, server.connect() as client:
        for byte in request[:-1]:
            client.send(bytes([byte]))
            # 60 bytes at this pace take longer than the timeout; if an answer came, it would be a 408.
            assert not select.select([client.sock], [], [], 0.03)[0]
        client.send(request[-1:])
        assert client.answer().body == b"slow"


def test_an_application_that_takes_long_is_not_held_against_other_clients(
    worker: WorkerType, latch: Callable[[], Latch]
) -> None:
    """A client whose bytes arrived while the application held the thread made progress, though nobody looked."""
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/long":
            running.open()
            go_on.wait()
        return echo(environ, start_response)

    with serving(worker, app, body_timeout=1.0) as server, server.connect() as slow, server.connect() as long:
        slow.send(post(b"12")[:-1])
        assert long.ask("/").status == 200
        long.send(get("/long"))
        running.wait()
        slow.send(b"2")
        # Longer than the body's time. A class with several slots answers meanwhile.
        select.select([slow.sock], [], [], 1.5)
        go_on.open()
        assert slow.answer().body == b"12"
        assert long.answer().status == 200


@pytest.mark.cell("disconnect")
def test_a_client_that_leaves_ends_its_response(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    begun, closed = latch(), latch()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            begun.open()
            while True:
                yield LARGE[:65536]

        def close(self) -> None:
            closed.open()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return Endless()

    with serving(worker, app) as server:
        client = server.connect()
        client.send(get())
        begun.wait()
        client.vanish()
        closed.wait()
        wait_for(lambda: server.requests() == (1, 1), "the end of the request")
        assert server.log() == []


def test_a_file_is_sent_without_holding_a_slot(worker: WorkerType, tmp_path: Path) -> None:
    """A slow download occupies neither the application nor memory: the file's pieces are sent as they are read."""
    (tmp_path / "large").write_bytes(LARGE)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/small":
            return hello(environ, start_response)
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        return environ["wsgi.file_wrapper"]((tmp_path / "large").open("rb"), 65536)

    with serving(worker, app) as server, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(server.connect(receive_buffer=4096)) for _ in range(10)]
        for client in slow:
            client.send(get("/large"))
        wait_for(lambda: server.requests() == (10, 10), "ten requests that are over")
        with server.connect() as good:
            assert good.ask("/small").text == "hello /small"
        assert slow[0].answer().body == LARGE
