"""A place for workers to live in: a directory, a socket, logs, and a class that keeps a diary."""

from __future__ import annotations

import select
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerhub.child import live, live_as_template, word_for
from workerhub.config.addresses import TcpAddress
from workerhub.http import HttpSettings
from workerhub.kernel.listeners import Listeners
from workerhub.logs import open_logs
from workerhub.plan import AppReference, Identity, OptionsPlan, PoolPlan, WorkerReference
from workerhub.slotted import dataclass
from workerhub.supervisor.commands import Spawn, SpawnTemplate
from workerhub.supervisor.events import ChildFailed, ChildId
from workerhub.supervisor.policy import PoolPolicy
from workerhub.worker import ServeSettings, Worker, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.stage import Stage

    from workerhub.worker import WSGIApplication

APP = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n"
BIND = TcpAddress("127.0.0.1", 0)


class Diary(Worker[WorkerOptions]):
    """Writes down what is done to it, in a file of the working directory; serves by waiting."""

    def note(self, text: str) -> None:
        with Path("diary").open("a") as file:
            file.write(text + "\n")

    @classmethod
    def capacity(cls, options: WorkerOptions) -> int:
        return 2

    def prepare(self) -> None:
        self.note("prepare" + (" after the import" if "diary_app" in sys.modules else ""))

    def serve(self, app: WSGIApplication) -> None:
        self.note(f"serve {getattr(app, '__name__', '?')}")
        while not self.context.stopping:
            select.select([self.context.stopping], [], [])
            self.context.stopping.clear()
        self.note("drained")

    def interrupt(self, index: int) -> bool:
        self.note(f"interrupt {index}")
        return False

    def close(self) -> None:
        self.note("close")


class Counts(Diary):
    """Finishes five requests at once."""

    def serve(self, app: WSGIApplication) -> None:
        tally = self.context.tally
        for _ in range(5):
            if tally.add() == tally.limit:
                tally.reached()
        super().serve(app)


@dataclass(frozen=True, slots=True)
class Present(WorkerReference):
    """A class that needn't be imported."""

    cls: type[Worker[Any]] = Diary

    def load(self) -> type[Worker[Any]]:
        return self.cls


SERVE = ServeSettings(
    http=HttpSettings(
        parser="h11",
        max_request_line=8192,
        max_header_bytes=65536,
        max_headers=100,
        max_body=None,
        body_memory=1 << 20,
        trusted_proxies=(),
        forwarded="off",
        server_header=None,
        keepalive=False,
    ),
    request_timeout=60.0,
    header_timeout=15.0,
    body_timeout=30.0,
    write_timeout=30.0,
    keepalive_timeout=None,
    response_memory=1 << 20,
    multiprocess=False,
)

ORDER = Spawn(ChildId(0), pool="main", slot=1, generation=3, recycle_after=None)
"""The stage numbers the children."""

POLICY = PoolPolicy(
    "main", 1, 60.0, 60.0, 5.0, 30.0, 0.0, None, 0, None, None, 5, 60.0, 1.0, 30.0, 1, 0.0, 300.0, preload=False
)


@dataclass(slots=True)
class House:
    """Where workers live: a directory, a socket, logs."""

    stage: Stage
    home: Path
    listeners: Listeners
    pool: PoolPlan

    def spawn(
        self, cls: type[Worker[Any]] = Diary, app: str = APP, recycle_after: int | None = None, **change: Any
    ) -> ChildId:
        """Start a worker."""
        order = replace(ORDER, recycle_after=recycle_after)
        life = partial(live, order=order, **self._furniture(cls, app, change))
        return self.stage.spawn(life, capacity=self.pool.capacity)

    def spawn_template(self, cls: type[Worker[Any]] = Diary, app: str = APP, **change: Any) -> ChildId:
        """Start a template."""
        order = SpawnTemplate(ORDER.child, ORDER.pool, ORDER.generation)
        life = partial(live_as_template, order=order, **self._furniture(cls, app, change))
        return self.stage.spawn_template(life, capacity=self.pool.capacity)

    def spawn_from(self, template: ChildId, slot: int = 1, recycle_after: int | None = None) -> ChildId:
        """Have a template fork a worker."""
        order = replace(ORDER, slot=slot, recycle_after=recycle_after)
        return self.stage.spawn_from(template, word_for(order), capacity=self.pool.capacity)

    def _furniture(self, cls: type[Worker[Any]], app: str, change: dict[str, Any]) -> dict[str, Any]:
        (self.home / "diary_app.py").write_text(app)
        pool = replace(self.pool, worker=Present(cls.__name__.lower(), __name__, cls.__name__, cls=cls), **change)
        logs = open_logs(file=str(self.home / "error.log"), access=None)
        return {"pool": pool, "listeners": self.listeners, "logs": logs}

    def ready(self, child: ChildId) -> None:
        """Wait until it is."""
        self.stage.ready(child)

    def end(self, child: ChildId) -> tuple[int | None, str]:
        """The exit code, and the reason that was reported."""
        exited = self.stage.exit_of(child).exit
        failed = [it for it in self.stage.of(ChildFailed, child) if isinstance(it, ChildFailed)]
        return exited.code, failed[-1].reason if failed else ""

    def diary(self) -> list[str]:
        return (self.home / "diary").read_text().splitlines() if (self.home / "diary").exists() else []

    def log(self) -> str:
        return (self.home / "error.log").read_text()


@contextmanager
def a_house(stage: Stage, home: Path) -> Iterator[House]:
    """One that leaves nothing behind."""
    listeners = Listeners(backlog=16)
    listeners.open([BIND])
    pool = PoolPlan(
        name="main",
        policy=POLICY,
        worker=Present("diary", __name__, "Diary"),
        options=OptionsPlan(),
        capacity=2,
        app=AppReference("diary_app", "application", is_factory=False),
        serve=SERVE,
        identity=Identity(None, None, None, home, (), {}),
        hooks={},
        bind=(BIND,),
    )
    yield House(stage, home, listeners, pool)
    listeners.close()
