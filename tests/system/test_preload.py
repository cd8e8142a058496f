"""A template imports the application, forks the workers, and is replaced at each reload; for every worker class."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import processes
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve, Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has child subreapers")

SHOP = """
import os, socket
BORN = os.getpid()
def application(environ, start_response):
    body = f"{os.getpid()} {os.getppid()} {BORN} {socket.socket.__module__.partition('.')[0]} one".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


class Told(NamedTuple):
    """What a worker tells of itself: its pid, its parent's, that of who imported the application, whose sockets it uses, and the version."""

    pid: int
    parent: int
    imported_by: int
    sockets: str
    version: str

    @classmethod
    def by(cls, server: Server) -> Told:
        pid, parent, imported_by, sockets, version = server.get().body.decode().split()
        return cls(int(pid), int(parent), int(imported_by), sockets, version)


def template_of(server: Server) -> int:
    """The pid of the one template that is there and ready; 0: there is none, or more than one."""
    found = [pid for pid in processes.children(server.pid) if "template " in processes.title(pid)]
    return found[0] if len(found) == 1 else 0


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    file = tmp_path / "site" / "shop.py"
    file.write_text(SHOP)
    return file


@pytest.mark.cell("preload")
def test_from_the_first_fork_to_the_last(serve: Serve, shop: Path, worker_class: str) -> None:
    server = serve(f'preload = true\nchdir = "{shop.parent}"\nrestart.backoff = "10ms"\n', app="shop", processes=2)
    server.wait_log("2 of 2 workers ready")
    first = template_of(server)
    told = Told.by(server)
    assert (told.parent, told.imported_by) == (server.pid, first)
    assert told.pid in server.worker_pids()
    assert told.sockets == ("gevent" if worker_class == "gevent" else "socket")

    os.kill(told.pid, signal.SIGKILL)
    server.wait_log("2 of 2 workers ready", count=2)
    assert template_of(server) == first

    workers = server.worker_pids()
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: (now := template_of(server)) != first and now, "another template")
    assert Told.by(server).imported_by == first
    assert server.worker_pids() == workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not set(workers) & set(server.worker_pids()), "the workers to be gone")
    server.wait_workers(2)
    assert Told.by(server).imported_by == second

    shop.write_text("1 / 0\n")
    server.tell(signal.SIGHUP)
    server.wait_log("generation 2 is rolled back: template main .*: division by zero")
    assert Told.by(server).version == "one"
    shop.write_text(SHOP.replace("one", "two"))
    server.tell(signal.SIGHUP)
    server.wait_log("generation 3 is serving: 2 workers")
    wait_for(lambda: template_of(server) not in (0, second), "the old template to be gone")
    wait_for(lambda: len(server.worker_pids()) == 2, "the old workers to be gone")
    told = Told.by(server)
    assert (told.version, told.imported_by) == ("two", template_of(server))

    assert server.stop() == 0
    assert processes.session(server.pid) == []


def test_nobody_is_left_when_the_master_is_killed(serve_default: Serve, shop: Path) -> None:
    server = serve_default(f'preload = true\nchdir = "{shop.parent}"\n', app="shop", processes=2)
    server.wait_log("2 of 2 workers ready")
    assert len(processes.session(server.pid)) == 4
    server.tell(signal.SIGKILL)
    server.wait()
    wait_for(lambda: not processes.session(server.pid), "workers and template to leave")
