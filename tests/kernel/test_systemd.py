"""What systemd passes: variables taken out of the environment, sockets adopted by name."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workerhub.config.addresses import BindAddress, InheritedSocket, SystemdSockets
from workerhub.errors import BindError
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.systemd import FromSystemd, PassedSocket, take_from_systemd

if TYPE_CHECKING:
    from collections.abc import Iterator

ME = str(os.getpid())


def test_everything_is_taken_out_of_the_environment() -> None:
    environ = {
        "LISTEN_FDS": "2",
        "LISTEN_PID": ME,
        "LISTEN_FDNAMES": "web:admin.socket",
        "LISTEN_PIDFDID": "17",
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": ME,
        "PATH": "/bin",
    }
    taken = take_from_systemd(environ)
    assert environ == {"PATH": "/bin"}
    assert taken.sockets == (PassedSocket(3, "web"), PassedSocket(4, "admin.socket"))
    assert (taken.notify_socket, taken.watchdog) == ("/run/systemd/notify", 30.0)


def test_a_plain_process_was_told_nothing() -> None:
    assert take_from_systemd({}) == FromSystemd()


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"LISTEN_FDS": "1", "LISTEN_PID": "1"}, "they are meant for process 1 (LISTEN_PID)"),
        ({"LISTEN_FDS": "1"}, "they are meant for process nobody"),
        ({"LISTEN_FDS": "0", "LISTEN_PID": ME}, "LISTEN_FDS is '0'"),
        ({"LISTEN_FDS": "many", "LISTEN_PID": ME}, "LISTEN_FDS is 'many'"),
        ({"LISTEN_FDS": "9" * 19, "LISTEN_PID": ME}, "LISTEN_FDS is '999"),
    ],
)
def test_why_there_are_no_sockets(environ: dict[str, str], why: str) -> None:
    taken = take_from_systemd(environ)
    assert taken.sockets == ()
    assert why in taken.why_none


def test_sockets_without_names_are_unknown() -> None:
    taken = take_from_systemd({"LISTEN_FDS": "2", "LISTEN_PID": ME})
    assert [passed.name for passed in taken.sockets] == ["unknown", "unknown"]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_whether_a_watchdog_waits_for_this_process(environ: dict[str, str], seconds: float | None) -> None:
    assert take_from_systemd(environ).watchdog == seconds


# What the listeners make of it


class Passing:
    """Sockets opened as systemd would, and listeners that were told of them."""

    def __init__(self, *names: str, listening: bool = True) -> None:
        self.sockets = [socket.socket() for _ in names]
        for sock in self.sockets:
            sock.bind(("127.0.0.1", 0))
            if listening:
                sock.listen(1)
        passed = (PassedSocket(sock.fileno(), name) for sock, name in zip(self.sockets, names, strict=True))
        self.listeners = Listeners(16, systemd=FromSystemd(tuple(passed)))

    def close(self) -> None:
        self.listeners.close()
        for sock in self.sockets:
            sock.close()

    def taken(self, address: BindAddress) -> list[int]:
        """Which of the passed sockets stand for an address now."""
        mine = [sock.getsockname() for sock in self.sockets]
        return [mine.index(sock.getsockname()) for sock in self.listeners.sockets([address])]

    def refused(self, address: BindAddress) -> str:
        with pytest.raises(BindError) as caught:
            self.listeners.open([address])
        return str(caught.value)


@pytest.fixture
def passing() -> Iterator[Passing]:
    passing = Passing("web", "admin", "web")
    yield passing
    passing.close()


def test_all_of_them(passing: Passing) -> None:
    passing.listeners.open([SystemdSockets()])
    assert passing.taken(SystemdSockets()) == [0, 1, 2]
    assert passing.listeners.unclaimed() == []


def test_those_of_one_name(passing: Passing) -> None:
    passing.listeners.open([SystemdSockets("web")])
    assert passing.taken(SystemdSockets("web")) == [0, 2]
    assert [passed.name for passed in passing.listeners.unclaimed()] == ["admin"]


def test_they_are_as_workers_want_them(passing: Passing) -> None:
    passing.listeners.open([SystemdSockets("admin")])
    (sock,) = passing.listeners.sockets([SystemdSockets("admin")])
    assert not sock.getblocking()
    assert not sock.get_inheritable()
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("by_number", [False, True])
def test_an_address_that_a_reload_left_out_can_come_back(passing: Passing, *, by_number: bool) -> None:
    address = InheritedSocket(passing.sockets[1].fileno()) if by_number else SystemdSockets("admin")
    for _ in range(2):
        passing.listeners.open([address])
        assert passing.taken(address) == [1]
        passing.listeners.retain([])
    assert passing.sockets[1].getsockname()


def test_a_name_that_was_not_passed(passing: Passing) -> None:
    told = "can't listen on systemd:wbe: no socket of that name was passed, only web, admin"
    assert passing.refused(SystemdSockets("wbe")) == told


def test_connections_of_accept_yes_are_refused_and_nothing_leaks() -> None:
    passing = Passing("connection", listening=False)
    before = open_descriptors()
    told = passing.refused(SystemdSockets())
    assert told.startswith("can't listen on systemd:connection: it is not a listening stream socket (with Accept=yes")
    assert open_descriptors() == before
    passing.close()


def open_descriptors() -> list[str]:
    return sorted(entry.name for entry in Path("/proc/self/fd").iterdir())


def test_a_descriptor_that_is_not_open_is_refused_in_words() -> None:
    listeners = Listeners(16, systemd=FromSystemd((PassedSocket(987, "web"),)))
    with pytest.raises(BindError, match="nothing is open under this number"):
        listeners.open([SystemdSockets()])
