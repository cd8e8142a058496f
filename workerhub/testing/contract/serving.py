"""Requests of every shape reach the application whole, and its answers the client."""

from __future__ import annotations

import hashlib
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

from workerhub.testing.client import Answer, Client, get, post
from workerhub.testing.contract.clauses import Chapter, expect, expect_equal
from workerhub.testing.contract.kit import Kit
from workerhub.testing.contract.site import LARGE
from workerhub.testing.contract.sockets import new_listener

serving = Chapter("serving")

STRICT = {"http": {"max_body": 1000, "keepalive": False}}
"""Limits that a small request reaches."""


@serving.foundation
def answers(kit: Kit) -> None:
    """A request gets the application's answer."""
    with kit.shared() as served, served.connect() as client:
        expect_says("hello /path", client.ask("/path"))


@serving.clause
def environ_tells_both_ends(kit: Kit) -> None:
    """The application is told who asks, and where: the addresses of both ends of the connection, the path and the query."""
    with kit.shared() as served, served.connect() as client:
        client.send(get("/environ?query"))
        environ = client.answer().json()
        (host, port), (server, server_port) = client.sock.getsockname(), client.sock.getpeername()
        told = {
            "REMOTE_ADDR": host,
            "REMOTE_PORT": str(port),
            "SERVER_NAME": server,
            "SERVER_PORT": str(server_port),
            "PATH_INFO": "/environ",
            "QUERY_STRING": "query",
        }
        expect_equal(told, {name: environ.get(name) for name in told}, "the environ")


@serving.clause
def failures_are_answered_500(kit: Kit) -> None:
    """Whatever an application raises, `SystemExit` included: its client is told 500, the connection ends, and the worker serves on."""
    with kit.shared() as served:
        for how in ("error", "exit", "interrupt"):
            with served.connect() as client:
                answer = client.ask(f"/fails?{how}")
                expect_equal((500, True), (answer.status, answer.closes), "status, and whether the connection closes")
                expect(client.at_end(), "the connection stayed open")
        with served.connect() as client:
            expect_says("hello /after", client.ask("/after"))


@serving.clause
def answers_that_break_off_look_like_it(kit: Kit) -> None:
    """If the application fails in the middle of its answer the client can tell: the last chunk is missing, or to HTTP/1.0 the connection is reset."""
    with kit.shared() as served:
        with served.connect() as client:
            client.send(get("/breaks"))
            client.head()
            begun = b"5\r\nbegun\r\n"
            expect_equal(begun, client.take(len(begun)), "the first block")
            expect(client.at_end(), "the answer goes on")
        with served.connect() as client:
            client.send(get("/breaks", version="1.0"))
            expect(client.was_reset(), "the answer to HTTP/1.0 looks complete")


@serving.clause
def connections_are_kept(kit: Kit) -> None:
    """A connection serves one request after the other, if both sides want that."""
    with kit.shared() as served, served.connect() as client:
        for number in range(5):
            answer = client.ask(f"/{number}")
            expect_says(f"hello /{number}", answer)
            expect(not answer.closes, "an answer said `Connection: close`")


@serving.clause
def connection_close_is_kept(kit: Kit) -> None:
    """If the client says `Connection: close`, the answer says so too, and the connection is closed."""
    with kit.shared() as served, served.connect() as client:
        answer = client.ask("/", "Connection: close")
        expect(answer.closes, "the answer doesn't say `Connection: close`")
        expect(client.at_end(), "the connection stayed open")


@serving.clause
def keep_alive_can_be_switched_off(kit: Kit) -> None:
    """With keep-alive switched off each answer says `Connection: close`, and the connection is closed."""
    with kit.shared(**STRICT) as served, served.connect() as client:
        answer = client.ask()
        expect(answer.closes, "the answer doesn't say `Connection: close`")
        expect(client.at_end(), "the connection stayed open")


@serving.clause
def http_1_0_is_served(kit: Kit) -> None:
    """HTTP/1.0 has a connection for each request, unless the client asks to keep it."""
    with kit.shared() as served:
        with served.connect() as client:
            client.send(get("/old", version="1.0"))
            expect_says("hello /old", client.answer())
            expect(client.at_end(), "the connection stayed open")
        with served.connect() as client:
            for _ in range(2):
                client.send(get("/kept", "Connection: keep-alive", version="1.0"))
                expect_says("hello /kept", client.answer())


@serving.clause
def pipelined_requests_are_answered_in_order(kit: Kit) -> None:
    """Requests that are sent without waiting for answers are answered one after the other, in order."""
    targets = [f"/{number}" for number in range(20)]
    with kit.shared() as served, served.connect() as client:
        client.send(b"".join(map(get, targets)))
        expect_equal([f"hello {target}" for target in targets], [client.answer().text for _ in targets], "the answers")


