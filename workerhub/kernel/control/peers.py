"""Who is at the other end of a UNIX socket, as the system tells."""

from __future__ import annotations

import socket
import struct
from typing import Final, NamedTuple

_CREDENTIALS: Final = struct.Struct("=iII")
"""`struct ucred`: pid, user, group (unix(7))."""


class Peer(NamedTuple):
    """Process and user at the moment of connecting, or of listening. None: the system doesn't tell, and modes have to be enough."""

    pid: int | None
    user: int | None


def peer_of(sock: socket.socket) -> Peer:
    """Ask the system who is at the other end of a connected socket.

    Raises:
        OSError: it isn't connected.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return Peer(None, None)
    pid, user, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid or None, user)
