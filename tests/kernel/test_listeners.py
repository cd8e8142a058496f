"""Listening sockets: every family, every refusal, and what a reload does to them."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.waiting import wait_for

from workerhub.config.addresses import InheritedSocket, SystemdSockets, TcpAddress, UnixAddress
from workerhub.errors import BindError
from workerhub.kernel import listeners as module
from workerhub.kernel.listeners import Listener, Listeners, open_listener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerhub.config.addresses import BindAddress

HAS_IPV6 = socket.has_ipv6 and Path("/proc/net/if_inet6").exists()


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return int(sock.getsockname()[1])


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    listeners = Listeners(backlog=16)
    yield listeners
    listeners.close()


def open_one(listeners: Listeners, address: BindAddress) -> socket.socket:
    listeners.open([address])
    (sock,) = listeners.sockets([address])
    return sock


def refused(address: BindAddress) -> BindError:
    with pytest.raises(BindError) as caught:
        open_listener(address, 16).close()
    return caught.value


def test_a_tcp_listener_is_as_workers_want_it(listeners: Listeners) -> None:
    sock = open_one(listeners, TcpAddress("127.0.0.1", 0))
    assert not sock.getblocking()
    assert not sock.get_inheritable()
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    with socket.create_connection(sock.getsockname(), timeout=10):
        connection = wait_for(lambda: accept(sock), "the connection")
        assert connection is not None
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()


def accept(sock: socket.socket) -> socket.socket | None:
    try:
        return sock.accept()[0]
    except BlockingIOError:
        return None


def test_the_chosen_port_is_told(listeners: Listeners) -> None:
    address = TcpAddress("127.0.0.1", 0)
    port = open_one(listeners, address).getsockname()[1]
    assert listeners.urls([address]) == (f"http://127.0.0.1:{port}",)
    assert listeners.urls([address], "https") == (f"https://127.0.0.1:{port}",)


@pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")
def test_no_host_is_every_interface_of_both_families_on_one_port(listeners: Listeners) -> None:
    address = TcpAddress("", 0)
    listeners.open([address])
    four, six = sorted(listeners.sockets([address]), key=lambda sock: sock.family)
    assert (four.family, six.family) == (socket.AF_INET, socket.AF_INET6)
    assert four.getsockname()[1] == six.getsockname()[1]
    assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


@pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")
def test_an_ipv6_address_is_listened_on(listeners: Listeners) -> None:
    address = TcpAddress("::1", 0)
    sock = open_one(listeners, address)
    with socket.create_connection(sock.getsockname()[:2], timeout=10):
        pass
    assert listeners.urls([address])[0].startswith("http://[::1]:")


def test_a_system_without_ipv6_listens_on_ipv4(listeners: Listeners, monkeypatch: pytest.MonkeyPatch) -> None:
    bind = module._bind_tcp

    def without_ipv6(family: int, where: tuple[object, ...], backlog: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return bind(family, where, backlog)

    monkeypatch.setattr(module, "_bind_tcp", without_ipv6)
    assert open_one(listeners, TcpAddress("", 0)).family == socket.AF_INET


def test_a_port_in_use_is_refused_with_its_holder() -> None:
    script = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        error = refused(TcpAddress("127.0.0.1", port))
        other.communicate("")
    assert error.address == f"127.0.0.1:{port}"
    assert error.reason == "address already in use"
    assert error.holder.startswith(f"pid {other.pid} (python")
    assert str(error) == f"can't listen on 127.0.0.1:{port}: address already in use (held by {error.holder})"


@pytest.mark.parametrize("hosts", [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "")])  # on purpose
def test_an_address_that_overlaps_our_own_is_refused_with_what_to_do(
    listeners: Listeners, hosts: tuple[str, str]
) -> None:
    port = free_port()
    serving, wanted = (TcpAddress(host, port) for host in hosts)
    with pytest.raises(BindError) as both:
        listeners.open([serving, wanted])
    assert str(both.value) == f"can't listen on {wanted}: it overlaps {serving}; keep one of the two"
    listeners.open([serving])
    with pytest.raises(BindError) as change:
        listeners.open([wanted])
    assert str(change.value) == (
        f"can't listen on {wanted}: it overlaps {serving}, which is served now; a restart changes one into the other, a reload can't"
    )
    assert listeners.sockets([serving])[0].fileno() >= 0


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (TcpAddress("203.0.113.7", 0), "this machine has no such address"),
        (TcpAddress("no-such-host.invalid", 80), "no such host"),
        (InheritedSocket(987), "nothing is open under this number"),
        (SystemdSockets(), "no sockets were passed: LISTEN_FDS is not set"),
        (UnixAddress("/no/such/directory/socket"), "no such file or directory"),
        (UnixAddress("/" + "x" * 200), "path too long"),
    ],
    ids=str,
)
def test_what_cannot_be_listened_on_is_refused_in_words(address: BindAddress, reason: str) -> None:
    error = refused(address)
    assert reason in error.reason
    assert error.address == str(address)


# UNIX sockets


def test_a_unix_socket_has_the_mode_that_the_umask_says_and_goes_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listener = open_listener(UnixAddress(str(path)), 16, umask=0o117)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert listener.urls() == (f"unix:{path}",)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_unix_socket_is_given_to_the_workers_user(tmp_path: Path) -> None:
    listener = open_listener(UnixAddress(str(tmp_path / "socket")), 16, owner=(12345, 23456))
    status = (tmp_path / "socket").stat()
    listener.close()
    assert (status.st_uid, status.st_gid) == (12345, 23456)


def test_what_a_dead_server_left_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    listener = open_listener(UnixAddress(path), 16)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    listener.close()


@pytest.mark.parametrize("clients", [0, 3], ids=["idle", "with a full queue"])
def test_a_unix_socket_that_somebody_listens_on_is_left_alone(tmp_path: Path, clients: int) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(path)
        alive.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(clients)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(path)
        error = refused(UnixAddress(path))
        for client in waiting:
            client.close()
    assert error.reason == "address already in use"
    assert error.holder.startswith(f"pid {os.getpid()} (")
    assert Path(path).exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    assert refused(UnixAddress(str(path))).reason == "there is a file of that name, and it is no socket"
    assert path.read_text() == "data"


def test_a_unix_socket_that_is_another_servers_by_now_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listener = open_listener(UnixAddress(str(path)), 16)
    path.rename(tmp_path / "away")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        listener.close()
        assert path.exists()


# Inherited sockets


def test_an_inherited_socket_is_taken_over() -> None:
    given = socket.create_server(("127.0.0.1", 0))
    where, fd = given.getsockname(), given.detach()
    listener = open_listener(InheritedSocket(fd), 16)
    (sock,) = listener.sockets
    assert sock.fileno() == fd
    assert not sock.getblocking()
    assert not sock.get_inheritable()
    assert listener.urls() == (f"http://127.0.0.1:{where[1]}",)
    listener.close()


def test_a_file_is_no_socket(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert refused(InheritedSocket(file.fileno())).reason == "it is not a socket"
        file.write("still open")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["datagrams", "not listening"])
def test_a_socket_that_does_not_listen_is_refused_and_left_open(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        assert refused(InheritedSocket(other.fileno())).reason == "it is not a listening stream socket"
        assert other.getsockname()


# Reload


def test_a_reload_keeps_what_stays_and_closes_what_goes(listeners: Listeners) -> None:
    a, b, c = (TcpAddress("127.0.0.1", free_port()) for _ in range(3))
    listeners.open([a, b])
    kept = listeners.sockets([b])
    with socket.create_connection(kept[0].getsockname(), timeout=10):  # waits in the queue all along
        listeners.open([b, c])
        assert listeners.sockets([b]) == kept
        gone = listeners.sockets([a])[0]
        listeners.retain([b, c])
        assert gone.fileno() == -1
        assert kept[0].fileno() >= 0
        assert len(listeners.sockets([c, b])) == 2
        wait_for(lambda: accept(kept[0]), "the connection that waited").close()  # type: ignore[union-attr]  # waited for


def test_all_or_nothing(listeners: Listeners, tmp_path: Path) -> None:
    old, path = TcpAddress("127.0.0.1", free_port()), tmp_path / "socket"
    listeners.open([old])
    with pytest.raises(BindError):
        listeners.open([old, UnixAddress(str(path)), TcpAddress("203.0.113.7", 80)])
    assert not path.exists()
    assert listeners.sockets([old])[0].fileno() >= 0
    with pytest.raises(KeyError):
        listeners.sockets([UnixAddress(str(path))])


def test_an_address_said_twice_is_opened_once(listeners: Listeners) -> None:
    address = TcpAddress("127.0.0.1", 0)
    listeners.open([address, address])
    assert len(listeners.sockets([address, address])) == 1


def test_a_child_closes_what_is_not_its_own_and_leaves_the_files(tmp_path: Path) -> None:
    mine, other = UnixAddress(str(tmp_path / "mine")), UnixAddress(str(tmp_path / "other"))
    listeners = Listeners(backlog=16)
    listeners.open([mine, other])
    listeners.close_others(listeners.sockets([mine]))
    assert [sock.fileno() >= 0 for sock in listeners.sockets([mine, other])] == [True, False]
    assert (tmp_path / "other").exists()
    listeners.close()


def test_a_backlog_can_be_changed(listeners: Listeners) -> None:
    open_one(listeners, TcpAddress("127.0.0.1", 0))
    listeners.set_backlog(5)
    assert listeners.backlog == 5


def test_listeners_are_values() -> None:
    assert Listener(TcpAddress("", 1), ()) == Listener(TcpAddress("", 1), ())
