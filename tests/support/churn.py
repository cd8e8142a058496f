"""A server under steady load, while all that an operator, a deploy and bad luck do to it happens in random order.

`OPERATIONS` is what happens; each round is a deck of all of them, shuffled by the seed. Some may come before the outcome of those
before them, and so fall into the middle of a reload. A `Subject` is the server: workerhub here, Gunicorn in the bench.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support import processes
from support.crowd import Account, Crowd, Kill
from support.server import SITES, Server
from support.waiting import wait_for

from workerhub.kernel.control.wire import Request, Verb

if TYPE_CHECKING:
    from pathlib import Path

    from support.client import Address

APP = "churned:application"
BROKEN_CODE = "def application(environ, start_response:\n"
KEPT = " keeps serving"
"""How the log says that a reload came to nothing."""

HANDED_OVER = r"the new master serves, pid (\d+)"
STAYED = r"upgrade failed: .*; this master stays"
"""How the log says what came of an upgrade."""

WORKERS = 2
"""As configured, and at the beginning."""

MOST_WORKERS = 4

MAX_REQUESTS, JITTER = 300, 200
"""After which a worker is recycled: each every few seconds, whatever else happens."""

HURRY = 0.4
"""How often an operation that may come at any time doesn't wait for the outcomes of those before it."""

BETWEEN = 20
"""Answers that have to come between two operations: the site is up."""


class Subject(ABC):
    """A server whose files and processes are played with.

    Attributes:
        folder: its own directory, in which the application is.
        classes: the worker classes that it is switched between; it begins with the first, and comes back to it.
        preload: whether its next configuration has the application imported once for all workers.
    """

    preload = False
    keeps_size = True
    """Whether the number of workers that TTIN and TTOU have set survives a reload."""

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self.folder = folder
        self.classes = classes
        self.deploy()

    def deploy(self, *, broken: bool = False) -> None:
        """Put the application in place, or a SyntaxError."""
        file = self.folder / "churned.py"
        if broken:
            file.write_text(BROKEN_CODE, encoding="utf-8")
        else:
            shutil.copy(SITES / "echo.py", file)

    def tell(self, number: signal.Signals) -> None:
        """Send the master a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    @property
    @abstractmethod
    def address(self) -> Address:
        """Where it listens."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """The master's."""

    @abstractmethod
    def worker_pids(self) -> list[int]:
        """Its workers, oldest first."""

    @abstractmethod
    def is_calm(self) -> bool:
        """Whether no reload is running, as far as it tells."""

    @abstractmethod
    def configure(self, worker_class: str, *, broken: bool = False) -> None:
        """Write its configuration; `broken`: with a mistake in its syntax."""

    @abstractmethod
    def fail_to_reload(self) -> None:
        """Have it reload what is broken, and wait for what comes of it."""

    @abstractmethod
    def begin_upgrade(self) -> None:
        """Have it start a new master."""

    @abstractmethod
    def finish_upgrade(self) -> None:
        """Wait until the new master has taken over, and the old one is gone."""

    @abstractmethod
    def fail_to_upgrade(self) -> None:
        """Have it start a new master that is broken, and wait until that is gone."""

    @abstractmethod
    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for an outcome."""


class Workerhub(Subject):
    """Ours: every outcome has to come about."""

    def __init__(self, folder: Path, classes: Sequence[str], start: Callable[..., Server]) -> None:
        """`start`: makes a started server of its arguments, which are `Server`'s but for the directory."""
        super().__init__(folder, classes)
        self.server = start(self._settings(classes[0]), app=APP)
        self._pid = self.server.pid

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self.server.address

    @property
    def pid(self) -> int:
        """The master's; another one after each upgrade."""
        return self._pid

    def worker_pids(self) -> list[int]:
        """Its workers, oldest first."""
        return [pid for pid in processes.children(self.pid) if "worker " in processes.title(pid)]

    def is_calm(self) -> bool:
        """Whether no reload is running."""
        return self.server.ask(Request(Verb.STATUS)).fields["reload"] is None

    def configure(self, worker_class: str, *, broken: bool = False) -> None:
        """Write its configuration; `broken`: as no TOML."""
        self.server.write(self._settings(worker_class) + ("[worker\n" if broken else ""))

    def fail_to_reload(self) -> None:
        """Wait until the log says that the old generation keeps serving."""
        before = self.server.log.count(KEPT)
        self.tell(signal.SIGHUP)
        self.server.wait_log(KEPT, count=before + 1)

    def begin_upgrade(self) -> None:
        """USR2."""
        self._upgrades = len(re.findall(HANDED_OVER, self.server.log))
        self.tell(signal.SIGUSR2)

    def finish_upgrade(self) -> None:
        """Wait until the log names the new master, and until the old one and its workers are gone."""
        before = [self.pid, *self.worker_pids()]
        self._pid = int(self.server.wait_log(HANDED_OVER, count=self._upgrades + 1)[-1][1])
        self.wait(lambda: not any(map(processes.alive, before)), "the old master to be gone")

    def fail_to_upgrade(self) -> None:
        """USR2, and wait until the log says that this master stays."""
        before = len(re.findall(STAYED, self.server.log))
        self.tell(signal.SIGUSR2)
        self.server.wait_log(STAYED, count=before + 1)

    def stop(self) -> None:
        """Stop it, and wait until nothing is left of it."""
        self.tell(signal.SIGTERM)
        wait_for(lambda: not processes.session(self.server.pid), "every process of the server to be gone")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for an outcome.

        Raises:
            AssertionError: it doesn't come about, or the server has left.
        """
        wait_for(lambda: condition() or not processes.alive(self.pid), what)
        assert processes.alive(self.pid), "the server has left"

    def _settings(self, worker_class: str) -> str:
        """Crashes come at a rate at which a pool would be degraded; how it then slows down is another test's."""
        return f"""\
chdir = "{self.folder}"
preload = {str(self.preload).lower()}
[worker]
class = "{worker_class}"
processes = {WORKERS}
[timeouts]
keepalive = "30s"
[recycle]
max_requests = {MAX_REQUESTS}
max_requests_jitter = {JITTER}
[restart]
intensity = 1000
backoff = "100ms"
backoff_max = "500ms"
[log]
access = "off"
"""


