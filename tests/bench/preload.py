"""Measure what `preload` saves, beside Gunicorn's, on the Django site: memory of all processes. `python tests/bench/preload.py`.

Needs Django, and for the comparison `pip install --group bench`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.contestants import Contestant, Place, running  # found by the line above
from support.client import fetch
from support.django_project import PROJECT, migrated

MIB = 1 << 20
APP = "mysite.wsgi:application"
REQUESTS = 50
"""For each worker, so that all that is imported or made at the first ones is there."""

CLIENTS = 4
"""At once, for each worker, so that no worker is without work."""


def _workerhub(*, preload: bool) -> Contestant:
    def command(place: Place) -> list[str]:
        settings = {"preload": f"{preload}".lower(), "chdir": PROJECT, "log.access": "off", "log.level": "warning"}
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        return ["-m", "workerhub", APP, "-b", f"127.0.0.1:{place.port}", "-w", str(place.workers), *sets]

    return Contestant("workerhub, preload" if preload else "workerhub", "workerhub", command)


def _gunicorn(*, preload: bool) -> Contestant:
    def command(place: Place) -> list[str]:
        where = ["--chdir", str(PROJECT), "-b", f"127.0.0.1:{place.port}", "-w", str(place.workers)]
        more = ["--log-level", "warning", "--no-control-socket", *(["--preload"] if preload else [])]
        return ["-m", "gunicorn", *where, *more, APP]

    return Contestant("gunicorn, --preload" if preload else "gunicorn", "gunicorn", command)


CONTESTANTS = [make(preload=preload) for make in (_workerhub, _gunicorn) for preload in (False, True)]


def memory(contestant: Contestant, workers: int, folder: Path) -> float:
    """PSS of all processes in MiB, when each worker has answered some requests."""
    with running(contestant, folder, workers=workers) as server:
        with ThreadPoolExecutor(CLIENTS * workers) as clients:
            answers = clients.map(fetch, [("127.0.0.1", server.port)] * REQUESTS * workers, repeat("/admin/login/"))
            assert {answer.status for answer in answers} == {200}
        return server.memory / MIB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 8])
    arguments = parser.parse_args()
    present = [each for each in CONTESTANTS if each.version is not None]
    print("PSS of all processes in MiB, sync workers, the Django site; medians.\n")
    print(f"{'workers':24}" + "".join(f"{number:>8}" for number in arguments.workers) + f"{'each more':>12}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["DJANGO_DATABASE"] = str(migrated(folder / "db.sqlite3"))
        for each in present:
            rounds = [[memory(each, number, folder) for number in arguments.workers] for _ in range(arguments.rounds)]
            medians = [statistics.median(numbers) for numbers in zip(*rounds, strict=True)]
            more = (medians[-1] - medians[0]) / max(1, arguments.workers[-1] - arguments.workers[0])
            print(f"{each.name:24}" + "".join(f"{median:8.1f}" for median in medians) + f"{more:12.1f}", flush=True)


if __name__ == "__main__":
    main()
