"""Measure workerhub beside Gunicorn and Granian: CPU time for each request, start, memory. `python tests/bench/run.py`.

All in one run, in alternating rounds, because machines differ and so does the same machine from minute to minute; the
goals are ratios, each the median over the rounds. Needs wrk, and for the comparison `pip install --group bench`.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib.util
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.contestants import (  # found by the line above
    EVERYBODY,
    GRANIAN,
    GUNICORN_GEVENT,
    GUNICORN_GTHREAD,
    GUNICORN_SYNC,
    WORKERHUB,
    WORKERHUB_GEVENT,
    Contestant,
    Running,
    running,
)

CONNECTIONS = 32
WORKERS = 4
"""For the start and the memory."""

MEASURES = ("keep-alive", "close", "start", "memory")
UNITS = {"keep-alive": "µs", "close": "µs", "start": "ms", "memory": "MiB"}
SCALE = {"keep-alive": 1e6, "close": 1e6, "start": 1e3, "memory": 1 / 2**20}


@dataclass(frozen=True, slots=True)
class Goal:
    """workerhub, sync if nothing else is said, may need at most `limit` times what `rival` needs."""

    measure: str
    rival: Contestant
    limit: float
    own: Contestant = WORKERHUB


GOALS = (
    Goal("keep-alive", GUNICORN_GTHREAD, 0.12),
    Goal("keep-alive", GRANIAN, 0.6),
    Goal("close", GUNICORN_SYNC, 0.2),
    Goal("keep-alive", GUNICORN_GEVENT, 0.2, WORKERHUB_GEVENT),
    Goal("start", GUNICORN_SYNC, 1.5),
    Goal("memory", GUNICORN_SYNC, 1.0),
)

Rounds = dict[tuple[str, str], list[float]]
"""What was measured, by contestant's name and measure: one number a round."""


def requests_served(port: int, seconds: float, *, close: bool) -> int:
    """Have wrk ask for so long; how many answers it got.

    Raises:
        RuntimeError: wrk saw answers that were no success.
    """
    header = ["-H", "Connection: close"] if close else []
    ended = subprocess.run(
        ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds:g}s", *header, f"http://127.0.0.1:{port}/"],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=True,
    )
    found = re.search(r"(\d+) requests in", ended.stdout)
    if found is None or "Non-2xx" in ended.stdout:
        raise RuntimeError(ended.stdout)
    return int(found[1])


def cost(server: Running, seconds: float, *, close: bool) -> float:
    """CPU seconds that the server's processes need for one request."""
    before = server.cpu
    served = requests_served(server.port, seconds, close=close)
    return (server.cpu - before) / served


def measure_requests(
    contestants: Sequence[Contestant], rounds: int, seconds: float, folder: Path, into: Rounds
) -> None:
    """One worker each, all running, asked in turn."""
    with contextlib.ExitStack() as stack:
        servers = {each.name: stack.enter_context(running(each, 1, folder)) for each in contestants}
        for server in servers.values():
            cost(server, min(1.0, seconds), close=False)
        for number in range(rounds):
            print(f"requests, round {number + 1} of {rounds}", file=sys.stderr)
            for name, server in servers.items():
                into.setdefault((name, "keep-alive"), []).append(cost(server, seconds, close=False))
                into.setdefault((name, "close"), []).append(cost(server, seconds, close=True))


def measure_processes(contestants: Sequence[Contestant], rounds: int, folder: Path, into: Rounds) -> None:
    """Start with several workers, and the memory after some requests; one contestant after the other."""
    for number in range(rounds):
        print(f"start and memory, round {number + 1} of {rounds}", file=sys.stderr)
        for each in contestants:
            with running(each, WORKERS, folder) as server:
                into.setdefault((each.name, "start"), []).append(server.first_answer)
                requests_served(server.port, 1.0, close=True)
                into.setdefault((each.name, "memory"), []).append(server.memory)


def compile_ours() -> None:
    """Compile workerhub's modules, as pip does when it installs a distribution: a checkout may never have been."""
    for package in ("workerhub", "workerhub_workers"):
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or ()) if found is not None else ():
            compileall.compile_dir(folder, quiet=2)


def table(measured: Rounds, contestants: Sequence[Contestant]) -> Iterator[str]:
    """The medians, with the smallest and largest round behind."""
    yield f"{'':28}" + "".join(f"{f'{measure} ({UNITS[measure]})':>24}" for measure in MEASURES)
    for each in contestants:
        cells = []
        for measure in MEASURES:
            numbers = [number * SCALE[measure] for number in measured.get((each.name, measure), [])]
            text = f"{statistics.median(numbers):.1f} ({min(numbers):.1f} to {max(numbers):.1f})" if numbers else "-"
            cells.append(f"{text:>24}")
        yield f"{f'{each.name} {each.version}':28}" + "".join(cells)


def verdicts(measured: Rounds) -> Iterator[tuple[bool, str]]:
    """Each goal whose rival was measured: whether it is met, and the line that says so."""
    for goal in GOALS:
        own, other = (measured.get((name, goal.measure)) for name in (goal.own.name, goal.rival.name))
        if own is None or other is None:
            continue
        ratio = statistics.median(mine / theirs for mine, theirs in zip(own, other, strict=True))
        met = ratio <= goal.limit
        yield (
            met,
            f"{'pass' if met else 'FAIL'}  {goal.own.name}, {goal.measure}: {ratio:.3f} of {goal.rival.name} (goal {goal.limit:g})",
        )


def main() -> int:
    """Measure, print; 0 if every goal is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, for each number")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed")
    contestants = [each for each in EVERYBODY if each.version is not None]
    for each in EVERYBODY:
        if each not in contestants:
            print(f"left out: {each.name} ({each.distribution} is not installed)", file=sys.stderr)
    compile_ours()
    measured: Rounds = {}
    with tempfile.TemporaryDirectory() as folder:
        measure_requests(contestants, arguments.rounds, arguments.seconds, Path(folder), measured)
        measure_processes(contestants, arguments.rounds, Path(folder), measured)
    print(f"One worker, {CONNECTIONS} connections: CPU time of the server for each request, user and system.")
    print(
        f"{WORKERS} workers: from the start to the first answer; PSS of all processes. Medians of {arguments.rounds} rounds.\n"
    )
    print(*table(measured, contestants), sep="\n")
    results = list(verdicts(measured))
    print("", *(line for _, line in results), sep="\n")
    return 0 if all(met for met, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
