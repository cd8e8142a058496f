"""What the application sees of a client behind Debian's nginx and HAProxy: by headers and by PROXY protocol, over TCP and UNIX sockets.

The client calls from an address that isn't trusted, and lies about everything.
"""

from __future__ import annotations

import json
import re
from http.client import HTTPConnection
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support import haproxy, nginx
from support.client import fetch
from support.server import Server, free_port
from support.waiting import wait_for

from workerhub.http.request_start import waited

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_haproxy = pytest.mark.skipif(haproxy.PROGRAM is None, reason="HAProxy is not installed")
needs_nginx = pytest.mark.skipif(nginx.PROGRAM is None, reason="nginx is not installed")
needs_stream = pytest.mark.skipif(
    nginx.PROGRAM is None or not nginx.STREAM_MODULE.exists(), reason="nginx's stream module is not installed"
)

CLIENT = "127.0.0.7"
"""Also of this machine, and none of the addresses that are trusted by default."""

LIES = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "ftp, https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "6666",
    "X-Forwarded-Prefix": "/evil",
    "X-Request-Start": "t=1",
    "Forwarded": "for=203.0.113.9;proto=https;host=evil.example",
}

SHADOW = {"X_Forwarded_For": "203.0.113.9"}
"""Would be the same variable to an application as the real one."""

HAPROXY_HTTP = """\
listen http-{name}
  mode http
  bind 127.0.0.1:{port}
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port 8443
  http-request set-header X-Forwarded-Prefix /shop
  http-request set-header X-Request-Start t=%[date(0,ms)]
  http-request replace-path /shop(/.*) \\1
  http-request del-header Forwarded
  server site {upstream}
"""

HAPROXY_TCP = """\
listen v{version}-{name}
  mode tcp
  bind 127.0.0.1:{port}
  option httpchk GET /?checked=v{version}
  server site {upstream} send-proxy{suffix} check inter 500ms
"""

NGINX_HTTP = """\
  server {{
    listen 127.0.0.1:{port};
    location /shop/ {{
      proxy_pass {upstream}/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port 8443;
      proxy_set_header X-Forwarded-Prefix /shop;
      proxy_set_header X-Request-Start "t=${{msec}}";
    }}
  }}
"""

NGINX_STREAM = """\
  server {{
    listen 127.0.0.1:{port};
    proxy_pass {upstream};
    proxy_protocol on;
  }}
"""


class Upstreams(NamedTuple):
    """One server's addresses."""

    server: Server
    tcp: str
    unix: str


def upstreams(directory: Any, settings: str = "") -> Iterator[Upstreams]:
    """A server that listens on TCP and UNIX."""
    tcp, unix = f"127.0.0.1:{free_port()}", f"{directory}/socket"
    server = Server(directory, settings, bind=(tcp, f"unix:{unix}"), arguments=("-w", "1"))
    try:
        server.start(ready=False)
        server.wait_log("1 of 1 workers ready")
        yield Upstreams(server, tcp, unix)
    finally:
        server.clean()


@pytest.fixture(scope="module")
def by_headers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstreams]:
    """A server that is told about clients in each request."""
    yield from upstreams(tmp_path_factory.mktemp("headers"))


@pytest.fixture(scope="module")
def by_protocol(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstreams]:
    """A server that is told about clients in front of each connection."""
    yield from upstreams(tmp_path_factory.mktemp("protocol"), '[http]\nproxy_protocol = "required"\n')


