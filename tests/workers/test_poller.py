"""Both pollers do the same."""

from __future__ import annotations

import math
import os
import socket
import time
from typing import TYPE_CHECKING

import pytest
from support.apps import hello
from support.raw import get
from support.serving import serving
from workerhub_workers import _reactor
from workerhub_workers._poller import BROKEN, IN, OUT, Poller, PollPoller, new_poller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workerhub.worker import WorkerType


@pytest.fixture(params=[new_poller, PollPoller])
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    made: Callable[[], Poller] = request.param
    poller = made()
    yield poller
    poller.close()


def test_what_is_ready_is_reported_again_and_again(poller: Poller) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        poller.register(ours.fileno(), IN)
        assert poller.poll(0) == []
        theirs.send(b"x")
        assert poller.poll(None) == [(ours.fileno(), IN)]
        assert poller.poll(0) == [(ours.fileno(), IN)]
        poller.modify(ours.fileno(), OUT)
        assert poller.poll(0) == [(ours.fileno(), OUT)]
        poller.modify(ours.fileno(), 0)
        assert poller.poll(0) == []
        poller.unregister(ours.fileno())


def test_a_broken_pipe_is_reported_unasked(poller: Poller) -> None:
    reader, writer = os.pipe()
    poller.register(writer, 0)
    os.close(reader)
    ((fd, mask),) = poller.poll(None)
    assert (fd, bool(mask & BROKEN)) == (writer, True)
    poller.unregister(writer)
    os.close(writer)


def test_it_does_not_wake_too_early(poller: Poller) -> None:
    """Waking before the deadline would mean going round and round until it has come."""
    begin = time.monotonic()
    assert poller.poll(0.0123) == []
    assert time.monotonic() - begin >= 0.0123 - math.ulp(begin)


def test_the_worker_classes_serve_with_either(worker: WorkerType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reactor, "new_poller", PollPoller)
    monkeypatch.setattr("workerhub_workers._acceptor.LISTENER", IN)
    monkeypatch.setattr("workerhub_workers._shared.IS_LIVE", False)

    def large(environ: dict[str, object], start_response: Callable[..., object]) -> list[bytes]:
        if environ["PATH_INFO"] != "/large":
            return hello(environ, start_response)
        start_response("200 OK", [("Content-Length", str(4 << 20))])
        return [bytes(4 << 20)]

    with serving(worker, large, keepalive_timeout=0.5) as server:
        with server.connect(receive_buffer=4096) as slow, server.connect() as good:
            slow.send(get("/large"))
            slow.take(1)
            if worker.capacity(worker.Options()) > 1:
                assert [good.ask().text for _ in range(10)] == ["hello /"] * 10
            slow._file.readline()
            while slow._file.readline().strip():
                pass
            assert slow.take(4 << 20) == bytes(4 << 20)
        with server.connect() as client:
            assert client.ask().text == "hello /"
            assert client.at_end()
