"""What is measured: each part has columns, contestants, and a way to fill one round into the table."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import churn, contestants
from bench.contestants import HELLO, Contestant, running
from bench.loads import ATTACKS, ask, attacking, idling, trickling
from bench.open_loop import OpenLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

Rounds = dict[tuple[str, str], list[float]]
"""What was measured, by contestant's name and column: one number a round. Seconds, bytes, or a ratio."""

CONNECTIONS = 32
"""For the cost of a request."""

MANY_WORKERS = 4
"""For the start and the memory."""

CROWD = 200
"""Clients that trickle."""

IDLE = 10_000
"""Clients that stay and say nothing."""

ATTACKERS = 500
"""Clients of slowhttptest."""

OPEN_TIMES = 5
"""How many times as long as the others the open loops last: p99.9 needs requests."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a part is run."""

    contestants: Sequence[Contestant]
    rounds: int
    seconds: float
    folder: Path
    say: Callable[[str], None]

    def counted(self, name: str) -> Iterable[int]:
        """The rounds, each announced."""
        for number in range(self.rounds):
            self.say(f"{name}, round {number + 1} of {self.rounds}")
            yield number


@dataclass(frozen=True, slots=True)
class Column:
    """A measure, and how it is shown."""

    name: str
    unit: str
    scale: float
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One sub-command.

    Attributes:
        title: what stands above its table.
        columns: its measures.
        contestants: who takes part.
        measure: runs all rounds.
    """

    title: str
    columns: tuple[Column, ...]
    contestants: tuple[Contestant, ...]
    measure: Callable[[Run, Rounds], None]


def _add(into: Rounds, contestant: Contestant, column: str, number: float) -> None:
    into.setdefault((contestant.name, column), []).append(number)


@dataclass(frozen=True, slots=True)
class Load:
    """What one worker is asked for without a pause, by 32 connections."""

    column: str
    path: str = "/"
    close: bool = False
    application: str = HELLO


def _costs(title: str, *loads: Load) -> Part:
    """A part that measures the CPU time of the server for each request."""
    columns = tuple(Column(load.column, "µs", 1e6) for load in loads)
    application = loads[0].application
    return Part(
        title,
        columns,
        contestants.EVERYBODY,
        lambda run, into: _measure_costs(run, into, application, loads),
    )


def _measure_costs(run: Run, into: Rounds, application: str, loads: Sequence[Load]) -> None:
    """One worker each, all running, asked in turn."""
    with contextlib.ExitStack() as stack:
        servers = [
            (each, stack.enter_context(running(each, run.folder, application=application))) for each in run.contestants
        ]
        for _, server in servers:
            ask(server.port, min(1.0, run.seconds), run.folder, connections=CONNECTIONS)
        for _ in run.counted(", ".join(load.column for load in loads)):
            for load in loads:
                for each, server in servers:
                    before = server.cpu
                    served = ask(
                        server.port,
                        run.seconds,
                        run.folder,
                        connections=CONNECTIONS,
                        paths=(load.path,),
                        close=load.close,
                    )
                    _add(into, each, load.column, (server.cpu - before) / served.answers)


def _measure_start(run: Run, into: Rounds) -> None:
    """One contestant after the other, from its start to its first answer."""
    for _ in run.counted("start"):
        for each in run.contestants:
            with running(each, run.folder, workers=MANY_WORKERS) as server:
                _add(into, each, "start", server.first_answer)


def _measure_memory(run: Run, into: Rounds) -> None:
    """One contestant after the other, after some requests."""
    for _ in run.counted("memory"):
        for each in run.contestants:
            with running(each, run.folder, workers=MANY_WORKERS) as server:
                server.settle()
                ask(server.port, min(1.0, run.seconds), run.folder, connections=CONNECTIONS, close=True)
                _add(into, each, "memory", server.memory)


def _measure_fairness(run: Run, into: Rounds) -> None:
    """Two workers of four threads; nine of ten requests wait for 1 ms, one for 50 ms."""
    paths = ("/1",) * 9 + ("/50",)
    for _ in run.counted("fairness"):
        for each in run.contestants:
            with running(each, run.folder, workers=2, threads=4) as server:
                server.settle()
                served = ask(server.port, run.seconds, run.folder, connections=16, paths=paths)
            _add(into, each, "p50", served.median)
            _add(into, each, "p99", served.p99)
            _add(into, each, "p99.9", served.p999)
            _add(into, each, "answers", served.answers / run.seconds)


def _measure_slow(run: Run, into: Rounds) -> None:
    """Two workers, four good clients that ask for something that takes 1 ms, without and with a crowd."""
    for _ in run.counted("slow"):
        for each in run.contestants:
            with running(each, run.folder, workers=2) as server:
                server.settle()
                alone = ask(server.port, run.seconds, run.folder, connections=4, paths=("/1",))
                with trickling(server.port, CROWD):
                    beside = ask(server.port, run.seconds, run.folder, connections=4, paths=("/1",))
            _add(into, each, "p99 alone", alone.p99)
            _add(into, each, "p99 beside", beside.p99)
            _add(into, each, "ratio", beside.p99 / alone.p99)


def _measure_idle(run: Run, into: Rounds) -> None:
    """One worker, four good clients, without and with a crowd that has asked once and stays."""
    for _ in run.counted("idle"):
        for each in run.contestants:
            with running(each, run.folder, connections=IDLE + 1000) as server:
                server.settle()
                alone = ask(server.port, run.seconds, run.folder, connections=4)
                before = server.memory
                with idling(server.port, IDLE):
                    _add(into, each, "idle memory", (server.memory - before) / 2**20)
                    beside = ask(server.port, run.seconds, run.folder, connections=4)
            _add(into, each, "idle ratio", beside.median / alone.median)


def _measure_attacks(run: Run, into: Rounds) -> None:
    """One worker, one good client that asks for something that takes 1 ms, without and beside each of slowhttptest's modes."""
    for _ in run.counted("attacks"):
        for each in run.contestants:
            with running(each, run.folder, workers=1) as server:
                server.settle()
                alone = ask(server.port, run.seconds, run.folder, connections=1, paths=("/1",))
                for mode in ATTACKS:
                    with attacking(server.port, mode, ATTACKERS, run.seconds):
                        beside = ask(server.port, run.seconds, run.folder, connections=1, paths=("/1",))
                    _add(into, each, mode, beside.median / alone.median)
                    _add(into, each, f"{mode} p99", beside.p99 / alone.p99)


