"""Whatever an application answers, its client can tell one answer from the next, and its iterable is closed once."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import hello
from support.raw import get
from support.serving import serving
from support.waiting import wait_for

if TYPE_CHECKING:
    from support.latch import Latch

    from workerhub.worker import WorkerType

BLOCK = b"x" * 65536


class Ends:
    """A page for each way in which an answer may end; `/closed` tells how often the iterables of each were closed."""

    def __init__(self, begun: Latch) -> None:
        self.begun = begun
        self.closed: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path == "/closed":
            start_response("200 OK", [])
            return [json.dumps(self.closed).encode()]
        if path != "/unstarted":
            write = start_response("200 OK", [])
            if path == "/written":
                write(b"first")
        return End(self, path)


class End:
    """One answer."""

    def __init__(self, site: Ends, path: str) -> None:
        self.site = site
        self.path = path

    def __iter__(self) -> Iterator[bytes]:
        yield b"begun"
        match self.path:
            case "/raises":
                raise ValueError("on purpose")
            case "/text":
                yield "text"  # type: ignore[misc]  # on purpose
            case "/endless":
                self.site.begun.open()
                while True:
                    yield BLOCK
            case "/late":
                self.site.begun.open()
                while True:
                    time.sleep(0.001)

    def close(self) -> None:
        self.site.closed[self.path] += 1


@pytest.mark.cell("disconnect")
def test_close_is_called_once_however_the_answer_ends(worker: WorkerType, latch: Callable[[], Latch]) -> None:
    begun = latch()
    with serving(worker, Ends(begun)) as server:
        for path, method in (("/whole", "GET"), ("/head", "HEAD"), ("/written", "GET")):
            with server.connect() as client:
                client.send(get(path, "Connection: close", method=method))
                assert client.answer(method).status == 200
        with server.connect() as client:
            assert client.ask("/unstarted").status == 500
        for path in ("/raises", "/text"):
            with server.connect() as client, pytest.raises(ConnectionError):
                client.ask(path)
        client = server.connect()
        client.send(get("/endless"))
        begun.wait()
        client.vanish()
        with server.connect() as client:
            client.send(get("/late"))
            begun.wait()
            server.interrupt()
            client.was_reset()  # or an end without the last chunk
        expected = dict.fromkeys(
            ("/whole", "/head", "/written", "/unstarted", "/raises", "/text", "/endless", "/late"), 1
        )

        def closed() -> dict[str, int]:
            with server.connect() as client:
                found: dict[str, int] = client.ask("/closed").json()
                return found

        wait_for(lambda: sum(closed().values()) >= len(expected), "every iterable to be closed")
        assert closed() == expected


def wrong(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Says more than it announced, or what it mustn't say."""
    status, headers = {
        "/long": ("200 OK", [("Content-Length", "5")]),
        "/no-content": ("204 No Content", [("Content-Length", "9")]),
        "/not-modified": ("304 Not Modified", [("Content-Length", "9")]),
        "/injected": ("200 OK", [("X", "a\r\nEvil: 1")]),
        "/injected-status": ("200 OK\r\nEvil: 1", []),
        "/chunked": ("200 OK", [("Transfer-Encoding", "chunked")]),
        "/kept": ("200 OK", [("Connection", "keep-alive")]),
        "/early": ("103 Early Hints", []),
    }.get(environ["PATH_INFO"], ("200 OK", None))
    if headers is None:
        return hello(environ, start_response)
    start_response(status, headers)
    return iter([b"HTTP/1.1 ", b"200 OK\r\n\r\n"])


def unknown_length(environ: dict[str, Any], start_response: Any, begun: Latch) -> Iterator[bytes]:
    """Much; or never to an end."""
    start_response("200 OK", [])
    for _ in range(64):
        yield BLOCK
    if environ["PATH_INFO"] == "/endless":
        begun.open()
        while True:
            time.sleep(0.001)


def test_an_answer_that_the_end_of_the_connection_ends_is_whole_or_reset(
    worker: WorkerType, latch: Callable[[], Latch]
) -> None:
    """To HTTP/1.0, which is what nginx speaks if it isn't told otherwise; also when the worker is killed."""
    begun = latch()
    with serving(worker, partial(unknown_length, begun=begun), response_memory=64 * len(BLOCK)) as server:
        for receive_buffer in (None, 4096):  # a slow reader's answer is sent when the application is done
            with server.connect(receive_buffer=receive_buffer) as client:
                client.send(get("/whole", version="1.0"))
                assert len(client.answer().body) == 64 * len(BLOCK)
        with server.connect() as client:
            client.send(get("/endless", version="1.0"))
            begun.wait()
            server.kill()
            assert client.was_reset()


def test_what_an_application_says_too_much_is_no_part_of_the_next_answer(worker: WorkerType) -> None:
    with serving(worker, wrong) as server, server.connect() as client:
        for path, method, said in (
            ("/long", "GET", (200, b"HTTP/")),
            ("/long", "HEAD", (200, b"")),
            ("/no-content", "GET", (204, b"")),
            ("/not-modified", "GET", (304, b"")),
        ):
            client.send(get(path, method=method))
            answer = client.answer(method)
            assert (answer.status, answer.body) == said
            assert client.ask("/next").text == "hello /next"


def test_what_an_application_may_not_say_is_a_500(worker: WorkerType) -> None:
    with serving(worker, wrong) as server:
        for path in ("/injected", "/injected-status", "/chunked", "/kept", "/early"):
            with server.connect() as client:
                answer = client.ask(path)
                assert (answer.status, answer.closes, answer.header("Evil")) == (500, True, None)
                assert client.at_end()
