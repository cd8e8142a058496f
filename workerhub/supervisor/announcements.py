"""How the whole server is, for whoever started it: is it ready, does it reload, does it stop, and in one line, how is it?

Looks at what is, after everything is decided; nobody reports to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from workerhub.supervisor.commands import Announce, Moment
from workerhub.supervisor.phases import Phase
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.reload import Progress
from workerhub.supervisor.replacement import renewed
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
        self._reloading: Progress | None = None
        self._status = ""

    def settle(self, *, reloading: Progress | None, stopping: bool) -> None:
        """Tell what is new.

        Args:
            reloading: how far a reload has come; None: no reload is under way.
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

    def _moments(self, before: _Stage, was_reloading: Progress | None) -> Iterator[Moment]:
        if self._stage is not before:
            yield Moment.READY if self._stage is _Stage.SERVING else Moment.STOPPING
        was, now = (one.generation if one is not None else None for one in (was_reloading, self._reloading))
        if was != now:
            if was is not None:
                yield Moment.RELOADED
            if now is not None:
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
        pools = self._pools.in_force()
        serving = sum(pool.served_slots() for pool in pools)
        status = f"generation {self._pools.generation}: {serving} of {count(sum(pool.size for pool in pools), 'worker')} serving"
        if any(pool.budget.degraded for pool in pools):
            status += "; degraded"
        if self._reloading is not None:
            status += f"; {_progress(self._reloading)}"
        elif others := serving - sum(renewed(pool) for pool in pools):
            status += f", {others} of them of a generation that was rolled back"
        return status


def _progress(reload: Progress) -> str:
    match reload.phase:
        case Phase.ROLLING:
            return f"generation {reload.generation}: {reload.ready} of {reload.workers} replaced"
        case Phase.RETURNING:
            return f"generation {reload.generation} is rolled back: {reload.ready} of {reload.workers} old again"
        case _:
            return f"trying generation {reload.generation}"