@dataclass
class Churn:
    """One run.

    Attributes:
        size: how many workers there should be.
        story: what was done when, a line each, for whoever looks for a failure in the log.
    """

    subject: Subject
    crowd: Crowd
    seed: int
    size: int = WORKERS
    operations: int = 0
    story: list[str] = field(default_factory=list)
    _pending: list[tuple[Callable[[], bool], str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    @property
    def account(self) -> Account:
        """What became of the requests."""
        return self.crowd.account

    def run(self, rounds: int) -> None:
        """Play so many decks, then wait until everything has come to rest."""
        for _ in range(rounds):
            for name in self.dice.sample(list(OPERATIONS), len(OPERATIONS)):
                self._perform(name)
        self.settle()
        self.serve()

    def expect(self, condition: Callable[[], bool], what: str) -> None:
        """An outcome that is waited for, now or a little later."""
        self._pending.append((condition, what))

    def is_whole(self) -> bool:
        """Whether there are as many workers as there should be."""
        return len(self.subject.worker_pids()) == self.size

    def _perform(self, name: str) -> None:
        operation = OPERATIONS[name]
        if name not in ANYTIME or self.dice.random() >= HURRY:
            self.settle()
        self.story.append(f"{time.strftime('%H:%M:%S', time.gmtime())} {name}, {self.crowd.answered} answered")
        self.operations += 1
        operation(self)
        self.serve()

    def serve(self) -> None:
        """Wait until it has answered some."""
        seen = self.crowd.answered
        self.subject.wait(lambda: self.crowd.answered >= seen + BETWEEN, "the site to answer")

    def settle(self) -> None:
        """Wait for every outcome that is expected."""
        for condition, what in self._pending:
            self.subject.wait(condition, what)
        self._pending.clear()
        # A reload may be running although all workers of before it are gone: each by an accident of its own.
        self.subject.wait(lambda: self.is_whole() and self.subject.is_calm(), f"{self.size} workers, and no reload")

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.operations} operations; {self.account}", *self.story]
        return "\n".join([*lines, *map(str, self.account.failed)])


def reload(churn: Churn) -> None:
    """HUP: every worker is replaced."""
    before = set(churn.subject.worker_pids())
    if not churn.subject.keeps_size:
        churn.size = WORKERS
    churn.subject.tell(signal.SIGHUP)
    churn.expect(
        lambda: before.isdisjoint(churn.subject.worker_pids()) and churn.is_whole(), "all workers to be replaced"
    )


def switch(churn: Churn) -> None:
    """Another worker class, and back."""
    for worker_class in (churn.dice.choice(churn.subject.classes[1:]), churn.subject.classes[0]):
        churn.subject.configure(worker_class)
        reload(churn)
        churn.settle()
        churn.serve()


def break_code(churn: Churn) -> None:
    """A SyntaxError is deployed, in place; workers that wear out meanwhile can't be replaced."""
    churn.subject.deploy(broken=True)
    churn.subject.fail_to_reload()
    churn.subject.deploy()


def break_configuration(churn: Churn) -> None:
    """The configuration can't be read."""
    churn.subject.configure(churn.subject.classes[0], broken=True)
    churn.subject.fail_to_reload()
    churn.subject.configure(churn.subject.classes[0])


def preload(churn: Churn) -> None:
    """From now on the application is imported once for all workers; the next time, by each again."""
    churn.subject.preload = not churn.subject.preload
    churn.subject.configure(churn.subject.classes[0])
    reload(churn)


def upgrade(churn: Churn) -> None:
    """A new master takes over; now and then a worker of the old one is killed while it boots."""
    churn.subject.begin_upgrade()
    if churn.dice.random() < HURRY:
        kill(churn)
    churn.subject.finish_upgrade()
    churn.size = WORKERS


def break_upgrade(churn: Churn) -> None:
    """A new master can't boot the application."""
    churn.subject.deploy(broken=True)
    churn.subject.fail_to_upgrade()
    churn.subject.deploy()


def recycle(churn: Churn) -> None:
    """A worker wears out and is replaced, without our doing."""
    before = set(churn.subject.worker_pids())
    churn.expect(lambda: not before <= set(churn.subject.worker_pids()), "a worker to be recycled")


def kill(churn: Churn) -> None:
    """A worker is killed, as by the system when memory is short."""
    while True:
        pid = churn.dice.choice(churn.subject.worker_pids() or [0])
        with suppress(ProcessLookupError, FileNotFoundError):
            if pid:
                churn.account.kills.append(_kill(pid))
                break
        time.sleep(0.01)
    churn.expect(lambda: pid not in churn.subject.worker_pids(), "the killed worker to be gone")


def _kill(pid: int) -> Kill:
    """Stop it first: what it holds then is what it will die with.

    Raises:
        ProcessLookupError, FileNotFoundError: it is gone already.
    """
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: processes.is_stopped(pid), "the worker to stand still")
    taken = Kill(time.monotonic(), pid, processes.clients_of(pid))
    os.kill(pid, signal.SIGKILL)
    return taken


def grow(churn: Churn) -> None:
    """TTIN, unless there are many."""
    if churn.size < MOST_WORKERS:
        churn.size += 1
        churn.subject.tell(signal.SIGTTIN)


def shrink(churn: Churn) -> None:
    """TTOU, unless there is only one."""
    if churn.size > 1:
        churn.size -= 1
        churn.subject.tell(signal.SIGTTOU)


OPERATIONS: Mapping[str, Callable[[Churn], None]] = {
    "reload": reload,
    "switch": switch,
    "broken code": break_code,
    "broken configuration": break_configuration,
    "preload": preload,
    "upgrade": upgrade,
    "broken upgrade": break_upgrade,
    "recycle": recycle,
    "kill": kill,
    "kill again": kill,
    "grow": grow,
    "shrink": shrink,
}
"""By name. What else a server has to stand gets its line here."""

ANYTIME = frozenset({"reload", "recycle", "kill", "kill again", "grow", "shrink"})
"""Those that may come in the middle of others. A deploy that is broken waits: it would break the reload that is under way, rightly. And
while a server reloads it isn't upgraded, nor the other way round."""
