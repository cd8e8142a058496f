"""What a process is: its user, directory, environment, pidfile; its hooks; its duties as PID 1."""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys
from pathlib import Path

import pytest
from support import processes
from support.opened import UNSHARE, open_to_everybody
from support.server import Serve
from support.waiting import wait_for

SUBREAPER = (
    sys.executable,
    "-c",
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])",
)
"""Make the process that comes after it the parent of its orphaned descendants, as PID 1 is; see prctl(2)."""


def test_the_pidfile_names_the_master_and_goes_with_it(serve_default: Serve, tmp_path: Path) -> None:
    pidfile = tmp_path / "server.pid"
    server = serve_default(f'pidfile = "{pidfile}"\n')
    assert int(pidfile.read_text()) == server.pid
    assert server.stop() == 0
    assert not pidfile.exists()


def test_a_pidfile_left_by_a_dead_server_is_taken_over(serve_default: Serve, tmp_path: Path) -> None:
    pidfile = tmp_path / "server.pid"
    server = serve_default(f'pidfile = "{pidfile}"\n')
    server.tell(signal.SIGKILL)
    server.wait()
    wait_for(lambda: not processes.session(server.pid), "the orphans to leave")
    assert pidfile.exists()
    successor = serve_default(f'pidfile = "{pidfile}"\n')
    assert int(pidfile.read_text()) == successor.pid


@pytest.mark.cell("setup")
def test_chdir_and_env_are_applied_before_the_application_is_imported(serve: Serve, tmp_path: Path) -> None:
    home, imports = tmp_path / "home", tmp_path / "imports"
    home.mkdir()
    server = serve(f'chdir = "{home}"\n[env]\nPLAIN_IMPORTS = "{imports}"\nCOLOUR = "green"\n')
    facts = server.get("/process").json()
    assert facts["cwd"] == str(home)
    assert facts["environment"]["COLOUR"] == "green"
    assert facts["pid"] == int(imports.read_text())


@pytest.mark.cell("setup")
def test_the_master_never_imports_the_application(serve: Serve, tmp_path: Path) -> None:
    imports = tmp_path / "imports"
    server = serve(processes=2, env={"PLAIN_IMPORTS": str(imports)})
    workers = server.wait_workers(2)
    server.reload()
    workers += server.wait_workers(2)
    wait_for(lambda: len(imports.read_text().split()) == 4, "each worker to have imported it")
    assert sorted(map(int, imports.read_text().split())) == sorted(workers)


def test_hooks_are_called_and_never_in_the_master(serve_default: Serve, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.touch()
    names = ("server_ready", "worker_forked", "worker_ready", "worker_exited", "reloaded")
    hooks = "\n".join(f'{name} = "plain:on_hook"' for name in names)
    server = serve_default(f"[hooks]\n{hooks}\n", env={"PLAIN_HOOKS": str(calls)})

    def callers() -> list[int]:
        return [json.loads(line)["pid"] for line in calls.read_text().splitlines()]

    wait_for(lambda: len(callers()) >= 3, "server_ready, worker_forked and worker_ready")
    (worker,) = server.wait_workers(1)
    assert callers().count(worker) == 2, "worker_forked and worker_ready run in the worker"
    server.reload()
    wait_for(lambda: len(callers()) >= 7, "two hooks of the new worker, reloaded, worker_exited")
    assert server.pid not in callers()


def test_a_hook_that_raises_is_logged_and_hurts_nobody(serve_default: Serve) -> None:
    server = serve_default('[hooks]\nserver_ready = "plain:on_hook"\n', env={"PLAIN_HOOKS": "/nowhere/at/all"})
    server.wait_log(r"server_ready")
    server.wait_log(r"FileNotFoundError")
    assert server.get().status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_workers_take_the_group_and_the_umask_and_the_master_does_not(serve_default: Serve) -> None:
    group = pwd.getpwnam("nobody").pw_gid
    server = serve_default(f'group = {group}\numask = "027"\n')
    facts = server.get("/process").json()
    assert (facts["uid"], facts["gid"], facts["umask"]) == (0, group, 0o027)
    assert Path(f"/proc/{server.pid}").stat().st_gid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.cell("setup")
def test_workers_become_the_user_and_the_master_does_not(serve: Serve) -> None:
    nobody = pwd.getpwnam("nobody")
    server = serve('user = "nobody"\n', wrapper=open_to_everybody())
    facts = server.get("/process").json()
    assert (facts["uid"], facts["gid"], facts["groups"]) == (nobody.pw_uid, nobody.pw_gid, [nobody.pw_gid])
    assert Path(f"/proc/{server.pid}").stat().st_uid == 0


def test_an_unknown_user_is_refused(serve_default: Serve) -> None:
    server = serve_default('user = "nosuchuser"\n', ready=False)
    assert server.wait() == 2
    assert "nosuchuser" in server.log


def zombies_of(pid: int) -> list[int]:
    return [process.pid for process in processes.every() if process.parent == pid and process.state == "Z"]


def test_the_master_reaps_what_it_did_not_start(serve_default: Serve, gate: Path) -> None:
    server = serve_default(wrapper=SUBREAPER)
    orphan = int(server.get(f"/orphan?file={gate}").body)
    wait_for(lambda: (process := processes.stat(orphan)) and process.parent == server.pid, "the master to inherit it")
    gate.touch()
    wait_for(lambda: processes.stat(orphan) is None, "the orphan to be reaped")
    assert zombies_of(server.pid) == []
    assert server.get().status == 200
    assert server.stop() == 0


@pytest.mark.skipif(UNSHARE is None or os.geteuid() != 0, reason="needs root and unshare(1) for a PID namespace")
def test_it_works_as_pid_1(serve_default: Serve, gate: Path) -> None:
    server = serve_default(wrapper=(str(UNSHARE), "--pid", "--fork", "--mount-proc", "--kill-child"))
    (master,) = processes.children(server.pid)
    server.get(f"/orphan?file={gate}")
    gate.touch()
    wait_for(lambda: zombies_of(master) == [] and len(processes.children(master)) == 1, "the orphan to be reaped")
    os.kill(master, signal.SIGTERM)
    assert server.wait() == 0
