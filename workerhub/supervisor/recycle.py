"""Which workers are worn out: their share of requests is done, they hold too much memory, or they have served long enough.

This file only says who and why; `replacement` does the rest, as for every other reason. Requests are counted by the worker, age is a
moment that is known in advance, and memory has to be looked at: when a worker becomes ready and then every `LOOK` seconds, all at once,
and only where there is a limit. Without `recycle.max_memory` nobody is woken for it.

A worker that is above the limit as soon as it is ready would be followed by another one like it, and so on for ever. That is said, and
such a worker is left alone for `SPARED` seconds: the mistake costs a boot a minute, and a real leak is still contained.
"""

from __future__ import annotations

from workerhub.supervisor.children import Child
from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import BoardRead, ChildId
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.states import State
from workerhub.supervisor.words import size, span

LOOK = 5.0
"""Seconds between two looks at the memory of workers. An exact one costs 12 ms for each GiB that the worker holds; see `kernel.memory`."""

SPARED = 60.0
"""Seconds for which a worker that began above the limit is left alone; as uWSGI's `min-worker-lifetime`."""


def worn_out(child: Child, now: float) -> str | None:
    """Why a serving worker has to be replaced although nothing is wrong with it, in words; None: it needn't be."""
    if child.spent:
        return "its share of requests is done"
    if _too_big(child) and now >= child.spared_until:
        return _memory_and_limit(child)
    if child.ready_at is not None and child.expires is not None and now >= child.expires:
        return f"it has served for {span(now - child.ready_at)}"
    return None


class Recycling:
    """Has worn-out workers replaced, and decides whose memory is looked at when."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self._look_at: float | None = None
        self._told: set[tuple[str, int]] = set()

    def settle(self, pools: list[Pool], now: float) -> None:
        """Have everyone replaced who is worn out."""
        for pool in pools:
            for child in pool.children:
                if child.state is State.READY and (why := worn_out(child, now)) is not None:
                    child.worn = why
                    self._decisions.log("debug", f"{child} is to be recycled: {why}", child.facts_of(Cause.RECYCLED))
                    pool.replace(child, Cause.RECYCLED, now)

    def due(self, pools: list[Pool], now: float) -> dict[ChildId, int]:
        """Whose memory is to be looked at now, with the limit of each, and plan the next look."""
        limited = [
            (child, child.allowance.memory)
            for pool in pools
            for child in pool.children
            if child.state is State.READY and child.allowance.memory is not None
        ]
        all_of_them = self._look_at is not None and now >= self._look_at
        if not limited:
            self._look_at = None
        elif self._look_at is None or all_of_them:
            self._look_at = now + LOOK
        asked = {}
        for child, limit in limited:
            if all_of_them or not child.weighed:
                self._complain_of_silence(child)
                child.weighed = True
                asked[child.id] = limit
        return asked

    def read(self, pools: list[Pool], event: BoardRead) -> None:
        """Take down what was asked for."""
        for pool in pools:
            for child in pool.children:
                reading = event.readings.get(child.id)
                if reading is None or reading.memory is None:
                    continue
                first, child.memory = child.memory is None, reading.memory
                if first and _too_big(child):
                    self._spare(child, event.at)

    def moments(self, pools: list[Pool]) -> list[float | None]:
        """When to look again, if nothing happens before."""
        return [
            self._look_at,
            *(child.expires for pool in pools for child in pool.children if child.state is State.READY),
        ]

    def _spare(self, child: Child, now: float) -> None:
        child.spared_until = now + SPARED
        self._tell_once(
            child,
            f"{child} holds {_memory_and_limit(child)}, as soon as it is ready: for that, workers of {child.pool} are replaced after"
            f" {span(SPARED)} each",
        )

    def _complain_of_silence(self, child: Child) -> None:
        """Asked before, and nobody could tell."""
        if child.weighed and child.memory is None:
            self._tell_once(child, f"the memory of {child} can't be read: recycle.max_memory has no effect")

    def _tell_once(self, child: Child, message: str) -> None:
        """Once for each pool and generation; the siblings and successors would say the same."""
        if (child.pool, child.generation) not in self._told:
            self._told.add((child.pool, child.generation))
            self._decisions.log("warning", message, child.facts)


def _too_big(child: Child) -> bool:
    return child.memory is not None and child.allowance.memory is not None and child.memory > child.allowance.memory


def _memory_and_limit(child: Child) -> str:
    return f"{size(child.memory or 0)} of memory, limit {size(child.allowance.memory or 0)}"
