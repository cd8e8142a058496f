"""Plans are made in a process of their own: whatever a configuration's code does, the master stays as it is."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import processes
from support import server as harness
from support.server import ENVIRONMENT, SITES, Server
from support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import Serve

CONFIG = """
import os, sys, time
app = "plain:application"
python_path = [{sites!r}]
{more}
"""

MISCHIEF = {
    "os._exit(9)": "the process that reads the configuration {}: {}exit{} code 9",
    "os.kill(os.getpid(), 11)": "the process that reads the configuration {}",
    "sys.exit(3)": "raised SystemExit: 3",
    "1 / 0": "raised ZeroDivisionError",
}


def write(file: Path, more: str = "") -> Path:
    file.write_text(CONFIG.format(sites=str(SITES), more=more), encoding="utf-8")
    return file


def loaded(pid: int, name: str) -> bool:
    """Whether a library is mapped into a process."""
    return name in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


@pytest.fixture
def python_server(tmp_path: Path) -> Iterator[Server]:
    """A server whose configuration is written in Python."""
    server = Server(tmp_path, config=write(tmp_path / "server.py"), arguments=("-w", "1"))
    yield server.start()
    server.clean()


def test_neither_master_nor_workers_load_pydantic(serve: Serve) -> None:
    server = serve()
    server.reload()
    for pid in (server.pid, *server.worker_pids()):
        assert not loaded(pid, "pydantic_core"), processes.title(pid)


def test_nothing_of_the_planner_is_left(python_server: Server) -> None:
    wait_for(lambda: processes.children(python_server.pid) == python_server.worker_pids(), "only workers")


@pytest.mark.parametrize("more", MISCHIEF)
def test_a_configuration_that_ends_its_process_starts_nothing(tmp_path: Path, more: str) -> None:
    write(tmp_path / "server.py", more)
    ended = harness.run("-c", "server.py", cwd=tmp_path)
    assert ended.returncode == 2
    assert MISCHIEF[more].format("ended", "", "") in ended.stderr
    assert "nothing was started." in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("more", MISCHIEF)
def test_a_configuration_that_ends_its_process_refuses_a_reload(python_server: Server, more: str) -> None:
    before = python_server.worker_pids()
    write(python_server.path("server.py"), more)
    python_server.tell(signal.SIGHUP)
    python_server.wait_log("reload refused; generation 1 keeps serving")
    assert MISCHIEF[more].format("failed", "it ", "ed with") in python_server.log
    assert python_server.worker_pids() == before
    write(python_server.path("server.py"))
    python_server.reload()
    assert python_server.get().status == 200


def test_a_server_serves_and_stops_while_a_configuration_hangs(python_server: Server) -> None:
    write(python_server.path("server.py"), "open('reading', 'w')\nwhile True: pass")
    python_server.tell(signal.SIGHUP)
    wait_for(python_server.path("reading").exists, "the configuration to be read")
    assert python_server.get().status == 200
    assert python_server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_start_can_be_stopped_while_its_configuration_hangs(tmp_path: Path, number: signal.Signals) -> None:
    write(tmp_path / "server.py", "open('reading', 'w')\nwhile True: pass")
    server = Server(tmp_path, config=tmp_path / "server.py", bind="127.0.0.1:0").start(ready=False)
    try:
        wait_for((tmp_path / "reading").exists, "the configuration to be read")
        assert server.stop(number) == 0
        assert server.log == ""
        assert processes.session(server.pid) == []
    finally:
        server.clean()


def test_a_worker_class_is_read_anew_by_a_reload(tmp_path: Path) -> None:
    """No process that lives on has imported it."""
    module = tmp_path / "mine.py"
    text = (
        "from workerhub_workers.threaded import ThreadedWorker\n"
        "class Mine(ThreadedWorker):\n"
        "    def prepare(self):\n"
        "        self.context.log.info('this is version {}')\n"
    )
    module.write_text(text.format(1), encoding="utf-8")
    settings = '[worker]\nclass = "mine:Mine"\nprocesses = 1\nthreads = 2\n'
    server = Server(
        tmp_path,
        settings,
        env={**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tmp_path)},
        isolated=False,
    )
    try:
        server.start()
        server.wait_log("this is version 1")
        module.write_text(text.format(2), encoding="utf-8")
        server.reload()
        server.wait_log("this is version 2")
    finally:
        server.clean()
