"""The PROXY protocol in front of every connection: whose it is, and what becomes of one that doesn't say."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import echo, facts
from support.proxied import LOCAL, UNSPECIFIED, raw_2, tlv, version_1, version_2
from support.raw import get, post
from support.serving import serving
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from workerhub.testing.served import Served
    from workerhub.worker import WorkerType

SMALL = 0.1
"""Seconds. A timeout that the test waits for."""

FORWARDED = "X-Forwarded-For: 203.0.113.9"

TRUST = {"forwarded": "x-forwarded", "trusted_proxies": ("127.0.0.1", "192.0.2.0/24", "unix")}


def peer_after(server: Served[Any], header: bytes, *fields: str) -> tuple[str, str]:
    """Who the application takes a client for that came with this header."""
    with server.connect() as client:
        client.send(header + get("/", *fields))
        environ = client.answer().json()
        return environ["REMOTE_ADDR"], environ["REMOTE_PORT"]


@pytest.mark.cell("proxy protocol")
def test_the_header_says_whose_connection_it_is(worker: WorkerType) -> None:
    with serving(worker, facts, proxy_protocol=True, http=TRUST) as server:
        for header in (version_1(), version_2(), version_2(tlvs=tlv(0x04, bytes(300)))):
            assert peer_after(server, header) == ("192.0.2.7", "40000")
        assert peer_after(server, version_1("2001:db8::7", 7, "::1")) == ("2001:db8::7", "7")
        assert peer_after(server, version_2("")) == ("", ""), "it called the proxy on a UNIX socket"

        # Whether forwarding headers are believed is asked about the same peer: the proxy passed the client's bytes on as they were.
        assert peer_after(server, version_2("192.0.2.1"), FORWARDED)[0] == "203.0.113.9"
        assert peer_after(server, version_2("198.51.100.1"), FORWARDED)[0] == "198.51.100.1"

        # The proxy's own connections are its own, and it is trusted.
        for header in (b"PROXY UNKNOWN\r\n", raw_2(LOCAL, UNSPECIFIED, b"")):
            assert peer_after(server, header)[0] == "127.0.0.1"
            assert peer_after(server, header, FORWARDED)[0] == "203.0.113.9"

        with server.connect() as client:
            client.send(version_1())
            assert [client.ask().json()["REMOTE_ADDR"] for _ in range(3)] == ["192.0.2.7"] * 3


@pytest.mark.cell("proxy protocol")
def test_a_header_that_comes_in_pieces_costs_nothing_behind_it(worker: WorkerType) -> None:
    with serving(worker, echo, proxy_protocol=True, http=TRUST) as server:
        for header in (version_1(), version_2(tlvs=bytes(20))):
            with server.connect() as client:
                for byte in header:
                    client.send(bytes([byte]))
                client.send(post(b"byte by byte"))
                assert client.answer().body == b"byte by byte"
            with server.connect() as client:
                client.send(header[:20])
                server.settle()
                client.send(header[20:] + post(b"x" * 200_000) + post(b"second"))
                assert [client.answer().body for _ in range(2)] == [b"x" * 200_000, b"second"]


@pytest.mark.cell("proxy protocol")
def test_whoever_comes_without_one_is_closed_and_others_are_served(worker: WorkerType) -> None:
    with serving(worker, facts, proxy_protocol=True, http=TRUST) as server, ExitStack() as stack:
        silent = stack.enter_context(server.connect())
        for begin in (get(), version_1()[:-2] + b"\n" + get(), raw_2(0x2F, 0x11, bytes(12)), b"PROXY UNKNOWN " * 20):
            with server.connect() as client:
                client.send(begin)
                assert client.at_end()
        with server.connect() as client:
            client.send(version_2()[:-1])
            client.finish_sending()
            assert client.at_end()
        with server.connect() as client:
            client.finish_sending()
            assert client.at_end()
        assert peer_after(server, version_2()) == ("192.0.2.7", "40000")
        silent.send(version_2() + get())
        assert silent.answer().status == 200
        wait_for(lambda: server.requests()[1] == 2, "both requests to be over")
        assert server.requests() == (2, 2), "nothing else reached the application"
        (shown,) = [line for line in server.log("info") if "closed a connection" in line]
        assert "closed a connection from 127.0.0.1: no PROXY protocol header, it begins with b'GET / HTTP/1.1" in shown
        told = [line for line in server.log("debug") if "closed a connection" in line]
        assert len(told) == 4, "the one that left without a word isn't worth one"
        assert "in the middle of a PROXY header, after 27 bytes" in told[-1]


@pytest.mark.cell("proxy protocol")
def test_nobody_but_a_trusted_proxy_is_asked(worker: WorkerType) -> None:
    with serving(worker, facts, proxy_protocol=True, http={"trusted_proxies": ("192.0.2.0/24",)}) as server:
        for header in (version_1(), version_2(), b"PROXY UNKNOWN\r\n", b""):
            with server.connect() as client:
                client.send(header + get())
                assert client.at_end()
        assert server.requests() == (0, 0)
        assert any("it isn't one of http.trusted_proxies" in line for line in server.log("info"))


@pytest.mark.cell("proxy protocol")
def test_a_header_that_does_not_come_in_time_is_waited_for_no_longer(worker: WorkerType) -> None:
    """Progress doesn't win any time."""
    with (
        serving(worker, facts, proxy_protocol=True, http=TRUST, header_timeout=SMALL) as server,
        server.connect() as silent,
        server.connect() as slow,
    ):
        slow.send(version_1()[:10])
        assert silent.at_end()
        assert slow.at_end()
        assert server.requests() == (0, 0)
        assert any("too slow" in line for line in server.log("info"))


def test_over_a_unix_socket(worker: WorkerType, tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen(16)
    with serving(worker, facts, listeners=(listener,), proxy_protocol=True, http=TRUST) as server:
        assert peer_after(server, version_1()) == ("192.0.2.7", "40000")
        assert peer_after(server, b"PROXY UNKNOWN\r\n") == ("", "")
        with server.connect() as client:
            client.send(get())
            assert client.at_end()
        assert any("from a UNIX socket: no PROXY" in line for line in server.log("info"))


@pytest.mark.cell("drain: idle")
def test_a_connection_on_which_nothing_came_does_not_hold_a_leaving_worker_up(worker: WorkerType) -> None:
    with (
        serving(worker, facts, proxy_protocol=True, http=TRUST) as server,
        server.connect() as silent,
        server.connect() as known,
    ):
        known.send(version_1())
        assert known.ask().status == 200
        server.drain()
        assert silent.at_end()
        assert known.at_end()
