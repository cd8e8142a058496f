"""What takes accepted connections in where something comes before HTTP. Imported only there."""

from __future__ import annotations

import math
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from workerhub.http.profile import profile_of
from workerhub_workers._arrival import Arrival
from workerhub_workers._proxied import ProxyStep

if TYPE_CHECKING:
    import socket
    from _socket import SocketType
    from collections.abc import Callable, Sequence

    from workerhub.worker import Log, WorkerContext
    from workerhub_workers._arrival import Step
    from workerhub_workers._connection import Connection
    from workerhub_workers._reactor import Reactor

    Connect: TypeAlias = Callable[[Reactor, socket.socket, SocketType, Any], Connection]
    """A worker class's own: from an accepted socket and its peer to a connection."""

COMPLAINT_PAUSE = 10.0
"""Seconds between two lines about refused connections that everybody sees: strangers knock as often as they like."""


class Door:
    """Makes an arrival of each accepted connection of one process.

    Args:
        steps: what makes the steps of one connection, in order.
        connect: the worker class's, for when they are over.
        log: the error log.
    """

    def __init__(self, steps: Sequence[Callable[[], Step]], connect: Connect, log: Log) -> None:
        self.connect = connect
        self._steps = tuple(steps)
        self._log = log
        self._quiet_until = -math.inf

    def arrive(self, reactor: Reactor, listener: socket.socket, sock: SocketType, peer: Any) -> Arrival:
        """In the place of `Owner.connect`."""
        return Arrival(self, reactor, listener, sock, peer, steps=[make() for make in self._steps])

    def complain(self, peer: Any, reason: str) -> None:
        """Say why a client was refused: to everybody now and then, to who debugs always."""
        who = peer[0] if isinstance(peer, tuple) else "a UNIX socket"
        line = f"closed a connection from {who}: {reason}"
        now = monotonic()
        if now < self._quiet_until:
            self._log.debug(line)
        else:
            self._quiet_until = now + COMPLAINT_PAUSE
            self._log.info(line)


def door_for(context: WorkerContext, connect: Connect) -> Door:
    """The one that the settings ask for."""
    settings = context.settings
    steps: list[Callable[[], Step]] = []
    if settings.proxy_protocol:
        steps.append(partial(ProxyStep, profile_of(settings.http).trusted))
    if (tls := context.tls()) is not None:
        from workerhub_workers._tls import TlsStep  # noqa: PLC0415  # ssl, for who speaks it, and not before gevent has patched it

        steps.append(partial(TlsStep, tls))
    return Door(steps, connect, context.log)
