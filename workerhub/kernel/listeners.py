"""Listening sockets: opened by the master, kept across reloads, shared by the workers.

Every socket is non-blocking and closed on exec. TCP_NODELAY is set on the listener, and connections inherit it (Linux).
An IPv6 socket never takes IPv4 connections (IPV6_V6ONLY): their peers would show up as `::ffff:192.0.2.1`, which no
`trusted_proxies` expects. So an address without a host is two sockets, one for each family.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from workerhub.config.addresses import (
    BindAddress,
    InheritedSocket,
    SystemdSockets,
    TcpAddress,
    UnixAddress,
    parse_address,
)
from workerhub.errors import BindError
from workerhub.kernel.adopted import adopt, take_listening
from workerhub.kernel.holders import holder_of_path, holder_of_port
from workerhub.kernel.newcomers import refuse_newcomers
from workerhub.kernel.systemd import FromSystemd, PassedSocket
from workerhub.slotted import dataclass, field

_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
"""What the system says of an address family that it doesn't have."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One address and the sockets that stand for it.

    Attributes:
        file: device and inode of a UNIX socket's file, by which it is known later.
    """

    address: BindAddress
    sockets: tuple[socket.socket, ...]
    file: tuple[int, int] | None = None

    def urls(self, scheme: str = "http") -> tuple[str, ...]:
        """Where clients find it, with the port that the system chose: `http://127.0.0.1:8000`, `unix:/run/app.sock`."""
        return tuple(_url(sock, scheme) for sock in self.sockets)

    @property
    def own(self) -> bool:
        """Whether it was opened here. What somebody else opened, somebody else keeps: a queue that isn't served is for the next server."""
        return isinstance(self.address, TcpAddress | UnixAddress)

    def refuse(self) -> Listener:
        """Let nobody new in, if it is our own; those who wait to be accepted go on waiting. Returns what remains."""
        if isinstance(self.address, TcpAddress):
            for sock in self.sockets:
                refuse_newcomers(sock)
        self._remove_file()
        return replace(self, file=None)  # another server may put its own there from now on

    def cut_waiting(self, most: int) -> int:
        """Cut those who wait to be accepted; how many there were, of `most` for each socket."""
        count = 0
        for sock in self.sockets:
            with suppress(OSError):  # nobody is left
                for _ in range(most):
                    sock.accept()[0].close()
                    count += 1
        return count

    def close(self, *, leave_file: bool = False) -> None:
        """Close the sockets; take a UNIX socket's file away if it is still ours."""
        for sock in self.sockets:
            sock.close()
        if not leave_file:
            self._remove_file()

    def _remove_file(self) -> None:
        if isinstance(self.address, UnixAddress) and self.file is not None:
            with suppress(OSError):
                status = os.lstat(self.address.path)
                if (status.st_dev, status.st_ino) == self.file:
                    os.unlink(self.address.path)  # noqa: PTH108  # the address is text


