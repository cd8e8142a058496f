"""The control socket of real servers, and the verbs that use it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import server as harness
from support.client import Load
from support.holding import ask, held_request
from support.server import free_port
from support.waiting import wait_for

from workerhub.kernel.control.place import directories
from workerhub.kernel.control.wire import Request, Verb

if TYPE_CHECKING:
    from support.server import Serve, Server

STATUS = Request(Verb.STATUS)
STACKS = Request(Verb.STACKS)


def verb(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb on a server, by its configuration."""
    return harness.run(*words, "-c", "server.toml", cwd=server.directory)


def test_a_server_is_looked_at_scaled_reloaded_and_stopped(serve_default: Serve, tmp_path: Path, gate: Path) -> None:
    broken = tmp_path / "broken"
    server = serve_default(processes=2, env={"PLAIN_BROKEN": str(broken)}, arguments=("-k", "threaded"))
    server.wait_log("2 of 2 workers ready")
    with held_request(server, gate):
        told = json.loads(verb(server, "status", "--json").stdout)
        assert (told["ok"], told["pid"], told["title"], told["generation"]) == (True, server.pid, "server.toml", 1)
        assert told["runs"]["main"]["addresses"] == [server.url]
        assert {worker["pid"] for worker in told["pools"][0]["workers"]} == set(server.worker_pids())
        assert all(1 << 20 < worker["memory"] < 1 << 30 for worker in told["pools"][0]["workers"])
        picture = verb(server, "status")
        assert picture.returncode == 0
        assert "main · 2 of 2 serving · generation 1 · threaded · plain:application" in picture.stdout
        assert f"GET /hold?file={gate}"[:40] in picture.stdout
        gate.touch()

    scaled = verb(server, "scale", "3")
    assert (scaled.returncode, scaled.stdout) == (0, "main: 3 of 3 workers ready\n")
    assert len(server.worker_pids()) == 3
    scaled = verb(server, "scale", "-2")
    assert (scaled.returncode, scaled.stdout) == (0, "main: 1 of 1 workers ready\n")
    assert len(server.worker_pids()) == 1

    before = server.worker_pids()
    reloaded = verb(server, "reload")
    assert reloaded.returncode == 0, reloaded.stderr
    assert "generation 2 is serving (1 of 1)" in reloaded.stdout
    assert not set(before) & set(server.worker_pids())
    broken.touch()
    refused = verb(server, "reload")
    assert refused.returncode == 1
    assert "RuntimeError: broken on purpose" in refused.stderr
    assert refused.stderr.splitlines()[-1] == "generation 2 keeps serving"
    assert server.get().status == 200

    stopped = verb(server, "stop")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert stopped.stdout.startswith("stopped after ")
    assert server.process.wait(5) == 0, "the verb waits until the process is gone"
    assert not server.control.exists()
    gone = verb(server, "status")
    assert gone.returncode == 1
    assert f"{server.control}: there is no such file" in gone.stderr


def test_stop_with_a_request_in_flight_waits_and_a_fast_one_does_not(serve_default: Serve, gate: Path) -> None:
    server = serve_default()
    with held_request(server, gate) as client:
        stop = subprocess.Popen(
            (*harness.COMMAND, "stop", "--json", "-c", "server.toml"),
            cwd=server.directory,
            stdout=subprocess.PIPE,
            text=True,
        )
        server.wait_log("graceful stop asked for")
        assert server.running
        fast = server.ask(Request(Verb.STOP, fast=True))
        assert fast.fields["cut"] == 1
        assert client.at_end()
    assert json.loads(stop.communicate(timeout=30)[0])["cut"] == 1, "both are told the same outcome"
    assert server.wait() == 0


def test_stacks_show_every_request_and_where_it_is(serve: Serve, gate: Path) -> None:
    server = serve()
    with held_request(server, gate) as held:
        told = verb(server, "stacks")
        assert told.returncode == 0, told.stderr
        first = told.stdout.split("\n  thread ")[0] if "task request" in told.stdout else told.stdout
        assert f"serves GET /hold?file={gate} from 127.0.0.1, " in first
        assert "in _hold" in first
        gate.touch()
        held.answer()
    # Its thread may still have a word to say on the board, which it couldn't beside the next one.
    wait_for(lambda: not any(task["runs"] for task in server.ask(STACKS).fields["workers"][0]["tasks"]), "its end")
    stuck = gate.with_name("stuck")
    with server.connect() as client:
        ask(client, f"/native?lock=kept&file={stuck}")
        wait_for(stuck.with_name("stuck.started").exists, "the request to hold on to the interpreter lock")
        outcome = server.ask(STACKS)
        assert outcome.ok
        ((worker),) = outcome.fields["workers"]
        assert "held up in C code" in worker["note"]
        ((run),) = worker["runs"]
        assert run["line"].startswith("GET /native?lock=kept")
        assert "in _native" in worker["dump"]
        assert "in _fork" not in worker["dump"], "the master's past"


