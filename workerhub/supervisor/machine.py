"""The supervisor: what happened goes in, what is to be done comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import singledispatchmethod

from workerhub.supervisor import events
from workerhub.supervisor.announcements import Announcements
from workerhub.supervisor.children import Child
from workerhub.supervisor.commands import Command
from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import ChildId, Event, Reading
from workerhub.supervisor.exits import Cause, ServerExit
from workerhub.supervisor.farewell import Farewell
from workerhub.supervisor.health import Health
from workerhub.supervisor.policy import Draw, PoolPolicy
from workerhub.supervisor.pool import Pool, Standing
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.recycle import Recycling
from workerhub.supervisor.reload import Progress, Reload
from workerhub.supervisor.replacement import fill, retire_replaced
from workerhub.supervisor.scale import Scaling
from workerhub.supervisor.states import Input, State
from workerhub.supervisor.status import ServerStatus, picture
from workerhub.supervisor.stop import Stop
from workerhub.supervisor.templates import retire_unneeded, set_deadlines
from workerhub.supervisor.upgrade import Upgrade
from workerhub.supervisor.watch import Watch
from workerhub.supervisor.words import seconds


class Supervisor:
    """Decides and never acts: no clock, no process, no log, no chance of its own.

    Each `handle` has two halves. The first takes the event down: one small method for each kind. The second, `_settle`, is the same for
    all: it looks at what is and at the moment, and goes as far as both allow. So an event that comes late, twice, or together with others finds
    the same rules.

    Args:
        policies: one for each pool.
        draw: chance, handed in; see `policy.Draw`.
        heir: another master serves the same sockets, and hands over once everything serves here.
    """

    def __init__(self, policies: Iterable[PoolPolicy], draw: Draw, *, heir: bool = False) -> None:
        self._decisions = Decisions()
        self._pools = Pools(policies, draw, self._decisions)
        self._reload = Reload(self._pools)
        self._scaling = Scaling(self._pools)
        self._watch = Watch(self._decisions)
        self._recycling = Recycling(self._decisions)
        self._health = Health(self._pools)
        self._farewell = Farewell(self._decisions)
        self._announcements = Announcements(self._pools)
        self._upgrade = Upgrade(self._pools, heir=heir)
        self._stop: Stop | None = None
        self._started = False

    def handle(self, event: Event) -> list[Command]:
        """Take one event down and decide. The list is finished, and to be carried out in order."""
        self._on(event)
        self._settle(event.at, overdue=isinstance(event, events.DeadlineReached))
        return self._decisions.take()

    def next_deadline(self) -> float | None:
        """When `DeadlineReached` is wanted, if nothing else happens before; None: not at all."""
        if self._stop is not None and self._stop.left:
            return None
        moments = [self._watch.look_at, self._upgrade.deadline]
        for pool in self._pools:
            moments += [child.deadline for child in pool.everyone()]
            moments.append(pool.budget.due)
        if self._stop is not None:
            moments.append(self._stop.next_deadline(list(self._pools)))
        else:
            moments += self._health.moments()
            moments += self._recycling.moments(list(self._pools))
            moments += self._reload.moments()
        return min((moment for moment in moments if moment is not None), default=None)

    def status(self, readings: Mapping[ChildId, Reading], now: float) -> ServerStatus:
        """A picture of everything, for people.

        Args:
            readings: the board, looked at just now.
            now: the moment.
        """
        return picture(self._pools, self._reload.progress, readings, now, stopping=self._stop is not None)

    @property
    def generation(self) -> int:
        """The generation in force."""
        return self._pools.generation

    @property
    def reloading(self) -> Progress | None:
        """How far a reload has come; None: nobody reloads."""
        return self._reload.progress

    def children(self) -> list[Child]:
        """A look at every worker that isn't reaped; to read, not to change."""
        return [child for pool in self._pools for child in pool.children]

    def templates(self) -> list[Child]:
        """A look at every template that isn't reaped; to read, not to change."""
        return [child for pool in self._pools for child in pool.templates]

    # --- taking events down -------------------------------------------------------------------------------------------------

    @singledispatchmethod
    def _on(self, event: Event) -> None:
        raise AssertionError(f"not an event: {event!r}")

    @_on.register
    def _(self, _event: events.Started) -> None:
        self._started = True

    @_on.register
    def _(self, _event: events.DeadlineReached) -> None:
        """What to do follows from the moment alone."""

    @_on.register
    def _(self, event: events.ChildSpawned) -> None:
        if found := self._pools.find(event.child):
            pool, child = found
            child.pid = event.pid
            if child.template is not None and (template := pool.templates.get(child.template)) is not None:
                template.forked_at = event.at

    @_on.register
    def _(self, event: events.SpawnFailed) -> None:
        if found := self._pools.find(event.child):
            self._farewell.unborn(*found, event)

    @_on.register
    def _(self, event: events.ChildReady) -> None:
        if found := self._pools.find(event.child):
            pool, child = found
            took = event.at - child.since
            booted = child.state is State.BOOTING
            pool.put(child, Input.READY, event.at)
            if booted:
                child.ready_at = event.at
                self._decisions.log("debug", f"{child} is ready after {seconds(took)}", child.facts)
            pool.served = pool.served or child.serves

    @_on.register
    def _(self, event: events.ChildFailed) -> None:
        if found := self._pools.find(event.child):
            pool, child = found
            child.failure = event
            pool.put(child, Input.FAILED, event.at)

    @_on.register
    def _(self, event: events.ChildExited) -> None:
        if found := self._pools.find(event.child):
            self._farewell.reap(*found, event)
            if self._stop is not None:
                self._stop.count(event.last)

    @_on.register
    def _(self, event: events.LimitReached) -> None:
        if found := self._pools.find(event.child):
            found[1].spent = True

    @_on.register
    def _(self, event: events.BoardRead) -> None:
        self._watch.read(list(self._pools), event)
        self._recycling.read(list(self._pools), event)

    @_on.register
    def _(self, event: events.StopRequested) -> None:
        how, again = "fast stop" if event.fast else "graceful stop", self._stop is not None
        self._decisions.log("info", f"{how} asked for ({event.origin})" + (", again" if again else ""))
        stop = self._stop or self._begin_stop(ServerExit.STOPPED, event.at, delay=True)
        if again or event.fast:
            stop.hurry(fast=event.fast)
            self._upgrade.stop(event.at, fast=event.fast)
        stop.askers.join(event.ticket)

    @_on.register
    def _(self, event: events.ReloadRequested) -> None:
        if self._stop is not None:
            self._reload.refuse(event, "the server is stopping")
        elif self._upgrade.running:
            self._reload.refuse(event, "an upgrade is running")
        else:
            self._reload.request(event)

    @_on.register
    def _(self, event: events.PlanLoaded) -> None:
        self._reload.loaded(event)

    @_on.register
    def _(self, event: events.PlanRejected) -> None:
        self._reload.reject(event)

    @_on.register
    def _(self, event: events.ScaleRequested) -> None:
        if self._stop is not None:
            self._scaling.refuse(event, "the server is stopping")
        else:
            self._scaling.request(event)

    @_on.register
    def _(self, event: events.UpgradeRequested) -> None:
        if self._stop is not None:
            self._upgrade.refuse(event, "the server is stopping")
        elif self._reload.progress is not None:
            self._upgrade.refuse(event, "a reload is running")
        else:
            self._upgrade.request(event)

    @_on.register
    def _(self, event: events.SuccessorStarted) -> None:
        self._upgrade.started(event)

    @_on.register
    def _(self, event: events.SuccessorReady) -> None:
        if self._upgrade.hand_over(event):
            self._begin_stop(ServerExit.STOPPED, event.at, delay=False)

    @_on.register
    def _(self, event: events.SuccessorLost) -> None:
        self._upgrade.lost(event)

    @_on.register
    def _(self, event: events.Inherited) -> None:
        self._upgrade.inherit(event)

    # --- going as far as things are -----------------------------------------------------------------------------------------

    def _settle(self, now: float, *, overdue: bool) -> None:
        """Go on.

        Args:
            now: the moment.
            overdue: whether children may be late. Only when all that happened until then was taken down: of two reports that arrive
                together, at the last moment, the first must not be the second one's undoing.
        """
        if not self._started:
            return
        for pool in self._pools:
            if overdue:
                self._overrun(pool, now)
            pool.budget.may_start(now)
        lost = self._farewell.take_lost()
        self._health.note(now)
        if self._stop is None and (code := self._health.verdict(now)) is not None:
            self._begin_stop(code, now, delay=False)
        if self._stop is None:
            self._reload.settle(now, lost)
            self._recycling.settle(list(self._pools), now)
        for pool in self._pools:
            self._staff(pool, now)
        if self._stop is None:
            self._health.announce(now)
            self._scaling.settle(lost)
            self._upgrade.claim()
        self._upgrade.settle(now)
        self._announcements.settle(reloading=self._reload.progress, stopping=self._stop is not None)
        self._pools.forget_closed()
        if self._stop is not None and not self._stop.left:
            self._stop.settle(list(self._pools), now, alone=not self._upgrade.running)
        if self._stop is None or not self._stop.left:
            memory = self._recycling.due(list(self._pools), now) if self._stop is None else {}
            self._watch.settle(list(self._pools), now, memory)

    def _overrun(self, pool: Pool, now: float) -> None:
        for child in pool.everyone():
            if child.deadline is None or now < child.deadline:
                continue
            match child.state:
                case State.BOOTING:
                    self._farewell.too_late(pool, child, now)
                case State.READY:
                    self._farewell.stalled(pool, child, now)
                case State.DRAINING if child.leave is not Cause.STUCK:
                    child.leave = Cause.NOT_DRAINED
                case State.KILLED:
                    child.unkillable = True
                    self._decisions.log("error", f"{child} is still there after SIGKILL", child.facts)
                case _:
                    pass
            pool.put(child, Input.OVERDUE, now)

    def _staff(self, pool: Pool, now: float) -> None:
        retire_unneeded(pool, now)
        self._fill(pool, now)
        set_deadlines(pool)

    def _fill(self, pool: Pool, now: float) -> None:
        if self._stop is not None:
            if pool.standing is Standing.IN_FORCE and self._stop.holds_off(pool, now):
                fill(pool, now, replacing=False)
            return
        if pool.standing is not Standing.IN_FORCE:
            return
        retire_replaced(pool, now)
        if pool.served or not pool.boot.hopeless:
            fill(pool, now, replacing=True)

    def _begin_stop(self, code: ServerExit, now: float, *, delay: bool) -> Stop:
        self._reload.stop(now)
        self._scaling.stop()
        self._upgrade.stop(now, fast=False)
        self._stop = Stop(code, self._decisions, now, delay=delay, shared=self._upgrade.shares_sockets)
        return self._stop
