"""Listening sockets that somebody else opened: under a number, or passed by systemd."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

from workerhub.config.addresses import BindAddress, InheritedSocket, SystemdSockets
from workerhub.errors import BindError
from workerhub.kernel.systemd import FromSystemd


def adopt(address: InheritedSocket | SystemdSockets, backlog: int, systemd: FromSystemd) -> tuple[socket.socket, ...]:
    """Make them ours, to be closed for good when the address goes.

    What systemd passed stays open as it is, and a duplicate becomes ours: so an address that a reload left out can come back.

    Raises:
        OSError: there is nothing under the number, or no socket.
        BindError: there are none, or one that isn't to listen on. It stays as it was.
    """
    if isinstance(address, SystemdSockets):
        return _duplicates(address, backlog, systemd)
    if any(address.fd == passed.fd for passed in systemd.sockets):
        return (_duplicate(address, address.fd, backlog),)
    return (take_listening(address, address.fd, backlog),)


def _duplicates(address: SystemdSockets, backlog: int, systemd: FromSystemd) -> tuple[socket.socket, ...]:
    """All that were passed by that name; simply all, where the address has none."""
    wanted = [passed for passed in systemd.sockets if address.name in ("", passed.name)]
    if not systemd.sockets:
        raise BindError(str(address), f"no sockets were passed: {systemd.why_none}")
    if not wanted:
        names = ", ".join(dict.fromkeys(passed.name for passed in systemd.sockets))
        raise BindError(str(address), f"no socket of that name was passed, only {names}")
    with ExitStack() as undo:
        sockets = []
        for passed in wanted:
            sockets.append(_duplicate(SystemdSockets(passed.name), passed.fd, backlog))
            undo.callback(sockets[-1].close)
        undo.pop_all()
        return tuple(sockets)


def _duplicate(address: BindAddress, fd: int, backlog: int) -> socket.socket:
    copy = os.dup(fd)
    try:
        return take_listening(address, copy, backlog)
    except BaseException:
        os.close(copy)
        raise


def take_listening(address: BindAddress, fd: int, backlog: int) -> socket.socket:
    """Take over a socket that was left open.

    Raises:
        OSError: there is nothing under the number, or no socket.
        BindError: it isn't one to listen on.
    """
    sock = socket.socket(fileno=fd)
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.detach()
        hint = (
            " (with Accept=yes systemd passes connections, one to a process)"
            if isinstance(address, SystemdSockets)
            else ""
        )
        raise BindError(str(address), f"it is not a listening stream socket{hint}")
    sock.set_inheritable(False)
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.listen(backlog)
    return sock
