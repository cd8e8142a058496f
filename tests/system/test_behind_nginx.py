"""Debian's nginx in front, over TCP and over a UNIX socket, with and without upstream keep-alive."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from support.client import Load, fetch
from support.nginx import PROGRAM, in_front_of
from support.server import Serve, free_port
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed")


@pytest.mark.parametrize(
    ("family", "keepalive"), [("tcp", True), ("unix", False)], ids=["TCP, kept upstream", "UNIX, closed upstream"]
)
@pytest.mark.cell("HUP")
def test_nginx_in_front(serve: Serve, tmp_path: Path, family: str, *, keepalive: bool) -> None:
    bind = f"127.0.0.1:{free_port()}" if family == "tcp" else f"unix:{tmp_path}/socket"
    settings = '[timeouts]\nkeepalive = "30s"\n' if keepalive else ""
    server = serve(settings, bind=bind, processes=2)
    server.wait_workers(2)
    with in_front_of(bind, tmp_path / "nginx", keepalive=keepalive) as address:
        facts = fetch(address, "/environ", headers={"Host": "shop.example"}).json()
        assert facts["REMOTE_ADDR"] == "127.0.0.1"
        assert facts["HTTP_HOST"] == "shop.example"
        assert facts["wsgi.url_scheme"] == "http"

        data = b"0123456789" * 300_000
        answer = fetch(address, "/digest", method="POST", body=data)
        assert answer.json() == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        assert len(fetch(address, "/big?bytes=3000000").body) == 3_000_000
        assert fetch(address, "/stream?count=1000").body.count(b"\n") == 1000
        assert fetch(address, "/raise").status == 500

        with Load(address, "/pid", keep_alive=True) as load:
            server.reload()
            seen = load.answered
            wait_for(lambda: load.answered > seen + 100, "the load to go on")
        assert load.failures == []
        assert set(load.statuses) == {200}, "nginx never had to answer 502 for us"
    assert server.stop() == 0


def test_the_scheme_and_client_that_a_trusted_proxy_tells_are_believed(serve: Serve) -> None:
    server = serve()
    facts = server.get("/environ", headers={"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}).json()
    assert (facts["REMOTE_ADDR"], facts["wsgi.url_scheme"]) == ("192.0.2.7", "https")


def test_nobody_else_is_believed(serve: Serve) -> None:
    server = serve('[http]\ntrusted_proxies = ["10.0.0.0/8"]\n')
    facts = server.get("/environ", headers={"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}).json()
    assert (facts["REMOTE_ADDR"], facts["wsgi.url_scheme"]) == ("127.0.0.1", "http")
