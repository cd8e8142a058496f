"""The last days of a listener: who is in is served, nobody new gets in."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from workerhub.config.addresses import BindAddress, SystemdSockets, TcpAddress, UnixAddress
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.systemd import FromSystemd, PassedSocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ESTABLISHED, SYN_SENT = 1, 2
"""The first byte of TCP_INFO (linux/tcp.h, net/tcp_states.h)."""


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    listeners = Listeners(backlog=16)
    yield listeners
    listeners.close()


@contextlib.contextmanager
def connecting(sock: socket.socket) -> Iterator[socket.socket]:
    """A client that has begun to connect to a listener; over loopback the system answers it before this returns."""
    with socket.socket(sock.family) as client:
        client.setblocking(False)
        client.connect_ex(sock.getsockname())
        yield client


def state(client: socket.socket) -> int:
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def accepted(sock: socket.socket) -> int:
    """How many connections come out of a queue."""
    for count in range(100):
        try:
            sock.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("there is no end to it")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do it")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_tcp_queue_is_closed_at_its_end_only(listeners: Listeners, host: str) -> None:
    address = TcpAddress(host, 0)
    try:
        listeners.open([address])
    except OSError:
        pytest.skip("no IPv6 here")
    (sock,) = listeners.sockets([address])
    with connecting(sock) as early:
        assert state(early) == ESTABLISHED
        listeners.refuse([address])
        with connecting(sock) as late:
            assert state(late) == SYN_SENT
            early.sendall(b"still there")
            assert accepted(sock) == 1
            assert state(late) == SYN_SENT


def test_a_unix_socket_loses_its_name_and_keeps_its_queue(listeners: Listeners, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    address = UnixAddress(str(path))
    listeners.open([address])
    (sock,) = listeners.sockets([address])
    with connecting(sock):
        listeners.refuse([address])
        assert not path.exists()
        path.write_text("somebody else's by now")
        assert accepted(sock) == 1
        listeners.close()
        assert path.exists()


def test_what_somebody_else_opened_stays_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        listeners = Listeners(16, systemd=FromSystemd((PassedSocket(theirs.fileno(), "web"),)))
        listeners.open([SystemdSockets()])
        assert not listeners.own([SystemdSockets()])
        listeners.refuse([SystemdSockets()])
        with connecting(theirs) as client:
            assert state(client) == ESTABLISHED
            assert listeners.close() == 0, "it waits for the next server"
            theirs.setblocking(False)
            assert accepted(theirs) == 1


@pytest.mark.parametrize("clients", [0, 3])
def test_who_still_waits_at_the_end_is_counted(listeners: Listeners, tmp_path: Path, clients: int) -> None:
    addresses: list[BindAddress] = [TcpAddress("127.0.0.1", 0), UnixAddress(str(tmp_path / "socket"))]
    listeners.open(addresses)
    assert listeners.own(addresses)
    with contextlib.ExitStack() as stack:
        for sock in listeners.sockets(addresses):
            for _ in range(clients):
                stack.enter_context(connecting(sock))
        assert listeners.close() == 2 * clients
    assert listeners.close() == 0