@serving.clause
def head_has_no_body(kit: Kit) -> None:
    """The answer to HEAD is a head alone."""
    with kit.shared() as served, served.connect() as client:
        client.send(get("/four", method="HEAD"))
        answer = client.answer("HEAD")
        expect_equal((200, "11"), (answer.status, answer.header("Content-Length")), "status and length")
        expect_says("hello /next", client.ask("/next"))


@serving.clause
def bytes_may_come_one_by_one(kit: Kit) -> None:
    """A request may arrive in as many pieces as it has bytes."""
    with kit.shared() as served, served.connect() as client:
        for number, byte in enumerate(post(b"body", "/digest")):
            client.send(bytes([byte]))
            if not number % 8:  # else the system may put it together again
                served.settle()
        expect_says(_digest(b"body"), client.answer())


@serving.clause
def chunked_bodies_are_read(kit: Kit) -> None:
    """A body may come in chunks, and the next request behind it."""
    with kit.shared() as served, served.connect() as client:
        client.send(get("/digest", "Transfer-Encoding: chunked", method="POST"))
        client.send(b"5\r\nhello\r\n7;ext=1\r\n, world\r\n0\r\nX-Sum: 1\r\n\r\n" + get("/next"))
        expect_says(_digest(b"hello, world"), client.answer())
        expect_says("hello /next", client.answer())


@serving.clause
def expectations_are_met(kit: Kit) -> None:
    """A client that waits for `100 Continue` before it sends a body gets it."""
    with kit.shared() as served, served.connect() as client:
        client.send(get("/digest", "Content-Length: 4", "Expect: 100-continue", method="POST"))
        expect_equal(100, client.head().status, "the interim answer's status")
        client.send(b"body")
        expect_says(_digest(b"body"), client.answer())


@serving.clause
def large_bodies_arrive_whole(kit: Kit) -> None:
    """A large body arrives whole, and what it was kept in is freed."""
    with kit.shared() as served, served.connect() as client:
        client.ask()
        before = served.open_files()
        client.send(get("/digest", "Transfer-Encoding: chunked", method="POST"))
        client.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE))
        expect_says(_digest(LARGE), client.answer())
        served.wait_until(lambda: served.open_files() <= before, "close the file that the body was kept in")


@serving.clause
def large_answers_arrive_whole(kit: Kit) -> None:
    """A large answer arrives whole, however slowly it is read."""
    with kit.shared() as served, served.connect(receive_buffer=4096) as client:
        client.send(get("/large"))
        expect(client.answer().body == LARGE, "the body that came is another one")


@serving.clause
def files_arrive_whole(kit: Kit) -> None:
    """A file that the application hands over by `wsgi.file_wrapper` arrives whole, from where it stands."""
    with kit.shared() as served, served.connect() as client:
        client.send(get("/file"))
        expect(client.answer().body == LARGE, "the body that came is another one")
        expect_says("hello /next", client.ask("/next"))


@serving.clause
def blocks_are_sent_as_they_are_made(kit: Kit) -> None:
    """What the application has produced is sent before it produces more (PEP 3333, "Buffering and Streaming")."""
    with kit.shared() as served, served.connect() as client:
        client.send(get("/stream"))
        client.head()
        first = b"5\r\nfirst\r\n"
        expect_equal(first, client.take(len(first)), "the first block")
        served.app.go_on.open()
        last = b"6\r\nsecond\r\n0\r\n\r\n"
        expect_equal(last, client.take(len(last)), "the second block, and the end")


@serving.clause
def half_closed_clients_are_answered(kit: Kit) -> None:
    """A client that has closed its sending side is still answered."""
    with kit.shared() as served, served.connect() as client:
        client.send(get("/a") + get("/b"))
        client.finish_sending()
        expect_equal(["hello /a", "hello /b"], [client.answer().text, client.answer().text], "the answers")
        expect(client.at_end(), "the connection stayed open")


@serving.clause
def all_listeners_are_served(kit: Kit) -> None:
    """Connections are accepted from every listener, and the application is told from which."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(new_listener()) for _ in range(3)]
        served = stack.enter_context(kit.serving(listeners=tuple(listener.dup() for listener in listeners)))
        for address in (listener.getsockname() for listener in listeners):
            with Client(address, timeout=kit.patience) as client:
                expect_equal(str(address[1]), client.ask("/environ").json()["SERVER_PORT"], "SERVER_PORT")
        del served


@serving.clause
def unix_sockets_are_served(kit: Kit) -> None:
    """A UNIX socket is as good a listener as any; neither end of it has an address that an application could use."""
    told = {"REMOTE_ADDR": "", "REMOTE_PORT": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(Path(folder) / "socket"))
        listener.listen(16)
        with kit.serving(listeners=(listener.dup(),)) as served, served.connect() as client:
            environ = client.ask("/environ").json()
            expect_equal(told, {name: environ.get(name) for name in told}, "the environ")


def expect_says(text: str, answer: Answer) -> None:
    """Go on only if the answer is this one."""
    expect_equal((200, text), (answer.status, answer.body.decode("utf-8", "replace")), "status and body")


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
