"""Churn (`support/churn.py`) beside Gunicorn's: the same clients, operations, and account."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from support import processes
from support.churn import APP, JITTER, MAX_REQUESTS, WORKERS, Churn, Subject, Workerhub
from support.client import fetch
from support.crowd import Crowd
from support.server import Server, free_port
from support.waiting import wait_for

CLIENTS = 8

CLASSES = {"workerhub": ("sync", "threaded", "gevent"), "gunicorn": ("sync", "gthread")}
"""Between which each is switched."""

NOTICING = 5.0
"""Seconds in which a reload of something broken has come to whatever it comes to."""


class Gunicorn(Subject):
    """If its master dies, what is left of it is ended and it is started again, at once: the best that a service manager could do.

    Attributes:
        ends: how often that was.
    """

    keeps_size = False
    patience = 15.0
    """Seconds that an outcome may take; one that doesn't come about is no failure. What counts is what clients get."""

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        super().__init__(folder, classes)
        self.ends = 0
        self._port = free_port()
        self._upgraded: int | None = None
        self.configure(classes[0])
        self._process = self._start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self._port

    @property
    def pid(self) -> int:
        """The master's; another one after each upgrade."""
        return self._upgraded or self._process.pid

    def worker_pids(self) -> list[int]:
        """Its workers, oldest first."""
        return [pid for pid in processes.children(self.pid) if not processes.children(pid)]

    def is_calm(self) -> bool:
        """It doesn't tell."""
        return True

    def configure(self, worker_class: str, *, broken: bool = False) -> None:
        """Write its configuration; `broken`: as no Python."""
        settings = {
            "bind": f"127.0.0.1:{self._port}",
            "workers": WORKERS,
            "worker_class": worker_class,
            "threads": 8 if worker_class == "gthread" else 1,
            "max_requests": MAX_REQUESTS,
            "max_requests_jitter": JITTER,
            "keepalive": 30,
            "preload_app": self.preload,
            "control_socket_disable": True,
        }
        lines = [f"{name} = {value!r}" for name, value in settings.items()] + ["workers = [" if broken else ""]
        (self.folder / "gunicorn.conf.py").write_text("\n".join(lines), encoding="utf-8")

    def fail_to_reload(self) -> None:
        """Give it some seconds to show what comes of it: the log has no last word on it."""
        self.tell(signal.SIGHUP)
        with contextlib.suppress(AssertionError):
            wait_for(self._has_ended, "its end", timeout=NOTICING)

    def begin_upgrade(self) -> None:
        """USR2: it starts a new master, and leaves the rest to whoever asked."""
        self.tell(signal.SIGUSR2)

    def finish_upgrade(self) -> None:
        """Tell the old master to leave when all workers of the new one are there, as its manual has it."""
        old = self.pid
        self.wait(lambda: self._upgraded_size() >= WORKERS, "the new master's workers")
        if new := self._new_master():
            self._upgraded = new
            with contextlib.suppress(ProcessLookupError):
                os.kill(old, signal.SIGTERM)
            self.wait(lambda: not processes.alive(old), "the old master to be gone")

    def fail_to_upgrade(self) -> None:
        """Give the new master some seconds to be gone."""
        self.tell(signal.SIGUSR2)
        with contextlib.suppress(AssertionError):
            wait_for(self._new_master, "the new master", timeout=NOTICING)
            wait_for(lambda: self._new_master() is None, "the new master to be gone", timeout=NOTICING)

    def _new_master(self) -> int | None:
        """The child that has children."""
        return next((pid for pid in processes.children(self.pid) if processes.children(pid)), None)

    def _upgraded_size(self) -> int:
        """How many workers the new master has."""
        new = self._new_master()
        return 0 if new is None else len(processes.children(new))

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for an outcome, as long as there is hope."""
        until = time.monotonic() + self.patience
        while not condition() and time.monotonic() < until:
            if self._has_ended():
                self.end()
                self.ends += 1
                self._process = self._start()
            time.sleep(0.01)

    def end(self) -> None:
        """End it, and what its master may have left behind."""
        leader = self._process.pid
        for pid in processes.session(leader):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
        wait_for(lambda: not processes.session(leader), "its processes to be gone")
        self._upgraded = None

    def _has_ended(self) -> bool:
        return not processes.alive(self.pid)

    def _start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "gunicorn", APP],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextlib.contextmanager
def _workerhub(folder: Path, classes: Sequence[str]) -> Iterator[Workerhub]:
    servers: list[Server] = []

    def start(settings: str, *, app: str) -> Server:
        servers.append(Server(folder, settings, app=app))
        return servers[0].start()

    try:
        yield Workerhub(folder, classes, start)
    finally:
        for server in servers:
            server.clean()


@contextlib.contextmanager
def _gunicorn(folder: Path, classes: Sequence[str]) -> Iterator[Gunicorn]:
    server = Gunicorn(folder, classes)
    try:
        wait_for(lambda: _answers(server), "Gunicorn's first answer")
        yield server
    finally:
        server.end()


def _answers(server: Gunicorn) -> bool:
    try:
        return fetch(server.address).status == 200
    except OSError:
        return False


_SUBJECTS = {"workerhub": _workerhub, "gunicorn": _gunicorn}


def play(name: str, seed: int, rounds: int = 1) -> dict[str, float]:
    """One run; its account, by the columns of the table.

    Args:
        name: "workerhub sync", "gunicorn gthread": whose, and of which class, which is the first of its own.
        seed: of the order in which things happen.
        rounds: decks of operations.

    Raises:
        AssertionError: with workerhub, something that was to come about didn't.
    """
    family, first = name.split()
    classes = (first, *(each for each in CLASSES[family] if each != first))
    with tempfile.TemporaryDirectory() as folder, _SUBJECTS[family](Path(folder), classes) as subject:
        with Crowd(subject.address, clients=CLIENTS) as crowd:
            churn = Churn(subject, crowd, seed)
            churn.run(rounds)
        account = churn.account
        ends = subject.ends if isinstance(subject, Gunicorn) else 0
        return {
            "operations": churn.operations,
            "requests": account.answers + len(account.troubles) + account.stale,
            "failed": len(account.failed),
            "on kept ones": sum(each.pid is not None for each in account.failed),
            "excused": len(account.excused),
            "server's ends": ends,
        }