def test_stacks_show_the_applications_own_greenlets(serve_default: Serve, tmp_path: Path) -> None:
    (tmp_path / "with_greenlet.py").write_text(
        "import gevent\nfrom plain import application\n\n\n"
        "def background_work():\n    gevent.sleep(3600)\n\n\nworker = gevent.spawn(background_work)\ngevent.sleep(0)\n",
        encoding="utf-8",
    )
    server = serve_default(
        app="with_greenlet:application", arguments=("-k", "gevent"), env={"PYTHONPATH": str(tmp_path)}, isolated=False
    )
    ((worker),) = server.ask(STACKS).fields["workers"]
    (own,) = [task for task in worker["tasks"] if "in background_work" in task["stack"]]
    assert (own["kind"], own["runs"]) == ("task", [])


def test_clients_that_misbehave_stall_nobody(serve_default: Serve) -> None:
    server = serve_default(processes=2)
    guests: list[socket.socket] = []

    def enter() -> socket.socket:
        guest = socket.socket(socket.AF_UNIX)
        guest.connect(str(server.control))  # blocking, so that it waits for its turn
        guest.settimeout(30)
        guests.append(guest)
        return guest

    with Load(server.address) as load:
        for _ in range(100):
            enter()
        deaf = [enter() for _ in range(10)]
        for guest in deaf:
            guest.sendall(b'{"workerhub": 1, "verb": "status"}\n')
        lengthy = enter()
        try:
            for _ in range(160):
                lengthy.sendall(b"x" * (64 << 10))
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            pytest.fail("10 MiB were read")
        answered = load.answered
        assert server.ask(STATUS).ok
        wait_for(lambda: load.answered > answered + 50, "the load to go on")
    assert load.failures == []
    for guest in guests:
        guest.close()


def test_a_server_that_was_killed_is_no_obstacle_and_one_that_lives_is(serve_default: Serve) -> None:
    server = serve_default()
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    assert server.control.exists(), "nobody could take it away"
    server.start()
    assert server.ask(STATUS).fields["pid"] == server.pid
    assert stat.S_IMODE(server.control.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.control.parent.stat().st_mode) & 0o022 == 0

    again = harness.run("-c", "server.toml", "-b", "127.0.0.1:0", cwd=server.directory)
    assert again.returncode == 3
    assert (
        f"can't listen on the control socket {server.control}: a server with this configuration is running; a profile"
        in again.stderr
    )
    assert f"(held by pid {server.pid} " in again.stderr
    assert server.ask(STATUS).ok


def test_a_place_of_its_own_or_none_at_all(serve_default: Serve) -> None:
    server = serve_default('[control]\nsocket = "run.sock"\n')
    assert (server.path("run.sock").exists(), server.control.exists()) == (True, False)
    told = verb(server, "status", "--json")
    assert json.loads(told.stdout)["pid"] == server.pid
    assert server.stop() == 0
    assert not server.path("run.sock").exists()

    silent = serve_default('[control]\nsocket = "off"\n')
    refused = verb(silent, "reload")
    assert refused.returncode == 1
    assert "control.socket is off (server.toml:" in refused.stderr


def test_without_a_file_it_is_found_by_its_application_and_its_process(tmp_path: Path) -> None:
    bind = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        (*harness.COMMAND, "plain:application", "-b", bind, "-w", "1", "--set", f"python_path={harness.SITES}"),
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=harness.ENVIRONMENT,
    )  # fmt: skip
    path = directories()[0] / f"plain-{server.pid}.sock"
    try:
        wait_for(path.exists, "its control socket")
        told = harness.run("stop", "--socket", str(path))
        assert (told.returncode, told.stderr) == (0, "")
    finally:
        server.kill()
        server.wait()
    assert not path.exists()


def ask_as_nobody(path: Path) -> str:
    """Ask a server to stop, as a user without any rights; what comes of it. A fork: nothing that could be executed is theirs to read."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                with suppress(BrokenPipeError):
                    sock.sendall(b'{"workerhub": 1, "verb": "stop"}\n')
                os.write(writer, sock.recv(4096))
        except OSError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(pid, 0)
    return told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused_even_where_the_modes_would_let_them_in(serve_default: Serve) -> None:
    server = serve_default()
    assert ask_as_nobody(server.control) == "[Errno 13] Permission denied"
    with tempfile.TemporaryDirectory() as short:  # the test's own directory is closed to others
        directory = Path(short)
        directory.chmod(0o755)
        open_to_all = serve_default(f'[control]\nsocket = "{directory / "run.sock"}"\n')
        (directory / "run.sock").chmod(0o666)
        assert "user 65534 may not ask anything here" in ask_as_nobody(directory / "run.sock")
        assert open_to_all.stop() == 0