@dataclass(slots=True)
class Listeners:
    """All that a server listens on now, in the order of opening. In the master only.

    Attributes:
        shared: they are another master's, too, and that one's to close: what is done here concerns nobody but this master's own workers.
    """

    backlog: int
    umask: int | None = None
    owner: tuple[int, int] | None = None
    systemd: FromSystemd = FromSystemd()  # immutable
    shared: bool = False
    _open: dict[BindAddress, Listener] = field(default_factory=dict)

    def open(self, addresses: Iterable[BindAddress]) -> None:
        """Open what isn't open yet, all of it or nothing. What is open stays as it is, connections in its queue included.

        Raises:
            BindError: an address can't be listened on; what this call had opened is closed again.
        """
        fresh: list[Listener] = []
        try:
            fresh.extend(  # one by one: what was opened before a failure is in the list
                self._open_beside(address, fresh) for address in dict.fromkeys(addresses) if address not in self._open
            )
        except BaseException:
            for listener in fresh:
                listener.close()
            raise
        self._open.update((listener.address, listener) for listener in fresh)

    def _open_beside(self, address: BindAddress, fresh: Sequence[Listener]) -> Listener:
        """Open one. What may be in its way is our own: the system has `0.0.0.0:8000` only without `127.0.0.1:8000`.

        Raises:
            BindError: it can't be listened on.
        """
        try:
            return open_listener(address, self.backlog, umask=self.umask, owner=self.owner, systemd=self.systemd)
        except BindError as error:
            if not error.holder.startswith(f"pid {os.getpid()} "):
                raise
            if twin := _overlapping(address, (listener.address for listener in fresh)):
                raise BindError(str(address), f"it overlaps {twin}; keep one of the two") from error
            if twin := _overlapping(address, self._open):
                why = f"it overlaps {twin}, which is served now; a restart changes one into the other, a reload can't"
                raise BindError(str(address), why) from error
            raise

    def inherit(self, sockets: Mapping[str, Sequence[int]]) -> None:
        """Take over what another master has open and goes on using; it is `shared` until that one gives it up.

        Args:
            sockets: descriptors by address. All are kept until `retain`, so that a file that nobody needs any more can be taken away.

        Raises:
            BindError: it is no listening socket, or no address.
        """
        self.shared = True
        for text, fds in sockets.items():
            try:
                address = parse_address(text)
                self._open[address] = Listener(
                    address, tuple(take_listening(address, fd, self.backlog) for fd in fds), _file_of(address)
                )
            except (OSError, ValueError) as error:
                raise BindError(text, f"what the master before this one has left can't be used: {error}") from error

    def descriptors(self) -> dict[str, tuple[int, ...]]:
        """All open sockets, for another master to inherit."""
        return {str(where.address): tuple(sock.fileno() for sock in where.sockets) for where in self._open.values()}

    def retain(self, addresses: Iterable[BindAddress]) -> None:
        """Close all but these."""
        for address in set(self._open) - set(addresses):
            self._open.pop(address).close(leave_file=self.shared)

    def set_backlog(self, backlog: int) -> None:
        """Change the queues' length, of open sockets too."""
        self.backlog = backlog
        for listener in self._open.values():
            for sock in listener.sockets:
                sock.listen(backlog)

    def sockets(self, addresses: Iterable[BindAddress]) -> tuple[socket.socket, ...]:
        """The sockets of these addresses, which are open."""
        return tuple(sock for address in dict.fromkeys(addresses) for sock in self._open[address].sockets)

    def urls(self, addresses: Iterable[BindAddress], scheme: str = "http") -> tuple[str, ...]:
        """Where clients find these addresses, which are open."""
        return tuple(url for address in dict.fromkeys(addresses) for url in self._open[address].urls(scheme))

    def unclaimed(self) -> list[PassedSocket]:
        """Sockets that systemd passed, and that no open address is for."""
        open_ = [where.address for where in self._open.values()]
        return [
            passed
            for passed in self.systemd.sockets
            if not {SystemdSockets(), SystemdSockets(passed.name), InheritedSocket(passed.fd)}.intersection(open_)
        ]

    def refuse(self, addresses: Iterable[BindAddress]) -> None:
        """Let nobody new in at those of these addresses that were opened here."""
        if self.shared:
            return
        for address in addresses:
            self._open[address] = self._open[address].refuse()

    def own(self, addresses: Iterable[BindAddress]) -> bool:
        """Whether any of these addresses, which are open, was opened here."""
        return any(self._open[address].own for address in addresses)

    def close_others(self, keep: Sequence[socket.socket]) -> None:
        """In a child: close the descriptors of all sockets but these, and leave everything else to the master."""
        for listener in self._open.values():
            for sock in listener.sockets:
                if sock not in keep:
                    sock.close()

    def close(self) -> int:
        """Close all; how many connections still waited to be accepted by us, and nobody else, and were cut."""
        own = () if self.shared else (listener for listener in self._open.values() if listener.own)
        waiting = sum(listener.cut_waiting(self.backlog + 1) for listener in own)
        self.retain(())
        return waiting


