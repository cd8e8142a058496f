"""Requests that are in flight for exactly as long as a test wants."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.client import Client
    from support.server import Server


@contextlib.contextmanager
def held_request(server: Server, gate: Path) -> Iterator[Client]:
    """A request that the application runs until `gate.touch()`; yields the client that waits for its answer."""
    with server.connect() as client:
        client.send(f"GET /hold?file={gate} HTTP/1.1\r\nHost: testserver\r\n\r\n".encode())
        wait_for(gate.with_name(f"{gate.name}.started").exists, "the application to run the request")
        yield client


def ask(client: Client, target: str) -> None:
    """Send a request without waiting for its answer."""
    client.send(f"GET {target} HTTP/1.1\r\nHost: testserver\r\n\r\n".encode())