def _waits(name: str, title: str, rate: float, paths: Sequence[str] = ("/",), *, crowd: int = 0) -> Part:
    """A part that measures how long people wait who come whether the server is ready or not, at a rate that every server can take."""
    quantiles = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}

    def measure(run: Run, into: Rounds) -> None:
        for _ in run.counted(name):
            for each in run.contestants:
                with running(each, run.folder, workers=2, threads=4) as server:
                    server.settle()
                    loop = OpenLoop(server.port, rate, OPEN_TIMES * run.seconds, paths)
                    with trickling(server.port, crowd):
                        loop.run()
                for quantile, share in quantiles.items():
                    _add(into, each, f"{name} {quantile}", loop.quantile(share))
                _add(into, each, f"{name} failed", loop.failures)

    columns = (*(Column(f"{name} {each}", "ms", 1e3) for each in quantiles), Column(f"{name} failed", "", 1, 0))
    return Part(title, columns, contestants.EVERYBODY, measure)


def _measure_churn(run: Run, into: Rounds) -> None:
    """One contestant after the other; the same operations for all, in another order each round."""
    for number in run.counted("churn"):
        for each in run.contestants:
            for column, count in churn.play(each.name, seed=number + 1).items():
                _add(into, each, column, count)


PARTS = {
    "keepalive": _costs(
        f"One worker, {CONNECTIONS} connections that are kept: CPU time of the server for each request.",
        Load("keep-alive"),
        Load("keep-alive, new heads", "/new"),
    ),
    "close": _costs(
        f"One worker, {CONNECTIONS} clients that connect anew each time: CPU time of the server for each request.",
        Load("close", close=True),
    ),
    "bodies": _costs(
        f"One worker, {CONNECTIONS} connections that are kept, longer answers and a form: CPU time of the server for each request.",
        Load("10 KiB", "/kb/10"),
        Load("100 KiB", "/kb/100"),
        Load("POST 8 KiB", "/post"),
    ),
    "django": _costs(
        f"One worker, {CONNECTIONS} connections that are kept, a Django page with a template, without a query: CPU time of the server for each request.",
        Load("Django page", application="django_page:application"),
    ),
    "flask": _costs(
        f"One worker, {CONNECTIONS} connections that are kept, JSON from Flask: CPU time of the server for each request.",
        Load("Flask JSON", application="json_site:application"),
    ),
    "start": Part(
        f"{MANY_WORKERS} workers: from the start to the first answer.",
        (Column("start", "ms", 1e3),),
        contestants.EVERYBODY,
        _measure_start,
    ),
    "memory": Part(
        f"{MANY_WORKERS} workers: PSS of all processes after some requests.",
        (Column("memory", "MiB", 1 / 2**20),),
        contestants.EVERYBODY,
        _measure_memory,
    ),
    "fairness": Part(
        "Two workers of four threads, 16 connections that are kept; 90 % of the requests take 1 ms, 10 % take 50 ms.",
        (Column("p50", "ms", 1e3), Column("p99", "ms", 1e3), Column("p99.9", "ms", 1e3), Column("answers", "/s", 1, 0)),
        (contestants.WORKERHUB_THREADED, contestants.GUNICORN_GTHREAD, contestants.GRANIAN, contestants.WAITRESS),
        _measure_fairness,
    ),
    "slow": Part(
        f"Two workers, four good clients whose requests take 1 ms: alone, and beside {CROWD} that send a byte each 100 ms.",
        (Column("p99 alone", "ms", 1e3), Column("p99 beside", "ms", 1e3), Column("ratio", "", 1, 2)),
        (contestants.WORKERHUB, contestants.WORKERHUB_THREADED, contestants.WORKERHUB_GEVENT),
        _measure_slow,
    ),
    "idle": Part(
        f"One worker, four good clients, {IDLE} connections that idle: what these cost in memory, and the median of the good ones' waits beside them by that alone.",
        (Column("idle memory", "MiB", 1), Column("idle ratio", "", 1, 2)),
        (contestants.WORKERHUB, contestants.WORKERHUB_THREADED, contestants.WORKERHUB_GEVENT),
        _measure_idle,
    ),
    "attacks": Part(
        f"One worker, a good client whose requests take 1 ms, {ATTACKERS} of slowhttptest's: median and p99 of its waits beside them by those alone.",
        tuple(Column(name, "", 1, 2) for mode in ATTACKS for name in (mode, f"{mode} p99")),
        (contestants.WORKERHUB, contestants.WORKERHUB_THREADED, contestants.WORKERHUB_GEVENT)
        if shutil.which("slowhttptest")
        else (),
        _measure_attacks,
    ),
    "steady": _waits(
        "steady", "Two workers of four threads, 300 requests a second at random moments: how long each waits.", 300
    ),
    "mixed": _waits(
        "mixed",
        "Two workers of four threads, 100 requests a second at random moments, a tenth of them takes 50 ms, the others 1 ms: how long each waits.",
        100,
        ("/1",) * 9 + ("/50",),
    ),
    "crowd": _waits(
        "crowd",
        f"Two workers of four threads, 100 requests a second at random moments, beside {CROWD} that send a byte each 100 ms: how long each waits.",
        100,
        crowd=CROWD,
    ),
    "churn": Part(
        "Two workers under a steady load, while they are reloaded, upgraded, broken, switched, recycled, killed and scaled: what clients got.",
        (
            Column("operations", "", 1, 0),
            Column("requests", "", 1, 0),
            Column("failed", "", 1, 0),
            Column("on kept ones", "", 1, 0),
            Column("excused", "", 1, 0),
            Column("server's ends", "", 1, 0),
        ),
        (
            contestants.WORKERHUB,
            contestants.WORKERHUB_THREADED,
            contestants.WORKERHUB_GEVENT,
            contestants.GUNICORN_SYNC,
            contestants.GUNICORN_GTHREAD,
        ),
        _measure_churn,
    ),
}
"""By sub-command."""
