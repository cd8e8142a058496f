"""How the whole server is, for whoever started it: is it ready, does it reload, does it stop, and in one line, how is it?

Looks at what is, after everything is decided; nobody reports to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from workerhub.supervisor.commands import Announce, Moment
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.words import count


class _Stage(Enum):
    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


class Announcements:
    """Announces each thing that comes about once, and each new status line."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._stage = _Stage.STARTING
        self._reloading: int | None = None
        self._status = ""

    def settle(self, *, reloading: int | None, stopping: bool) -> None:
        """Tell what is new.

        Args:
            reloading: the generation that a reload is bringing in; None: no reload is under way.
            stopping: whether the server stops.
        """
        before, was_reloading = self._stage, self._reloading
        if stopping:
            self._stage = _Stage.STOPPING
        elif self._served():
            self._stage = _Stage.SERVING
        if self._stage is _Stage.SERVING:
            self._reloading = reloading  # while it starts, a reload is nothing that anybody waits for
        status = self._describe()
        for moment in self._moments(before, was_reloading):
            self._tell(moment, status)
        if status != self._status:
            self._tell(Moment.PROGRESS, status)

    def _moments(self, before: _Stage, was_reloading: int | None) -> Iterator[Moment]:
        if self._stage is not before:
            yield Moment.READY if self._stage is _Stage.SERVING else Moment.STOPPING
        if self._reloading != was_reloading:
            if was_reloading is not None:
                yield Moment.RELOADED
            if self._reloading is not None:
                yield Moment.RELOADING

    def _tell(self, moment: Moment, status: str) -> None:
        self._status = status
        self._pools.decisions.add(Announce(moment, status))

    def _served(self) -> bool:
        """Whether every pool has had a ready worker."""
        return all(pool.served for pool in self._pools.in_force())

    def _describe(self) -> str:
        if self._stage is _Stage.STOPPING:
            return f"stopping: {count(sum(len(pool.children) for pool in self._pools), 'worker')} left"
        generation, pools = self._pools.generation, self._pools.in_force()
        serving = [newest for pool in pools for newest in _serving(pool)]
        new = serving.count(generation)
        status = f"generation {generation}: {new} of {count(sum(pool.size for pool in pools), 'worker')} serving"
        if len(serving) > new:
            status += f", and {len(serving) - new} of older generations"
        if any(pool.budget.degraded for pool in pools):
            status += "; degraded"
        if self._reloading is not None and self._reloading != generation:
            status += f"; trying generation {self._reloading}"
        return status


def _serving(pool: Pool) -> Iterator[int]:
    """For each slot that is served, by which generation; the newest."""
    for slot in range(pool.size):
        generations = [child.generation for child in pool.in_slot(slot) if child.serves]
        if generations:
            yield max(generations)
