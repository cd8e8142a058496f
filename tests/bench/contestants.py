"""The servers that are measured, each with one worker (or as many as told), its access log off."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from support import processes
from support.client import fetch
from support.server import free_port

HERE = Path(__file__).resolve().parent

Command = Callable[[int, int, Path], list[str]]
"""Makes the command line from a port, a number of workers and a folder to write into."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server in one set-up; `distribution` has to be installed for it to take part."""

    name: str
    distribution: str
    command: Command

    @property
    def version(self) -> str | None:
        """Of the distribution; None if it isn't installed."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None


def _workerhub(parser: str, kind: str = "sync") -> Command:
    def command(port: int, workers: int, folder: Path) -> list[str]:
        file = folder / f"{kind}-{parser}-{port}.toml"
        file.write_text(
            f"""\
app = "hello:application"
bind = "127.0.0.1:{port}"
python_path = ["{HERE}"]
[worker]
class = "{kind}"
processes = {workers}
[timeouts]
keepalive = "75s"
[http]
parser = "{parser}"
[log]
level = "warning"
access = "off"
""",
            encoding="utf-8",
        )
        return ["-m", "workerhub", "-c", str(file)]

    return command


def _gunicorn(kind: str, *more: str) -> Command:
    def command(port: int, workers: int, folder: Path) -> list[str]:
        where = ["--chdir", str(HERE), "-b", f"127.0.0.1:{port}", "-w", str(workers), "--log-level", "warning"]
        return ["-m", "gunicorn", "-k", kind, *where, "--no-control-socket", *more, "hello:application"]

    return command


def _granian(port: int, workers: int, folder: Path) -> list[str]:
    where = ["--working-dir", str(HERE), "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    return ["-m", "granian", "--interface", "wsgi", *where, "--log-level", "warning", "hello:application"]


WORKERHUB = Contestant("workerhub sync", "workerhub", _workerhub("httptools"))
WORKERHUB_H11 = Contestant("workerhub sync, h11", "workerhub", _workerhub("h11"))
WORKERHUB_GEVENT = Contestant("workerhub gevent", "gevent", _workerhub("httptools", "gevent"))
GUNICORN_SYNC = Contestant("gunicorn sync", "gunicorn", _gunicorn("sync"))
GUNICORN_GTHREAD = Contestant("gunicorn gthread", "gunicorn", _gunicorn("gthread", "--threads", "4"))
GUNICORN_GEVENT = Contestant("gunicorn gevent", "gunicorn", _gunicorn("gevent"))
GRANIAN = Contestant("granian", "granian", _granian)
EVERYBODY = (
    WORKERHUB,
    WORKERHUB_H11,
    WORKERHUB_GEVENT,
    GUNICORN_SYNC,
    GUNICORN_GTHREAD,
    GUNICORN_GEVENT,
    GRANIAN,
)


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant that answers. `first_answer`: seconds from its start to its first answer."""

    pid: int
    port: int
    first_answer: float

    @property
    def cpu(self) -> float:
        """Seconds of user and system time that its processes have used so far."""
        return processes.cpu_seconds(processes.tree(self.pid))

    @property
    def memory(self) -> int:
        """PSS of its processes in bytes."""
        return processes.proportional_memory(processes.tree(self.pid))


@contextlib.contextmanager
def running(contestant: Contestant, workers: int, folder: Path) -> Iterator[Running]:
    """Run it until the block ends.

    Raises:
        RuntimeError: it left, or didn't answer within 30 seconds; carries what it said.
    """
    port = free_port()
    log = folder / f"{port}.log"
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *contestant.command(port, workers, folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > started + 30:
                raise RuntimeError(f"{contestant.name} doesn't answer:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.002)
        yield Running(process.pid, port, time.monotonic() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for pid in processes.session(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        return fetch(("127.0.0.1", port)).status == 200
    except OSError:
        return False
