"""What the reactor waits for, turn by turn."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import hello
from support.raw import RawClient, get
from workerhub_workers import _reactor
from workerhub_workers._poller import new_poller
from workerhub_workers.sync import _Loop

from workerhub.testing.journal import Journal
from workerhub.testing.staging import SETTINGS
from workerhub.worker import Books, WorkerContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerhub_workers._reactor import Reactor


class NeverStopping:
    """`Stopping`, and nobody ever says so."""

    server = False

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def __bool__(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._reader

    def clear(self) -> None:
        raise AssertionError("nobody wrote")

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Unrecorded:
    """`RunRecord` that nobody reads."""

    def begin(self, line: bytes, client: bytes, started_at: float, deadline: float) -> None:
        pass

    def end(self) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@contextlib.contextmanager
def reactor_on(listener: socket.socket, **settings: Any) -> Iterator[Reactor]:
    """The reactor of a `sync` worker, here and in this thread."""
    stopping = NeverStopping()
    with contextlib.closing(stopping), contextlib.closing(Journal()) as log:
        context = WorkerContext(
            pool="main",
            slot=0,
            generation=1,
            worker_class="sync",
            listeners=(listener,),
            settings=replace(SETTINGS, **settings),
            stopping=stopping,
            log=log,
            books=Books((Unrecorded(),), lambda *_: None, None, lambda: None),
        )
        with contextlib.closing(_Loop(context, context.request(hello)).reactor) as reactor:
            yield reactor


def is_watched(reactor: Reactor, listener: socket.socket) -> bool:
    """Whether the next turn would be told of a connection that waits."""
    reactor.prepare()
    return listener.fileno() in dict(reactor.poller.poll(0))


def test_while_a_newcomer_says_nothing_the_next_connection_is_the_siblings(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_reactor, "NEWCOMER_TIME", 60.0)
    with (
        reactor_on(listener, multiprocess=True) as reactor,
        RawClient(listener.getsockname()) as first,
        RawClient(listener.getsockname()) as second,
        RawClient(listener.getsockname()),
    ):
        reactor.turn()
        assert len(reactor.connections) == 1
        assert not is_watched(reactor, listener)
        first.send(get())
        reactor.turn()
        assert first.answer().text == "hello /"
        reactor._newcomer_until = 0.0
        assert is_watched(reactor, listener), "patience has an end"
        reactor.turn()
        assert len(reactor.connections) == 2
        assert not is_watched(reactor, listener)
        second.send(get()[:-1])
        reactor.turn()
        assert is_watched(reactor, listener), "it has begun to speak"


class Recorder:
    """A poller that writes down which descriptors it is to watch, and to watch no more."""

    def __init__(self) -> None:
        poller = new_poller()
        self.poll, self.modify, self.close = poller.poll, poller.modify, poller.close
        self._poller = poller
        self.calls: list[tuple[str, int]] = []

    def register(self, fd: int, eventmask: int, /) -> None:
        self.calls.append(("register", fd))
        self._poller.register(fd, eventmask)

    def unregister(self, fd: int, /) -> None:
        self.calls.append(("unregister", fd))
        self._poller.unregister(fd)


@pytest.mark.parametrize("multiprocess", [True, False])
def test_who_has_taken_a_connection_that_stays_lets_the_siblings_be_asked_first(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, *, multiprocess: bool
) -> None:
    """The system wakes the one that has watched for longest. What comes and goes changes nothing."""
    poller = Recorder()
    monkeypatch.setattr(_reactor, "new_poller", lambda: poller)
    fd = listener.fileno()
    with reactor_on(listener, multiprocess=multiprocess) as reactor:
        for fields, expected in (("Connection: close",), []), ((), [("unregister", fd), ("register", fd)]):
            reactor.prepare()
            with RawClient(listener.getsockname()) as client:
                client.send(get("/", *fields))
                poller.calls.clear()
                reactor.turn()
                assert client.answer().status == 200
                reactor.prepare()
                assert [call for call in poller.calls if call[1] == fd] == (expected if multiprocess else [])


def test_a_process_without_siblings_takes_one_after_the_other(listener: socket.socket) -> None:
    with (
        reactor_on(listener, multiprocess=False) as reactor,
        RawClient(listener.getsockname()),
        RawClient(listener.getsockname()),
    ):
        for number in (1, 2):
            assert is_watched(reactor, listener)
            reactor.turn()
            assert len(reactor.connections) == number
