"""A real workerhub in a temporary directory: started, watched, told things, and always cleaned up."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from support import processes
from support.client import Address, Answer, Client, fetch
from support.waiting import wait_for

from workerhub.kernel.control.client import connect, converse
from workerhub.kernel.control.place import directories, of_any_profile, socket_name
from workerhub.kernel.control.wire import Outcome, Request

if TYPE_CHECKING:
    from types import TracebackType

SITES = Path(__file__).resolve().parents[1] / "sites"
ROOT = SITES.parents[1]
COMMAND = (sys.executable, "-I", "-m", "workerhub")
"""Isolated, so that a wheel's tests can't meet the checkout by accident."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("WORKERHUB_")}
"""Without the settings of whoever runs the tests."""

CANNOT_BIND = 3
FREE_PORTS = range(20_000, 32_000)
"""Below the range from which Linux picks ports for outgoing connections: nobody takes one by chance."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nobody listens just now."""
    while True:
        port = random.choice(FREE_PORTS)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return port


def run(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run one workerhub command to its end."""
    return subprocess.run(
        (*COMMAND, *arguments),
        cwd=cwd,
        env={**ENVIRONMENT, **(env or {})},
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
    )


class Server:
    """`workerhub -c server.toml`, in a session of its own.

    Args:
        directory: where the configuration and the logs go; also the working directory.
        settings: TOML, behind the lines for `bind`, `app` and `python_path` which this class writes; top-level keys first.
        app: the application; None leaves the line out.
        bind: one or several addresses as in the configuration; None picks a free port and tries again should it be taken.
        address: where a client finds it, if that can't be read from the first address of `bind`.
        config: serve this file, as it is, instead of writing one; `bind` is then told on the command line.
        arguments: more of the command line.
        env: more of the environment.
        isolated: run Python with -I; else `PYTHONPATH` of `env` counts.
        pass_fds: descriptors to leave open.
        wrapper: a command to put in front (`unshare ...`).
        python: the interpreter; None is this one.
    """

    def __init__(
        self,
        directory: Path,
        settings: str = "",
        *,
        app: str | None = "plain:application",
        bind: str | Sequence[str] | None = None,
        address: Address | None = None,
        config: Path | None = None,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        isolated: bool = True,
        pass_fds: Sequence[int] = (),
        wrapper: Sequence[str] = (),
        python: Path | None = None,
    ) -> None:
        self.directory = directory
        self.settings = settings
        self.app = app
        self.config = config
        self._fixed = (bind,) if isinstance(bind, str) else tuple(bind or ())
        self._address = address
        self._arguments = tuple(arguments)
        self._env = {**ENVIRONMENT, **(env or {})}
        self._command = (str(python or sys.executable), *(COMMAND[1:] if isolated else COMMAND[2:]))
        self._pass_fds = tuple(pass_fds)
        self._wrapper = tuple(wrapper)
        self._process: subprocess.Popen[bytes] | None = None
        self.bind: tuple[str, ...] = ()

    # -- starting

    def start(self, *, ready: bool = True) -> Self:
        """Start; `ready`: return when the first answer came."""
        while True:
            self.bind = self._fixed or (f"127.0.0.1:{free_port()}",)
            self._launch()
            if not ready:
                return self
            if self._answers() or self._fixed or self.wait() != CANNOT_BIND:
                break
        assert self.running, f"the server left with {self.wait()}"
        return self

    def _launch(self) -> None:
        own = self.config is None
        arguments = ("-c", self.write().name) if own else ("-c", str(self.config), "-b", self.bind[0])
        with self.path("stdout").open("ab") as stdout, self.path("stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                (*self._wrapper, *self._command, *arguments, *self._arguments),
                cwd=self.directory,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=self._pass_fds,
                start_new_session=True,
            )

    def write(self, settings: str | None = None) -> Path:
        """Write the configuration file, with new settings if some are given."""
        if settings is not None:
            self.settings = settings
        lines = [f"bind = {list(self.bind)}", f'python_path = ["{SITES}"]']
        if self.app is not None:
            lines.append(f'app = "{self.app}"')
        file = self.path("server.toml")
        file.write_text("\n".join([*lines, self.settings, ""]), encoding="utf-8")
        return file

    def _answers(self) -> bool:
        """Wait for the first answer (True) or for the end of the process (False)."""

        def settled() -> bool:
            return not self.running or self._reachable()

        wait_for(settled, "the first answer of the server")
        return self.running

    def _reachable(self) -> bool:
        try:
            fetch(self.address, timeout=10.0)
        except OSError:
            return False
        return True

    # -- looking at it

    def path(self, name: str) -> Path:
        """A file in the server's directory."""
        return self.directory / name

    @property
    def address(self) -> Address:
        """Where it listens, for a client."""
        if self._address is not None:
            return self._address
        first = self.bind[0]
        return first.removeprefix("unix:") if first.startswith("unix:") else self.endpoint

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port of the first address, which is one of TCP."""
        host, _, port = self.bind[0].rpartition(":")
        return host.strip("[]") or "127.0.0.1", int(port)

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"http://{self.bind[0]}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started."""
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def pid(self) -> int:
        """The master's."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the master is there."""
        return self.process.poll() is None

    def worker_pids(self) -> list[int]:
        """The master's children that call themselves workers, oldest first."""
        return [pid for pid in processes.children(self.pid) if "worker " in processes.title(pid)]

    def wait_workers(self, count: int) -> list[int]:
        """Wait until there are exactly so many workers."""

        def enough() -> list[int]:
            pids = self.worker_pids()
            return pids if len(pids) == count else []

        return wait_for(enough, f"{count} workers")

    @property
    def log(self) -> str:
        """The error log so far."""
        return self.path("stderr").read_text(encoding="utf-8", errors="replace")

    @property
    def output(self) -> str:
        """Standard output so far: the access log, by default."""
        return self.path("stdout").read_text(encoding="utf-8", errors="replace")

    def wait_log(self, pattern: str, *, count: int = 1) -> list[re.Match[str]]:
        """Wait until the pattern stands `count` times in the error log."""
        compiled = re.compile(pattern)

        def written() -> list[re.Match[str]]:
            matches = list(compiled.finditer(self.log))
            return matches if len(matches) >= count else []

        return wait_for(written, f"{pattern!r} in the error log ({count} times)")

    def least_serving(self, size: int) -> int:
        """The fewest workers that served at once, from the moment when so many did. The log has to be of level "debug"."""
        serving, least, complete = 0, size, False
        for line in self.log.splitlines():
            serving += " is ready after " in line
            complete = complete or serving >= size
            serving -= " is gone: " in line
            least = min(least, serving) if complete else least
        return least

    # -- talking to it

    def get(self, target: str = "/", *, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on its own connection."""
        return fetch(self.address, target, headers=headers)

    def post(self, target: str, body: bytes, *, headers: Mapping[str, str] | None = None) -> Answer:
        """One request with a body on its own connection."""
        return fetch(self.address, target, method="POST", headers=headers, body=body)

    def connect(self, *, timeout: float = 30.0) -> Client:
        """A connection of one's own."""
        return Client(self.address, timeout=timeout)

    def tell(self, number: signal.Signals) -> None:
        """Send the master a signal."""
        self.process.send_signal(number)

    def reload(self) -> None:
        """Have it reload, and wait until no worker of before is left."""
        before = set(self.worker_pids())
        self.tell(signal.SIGHUP)
        wait_for(
            lambda: (now := self.worker_pids()) and before.isdisjoint(now) and len(now) == len(before),
            "the old workers to be replaced",
        )

    def ask(self, request: Request) -> Outcome:
        """Ask through the control socket, as a verb does; the outcome."""
        *_, outcome = converse(connect(self.control), request, 30.0)
        assert isinstance(outcome, Outcome)
        return outcome

    @property
    def control(self) -> Path:
        """The control socket, where the configuration doesn't name one."""
        return directories()[0] / socket_name(self.config or self.path("server.toml"))

    # -- ending it

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for the end; its exit code."""
        return self.process.wait(timeout)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and wait for the end; its exit code."""
        self.tell(number)
        return self.wait()

    def clean(self) -> list[int]:
        """End whatever is left of the session; the processes that had to be killed."""
        if self._process is None:
            return []
        left = processes.session(self.pid)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        wait_for(lambda: not processes.session(self.pid), "the server's processes to be gone", timeout=10)
        self._clear_control_sockets()
        return left

    def _clear_control_sockets(self) -> None:
        """Take away what a master that was killed couldn't."""
        file = self.config or self.path("server.toml")
        for directory in directories():
            for path in (directory / socket_name(file), *of_any_profile(directory, file)):
                path.unlink(missing_ok=True)

    def story(self) -> str:
        """All there is to read about this server, for a test that failed."""
        file = self.config or self.path("server.toml")
        config = file.read_text(encoding="utf-8") if file.exists() else ""
        tree = [f"{pid} {processes.title(pid)}" for pid in processes.session(self.pid)] if self._process else []
        parts = {"config": config, "processes": "\n".join(tree), "error log": self.log, "output": self.output[-4000:]}
        return "\n".join(f"-- {name}\n{text.rstrip()}" for name, text in parts.items())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clean()


Serve: TypeAlias = Callable[..., Server]
"""The type of the fixtures that start servers."""
