"""Upgrading: a new master takes this one's place, or this one stays.

The new one is a program of its own, started from the same command line, so nothing of this process is left in it: Python, workerhub,
and every library are what is installed now. It serves beside this one, from the same sockets, as soon as its first worker is ready. When
all of them are, it is handed what there is only one of, and this one drains. Until then this one can end it and go on as if nothing
had been asked; afterwards it can't.

While two masters serve the same sockets, neither may do to them what a server does that stops alone: let nobody in, serve the queue to
its end, take the socket's file away. Who is handed everything becomes the one that may.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from workerhub.supervisor.askers import Askers
from workerhub.supervisor.commands import ClaimInheritance, EndSuccessor, HandOver, Nudge, StartSuccessor
from workerhub.supervisor.events import (
    Exit,
    Inherited,
    SuccessorLost,
    SuccessorReady,
    SuccessorStarted,
    UpgradeRequested,
)
from workerhub.supervisor.exits import ServerExit, in_words
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.words import span


class _Phase(Enum):
    """How far it has come, as the master sees it that is to be replaced."""

    IDLE = "no upgrade"
    TRYING = "the new master boots"
    ENDING = "the new master is told to leave"
    DONE = "everything is handed over"


class _Standing(Enum):
    """What a master is to the one before it."""

    OWNER = "nobody's heir"
    HEIR = "not everything serves yet"
    CLAIMANT = "everything serves, and nothing is handed over yet"


_MEANINGS: Final[Mapping[int, str]] = {
    ServerExit.STOPPED: "it was stopped",
    ServerExit.USAGE: "its configuration can't be used",
    ServerExit.CANNOT_BIND: "it can't listen",
    ServerExit.BOOT_FAILED: "its application fails to boot",
    ServerExit.BUDGET_SPENT: "its workers crash",
}
"""What the exit code of a new master tells about it."""


class Upgrade:
    """One upgrade after another, until one succeeds.

    Args:
        pools: whose numbers count, and who has to serve before anything is claimed.
        heir: this master is the new one of an upgrade.
    """

    def __init__(self, pools: Pools, *, heir: bool) -> None:
        self._pools = pools
        self._decisions = pools.decisions
        self._askers = Askers(pools.decisions)
        self._phase = _Phase.IDLE
        self._standing = _Standing.HEIR if heir else _Standing.OWNER
        self._pid = 0
        self.deadline: float | None = None
        """When to look again, if nothing happens before."""

    @property
    def running(self) -> bool:
        """Whether there is another master that depends on this one, or that this one depends on."""
        return self._phase in (_Phase.TRYING, _Phase.ENDING)

    @property
    def shares_sockets(self) -> bool:
        """Whether the sockets are another master's to close."""
        return self._phase is _Phase.DONE or self._standing is not _Standing.OWNER

    # --- as the old master --------------------------------------------------------------------------------------------------

    def request(self, event: UpgradeRequested) -> None:
        """Start a new master, if that is possible now."""
        if self.running:
            self.refuse(event, "an upgrade is running already")
        elif self._standing is not _Standing.OWNER:
            self.refuse(event, "this server is itself about to take over from another")
        else:
            self._askers.join(event.ticket)
            self._phase = _Phase.TRYING
            self.deadline = event.at + self._patience
            self._decisions.log("info", f"upgrade asked for ({event.origin})")
            self._decisions.add(StartSuccessor())

    def refuse(self, event: UpgradeRequested, why: str) -> None:
        """Don't even start."""
        self._decisions.log("warning", f"upgrade asked for ({event.origin}): {why}")
        askers = Askers(self._decisions)
        askers.join(event.ticket)
        askers.answer(f"not upgraded: {why}", ok=False)

    def started(self, event: SuccessorStarted) -> None:
        """It is on its way."""
        self._pid = event.pid
        self._decisions.log("info", f"the new master boots, pid {event.pid}", {"pid": event.pid})
        self._askers.tell(f"the new master boots, pid {event.pid}", {"pid": event.pid})

    def hand_over(self, _event: SuccessorReady) -> bool:
        """It has proven itself; whether that still matters."""
        if self._phase is not _Phase.TRYING:
            return False
        self._phase, self.deadline = _Phase.DONE, None
        message = f"the new master serves, pid {self._pid}"
        self._decisions.log("info", f"{message}; this one leaves", {"pid": self._pid})
        self._decisions.add(HandOver(self._pid))
        self._askers.answer(message, ok=True, fields={"pid": self._pid})
        return True

    def lost(self, event: SuccessorLost) -> None:
        """It is gone."""
        if self._phase is _Phase.TRYING:
            self._fail(_why(event.exit), event.detail)
        elif self._phase is _Phase.ENDING:
            self._decisions.log("info", "the new master is gone")
        self._phase, self.deadline = _Phase.IDLE, None

    def settle(self, now: float) -> None:
        """See whether it is late."""
        if self.deadline is None or now < self.deadline:
            return
        if self._phase is _Phase.TRYING:
            self._fail(f"not all of it serves within reload.deadline ({span(self._patience)})")
            self._end(Nudge.DRAIN, now)
        else:
            self._end(Nudge.KILL, now)

    def stop(self, now: float, *, fast: bool) -> None:
        """The server stops, and with it a new master that isn't handed anything yet."""
        if self._phase is _Phase.TRYING:
            self._askers.answer("not upgraded: the server stops", ok=False)
            self._end(Nudge.ABORT if fast else Nudge.DRAIN, now)
        elif self._phase is _Phase.ENDING and fast:
            self._end(Nudge.ABORT, now)

    def _fail(self, why: str, detail: str = "") -> None:
        self._decisions.log("error", f"upgrade failed: {why}; this master stays", {}, detail)
        message = f"not upgraded: {why}; generation {self._pools.generation} keeps serving"
        self._askers.answer(message, ok=False, detail=detail, fields={"generation": self._pools.generation})

    def _end(self, nudge: Nudge, now: float) -> None:
        """Have it leave. Its workers may run requests already, and get the time that any worker gets."""
        self._phase = _Phase.ENDING
        policies = [pool.policy for pool in self._pools.in_force()]
        graceful = max(policy.graceful_timeout for policy in policies) if nudge is Nudge.DRAIN else 0
        self.deadline = now + graceful + max(policy.kill_timeout for policy in policies)
        self._decisions.add(EndSuccessor(nudge))

    @property
    def _patience(self) -> float:
        return max(pool.policy.reload_deadline for pool in self._pools.in_force())

    # --- as the new master --------------------------------------------------------------------------------------------------

    def claim(self) -> None:
        """See whether everything serves."""
        if self._standing is _Standing.HEIR and all(pool.manned(pool.size) for pool in self._pools.in_force()):
            self._standing = _Standing.CLAIMANT
            self._decisions.add(ClaimInheritance())

    def inherit(self, _event: Inherited) -> None:
        """The one before has handed over."""
        self._standing = _Standing.OWNER
        self._decisions.log("info", "the master before this one has handed over")


def _why(how: Exit | None) -> str:
    if how is None:
        return "the new master can't be started"
    meaning = _MEANINGS.get(how.code, "it is gone") if how.code is not None else "it was killed"
    return f"the new master has left: {meaning} ({in_words(how)})"
