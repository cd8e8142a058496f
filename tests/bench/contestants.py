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
from typing import Any

from support import processes
from support.client import fetch
from support.server import free_port

HERE = Path(__file__).resolve().parent
HELLO = "hello:application"


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a contestant is started: `threads` in each worker, for those that have any; `application` as MODULE:NAME; room for so many `connections`; 0 is the usual number."""

    port: int
    workers: int
    threads: int
    folder: Path
    application: str = HELLO
    connections: int = 0


Command = Callable[[Place], list[str]]
"""Makes the command line, to be run by Python. The application is found by the `PYTHONPATH` that everybody gets."""


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
        connections = f"max_connections = {place.connections}\n" if place.connections else ""
        file.write_text(
            f"""\
app = "{place.application}"
bind = "127.0.0.1:{place.port}"
[worker]
class = "{kind}"
processes = {place.workers}
{threads}[timeouts]
keepalive = "75s"
[http]
parser = "{parser}"
{connections}[log]
level = "warning"
access = "off"
""",
            encoding="utf-8",
        )
        return ["-m", "workerhub", "-c", str(file)]

    return command


def _gunicorn(kind: str, parser: str = "python") -> Command:
    def command(place: Place) -> list[str]:
        where = ["-b", f"127.0.0.1:{place.port}", "-w", str(place.workers), "--http-parser", parser]
        threads = ["--threads", str(place.threads)] if kind == "gthread" else []
        quiet = ["--log-level", "warning", "--no-control-socket"]
        return ["-m", "gunicorn", "-k", kind, *threads, *where, *quiet, place.application]

    return command


def _granian(place: Place) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(place.port)]
    size = ["--workers", str(place.workers), "--blocking-threads", str(place.threads)]
    return ["-m", "granian", "--interface", "wsgi", *where, *size, "--log-level", "warning", place.application]


def _waitress(place: Place) -> list[str]:
    """One process, so it gets the threads of all workers."""
    threads = place.workers * place.threads
    return ["-m", "waitress", f"--listen=127.0.0.1:{place.port}", f"--threads={threads}", place.application]


def _uwsgi(place: Place) -> list[str]:
    """It is a program of its own, beside Python's."""
    program = [
        "-c",
        "import os, sys; os.execv(sys.argv[1], sys.argv[1:])",
        str(Path(sys.executable).with_name("uwsgi")),
    ]
    module, _, name = place.application.partition(":")
    size = ["--master", "--processes", str(place.workers), "--listen", "1024", "--disable-logging", "--need-app"]
    return [*program, "--http11-socket", f"127.0.0.1:{place.port}", *size, "--module", module, "--callable", name]


def _by_hand(lines: str) -> Command:
    """A server that is a function: Python that calls it with `application`, `port` and `workers`."""

    def command(place: Place) -> list[str]:
        module, _, name = place.application.partition(":")
        given = f"from {module} import {name} as application; port = {place.port}; workers = {place.workers}\n"
        return ["-c", given + lines]

    return command


WORKERHUB = Contestant("workerhub sync", "workerhub", _workerhub("sync"))
WORKERHUB_H11 = Contestant("workerhub sync, h11", "workerhub", _workerhub("sync", "h11"))
WORKERHUB_THREADED = Contestant("workerhub threaded", "workerhub", _workerhub("threaded"))
WORKERHUB_GEVENT = Contestant("workerhub gevent", "workerhub", _workerhub("gevent"), needs="gevent")
GUNICORN_SYNC = Contestant("gunicorn sync", "gunicorn", _gunicorn("sync"))
GUNICORN_GTHREAD = Contestant("gunicorn gthread", "gunicorn", _gunicorn("gthread"))
GUNICORN_GEVENT = Contestant("gunicorn gevent", "gunicorn", _gunicorn("gevent"), needs="gevent")
GUNICORN_SYNC_FAST = Contestant("gunicorn sync, fast", "gunicorn", _gunicorn("sync", "fast"), needs="gunicorn_h1c")
GUNICORN_GTHREAD_FAST = Contestant(
    "gunicorn gthread, fast", "gunicorn", _gunicorn("gthread", "fast"), needs="gunicorn_h1c"
)
GRANIAN = Contestant("granian", "granian", _granian)
WAITRESS = Contestant("waitress", "waitress", _waitress)
UWSGI = Contestant("uwsgi", "uwsgi", _uwsgi)
FASTPYSGI = Contestant(
    "fastpysgi",
    "fastpysgi",
    _by_hand("import fastpysgi; fastpysgi.run(application, '127.0.0.1', port, loglevel=0, workers=workers)"),
)
BJOERN = Contestant(
    "bjoern",
    "bjoern",
    _by_hand(
        "import bjoern, os\n"
        "bjoern.listen(application, '127.0.0.1', port)\n"
        "while workers > 1 and os.fork(): workers -= 1\n"
        "bjoern.run()"
    ),
)
EVERYBODY = (
    WORKERHUB,
    WORKERHUB_H11,
    WORKERHUB_THREADED,
    WORKERHUB_GEVENT,
    GUNICORN_SYNC,
    GUNICORN_SYNC_FAST,
    GUNICORN_GTHREAD,
    GUNICORN_GTHREAD_FAST,
    GUNICORN_GEVENT,
    GRANIAN,
    UWSGI,
    WAITRESS,
    FASTPYSGI,
    BJOERN,
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
def running(
    contestant: Contestant, folder: Path, *, workers: int = 1, threads: int = 4, **more: Any
) -> Iterator[Running]:
    """Run it until the block ends; `more` are fields of `Place`.

    Raises:
        RuntimeError: it left, or didn't answer within 30 seconds; carries what it said.
    """
    port = free_port()
    log = folder / f"{port}.log"
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *contestant.command(Place(port, workers, threads, folder, **more))],
            env={**os.environ, "PYTHONPATH": str(HERE)},
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