def seen(port: int, path: str, headers: dict[str, str]) -> tuple[dict[str, Any], tuple[str, int]]:
    """What the application sees of a request from CLIENT, and from where that came."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30, source_address=(CLIENT, 0))
    try:
        connection.request("GET", path, headers={"Host": "shop.example", **headers})
        address = connection.sock.getsockname()
        return json.load(connection.getresponse()), address
    finally:
        connection.close()


def assert_true_by_headers(facts: dict[str, Any]) -> None:
    """The lies came to nothing, and what the proxy wrote was understood."""
    assert facts["REMOTE_ADDR"] == CLIENT
    assert facts["HTTP_X_FORWARDED_FOR"] == CLIENT
    assert facts["wsgi.url_scheme"] == "https"
    assert facts["HTTP_HOST"] == "shop.example"
    assert facts["SERVER_PORT"] == "8443"
    assert (facts["SCRIPT_NAME"], facts["PATH_INFO"]) == ("/shop", "/environ")
    assert 0 < waited(facts["HTTP_X_REQUEST_START"], time()) < 60, "the proxy and we mean the same moment"
    assert "203.0.113.9" not in str(facts)
    assert "evil" not in str(facts)


def assert_true_by_protocol(facts: dict[str, Any], client: tuple[str, int]) -> None:
    """The lies came to nothing, and the connection is the client's."""
    assert (facts["REMOTE_ADDR"], facts["REMOTE_PORT"]) == (client[0], str(client[1]))
    assert facts["wsgi.url_scheme"] == "http"
    assert (facts["HTTP_HOST"], facts["SCRIPT_NAME"]) == ("shop.example", "")
    assert not [key for key in facts if "FORWARDED" in key]


@needs_haproxy
def test_haproxy(by_headers: Upstreams, by_protocol: Upstreams, tmp_path: Any) -> None:
    sections, http, tcp = "", [], []
    for name in ("tcp", "unix"):
        http.append(port := free_port())
        upstream = by_headers.tcp if name == "tcp" else f"unix@{by_headers.unix}"
        sections += HAPROXY_HTTP.format(name=name, port=port, upstream=upstream)
        for version, suffix in ((1, ""), (2, "-v2")):
            tcp.append(port := free_port())
            upstream = by_protocol.tcp if name == "tcp" else f"unix@{by_protocol.unix}"
            sections += HAPROXY_TCP.format(name=name, port=port, upstream=upstream, version=version, suffix=suffix)
    with haproxy.haproxy(tmp_path / "haproxy", sections, [*http, *tcp]):
        for port in http:
            assert_true_by_headers(seen(port, "/shop/environ", LIES)[0])
            assert fetch(("127.0.0.1", port), "/shop/environ", headers=SHADOW).status == 400, (
                "HAProxy adds the real one"
            )
        for port in tcp:
            assert_true_by_protocol(*seen(port, "/environ", LIES))
            assert_true_by_protocol(*seen(port, "/environ", SHADOW))
        # Its own connections, to see whether the server is well, are its own.
        for pattern in (
            "127.0.0.1 - - .*GET /.checked=v1",
            "127.0.0.1 - - .*GET /.checked=v2",
            "- - - .*GET /.checked=v2",
        ):
            wait_for(lambda pattern=pattern: re.search(pattern, by_protocol.server.output), pattern)  # type: ignore[misc]  # a lambda
        assert f"{CLIENT} - - " in by_protocol.server.output, "the access log tells the client"
        assert "closed a connection" not in by_protocol.server.log


@needs_nginx
def test_nginx_with_headers(by_headers: Upstreams, tmp_path: Any) -> None:
    ports = [free_port(), free_port()]
    sites = (f"http://{by_headers.tcp}", f"http://unix:{by_headers.unix}:")
    http = "".join(NGINX_HTTP.format(port=port, upstream=upstream) for port, upstream in zip(ports, sites, strict=True))
    with nginx.nginx(tmp_path / "nginx", http, ports[0]):
        for port in ports:
            assert_true_by_headers(seen(port, "/shop/environ", LIES)[0])
            assert_true_by_headers(seen(port, "/shop/environ", SHADOW)[0])


@needs_stream
def test_nginx_with_proxy_protocol(by_protocol: Upstreams, tmp_path: Any) -> None:
    ports = [free_port(), free_port()]
    sites = (by_protocol.tcp, f"unix:{by_protocol.unix}")
    stream = "".join(
        NGINX_STREAM.format(port=port, upstream=upstream) for port, upstream in zip(ports, sites, strict=True)
    )
    with nginx.nginx(tmp_path / "nginx", "", ports[0], stream=stream):
        for port in ports:
            assert_true_by_protocol(*seen(port, "/environ", LIES))
