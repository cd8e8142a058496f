"""As a service of systemd: sockets are passed, and every turn of its life is told to a real notify socket."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import readme
from support.client import Client
from support.holding import held_request
from support.server import ROOT, Serve, run
from support.service_manager import NotifySocket, inode, passing

if TYPE_CHECKING:
    from collections.abc import Iterator

ANALYZE = shutil.which("systemd-analyze")
PAGES = (ROOT / "docs" / "how-to" / "systemd.md", ROOT / "README.md")


def exec_reload() -> list[str]:
    """The arguments of workerhub in `ExecReload=`, which is the same on every page."""
    (words,) = {
        line
        for page in PAGES
        for line in re.findall(r"^ExecReload=\S+/workerhub (.*)$", page.read_text(), re.MULTILINE)
    }
    return shlex.split(words)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    with NotifySocket(tmp_path) as notify:
        yield notify


def test_every_turn_of_its_life_is_told(serve_default: Serve, manager: NotifySocket) -> None:
    """READY with the first worker, a reload from beginning to end, the watchdog, STOPPING; by the master alone."""
    server = serve_default(processes=2, env={**manager.environ, "WATCHDOG_USEC": "400000"})
    manager.wait("READY=1", f"MAINPID={server.pid}")
    manager.wait("STATUS=generation 1: 2 of 2 workers serving")
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(server.get("/process").json()["environment"])

    before = len(manager.heard)
    reloaded = run(*exec_reload(), cwd=server.directory)
    assert (reloaded.returncode, reloaded.stdout.splitlines()[-1]) == (0, "generation 2 is serving (2 of 2)")
    begun = manager.wait("RELOADING=1", behind=before)
    (moment,) = (line for line in begun.lines if line.startswith("MONOTONIC_USEC="))
    assert moment.partition("=")[2].isdecimal()
    manager.wait("READY=1", "STATUS=generation 2: 2 of 2 workers serving", behind=before)

    beats = len(manager.said("WATCHDOG=1"))
    manager.wait("WATCHDOG=1", behind=len(manager.heard))
    assert len(manager.said("WATCHDOG=1")) > beats > 0

    before = len(manager.heard)
    assert server.stop() == 0
    manager.wait("STOPPING=1", "STATUS=stopping: 2 workers left", behind=before)
    assert {message.pid for message in manager.heard} == {server.pid}


def test_a_drain_asks_for_time(serve_default: Serve, manager: NotifySocket, gate: Path) -> None:
    """So `TimeoutStopSec=` need not know how long `timeouts.graceful` is."""
    server = serve_default(env=manager.environ)
    manager.wait("READY=1")
    with held_request(server, gate) as client:
        before = len(manager.heard)
        server.tell(signal.SIGTERM)
        manager.wait("STOPPING=1", behind=before)
        manager.wait("EXTEND_TIMEOUT_USEC=30000000", behind=before)
        gate.touch()
        assert client.answer().status == 200
    assert server.wait() == 0


def test_passed_sockets_are_served_by_name(serve: Serve) -> None:
    """A connection that came before the server did is answered; the sockets stay systemd's, and no worker keeps another's."""
    with (
        socket.create_server(("127.0.0.1", 0)) as web,
        socket.create_server(("127.0.0.1", 0)) as admin,
        Client(web.getsockname()) as early,
    ):
        server = serve(
            bind="systemd:web",
            address=web.getsockname(),
            wrapper=passing((admin, web), "admin:web"),
            pass_fds=(admin.fileno(), web.fileno()),
        )
        early.send(b"GET / HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n\r\n")
        assert early.answer().body == b"hello\n"
        variables = server.get("/process").json()["environment"]
        assert [name for name in variables if name.startswith("LISTEN_")] == []
        (worker,) = server.worker_pids()
        held = [str(entry.readlink()) for entry in Path(f"/proc/{worker}/fd").iterdir()]
        assert held.count(inode(web)) == 1
        assert inode(admin) not in held
        server.wait_log(r"systemd passed a socket that no bind names: admin \(descriptor 3\)")
        server.reload()
        assert server.get().body == b"hello\n"
        assert server.stop() == 0
        Client(web.getsockname()).close()  # it waits for the next server


def test_who_waits_at_a_passed_socket_is_left_to_the_next_server(serve_default: Serve, gate: Path) -> None:
    """systemd keeps the socket, so nobody is lost; and a queue that never empties doesn't hold up the stop."""
    with socket.create_server(("127.0.0.1", 0)) as web:
        server = serve_default(
            bind="systemd", address=web.getsockname(), wrapper=passing((web,), "web"), pass_fds=(web.fileno(),)
        )
        with held_request(server, gate) as client, server.connect() as waiting:
            waiting.send(b"GET / HTTP/1.0\r\n\r\n")
            server.tell(signal.SIGTERM)
            server.wait_log("SIGTERM")
            gate.touch()
            assert client.answer().status == 200
            assert server.wait() == 0
            web.setblocking(True)
            connection, _ = web.accept()
            with connection:
                assert connection.recv(100) == b"GET / HTTP/1.0\r\n\r\n"


def test_without_passed_sockets_it_says_what_is_missing(serve_default: Serve) -> None:
    server = serve_default(bind="systemd", ready=False)
    assert server.wait() == 3
    assert "can't listen on systemd: no sockets were passed: LISTEN_FDS is not set" in server.log


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed (package systemd)")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_unit_files_are_valid(page: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` exits 0 whatever it finds, so what counts is that it has nothing to say."""
    program = Path(sys.executable).with_name("workerhub")
    units = readme.blocks("ini", page)
    assert units
    for unit in units:
        file = tmp_path / unit.name
        file.parent.mkdir(exist_ok=True)
        file.write_text(re.sub(r"/\S+/bin/workerhub", str(program), unit.text), encoding="utf-8")
    names = [unit.name for unit in units if "/" not in unit.name]
    found = subprocess.run(
        (str(ANALYZE), "verify", *(f"./{name}" for name in names)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert found.stderr == ""
