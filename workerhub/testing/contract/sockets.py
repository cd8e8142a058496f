"""Listening sockets that a check shares with the worker, as a sibling would."""

from __future__ import annotations

import socket
from contextlib import suppress


def new_listener() -> socket.socket:
    """On a free port of the loopback. The worker is given a copy (`dup`)."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    listener.setblocking(False)
    return listener


def take_waiting(listener: socket.socket) -> int:
    """Accept and close all connections that wait in the queue; tell how many there were."""
    taken = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            taken += 1
    return taken
