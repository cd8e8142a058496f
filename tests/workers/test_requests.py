"""Requests of every shape reach the application whole, over real sockets."""

from __future__ import annotations

import hashlib
import select
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import echo, facts, hello
from support.raw import RawClient, get, post
from support.serving import serving
from support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.latch import Latch

    from workerhub.worker import WorkerType

MEGABYTE = bytes(range(256)) * 4096


@pytest.mark.cell("keep-alive")
def test_keep_alive_serves_many_requests_on_one_connection(worker: WorkerType) -> None:
    with serving(worker, hello) as server, server.connect() as client:
        answers = [client.ask(f"/{number}") for number in range(5)]
    assert [answer.text for answer in answers] == [f"hello /{number}" for number in range(5)]
    assert not any(answer.closes for answer in answers)


@pytest.mark.cell("keep-alive")
def test_connection_close_is_kept(worker: WorkerType) -> None:
    with serving(worker, hello) as server, server.connect() as client:
        assert client.ask("/", "Connection: close").closes
        assert client.at_end()


def test_keep_alive_switched_off_closes_after_each_answer(worker: WorkerType) -> None:
    with serving(worker, hello, http={"keepalive": False}) as server, server.connect() as client:
        assert client.ask().closes
        assert client.at_end()


@pytest.mark.cell("keep-alive")
def test_pipelined_requests_are_answered_in_order(worker: WorkerType) -> None:
    with serving(worker, hello) as server, server.connect() as client:
        client.send(b"".join(get(f"/{number}") for number in range(50)))
        assert [client.answer().text for _ in range(50)] == [f"hello /{number}" for number in range(50)]


def test_what_is_pipelined_behind_a_close_does_not_cost_the_answer(worker: WorkerType) -> None:
    """The answer isn't lost to a reset, although the client goes on sending."""
    with serving(worker, hello, http={"keepalive": False}) as server, server.connect() as client:
        client.send(get("/first") + get("/second") * 2000)
        answer = client.answer()
        assert (answer.text, answer.closes) == ("hello /first", True)
        assert client.at_end()


def test_a_request_byte_by_byte(worker: WorkerType) -> None:
    with serving(worker, echo) as server, server.connect() as client:
        for byte in post(b"some body", "/", "X-Test: yes"):
            client.send(bytes([byte]))
        assert client.answer().body == b"some body"


def test_chunked_upload_with_trailers(worker: WorkerType) -> None:
    with serving(worker, echo) as server, server.connect() as client:
        client.send(get("/", "Transfer-Encoding: chunked", method="POST"))
        client.send(b"5\r\nhello\r\n7;ext=1\r\n, world\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert client.answer().body == b"hello, world"
        assert client.ask("/again").status == 200


def test_100_continue_is_sent_when_the_client_waits_for_it(worker: WorkerType) -> None:
    with serving(worker, echo) as server, server.connect() as client:
        client.send(get("/", "Content-Length: 4", "Expect: 100-continue", method="POST"))
        assert client.answer().status == 100
        client.send(b"body")
        assert client.answer().body == b"body"


def test_no_100_continue_for_a_body_that_is_refused(worker: WorkerType) -> None:
    with serving(worker, echo, http={"max_body": 3}) as server, server.connect() as client:
        client.send(get("/", "Content-Length: 4", "Expect: 100-continue", method="POST"))
        assert client.answer().status == 413
        assert client.at_end()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_is_spooled_and_freed(worker: WorkerType, *, chunked: bool) -> None:
    def digest(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"]
        start_response("200 OK", [])
        return [hashlib.file_digest(body, "sha256").hexdigest().encode(), b" ", type(body).__name__.encode()]

    with serving(worker, digest) as server, server.connect() as client:
        assert client.ask().status == 200
        before = server.open_files()
        if chunked:
            client.send(get("/", "Transfer-Encoding: chunked", method="POST"))
            for _ in range(8):
                client.send(b"%x\r\n%b\r\n" % (len(MEGABYTE), MEGABYTE))
            client.send(b"0\r\n\r\n")
        else:
            client.send(post(MEGABYTE * 8))
        found, kind = client.answer().text.split()
        assert found == hashlib.sha256(MEGABYTE * 8).hexdigest()
        assert kind != "BytesIO"
        wait_for(lambda: server.open_files() == before, "the spool file to be closed")


def test_head_has_no_body(worker: WorkerType) -> None:
    with serving(worker, hello) as server, server.connect() as client:
        client.send(get("/", method="HEAD"))
        answer = client.answer("HEAD")
        assert (answer.status, answer.header("Content-Length")) == (200, "7")
        assert client.ask("/next").text == "hello /next"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("/" + "x" * 9000), 414),
        (get("/", "X-Long: " + "x" * 70000), 431),
        (get("/", *[f"X-{number}: 1" for number in range(200)]), 431),
        (get("/", "Content-Length: 1001", method="POST"), 413),
        (get("/", "Content-Length: -1", method="POST"), 400),
        (get("/", "Transfer-Encoding: gzip", method="POST"), 501),
        (get("/", version="3.0"), 505),
        (b"nonsense\r\n\r\n", 400),
    ],
)
@pytest.mark.cell("limits")
def test_what_is_refused_is_answered_and_closed(worker: WorkerType, request_bytes: bytes, status: int) -> None:
    with serving(worker, hello, http={"max_body": 1000}) as server:
        with server.connect() as client:
            client.send(request_bytes)
            answer = client.answer()
            assert (answer.status, answer.closes) == (status, True)
            assert client.at_end()
        with server.connect() as other:
            assert other.ask().status == 200


