"""What systemd hears, on a real notify socket. The clock is the test's."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from workerhub.kernel.notify import Notifier
from workerhub.supervisor import Moment

EXTEND = "EXTEND_TIMEOUT_USEC=30000000"


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def notifier(heard: socket.socket) -> Iterator[Notifier]:
    notifier = Notifier(heard.getsockname())
    yield notifier
    notifier.close()


def messages(heard: socket.socket) -> list[list[str]]:
    """All that were sent since the last look, each as its lines."""
    found = []
    while True:
        try:
            found.append(heard.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return found


def test_each_moment_has_its_message(heard: socket.socket, notifier: Notifier) -> None:
    moments = (Moment.READY, Moment.RELOADING, Moment.PROGRESS, Moment.RELOADED, Moment.STOPPING)
    for at, moment in enumerate(moments, 1000):
        notifier.announce(moment, f"this is {moment.value}", at + 0.5)
    assert messages(heard) == [
        ["READY=1", f"MAINPID={os.getpid()}", "STATUS=this is ready"],
        ["RELOADING=1", "MONOTONIC_USEC=1001500000", "STATUS=this is reloading"],
        ["STATUS=this is progress"],
        ["READY=1", "STATUS=this is reloaded"],
        ["STOPPING=1", "STATUS=this is stopping"],
    ]


def test_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        abstract.bind("")  # the system picks one
        notifier = Notifier("@" + abstract.getsockname()[1:].decode())
        notifier.announce(Moment.READY, "well", 0)
        abstract.setblocking(False)
        assert [lines[0] for lines in messages(abstract)] == ["READY=1"]
        notifier.close()


def test_systemd_is_asked_to_wait_while_something_is_under_way(heard: socket.socket, notifier: Notifier) -> None:
    assert notifier.turn(100) == 110, "the start is under way"
    assert notifier.turn(105) == 110
    assert notifier.turn(110) == 120
    assert messages(heard) == [[EXTEND], [EXTEND]]
    notifier.announce(Moment.READY, "", 115)
    assert notifier.turn(115) is None, "no reason to wake the loop"
    notifier.announce(Moment.RELOADING, "", 200)
    assert notifier.turn(200) == 210
    notifier.announce(Moment.RELOADED, "", 205)
    assert notifier.turn(205) is None
    messages(heard)
    notifier.announce(Moment.STOPPING, "", 300)
    assert notifier.turn(300) == 310
    notifier.announce(Moment.PROGRESS, "", 301)
    assert notifier.turn(301) == 310
    assert messages(heard) == [["STOPPING=1", "STATUS="], [EXTEND], ["STATUS="]]


def test_the_watchdog_is_fed_twice_as_often_as_it_asks(heard: socket.socket) -> None:
    notifier = Notifier(heard.getsockname(), watchdog=4)
    notifier.announce(Moment.READY, "", 0)
    messages(heard)
    assert [notifier.turn(at) for at in (0, 1, 2, 3.9, 9)] == [2, 2, 4, 4, 11]
    assert messages(heard) == [["WATCHDOG=1"]] * 3
    notifier.close()


def test_nobody_listens() -> None:
    notifier = Notifier("", watchdog=4)
    notifier.announce(Moment.READY, "well", 0)
    assert notifier.turn(0) is None
    assert notifier.fileno() == -1
    notifier.close()


def test_a_socket_that_is_gone_is_complained_about_once(tmp_path: Path) -> None:
    complaints: list[str] = []
    notifier = Notifier(f"{tmp_path}/gone", complain=complaints.append)
    notifier.announce(Moment.READY, "well", 0)
    notifier.announce(Moment.STOPPING, "ill", 1)
    assert complaints == [f"can't reach systemd at '{tmp_path}/gone' (NOTIFY_SOCKET): No such file or directory"]
    notifier.close()
    notifier.announce(Moment.STOPPING, "closed", 2)
    assert notifier.turn(2) is None


def test_a_full_queue_holds_nobody_up(heard: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workerhub.kernel.notify.SEND_TIMEOUT", 0.01)
    complaints: list[str] = []
    notifier = Notifier(heard.getsockname(), complain=complaints.append)
    for number in range(2000):  # far more than net.unix.max_dgram_qlen
        notifier.announce(Moment.PROGRESS, str(number), 0)
        if complaints:
            break
    assert len(complaints) == 1
    messages(heard)
    notifier.announce(Moment.READY, "heard again", 0)
    assert messages(heard)[-1][-1] == "STATUS=heard again"
    notifier.close()
