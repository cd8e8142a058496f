"""USR2 has a new master take over the sockets while the old one drains; if the new one is no good, the old one stays."""

from __future__ import annotations

import os
import signal
import socket as sockets
import sys
from pathlib import Path

from support import processes
from support.client import Load, fetch
from support.server import Serve, Server, free_port
from support.service_manager import NotifySocket, passing
from support.waiting import wait_for

from workerhub.kernel.control.wire import Request, Verb


def pid_in(pidfile: Path) -> int:
    return int(pidfile.read_text() or 0)


def upgraded(server: Server, count: int = 1) -> int:
    """Wait until an upgrade has been handed over; the new master's pid."""
    return int(server.wait_log(r"the new master serves, pid (\d+)", count=count)[-1][1])


def gone(server: Server) -> None:
    wait_for(lambda: not processes.session(server.pid), "every process of the server to be gone")


def test_no_request_fails_and_everything_follows(serve: Serve, tmp_path: Path) -> None:
    pidfile, socket = tmp_path / "pid", tmp_path / "socket"
    settings = f'pidfile = "{pidfile}"\n[timeouts]\nkeepalive = "30s"\n'
    server = serve(settings, processes=2, bind=(f"127.0.0.1:{free_port()}", f"unix:{socket}"))
    inode = socket.stat().st_ino
    with Load(server.address, "/pid", mixed=True) as over_tcp, Load(str(socket), "/pid", mixed=True) as over_unix:
        wait_for(lambda: min(over_tcp.answered, over_unix.answered) > 20, "the load to begin")
        server.tell(signal.SIGUSR2)
        new = upgraded(server)
        assert server.wait() == 0
        seen = over_tcp.answered, over_unix.answered
        wait_for(lambda: over_tcp.answered > seen[0] + 20 < over_unix.answered + 20 - seen[1], "the load to go on")
    assert (over_tcp.failures, over_unix.failures) == ([], [])
    assert set(over_tcp.statuses) == set(over_unix.statuses) == {200}
    wait_for(lambda: pid_in(pidfile) == new, "the pidfile to name the new master")
    assert socket.stat().st_ino == inode
    assert {int(server.get("/pid").body) for _ in range(5)} <= set(processes.children(new))
    os.kill(new, signal.SIGTERM)
    gone(server)
    assert not pidfile.exists()
    assert not socket.exists()


def test_what_is_no_good_leaves_the_old_one_serving(serve_default: Serve, tmp_path: Path) -> None:
    broken, slow, pidfile = tmp_path / "broken", tmp_path / "slow", tmp_path / "pid"
    settings = f'pidfile = "{pidfile}"\n'
    server = serve_default(settings, env={"PLAIN_BROKEN": str(broken), "PLAIN_SLOW": str(slow)})
    (worker,) = server.wait_workers(1)
    with Load(server.address, "/pid") as load:
        broken.touch()
        server.tell(signal.SIGUSR2)
        server.wait_log(r"upgrade failed: .*its application fails to boot \(exit code 4\)")
        broken.unlink()
        server.write('wroker = "x"\n')
        server.tell(signal.SIGUSR2)
        server.wait_log(r"upgrade failed: .*its configuration can't be used \(exit code 2\)")
        server.write(settings)
        slow.touch()
        server.tell(signal.SIGUSR2)
        os.kill(int(server.wait_log(r"the new master boots, pid (\d+)", count=3)[-1][1]), signal.SIGKILL)
        server.wait_log(r"upgrade failed: .*it was killed \(SIGKILL\)")
        seen = load.answered
        wait_for(lambda: load.answered > seen + 20, "the load to go on")
    assert load.failures == []
    assert set(load.bodies) == {b"%d" % worker}
    assert server.log.count("broken on purpose") >= 2, "the old master should tell, too, what the new one said"
    assert "unknown setting" in server.log.split("its configuration can't be used")[1]
    assert pid_in(pidfile) == server.pid
    slow.unlink()
    server.tell(signal.SIGUSR2)
    new = upgraded(server)
    assert server.wait() == 0
    wait_for(lambda: pid_in(pidfile) == new, "the pidfile to name the new master")
    assert server.get("/pid").status == 200


def test_a_stop_while_the_new_one_boots_stops_both(serve_default: Serve, tmp_path: Path) -> None:
    slow, imports = tmp_path / "slow", tmp_path / "imports"
    server = serve_default(env={"PLAIN_SLOW": str(slow), "PLAIN_IMPORTS": str(imports)})
    slow.touch()
    server.tell(signal.SIGUSR2)
    wait_for(lambda: len(imports.read_text().split()) == 2, "the new master's worker to import the application")
    assert server.stop() == 0
    gone(server)


def test_systemd_and_the_control_socket_follow(serve_default: Serve, tmp_path: Path) -> None:
    """A passed socket is served on; systemd hears of the new master from the old one, and only then from itself."""
    with NotifySocket(tmp_path) as manager, sockets.create_server(("127.0.0.1", 0)) as passed:
        server = serve_default(
            bind="systemd",
            address=passed.getsockname(),
            env={**manager.environ, "WATCHDOG_USEC": "400000"},
            pass_fds=[passed.fileno()],
            wrapper=passing([passed], "web"),
        )
        manager.wait("READY=1", f"MAINPID={server.pid}")
        place = server.control.stat().st_ino
        outcome = server.ask(Request(Verb.UPGRADE))
        assert outcome.ok, outcome
        new = outcome.fields["pid"]
        told = manager.wait(f"MAINPID={new}", "READY=1")
        assert told.pid == new
        handed = manager.wait(f"MAINPID={new}")
        assert handed.pid == server.pid
        assert [message.pid for message in manager.heard].index(new) > manager.heard.index(handed)
        manager.wait("WATCHDOG=1", behind=manager.heard.index(told))
        assert server.wait() == 0
        assert {message.pid for message in manager.heard[manager.heard.index(handed) + 1 :]} == {new}
        assert server.ask(Request(Verb.STATUS)).fields["pid"] == new
        assert server.control.stat().st_ino == place
        assert server.ask(Request(Verb.RELOAD)).ok
        assert not {"NOTIFY_SOCKET", "WORKERHUB_UPGRADE"} & set(server.get("/process").json()["environment"])
        assert server.ask(Request(Verb.STOP)).ok
        gone(server)


def test_another_python_behind_the_same_path(serve_default: Serve, tmp_path: Path) -> None:
    """What a deployment does: a new virtual environment beside the old one, and a link that leads there."""
    current = tmp_path / "current"
    for name in ("one", "two"):
        _make_environment(tmp_path / name)
    current.symlink_to("one")
    (tmp_path / "where.py").write_text(
        "import os, sys\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [os.path.basename(os.path.realpath(sys.prefix)).encode()]\n"
    )
    config = tmp_path / "server.toml"
    config.write_text(f'app = "where:application"\npython_path = ["{tmp_path}"]\n')
    server = serve_default(config=config, python=current / "bin/python")
    assert server.get().body == b"one"
    current.unlink()
    current.symlink_to("two")
    server.tell(signal.SIGUSR2)
    assert server.wait() == 0
    assert fetch(server.address).body == b"two"


def _make_environment(directory: Path) -> None:
    """A virtual environment with what this one has."""
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    (directory / "bin").mkdir(parents=True)
    (directory / "bin/python").symlink_to(base)
    (directory / "lib").symlink_to(Path(sys.prefix) / "lib")
    (directory / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = true\n")
