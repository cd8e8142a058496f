"""What follows from a child's end: who hears of it, and whether it counts.

It counts, on the restart budget, if nobody had told the child to leave and its generation is the one that the pool is run by. The loss of another
one's worker while a reload goes forth or back only means that its slot gets its new worker sooner.
"""

from __future__ import annotations

from workerhub.supervisor.causes import cause_of
from workerhub.supervisor.children import Child
from workerhub.supervisor.commands import Level, RunHook
from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import ChildExited, SpawnFailed
from workerhub.supervisor.exits import BOOT_VERDICTS, HARMLESS, Cause
from workerhub.supervisor.partings import parting
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.states import LEAVING, Input
from workerhub.supervisor.templates import forsaken
from workerhub.supervisor.words import farewell, seconds, why_gone


class Farewell:
    """Reads exits. Every one is logged once, with its cause and what the child was doing."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self._lost: list[Child] = []

    def take_lost(self) -> list[Child]:
        """Who went down since this was asked last without having been told to leave; `ready_at` says whether it ever served."""
        lost, self._lost = self._lost, []
        return lost

    def reap(self, pool: Pool, child: Child, event: ChildExited) -> None:
        """A child was reaped."""
        cause = cause_of(child, event.exit)
        mishap = child.state not in LEAVING
        counts = mishap and child.generation == pool.generation
        final = cause in BOOT_VERDICTS and not pool.served and child.generation == pool.generation
        child.detail = "\n".join(text for text in (child.failure.detail if child.failure else "", event.dump) if text)
        if not final or pool.boot.is_news(child.failure):
            self._tell(child, event, cause, mishap=mishap)
        if not child.is_template:
            code, signal = event.exit.code, event.exit.signal
            self._decisions.add(RunHook("worker_exited", {**child.facts_of(cause), "code": code, "signal": signal}))
        if counts:
            pool.boot.hopeless = pool.boot.hopeless or final
            self._charge(pool, event.at)
        child.leave = cause
        pool.partings.add(parting(child, event.at, cause, why_gone(child, event, cause)))
        if mishap:
            self._lost.append(child)
        pool.put(child, Input.EXITED, event.at)

    def unborn(self, pool: Pool, child: Child, event: SpawnFailed) -> None:
        """A child could not even be started."""
        level: Level = "warning" if forsaken(pool, child) else "error"
        self._decisions.log(level, f"{child} could not be started: {event.reason}", child.facts_of(Cause.UNBORN))
        if child.state not in LEAVING:
            self._lost.append(child)
            if child.generation == pool.generation and not forsaken(pool, child):
                self._charge(pool, event.at)
        child.leave = child.leave or Cause.UNBORN
        pool.partings.add(parting(child, event.at, Cause.UNBORN, f"{Cause.UNBORN.value}: {event.reason}"))
        pool.put(child, Input.SPAWN_FAILED, event.at)

    def too_late(self, pool: Pool, child: Child, now: float) -> None:
        """A child was not ready in time. Its slot is free from now on, so it counts from now on, not from its end."""
        child.leave = Cause.BOOT_TIMEOUT
        self._lost.append(child)
        waited = seconds(now - child.since)
        self._decisions.log(
            "error", f"{child} was not ready within {waited}; it is ended", child.facts_of(Cause.BOOT_TIMEOUT)
        )
        if child.generation == pool.generation:
            self._charge(pool, now)

    def stalled(self, pool: Pool, template: Child, now: float) -> None:
        """A template doesn't fork whom it was told to. As with one that is too late, this counts, not its end."""
        template.leave = Cause.STALLED
        self._lost.append(template)
        self._decisions.log("error", f"{template} forks nobody any more; it is ended", template.facts_of(Cause.STALLED))
        if template.generation == pool.generation:
            self._charge(pool, now)

    def _tell(self, child: Child, event: ChildExited, cause: Cause, *, mishap: bool) -> None:
        level: Level = "error" if cause not in HARMLESS else "warning" if mishap or event.last.runs else "info"
        self._decisions.log(level, farewell(child, event, cause), child.facts_of(cause), child.detail)

    def _charge(self, pool: Pool, now: float) -> None:
        """Put it on the restart budget."""
        was_degraded = pool.budget.degraded
        pool.budget.went_down(now, forgetting=pool.served)
        if pool.budget.degraded and not was_degraded and pool.served:
            policy = pool.policy
            self._decisions.log(
                "error",
                f"{pool.name} is degraded: more than {policy.restart_intensity} restarts within"
                f" {seconds(policy.restart_period)}; from now on one every {seconds(policy.restart_backoff_max)}",
                {"pool": pool.name},
            )
