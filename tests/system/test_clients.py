"""Clients of every kind, over real sockets: a slow one costs a buffer, a wrong one is told so, nobody costs a worker."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import shutil
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.client import ConnectionEndedError, connect
from support.holding import ask

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve

KEEPALIVE = '[timeouts]\nkeepalive = "30s"\n'
PATIENT = f'{KEEPALIVE}[http]\nresponse_memory = "4MiB"\n'
IMPATIENT = """\
[timeouts]
header = "1s"
body = "1s"
write = "1s"
keepalive = "1s"
[http]
response_memory = "64KiB"
"""


@pytest.mark.cell("slow head", "slow body", "slow reader")
def test_thirty_slow_clients_do_not_delay_a_good_one(share: Serve) -> None:
    """Ten send their head a byte at a time, ten their body, ten read their answer as slowly; one worker."""
    server = share(PATIENT)
    head = b"GET / HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\nX-Slow: " + b"z" * 400 + b"\r\n\r\n"
    post = b"POST /echo HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\nContent-Length: 400\r\n\r\n"
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        heads = [stack.enter_context(server.connect()) for _ in range(10)]
        bodies = [stack.enter_context(server.connect()) for _ in range(10)]
        readers = [stack.enter_context(server.connect()) for _ in range(10)]
        for client in bodies:
            client.send(post)
        for client in readers:
            ask(client, "/big?bytes=2000000")

        def trickle() -> None:
            for position in range(len(head)):
                for client in heads:
                    client.send(head[position : position + 1])
                for client in bodies if position < 400 else ():
                    client.send(b"y")
                if not over.is_set():
                    time.sleep(0.02)

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            answers = [server.get().body for _ in range(50)]
            assert thread.is_alive(), "the slow ones were still at it when the good one was done"
        finally:
            over.set()
            thread.join()
        assert answers == [b"hello\n"] * 50
        assert [client.answer().body for client in heads] == [b"hello\n"] * 10
        assert [client.answer().body for client in bodies] == [b"y" * 400] * 10
        assert [len(client.answer().body) for client in readers] == [2_000_000] * 10


@pytest.mark.cell("slow head", "slow body")
def test_a_client_that_stops_sending_gets_408(share: Serve) -> None:
    server = share(IMPATIENT)
    with server.connect() as in_head, server.connect() as in_body:
        in_head.send(b"GET / HTTP/1.1\r\nHost: testse")
        in_body.send(b"POST /echo HTTP/1.1\r\nHost: testserver\r\nContent-Length: 9\r\n\r\nabc")
        for client in (in_head, in_body):
            answer = client.answer()
            assert (answer.status, answer.closes) == (408, True)
            assert client.at_end()
    assert server.get().status == 200


@pytest.mark.cell("slow reader")
def test_a_client_that_stops_reading_is_cut(share: Serve) -> None:
    server = share(IMPATIENT)
    with server.connect() as client:
        ask(client, "/endless")
        assert server.get().status == 200, "one worker, which waited for that client at most a second"


@pytest.mark.cell("keep-alive")
def test_an_idle_connection_is_closed_after_keepalive(share: Serve) -> None:
    server = share(IMPATIENT)
    with server.connect() as client:
        assert client.request("/").status == 200
        assert client.at_end()


def test_a_connection_that_says_nothing_is_closed_without_a_word(share: Serve) -> None:
    server = share(IMPATIENT)
    with connect(server.address) as sock:
        assert sock.recv(1000) == b""


def test_sync_closes_by_default_and_keeps_when_told(serve_default: Serve) -> None:
    with serve_default().connect() as client:
        assert client.request("/").closes
        assert client.at_end()
    with serve_default(KEEPALIVE).connect() as client:
        answers = [client.request("/pid") for _ in range(5)]
    assert [answer.closes for answer in answers] == [False] * 5


@pytest.mark.cell("keep-alive")
def test_pipelined_requests_are_answered_in_order(share: Serve) -> None:
    server = share(PATIENT)
    with server.connect() as client:
        client.send(
            b"".join(
                b"POST /echo HTTP/1.1\r\nHost: testserver\r\nContent-Length: 1\r\n\r\n%d" % number
                for number in range(8)
            )
        )
        assert [client.answer().body for _ in range(8)] == [b"%d" % number for number in range(8)]


def test_many_connections_at_once(share: Serve) -> None:
    server = share(PATIENT)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(200)]
        for _ in range(2):
            for client in clients:
                ask(client, "/")
            assert {client.answer().body for client in clients} == {b"hello\n"}


def test_expect_100_continue(share: Serve) -> None:
    server = share(PATIENT)
    with server.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: testserver\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"hello")
        assert client.answer().body == b"hello"


def test_a_chunked_body_with_trailers(share: Serve) -> None:
    server = share(PATIENT)
    with server.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: testserver\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX-Checksum: 1\r\n\r\n")
        assert client.answer().body == b"hello!"
        assert client.request("/").body == b"hello\n", "the connection is in step"


def test_head_has_no_body_and_the_same_length(share: Serve) -> None:
    server = share(PATIENT)
    with server.connect() as client:
        answer = client.request("/", method="HEAD")
        assert (answer.status, answer.header("Content-Length"), answer.body) == (200, "6", b"")
        assert client.request("/").body == b"hello\n", "the connection is in step"


def test_a_response_of_unknown_length_is_chunked_or_ends_with_the_connection(share: Serve) -> None:
    server = share(PATIENT)
    expected = b"".join(b"%d\n" % number for number in range(1000))
    with server.connect() as client:
        answer = client.request("/stream?count=1000")
        assert answer.header("Transfer-Encoding") == "chunked"
        assert answer.body == expected
        assert client.request("/").body == b"hello\n", "the connection is in step"
    with server.connect() as client:
        client.send(b"GET /stream?count=1000 HTTP/1.0\r\n\r\n")
        assert client.answer().body == expected


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 413),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", 417),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ],
    ids=[
        "junk",
        "no host",
        "two lengths",
        "long line",
        "long headers",
        "many headers",
        "long body",
        "te",
        "expect",
        "version",
    ],
)
@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_a_wrong_request_is_refused_and_the_connection_closed(
    share_default: Serve, parser: str, sent: bytes, status: int
) -> None:
    server = share_default(f'[http]\nparser = "{parser}"\nmax_body = "10KiB"\n' + KEEPALIVE)
    with server.connect() as client:
        client.send(sent)
        answer = client.answer()
        assert (answer.status, answer.closes) == (status, True)
        assert len(answer.body) < 200
        assert client.at_end()
    assert server.get().status == 200


@pytest.mark.cell("logs")
def test_an_application_that_raises_is_answered_500_and_its_traceback_logged(share: Serve) -> None:
    server = share(PATIENT)
    answer = server.get("/raise")
    assert answer.status == 500
    assert b"raised by the application" not in answer.body, "the client learns nothing of the inside"
    server.wait_log(r"GET /raise")
    server.wait_log(r"(?m)ValueError: raised by the application$")
    assert server.get().status == 200


def test_an_application_that_raises_late_cuts_the_response(share: Serve) -> None:
    """A clean end would make half a response look whole."""
    server = share(PATIENT)
    with server.connect() as client:
        ask(client, "/late")
        with pytest.raises(ConnectionEndedError):
            client.answer()
    server.wait_log(r"ValueError: raised by the application, late")


@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_000])
def test_an_upload_arrives_whole_in_memory_or_on_disk(share: Serve, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    facts = share(PATIENT).post("/digest", data).json()
    assert facts == {"size": size, "sha256": hashlib.sha256(data).hexdigest()}


def test_a_file_is_sent_whole(share: Serve, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 20_000)
    answer = share(PATIENT).get(f"/file?path={file}")
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(file.read_bytes()).digest()


@pytest.mark.cell("disconnect")
def test_a_client_that_leaves_in_the_middle_hurts_nobody(share: Serve) -> None:
    server = share(PATIENT)
    (worker,) = server.wait_workers(1)
    before = len(server.log)
    for sent in (b"GET / HT", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", b""):
        with server.connect() as client:
            client.send(sent)
    for _ in range(5):
        with server.connect() as client:
            ask(client, "/big?bytes=5000000")
    assert server.get("/pid").body == b"%d" % worker
    assert "Traceback" not in server.log[before:]


def test_the_standard_librarys_client(share: Serve) -> None:
    server = share(PATIENT)
    connection = http.client.HTTPConnection(*server.endpoint, timeout=30)
    with contextlib.closing(connection):
        for _ in range(3):
            connection.request("POST", "/echo", body=iter([b"a" * 1000, b"b" * 1000]), encode_chunked=True)
            assert connection.getresponse().read() == b"a" * 1000 + b"b" * 1000


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_uploads_with_expect_and_keeps_its_connection(share: Serve, tmp_path: Path) -> None:
    server = share(PATIENT)
    file = tmp_path / "file"
    file.write_bytes(b"z" * 3_000_000)
    url = f"{server.url}/digest"
    ended = subprocess.run(
        (
            "curl",
            "-sS",
            "--fail",
            "-H",
            "Expect: 100-continue",
            "--data-binary",
            f"@{file}",
            url,
            url,
            "-w",
            " %{num_connects}\\n",
        ),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout.count(hashlib.sha256(file.read_bytes()).hexdigest()) == 2
    assert ended.stdout.split()[-1] == "0", "the second request used the first one's connection"
