"""Stopping the whole server: `drain_delay`, then everyone leaves, and the last one turns off the light."""

from __future__ import annotations

from workerhub.supervisor.askers import Askers
from workerhub.supervisor.commands import Leave, StopListening
from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import Reading
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.states import Input
from workerhub.supervisor.words import count, seconds


class Stop:
    """One stop, from the request to `Leave`. It can be hurried, never taken back.

    Until a pool's `drain_delay` is over its workers serve, and the crashed ones are restarted, as if nothing had been asked; load
    balancers use the time to look elsewhere. Replacing and reloading end at once. Then nobody new is let in, so that the queue of those who are
    in has an end, and the workers serve it to the end.
    """

    def __init__(self, code: int, decisions: Decisions, now: float, *, delay: bool, shared: bool = False) -> None:
        """Begin.

        Args:
            code: the exit code.
            decisions: where commands go.
            now: the moment.
            delay: whether `drain_delay` counts.
            shared: another master serves the same sockets: they stay open to everybody, and the queue is that one's.
        """
        self._code = code
        self._decisions = decisions
        self._began = now
        self._delay = delay
        self._shared = shared
        self._fast = False
        self._told: set[str] = set()
        self._drained = 0
        self._cut = 0
        self.askers = Askers(decisions)
        self.left = False

    def hurry(self, *, fast: bool) -> None:
        """Asked again: skip the delay; with `fast`, don't wait for requests either."""
        self._delay = False
        self._fast = self._fast or fast

    def holds_off(self, pool: Pool, now: float) -> bool:
        """Whether the pool still serves as usual."""
        return self._delay and now < self._began + pool.policy.drain_delay

    def count(self, last: Reading) -> None:
        """A worker went, and this is the last look at its board."""
        self._drained += last.drained
        self._cut += len(last.runs)

    def next_deadline(self, pools: list[Pool]) -> float | None:
        """When the next delay is over."""
        waiting = [self._began + pool.policy.drain_delay for pool in pools if pool.name not in self._told]
        return min(waiting, default=None) if self._delay else None

    def settle(self, pools: list[Pool], now: float, *, alone: bool = True) -> None:
        """Tell those whose time has come; leave when nobody is left, if the master is `alone`."""
        leaving = Input.DRAIN if self._shared else Input.FINISH
        for pool in pools:
            if self.holds_off(pool, now):
                continue
            if pool.name not in self._told:
                self._told.add(pool.name)
                if not self._fast and not self._shared and len(pool.children):
                    self._decisions.add(StopListening(pool.name))
            for child in pool.everyone():
                pool.dismiss(child, Input.ABORT if self._fast else leaving, Cause.STOPPED, now)
        children = [child for pool in pools for child in pool.everyone()]
        if alone and all(child.unkillable for child in children) and all(pool.name in self._told for pool in pools):
            self._leave(len(children), now)

    def _leave(self, abandoned: int, now: float) -> None:
        self.left = True
        if abandoned:
            self._decisions.log("error", f"leaving {count(abandoned, 'worker')} behind that can't be killed")
        outcome = f"stopped after {seconds(now - self._began)}: "
        outcome += f"{count(self._cut, 'request')} cut" if self._cut else "no request was cut"
        outcome += f", {self._drained} finished" if self._drained else ""
        facts = {"cut": self._cut, "finished": self._drained, "code": self._code}
        self._decisions.log("warning" if self._cut else "info", outcome, facts)
        self.askers.answer(outcome, ok=True, fields=facts)
        self._decisions.add(Leave(self._code))
