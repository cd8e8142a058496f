"""A stop loses no connection that the system has completed: neither those that wait, nor those that come at that moment."""

from __future__ import annotations

import contextlib
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from support.client import Load
from support.holding import ask, held_request
from support.server import free_port
from support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import Serve

BACKLOG = 8
ESTABLISHED = 1
"""The first byte of TCP_INFO (net/tcp_states.h)."""


def fill_queue(endpoint: tuple[str, int]) -> Iterator[socket.socket]:
    """Connect for as long as the system completes connections; over loopback it does so at once, or not."""
    for _ in range(2 * BACKLOG):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(endpoint)
        if client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED:
            client.close()
            return
        yield client


@pytest.mark.cell("TERM")
@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_term_under_load_loses_no_connection_and_has_an_end(serve: Serve, tmp_path: Path, family: str) -> None:
    """Whoever got a connection gets an answer; whoever comes later finds nobody. More keep coming all the time."""
    bind = f"unix:{tmp_path}/socket" if family == "unix" else f"127.0.0.1:{free_port()}"
    server = serve(bind=bind, processes=2)
    with Load(server.address, clients=8) as load:
        wait_for(lambda: load.answered > 100, "the load to begin")
        assert server.stop() == 0
        wait_for(lambda: load.failures, "the first client to find nobody")
    assert load.statuses.keys() == {200}
    assert {failure.partition("(")[0] for failure in load.failures} <= {"ConnectionRefusedError", "FileNotFoundError"}
    server.wait_log(r"stopped after .*: no request was cut")


def test_term_with_a_full_accept_queue(serve_default: Serve, gate: Path) -> None:
    """One sync worker, a slow request, and as many behind it as the system takes: each is served."""
    server = serve_default(f"backlog = {BACKLOG}\n")
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(held_request(server, gate))
        waiting = [stack.enter_context(client) for client in fill_queue(server.endpoint)]
        assert BACKLOG <= len(waiting) < 2 * BACKLOG
        for client in waiting:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        server.tell(signal.SIGTERM)
        server.wait_log("SIGTERM")
        gate.touch()
        assert holder.answer().status == 200
        for client in waiting:
            client.settimeout(30)
            with client.makefile("rb") as answer:
                assert answer.read().endswith(b"\r\n\r\nhello\n")
    assert server.wait() == 0
    server.wait_log(rf"no request was cut, {len(waiting) + 1} finished")


def test_what_still_waits_when_time_is_up_is_counted(serve_default: Serve, gate: Path) -> None:
    server = serve_default('[timeouts]\ngraceful = "200ms"\nkill = "1s"\n')
    with held_request(server, gate), server.connect() as client:
        ask(client, "/")
        assert server.stop() == 0
    server.wait_log(r"stopped after .*: 1 request cut")
    server.wait_log(r"1 connection was still waiting to be accepted, and cut")
