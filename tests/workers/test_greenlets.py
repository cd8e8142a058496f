"""What only `gevent` promises: many conversations at once in one thread, bodies that stream, a master without gevent."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import echo, hello
from support.raw import get, post
from support.serving import serving
from support.waiting import wait_for
from workerhub_workers.gevent import GeventWorker
from workerhub_workers.gevent_options import GeventOptions

from workerhub.worker import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.latch import Latch

LARGE = b"x" * (8 << 20)


def test_neither_the_class_nor_the_master_imports_gevent() -> None:
    code = (
        "import sys, workerhub.cli, workerhub.master, workerhub_workers.gevent as module\n"
        "from workerhub_workers.gevent_options import GeventOptions\n"
        "from workerhub.worker import available, find\n"
        "available(), find('gevent'), module.GeventWorker.unavailable(), module.GeventWorker.capacity(GeventOptions())\n"
        "sys.exit(any(name.partition('.')[0] in ('gevent', 'greenlet') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_gevent_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workerhub_workers.gevent.find_spec", lambda name: None)
    assert GeventWorker.unavailable() == "gevent is not installed; pip install 'workerhub[gevent]'"


def test_the_standard_library_is_patched_before_the_application_is_imported() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [socket.socket.__module__.encode(), b" ", threading.current_thread().name.encode()]

    with serving(GeventWorker, app) as server, server.connect() as client:
        assert client.ask().text.startswith("gevent.")


def test_plug_ins_of_the_patching_are_heard(tmp_path: Path) -> None:
    """Though the files that announce them are read once, not at each of its steps."""
    info = tmp_path / "listener-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: listener\nVersion: 1\n", encoding="utf-8")
    groups = ("will_patch_all", "did_patch_all")
    points = "".join(f"[gevent.plugins.monkey.{group}]\nhear = listener:hear\n" for group in groups)
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    (tmp_path / "listener.py").write_text("def hear(event): print(type(event).__name__)\n", encoding="utf-8")
    code = (
        "from importlib import metadata; before = metadata.entry_points\n"
        "from workerhub_workers.gevent import GeventWorker; GeventWorker.prepare(GeventWorker.__new__(GeventWorker))\n"
        "assert metadata.entry_points is before"
    )
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.split() == ["GeventWillPatchAllEvent", "GeventDidPatchAllEvent"]


def test_waiting_requests_do_not_wait_for_each_other(latch: Callable[[], Latch]) -> None:
    """A hundred at once in `time.sleep`-like waits: none is answered before all are inside."""
    inside, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        inside.open()
        go_on.wait()
        time.sleep(0.001)
        return hello(environ, start_response)

    with serving(GeventWorker, app) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(100)]
        for number, client in enumerate(clients):
            client.send(get(f"/{number}"))
        for _ in clients:
            inside.wait()
        go_on.open(len(clients))
        assert [client.answer().text for client in clients] == [f"hello /{number}" for number in range(len(clients))]


def test_many_outgoing_sockets() -> None:
    """Each request asks another service; that one answers only when it has got all the questions."""
    service = socket.create_server(("127.0.0.1", 0), backlog=128)
    address = service.getsockname()
    count = 50

    def answer_all() -> None:
        asking = [service.accept()[0] for _ in range(count)]
        for sock in asking:
            sock.sendall(sock.recv(100).upper())
            sock.close()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with socket.create_connection(address) as sock:
            sock.sendall(environ["PATH_INFO"].encode())
            body = sock.recv(100)
        start_response("200 OK", [])
        return [body]

    with serving(GeventWorker, app) as server, contextlib.ExitStack() as stack:
        thread = threading.Thread(target=answer_all, daemon=True)
        thread.start()
        clients = [stack.enter_context(server.connect()) for _ in range(count)]
        for number, client in enumerate(clients):
            client.send(get(f"/path{number}"))
        assert [client.answer().text for client in clients] == [f"/PATH{number}" for number in range(count)]
        thread.join()
    service.close()


def test_subprocesses_and_threads_of_the_application_work() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        said: list[bytes] = []
        thread = threading.Thread(target=lambda: said.append(b"thread "))
        thread.start()
        thread.join()
        said.append(subprocess.run([sys.executable, "-c", "print('process')"], capture_output=True, check=True).stdout)
        start_response("200 OK", [])
        return said

    with serving(GeventWorker, app) as server, server.connect() as client:
        assert client.ask().text.strip() == "thread process"


def test_events_are_sent_as_they_happen(latch: Callable[[], Latch]) -> None:
    """Server-Sent Events: each arrives before the next one is made, on many connections at once."""
    made = [latch() for _ in range(20)]

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        for number in range(3):
            yield b"data: %d\n\n" % number
            made[int(environ["QUERY_STRING"])].wait()

    with serving(GeventWorker, app) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in made]
        for number, client in enumerate(clients):
            client.send(get(f"/?{number}"))
        for number in range(3):
            for client in clients:
                while client._file.readline() != b"data: %d\n" % number:
                    pass
            for one in made:
                one.open()


def test_what_a_slow_reader_left_is_sent_while_the_application_sleeps(latch: Callable[[], Latch]) -> None:
    go_on = latch()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", str(len(LARGE) + 3))])
        yield LARGE
        go_on.wait()
        yield b"end"

    with (
        serving(GeventWorker, app, response_memory=2 * len(LARGE)) as server,
        server.connect(receive_buffer=4096) as client,
    ):
        client.send(get())
        while client._file.readline().strip():
            pass
        assert client.take(len(LARGE)) == LARGE
        go_on.open()
        assert client.take(3) == b"end"


def test_an_upload_is_read_while_it_arrives(latch: Callable[[], Latch]) -> None:
    got = latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"]
        lines = []
        for _ in range(3):
            lines.append(body.readline())
            got.open()
        start_response("200 OK", [])
        return [b"".join(lines)]

    with serving(GeventWorker, app) as server, server.connect() as client:
        client.send(post(b"x" * 12)[:-12])
        for number in range(3):
            client.send(b"ab%d\n" % number)
            got.wait()
        assert client.answer().body == b"ab0\nab1\nab2\n"
        assert client.ask().status == 200


def test_a_chunked_upload_streams_where_that_is_asked_for(latch: Callable[[], Latch]) -> None:
    got = latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        lines = []
        for line in environ["wsgi.input"]:
            lines.append(line)
            got.open()
        start_response("200 OK", [])
        return lines

    options = {"stream_chunked": True}
    with serving(GeventWorker, app, options=options) as server, server.connect() as client:
        client.send(get("/", "Transfer-Encoding: chunked", "Expect: 100-continue", method="POST"))
        assert client.answer().status == 100
        for number in range(3):
            client.send(b"4\r\nab%d\n\r\n" % number)
            got.wait()
        client.send(b"0\r\n\r\n")
        assert client.answer().body == b"ab0\nab1\nab2\n"
        assert client.ask().status == 200


def test_an_upload_that_is_cut_is_an_error_for_the_application(latch: Callable[[], Latch]) -> None:
    failed = latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            return echo(environ, start_response)
        except OSError:
            failed.open()
            raise

    with serving(GeventWorker, app) as server:
        with server.connect() as client:
            client.send(post(b"x" * 100)[:-1])
            client.finish_sending()
            failed.wait()
            assert client.answer().status == 400
        with server.connect() as client:
            client.send(post(b"x" * 100)[:-1])
            wait_for(lambda: server.requests()[0] == 2, "the request to begin")
            client.vanish()
            failed.wait()
        wait_for(lambda: server.requests() == (2, 2), "the ends")
        assert server.log() == []


def test_a_rest_that_was_not_read_costs_the_connection_only_if_it_is_long() -> None:
    with serving(GeventWorker, hello) as server:
        with server.connect() as client:
            client.send(post(b"x" * 1000)[:-10])
            assert not client.answer().closes
            client.send(b"x" * 10)
            assert client.ask("/next").text == "hello /next"
        with server.connect() as client:
            client.send(post(LARGE))
            assert client.answer().closes
            assert client.at_end()


def test_an_upload_is_answered_while_it_arrives() -> None:
    """Both directions at once, each faster than the other one takes it: every byte comes back."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", environ["CONTENT_LENGTH"])])
        return iter(lambda: environ["wsgi.input"].read(65536), b"")

    with serving(GeventWorker, app) as server, server.connect(receive_buffer=4096) as client:
        sender = threading.Thread(target=client.send, args=(post(LARGE),), daemon=True)
        sender.start()
        while client._file.readline().strip():
            pass
        assert client.take(len(LARGE)) == LARGE
        sender.join()
        assert client.at_end()  # as the answer said, which began when the end of the body was far


