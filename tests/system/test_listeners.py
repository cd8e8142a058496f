"""TCP over IPv4 and IPv6, UNIX sockets, inherited descriptors, several at once."""

from __future__ import annotations

import socket
import stat
from typing import TYPE_CHECKING

import pytest
from support.client import fetch
from support.server import Serve, free_port

if TYPE_CHECKING:
    from pathlib import Path


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = serve(bind=f"unix:{path}")
    assert server.get().body == b"hello\n"
    facts = server.get("/environ").json()
    assert facts["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert facts["REMOTE_ADDR"] == ""
    assert server.stop() == 0
    assert not path.exists()


def test_a_unix_socket_left_by_a_dead_server_is_replaced(serve_default: Serve, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert serve_default(bind=f"unix:{path}").get().body == b"hello\n"


def test_a_unix_socket_in_use_is_refused(serve_default: Serve, tmp_path: Path) -> None:
    first = serve_default(bind=f"unix:{tmp_path}/socket")
    second = serve_default(bind=f"unix:{tmp_path}/socket", ready=False)
    assert second.wait() == 3
    assert first.get().status == 200


def test_a_file_that_is_no_socket_is_left_alone(serve_default: Serve, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    assert serve_default(bind=f"unix:{path}", ready=False).wait() == 3
    assert path.read_text() == "data"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6(serve_default: Serve) -> None:
    server = serve_default(bind=f"[::1]:{free_port('::1')}")
    facts = server.get("/environ").json()
    assert (facts["REMOTE_ADDR"], facts["SERVER_NAME"]) == ("::1", "::1")


def test_an_inherited_descriptor(serve_default: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = serve_default(
            bind=f"fd://{listener.fileno()}", address=listener.getsockname(), pass_fds=(listener.fileno(),)
        )
        assert server.get().body == b"hello\n"
        server.reload()
        assert server.get().body == b"hello\n"
        assert server.stop() == 0


def test_a_descriptor_that_is_no_listener_is_refused(serve_default: Serve) -> None:
    server = serve_default(bind="fd://77", ready=False)
    assert server.wait() == 3
    assert "fd://77" in server.log


def test_several_addresses_at_once(serve: Serve, tmp_path: Path) -> None:
    other = free_port()
    server = serve(bind=(f"127.0.0.1:{free_port()}", f"127.0.0.1:{other}", f"unix:{tmp_path}/socket"), processes=2)
    assert server.get().body == b"hello\n"
    assert fetch(("127.0.0.1", other)).body == b"hello\n"
    assert fetch(str(tmp_path / "socket")).body == b"hello\n"


def test_a_bare_port_is_every_interface(serve_default: Serve) -> None:
    port = free_port()
    server = serve_default(bind=f":{port}", address=("127.0.0.1", port))
    assert server.get().body == b"hello\n"
