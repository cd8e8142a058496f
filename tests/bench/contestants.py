"""The servers that are measured, their access logs off."""

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a contestant is started: `threads` in each worker, for those that have any."""

    port: int
    workers: int
    threads: int
    folder: Path


Command = Callable[[Place], list[str]]
"""Makes the command line."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server in one set-up; `distribution` is what is measured, and `needs` has to be installed, too."""

    name: str
    distribution: str
    command: Command
    needs: str = ""

    @property
    def version(self) -> str | None:
        """Of the distribution; None if it can't take part."""
        try:
            if self.needs:
                importlib.metadata.version(self.needs)
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


def _workerhub(kind: str, parser: str = "httptools") -> Command:
    def command(place: Place) -> list[str]:
        file = place.folder / f"{kind}-{parser}-{place.port}.toml"
        threads = f"threads = {place.threads}\n" if kind == "threaded" else ""
        file.write_text(
            f"""\
app = "hello:application"
bind = "127.0.0.1:{place.port}"
python_path = ["{HERE}"]
[worker]
class = "{kind}"
processes = {place.workers}
{threads}[timeouts]
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


def _gunicorn(kind: str) -> Command:
    def command(place: Place) -> list[str]:
        where = ["--chdir", str(HERE), "-b", f"127.0.0.1:{place.port}", "-w", str(place.workers)]
        threads = ["--threads", str(place.threads)] if kind == "gthread" else []
        quiet = ["--log-level", "warning", "--no-control-socket"]
        return ["-m", "gunicorn", "-k", kind, *threads, *where, *quiet, "hello:application"]

    return command


def _granian(place: Place) -> list[str]:
    where = ["--working-dir", str(HERE), "--host", "127.0.0.1", "--port", str(place.port)]
    size = ["--workers", str(place.workers), "--blocking-threads", str(place.threads)]
    return ["-m", "granian", "--interface", "wsgi", *where, *size, "--log-level", "warning", "hello:application"]


def _waitress(place: Place) -> list[str]:
    """One process, so it gets the threads of all workers; and its way to be told where modules are."""
    start = f"import sys; sys.path.insert(0, {str(HERE)!r}); from waitress.runner import run; run()"
    return [
        "-c",
        start,
        f"--listen=127.0.0.1:{place.port}",
        f"--threads={place.workers * place.threads}",
        "hello:application",
    ]


WORKERHUB = Contestant("workerhub sync", "workerhub", _workerhub("sync"))
WORKERHUB_H11 = Contestant("workerhub sync, h11", "workerhub", _workerhub("sync", "h11"))
WORKERHUB_THREADED = Contestant("workerhub threaded", "workerhub", _workerhub("threaded"))
WORKERHUB_GEVENT = Contestant("workerhub gevent", "workerhub", _workerhub("gevent"), needs="gevent")
GUNICORN_SYNC = Contestant("gunicorn sync", "gunicorn", _gunicorn("sync"))
GUNICORN_GTHREAD = Contestant("gunicorn gthread", "gunicorn", _gunicorn("gthread"))
GUNICORN_GEVENT = Contestant("gunicorn gevent", "gunicorn", _gunicorn("gevent"), needs="gevent")
GRANIAN = Contestant("granian", "granian", _granian)
WAITRESS = Contestant("waitress", "waitress", _waitress)
EVERYBODY = (
    WORKERHUB,
    WORKERHUB_H11,
    WORKERHUB_THREADED,
    WORKERHUB_GEVENT,
    GUNICORN_SYNC,
    GUNICORN_GTHREAD,
    GUNICORN_GEVENT,
    GRANIAN,
    WAITRESS,
)


QUIET = 0.5
"""Seconds without work after which a server is believed to be complete."""


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

    def settle(self) -> None:
        """Wait until it does nothing: the first answer is one worker's, and the others may still be on their way."""
        before = -1.0
        while before != (before := self.cpu):
            time.sleep(QUIET)


@contextlib.contextmanager
def running(contestant: Contestant, folder: Path, *, workers: int = 1, threads: int = 4) -> Iterator[Running]:
    """Run it until the block ends.

    Raises:
        RuntimeError: it left, or didn't answer within 30 seconds; carries what it said.
    """
    port = free_port()
    log = folder / f"{port}.log"
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *contestant.command(Place(port, workers, threads, folder))],
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