@pytest.mark.parametrize("reads", [True, False])
def test_the_request_of_a_client_that_stops_sending_ends(*, reads: bool) -> None:
    """Whether it stops reading too, or not."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield LARGE
        yield environ["wsgi.input"].read()

    with (
        serving(GeventWorker, app, response_memory=2 * len(LARGE), body_timeout=0.2, write_timeout=0.2) as server,
        server.connect(receive_buffer=4096) as client,
    ):
        client.send(post(LARGE)[: 1 << 20])
        if reads:
            client.was_reset()
        wait_for(lambda: server.requests() == (1, 1), "the end of the request")
        assert server.log() == []


def test_a_greenlet_serves_one_request_after_another_and_idle_connections_have_none() -> None:
    """So what an application keeps for each thread, connections to a database say, is used again."""
    mine = threading.local()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        mine.count = getattr(mine, "count", 0) + 1
        start_response("200 OK", [])
        return [b"%d" % mine.count]

    with serving(GeventWorker, app) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(20)]
        assert [client.ask().text for client in clients * 2] == [str(number) for number in range(1, 41)]


def test_greenlets_that_somebody_kills_while_they_wait_are_replaced(latch: Callable[[], Latch]) -> None:
    inside, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        import gc

        import gevent

        if environ["PATH_INFO"] == "/wait":
            inside.open()
            go_on.wait()
        if environ["PATH_INFO"] == "/kill":
            others = [each for each in gc.get_objects() if isinstance(each, gevent.Greenlet)]
            gevent.killall([each for each in others if each is not gevent.getcurrent()])
        return hello(environ, start_response)

    with serving(GeventWorker, app) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(5)]
        for client in clients:
            client.send(get("/wait"))
            inside.wait()
        go_on.open(5)
        for client in clients:
            client.answer()
        assert clients[0].ask("/kill").status == 200
        for client in clients:
            client.send(get("/wait"))
            inside.wait()
        go_on.open(5)
        assert [client.answer().status for client in clients] == [200] * 5


def test_an_interrupt_ends_one_of_many_that_wait(latch: Callable[[], Latch]) -> None:
    inside, ended = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/":
            return hello(environ, start_response)
        inside.open()
        try:
            time.sleep(3600)
        except RequestTimeout:
            ended.open()
            raise
        return []

    with serving(GeventWorker, app) as server, contextlib.ExitStack() as stack:
        first, second, third = (stack.enter_context(server.connect()) for _ in range(3))
        for client in (first, second):
            client.send(get("/sleep"))
            inside.wait()
        server.interrupt()
        assert first.answer().status == 504
        ended.wait()
        assert third.ask().text == "hello /"
        assert not ended.is_open()
        server.interrupt()
        assert second.answer().status == 504


def test_a_greenlet_that_computes_is_interrupted_and_others_go_on(latch: Callable[[], Latch]) -> None:
    inside, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/wait":
            go_on.wait()
            return hello(environ, start_response)
        inside.open()
        while True:
            pass

    with serving(GeventWorker, app) as server, server.connect() as waiting, server.connect() as looping:
        looping.send(get("/loop"))
        inside.wait()
        waiting.send(get("/wait"))
        server.interrupt()
        assert looping.answer().status == 504
        go_on.open()
        assert waiting.answer().text == "hello /wait"


def test_a_stop_is_heard_while_nothing_happens_and_while_greenlets_wait(latch: Callable[[], Latch]) -> None:
    inside, go_on = latch(), latch()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        inside.open()
        go_on.wait()
        return hello(environ, start_response)

    with serving(GeventWorker, app) as server, server.connect() as client:
        client.send(get("/x"))
        inside.wait()
        server.drain()
        wait_for(lambda: "leaving" in "".join(server.log("debug")), "the worker to know")
        go_on.open()
        answer = client.answer()
        assert (answer.text, answer.closes) == ("hello /x", True)
        assert server.wait() == 0


def test_options_have_bounds() -> None:
    assert GeventWorker.capacity(GeventOptions()) == 1000
    with pytest.raises(ValueError, match="connections"):
        GeventOptions(connections=0)
