"""More or fewer workers, by request. The size of a pool changes at once, `replacement` does the rest; here is who waits for it."""

from __future__ import annotations

from collections.abc import Iterable

from workerhub.supervisor.askers import Askers
from workerhub.supervisor.children import Child
from workerhub.supervisor.events import ScaleRequested, Ticket
from workerhub.supervisor.pool import Pool, Standing
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.words import why_lost


class Scaling:
    """Sets sizes, and answers when they are reached, or when it is clear that they won't be soon.

    It is clear when a worker of the pool goes down before it was ready, when the size is set to something else meanwhile, and when the
    pool or the server ends. "No" isn't the end of trying: an empty slot stays one that has to be filled.
    """

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._decisions = pools.decisions
        self._waiting: list[tuple[Askers, dict[str, int]]] = []

    def request(self, event: ScaleRequested) -> None:
        """Set the sizes."""
        pools = [pool for pool in self._pools.in_force() if event.pool in ("", pool.name)]
        if not pools:
            self.refuse(event, f"no pool is called {event.pool!r}")
        for pool in pools:
            wanted = event.size if event.size is not None else pool.size + event.change
            before = pool.size
            pool.resize(max(1, wanted))
            change = f"{before} -> {pool.size}" if pool.size != before else f"stays at {before}"
            least = ", the least" if wanted < 1 else ""
            self._decisions.log("info", f"{pool.name}: workers {change}{least} ({event.origin})", {"pool": pool.name})
        if pools and event.ticket is not None:
            self._waiting.append((self._askers(event.ticket), {pool.name: pool.size for pool in pools}))

    def refuse(self, event: ScaleRequested, why: str) -> None:
        """Nothing is changed."""
        self._decisions.log("warning", f"scaling asked for ({event.origin}): {why}")
        self._askers(event.ticket).answer(f"not scaled: {why}", ok=False)

    def settle(self, lost: Iterable[Child]) -> None:
        """Answer those whose outcome is known.

        Args:
            lost: who went down lately without having been told to leave.
        """
        unborn = {child.pool: child for child in lost if child.ready_at is None}
        still = []
        for askers, sizes in self._waiting:
            hindrances = [why for name, size in sizes.items() if (why := self._hindrance(name, size, unborn.get(name)))]
            if hindrances:
                askers.answer("; ".join(hindrances), ok=False)
            elif all(_reached(self._pools[name]) for name in sizes):
                askers.answer("; ".join(_ready(self._pools[name]) for name in sizes), ok=True, fields={"sizes": sizes})
            else:
                still.append((askers, sizes))
        self._waiting = still

    def stop(self) -> None:
        """The server stops."""
        for askers, _ in self._waiting:
            askers.answer("not scaled: the server stops", ok=False)
        self._waiting = []

    def _askers(self, ticket: Ticket | None) -> Askers:
        askers = Askers(self._decisions)
        askers.join(ticket)
        return askers

    def _hindrance(self, name: str, size: int, unborn: Child | None) -> str:
        """Why the size won't be reached soon; empty: nothing is known that speaks against it."""
        if name not in self._pools or self._pools[name].standing is not Standing.IN_FORCE:
            return f"{name}: there is no such pool any more"
        pool = self._pools[name]
        if pool.size != size:
            return f"{name}: {pool.size} workers are wanted meanwhile"
        return f"{_ready(pool)}; {unborn}: {why_lost(unborn)}; it is tried again" if unborn is not None else ""


def _reached(pool: Pool) -> bool:
    """Whether all who are wanted serve, and all others are gone."""
    return pool.manned(pool.size) and all(child.slot < pool.size for child in pool.children)


def _ready(pool: Pool) -> str:
    return f"{pool.name}: {pool.served_slots()} of {pool.size} workers ready"
