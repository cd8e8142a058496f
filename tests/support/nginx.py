"""A real nginx in front of a server under test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from support.client import fetch
from support.server import free_port
from support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
"""Debian's: connections are passed on as they are, with a PROXY protocol header in front if so configured."""

CONFIG = """\
{modules}
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_max_body_size 64m;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
{http}
}}
{stream}
"""

SITE = """\
  upstream workerhub {{
    server {upstream};
    {keepalive}
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://workerhub;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
"""


def site(upstream: str, *, keepalive: bool, port: int) -> str:
    """The `http` part of a configuration: everything goes to `upstream` (`host:port` or `unix:/path`)."""
    return SITE.format(upstream=upstream, keepalive="keepalive 8;" if keepalive else "", port=port)


@contextlib.contextmanager
def nginx(directory: Path, http: str, port: int, *, stream: str = "") -> Iterator[tuple[str, int]]:
    """Run nginx with this `http` part, and `stream` part, until the block ends; yields the address that it listens on."""
    assert PROGRAM is not None, "nginx is not installed"
    directory.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker can't reach a socket in the test's directory
    config = directory / "nginx.conf"
    modules = f"load_module {STREAM_MODULE};" if stream else ""
    parts = {"http": http, "stream": f"stream {{\n{stream}}}" if stream else "", "modules": modules, "user": user}
    config.write_text(CONFIG.format(directory=directory, **parts), encoding="utf-8")
    log = directory / "nginx.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            (PROGRAM, "-c", str(config), "-p", str(directory), "-e", "stderr"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    address = ("127.0.0.1", port)

    def up() -> bool:
        assert process.poll() is None, f"nginx left: {log.read_text(encoding='utf-8')}"
        with contextlib.suppress(OSError):
            return fetch(address).status > 0
        return False

    try:
        wait_for(up, "nginx to answer")
        yield address
    finally:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@contextlib.contextmanager
def in_front_of(upstream: str, directory: Path, *, keepalive: bool) -> Iterator[tuple[str, int]]:
    """Run nginx in front of `upstream` until the block ends; yields the address that it listens on."""
    port = free_port()
    with nginx(directory, site(upstream, keepalive=keepalive, port=port), port) as address:
        yield address
