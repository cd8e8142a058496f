"""What is to be reached, always as a ratio between numbers of one run."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import contestants
from bench.loads import ATTACKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contestants import Contestant
    from bench.parts import Rounds


@dataclass(frozen=True, slots=True)
class Goal:
    """`own` may need at most `limit` times what the best of `rivals` needs; without rivals, `limit` itself."""

    own: Contestant
    column: str
    limit: float
    rivals: tuple[Contestant, ...] = ()


_OURS = (contestants.WORKERHUB, contestants.WORKERHUB_THREADED, contestants.WORKERHUB_GEVENT)

GOALS = (
    Goal(contestants.WORKERHUB, "keep-alive", 0.12, (contestants.GUNICORN_GTHREAD,)),
    Goal(contestants.WORKERHUB, "keep-alive", 0.6, (contestants.GRANIAN,)),
    Goal(contestants.WORKERHUB, "keep-alive", 0.45, (contestants.GRANIAN,)),
    Goal(contestants.WORKERHUB, "keep-alive", 1.5, (contestants.FASTPYSGI,)),
    Goal(contestants.WORKERHUB_THREADED, "keep-alive", 0.2, (contestants.GUNICORN_GTHREAD,)),
    Goal(contestants.WORKERHUB_THREADED, "keep-alive", 1.0, (contestants.GRANIAN,)),
    Goal(contestants.WORKERHUB_THREADED, "keep-alive", 0.8, (contestants.GRANIAN,)),
    Goal(contestants.WORKERHUB_GEVENT, "keep-alive", 0.15, (contestants.GUNICORN_GEVENT,)),
    Goal(contestants.WORKERHUB, "close", 0.2, (contestants.GUNICORN_SYNC,)),
    Goal(contestants.WORKERHUB, "close", 1.0, (contestants.FASTPYSGI,)),
    Goal(contestants.WORKERHUB, "Django page", 0.65, (contestants.GUNICORN_SYNC,)),
    Goal(contestants.WORKERHUB, "Django page", 0.9, (contestants.GRANIAN,)),
    Goal(contestants.WORKERHUB, "start", 1.5, (contestants.GUNICORN_SYNC,)),
    Goal(contestants.WORKERHUB, "memory", 1.0, (contestants.GUNICORN_SYNC,)),
    Goal(
        contestants.WORKERHUB_THREADED,
        "p99",
        1.0,
        (contestants.GUNICORN_GTHREAD, contestants.GRANIAN, contestants.WAITRESS),
    ),
    Goal(contestants.WORKERHUB, "ratio", 2.0),
    Goal(contestants.WORKERHUB_THREADED, "ratio", 2.0),
    Goal(contestants.WORKERHUB_GEVENT, "ratio", 2.0),
    *(Goal(each, "idle memory", 100) for each in _OURS),
    *(Goal(each, "idle ratio", 2.0) for each in _OURS),
    *(Goal(each, mode, 2.0) for each in _OURS for mode in ATTACKS),
    Goal(contestants.WORKERHUB, "failed", 0.0),
    Goal(contestants.WORKERHUB_THREADED, "failed", 0.0),
    Goal(contestants.WORKERHUB_GEVENT, "failed", 0.0),
)


def verdicts(measured: Rounds) -> Iterator[tuple[bool, str]]:
    """Each goal of which everything was measured: whether it is met, and the line that says so."""
    for goal in GOALS:
        own = measured.get((goal.own.name, goal.column))
        rivals = {each.name: numbers for each in goal.rivals if (numbers := measured.get((each.name, goal.column)))}
        if own is None or (goal.rivals and not rivals):
            continue
        best = min(rivals, key=lambda name: statistics.median(rivals[name]), default="")
        ratios = [mine / theirs for mine, theirs in zip(own, rivals.get(best, [1.0] * len(own)), strict=True)]
        ratio = statistics.median(ratios)
        met = ratio <= goal.limit
        of = f" of {best}" if best else ""
        yield met, f"{'pass' if met else 'FAIL'}  {goal.own.name}, {goal.column}: {ratio:.3f}{of} (goal {goal.limit:g})"