def open_listener(
    address: BindAddress,
    backlog: int,
    *,
    umask: int | None = None,
    owner: tuple[int, int] | None = None,
    systemd: FromSystemd = FromSystemd(),  # noqa: B008  # immutable
) -> Listener:
    """Open one address.

    Args:
        address: what the configuration says.
        backlog: how many connections may wait to be accepted, for each socket.
        umask: for a UNIX socket's file; None is the process's own.
        owner: user and group for a UNIX socket's file, when this process is root.
        systemd: what systemd passed.

    Raises:
        BindError: it can't be listened on; says why, and who holds it where the system tells.
    """
    try:
        match address:
            case TcpAddress():
                return Listener(address, _open_tcp(address, backlog))
            case UnixAddress():
                return _open_unix(address, backlog, umask, owner)
            case InheritedSocket() | SystemdSockets():
                return Listener(address, adopt(address, backlog, systemd))
    except OSError as error:
        raise BindError(str(address), _reason(error), _holder(address, error)) from error


def _open_tcp(address: TcpAddress, backlog: int) -> tuple[socket.socket, ...]:
    """Open a socket for each address that the host stands for.

    Raises:
        OSError: one can't be opened, for another reason than that the system doesn't have its family.
    """
    # As bytes: of a text, "127.0.0.1" too, it makes them by the codec for international names, whose import takes milliseconds.
    host = address.host.encode("ascii" if address.host.isascii() else "idna") or None
    found = socket.getaddrinfo(
        host, address.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )
    port = address.port
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    for family, _, _, _, where in dict.fromkeys(found):
        try:
            sock = _bind_tcp(family, (where[0], port, *where[2:]), backlog)
        except OSError as error:
            if error.errno in _NOT_HERE and len(found) > 1:
                absent = error
                continue
            for opened in sockets:
                opened.close()
            raise
        sockets.append(sock)
        port = sock.getsockname()[1]  # where the system chose, all families get the same
    if not sockets and absent is not None:
        raise absent
    return tuple(sockets)


def _bind_tcp(family: int, where: tuple[object, ...], backlog: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a former server may linger
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _open_unix(address: UnixAddress, backlog: int, umask: int | None, owner: tuple[int, int] | None) -> Listener:
    """Open a UNIX socket. A file that a dead server left is replaced; anything else there is left alone.

    Raises:
        OSError: it can't be opened, or somebody lives there.
    """
    remove_stale(address.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        before = os.umask(umask) if umask is not None else None
        try:
            sock.bind(address.path)
        finally:
            if before is not None:
                os.umask(before)
        status = os.lstat(address.path)
        if owner is not None and os.geteuid() == 0:
            os.chown(address.path, *owner, follow_symlinks=False)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return Listener(address, (sock,), (status.st_dev, status.st_ino))


def _file_of(address: BindAddress) -> tuple[int, int] | None:
    if not isinstance(address, UnixAddress):
        return None
    try:
        status = os.lstat(address.path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def remove_stale(path: str) -> None:
    """Remove a socket file that nobody listens on.

    Raises:
        OSError: somebody listens, or it is no socket.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is a file of that name, and it is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108  # the address is text
        except BlockingIOError:  # its queue is full, so it lives
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from None
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


_WORDS = {
    errno.EBADF: "nothing is open under this number",
    errno.ENOTSOCK: "it is not a socket",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "permission denied",
}


def _reason(error: OSError) -> str:
    """The system's answer, in words."""
    words = error.strerror or str(error)
    if isinstance(error, socket.gaierror):
        return f"no such host ({words})"
    return _WORDS.get(error.errno or 0, words[:1].lower() + words[1:])


def _holder(address: BindAddress, error: OSError) -> str:
    """Who holds the address, where that is the trouble and the system tells."""
    if error.errno != errno.EADDRINUSE:
        return ""
    if isinstance(address, TcpAddress):
        return holder_of_port(address.port)
    return holder_of_path(address.path) if isinstance(address, UnixAddress) else ""


def _overlapping(address: BindAddress, others: Iterable[BindAddress]) -> TcpAddress | None:
    """The first of the others that can't be had together with this address."""
    tcp = (other for other in others if isinstance(other, TcpAddress))
    return next((each for each in tcp if isinstance(address, TcpAddress) and address.overlaps(each)), None)


def _url(sock: socket.socket, scheme: str) -> str:
    """What a client would type."""
    where = sock.getsockname()
    if isinstance(where, tuple):
        host, port = where[0], where[1]
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    return f"unix:{where if isinstance(where, str) else repr(where)}"