def test_an_early_refusal_reaches_a_client_that_is_still_sending(worker: WorkerType) -> None:
    with serving(worker, echo, http={"max_body": 1000}) as server, server.connect() as client:
        client.send(post(MEGABYTE))
        assert client.answer().status == 413
        assert client.at_end()


def test_half_closed_client_is_answered(worker: WorkerType) -> None:
    with serving(worker, hello) as server, server.connect() as client:
        client.send(get("/a") + get("/b"))
        client.finish_sending()
        assert [client.answer().text, client.answer().text] == ["hello /a", "hello /b"]
        assert client.at_end()


def test_a_disk_without_room_is_an_answer(worker: WorkerType, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room() -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workerhub.worker.context.new_spool", no_room)
    with serving(worker, echo) as server:
        with server.connect() as client:
            # In chunks: of a body whose length is known a class may hand out what is here, and keep nothing.
            client.send(get("/", "Transfer-Encoding: chunked", method="POST") + b"%x\r\n" % len(MEGABYTE) + MEGABYTE)
            assert client.answer().status == 503
            assert client.at_end()
        assert any("No space left on device" in line for line in server.log("error"))
        with server.connect() as client:
            client.send(post(b"small"))
            assert client.answer().body == b"small"


def test_the_environ_tells_both_ends_of_a_tcp_connection(worker: WorkerType) -> None:
    with serving(worker, facts) as server, server.connect() as client:
        environ = client.ask("/path?query").json()
        host, port = client.sock.getsockname()
        assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == (host, str(port))
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", str(server.address[1]))
        assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/path", "query")


def test_a_unix_socket_has_no_remote_address(worker: WorkerType, tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen(16)
    with serving(worker, facts, listeners=(listener,)) as server, server.connect() as client:
        environ = client.ask().json()
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("", "")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("localhost", "80")


def test_several_listeners_are_served(worker: WorkerType) -> None:
    listeners = tuple(socket.create_server(("127.0.0.1", 0)) for _ in range(3))
    addresses = [listener.getsockname() for listener in listeners]
    with serving(worker, facts, listeners=listeners):
        for address in addresses:
            with RawClient(address) as client:
                assert client.ask().json()["SERVER_PORT"] == str(address[1])


@pytest.mark.cell("logs")
def test_each_request_is_on_the_books(worker: WorkerType) -> None:
    def fail(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/fails":
            raise ValueError("on purpose")
        return hello(environ, start_response)

    with serving(worker, fail) as server:
        with server.connect() as client:
            assert client.ask("/fails").status == 500
            assert client.at_end()
        with server.connect() as client:
            assert client.ask("/works").status == 200
        wait_for(lambda: len(server.access()) == 2, "the access log")
        assert server.requests() == (2, 2)
        assert [line[:3] for line in server.access()] == [["GET", "/fails", 500], ["GET", "/works", 200]]
        (error,) = server.log("error")
        assert "ValueError: on purpose" in error
        assert "GET /fails" in error


def test_the_limit_is_reported_once_and_serving_goes_on(worker: WorkerType) -> None:
    reports: list[None] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [str(len(reports)).encode()]

    with (
        serving(worker, app, recycle_after=3, limit_reached=lambda: reports.append(None)) as server,
        server.connect() as client,
    ):
        assert [client.ask().text for _ in range(6)] == ["0", "0", "0", "1", "1", "1"]


@pytest.mark.cell("limits")
def test_a_pipeline_is_read_no_faster_than_it_is_answered(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    """While a request runs, those behind it stay in the kernel: a client can't have the worker hold them."""
    running, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/hold":
            running.open()
            go_on.wait()
        return hello(environ, start_response)

    requests = get("/next") * 1000
    with serving(worker, app) as server, server.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        client.send(get("/hold"))
        running.wait()
        sent = 0
        while select.select([], [client.sock], [], 1.0)[1]:
            sent += client.sock.send(requests[sent % len(requests) :], socket.MSG_DONTWAIT)
            assert sent < 64 * len(MEGABYTE), "the worker reads on and on"
        go_on.open()
        assert client.answer().text == "hello /hold"
        assert client.answer().text == "hello /next"
