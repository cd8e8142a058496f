"""The one place that knows about request deadlines.

No ticking: a request that hasn't started at T can't be overdue before T + `timeouts.request`, so the board is read when the oldest running
request may be overdue, or after one `timeouts.request`, whichever comes first, and every reading says when the next one is due. The one
exception is short and rare: while a worker with a stuck request drains, it is looked at every second, to see when only that is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite

from workerhub.slotted import dataclass
from workerhub.supervisor.children import Child, run_key
from workerhub.supervisor.commands import Nudge, ReadBoard, Send
from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import BoardRead, ChildId, Reading, Run
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.states import SERVING, Input, State
from workerhub.supervisor.words import runs

STUCK_LOOK = 1.0
"""Seconds between two looks at a worker that drains with a stuck request; also the time it gets to leave its stacks behind."""

WATCHED = SERVING | {State.STUCK, State.DRAINING}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one reading of one worker means. `look_at`: when these runs may first mean something else (`inf`: never)."""

    overdue: tuple[Run, ...]
    stuck: tuple[Run, ...]
    hopeless: bool
    look_at: float


def judge(child: Child, reading: Reading, now: float, kill_timeout: float) -> Judgement:
    """Say which runs are newly overdue, which are newly stuck, and whether only stuck ones are left that had time to show where. Changes nothing."""
    overdue, stuck, look_at = [], [], inf
    for run in reading.runs:
        key = run_key(run)
        if key in child.stuck:
            continue
        if key not in child.interrupted:
            if run.deadline <= now:
                overdue.append(run)
            look_at = min(look_at, run.deadline if run.deadline > now else now + kill_timeout)
        elif child.interrupted[key] + kill_timeout <= now:
            stuck.append(run)
        else:
            look_at = min(look_at, child.interrupted[key] + kill_timeout)
    hopeless = bool(reading.runs) and all(
        child.stuck.get(run_key(run), inf) + STUCK_LOOK <= now for run in reading.runs
    )
    return Judgement(tuple(overdue), tuple(stuck), hopeless, look_at)


class Watch:
    """Decides when the board is read, and what follows from it."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self.look_at: float | None = None

    def arm(self, moment: float) -> None:
        """Look at that moment, or earlier if that is planned already."""
        if isfinite(moment):
            self.look_at = moment if self.look_at is None else min(self.look_at, moment)

    def settle(self, pools: list[Pool], now: float, memory: Mapping[ChildId, int]) -> None:
        """See that a look is planned wherever one may be needed, and look when it is time, or when somebody's memory is asked for."""
        for pool in pools:
            for child in pool.children:
                if child.state in WATCHED and child.request_timeout is not None and self.look_at is None:
                    self.arm(now + child.request_timeout)
                if child.state is State.DRAINING and child.stuck and child.since == now:
                    self.arm(now + STUCK_LOOK)
        if memory or (self.look_at is not None and now >= self.look_at):
            self.look_at = None
            self._decisions.add(ReadBoard(memory))

    def read(self, pools: list[Pool], event: BoardRead) -> None:
        """Interrupt what is overdue, give up on what is stuck, and plan the next look."""
        self.look_at = None
        for pool in pools:
            for child in pool.children:
                reading = event.readings.get(child.id)
                if reading is None or child.state not in WATCHED:
                    continue
                self._act(pool, child, reading, event.at)
                if child.request_timeout is not None:
                    self.arm(event.at + child.request_timeout)
                if child.state is State.DRAINING and child.stuck:
                    self.arm(event.at + STUCK_LOOK)

    def _act(self, pool: Pool, child: Child, reading: Reading, now: float) -> None:
        child.last = reading
        running = {run_key(run) for run in reading.runs}
        child.interrupted = {key: at for key, at in child.interrupted.items() if key in running}
        child.stuck = {key: at for key, at in child.stuck.items() if key in running}
        verdict = judge(child, reading, now, pool.policy.kill_timeout)
        if verdict.overdue:
            child.interrupted |= {run_key(run): now for run in verdict.overdue}
            self._decisions.log("debug", f"{child}: overdue: {runs(verdict.overdue, now)}", child.facts)
            self._decisions.add(Send(child.id, Nudge.INTERRUPT))
        if verdict.stuck:
            self._give_up_on(pool, child, verdict.stuck, now)
        if verdict.hopeless:
            child.leave = Cause.STUCK
            pool.put(child, Input.HOPELESS, now)
        self.arm(verdict.look_at)

    def _give_up_on(self, pool: Pool, child: Child, stuck: tuple[Run, ...], now: float) -> None:
        child.stuck |= {run_key(run): now for run in stuck}
        child.leave = Cause.STUCK if child.state in SERVING else child.leave
        what = "it is replaced" if child.state in SERVING else "it is on its way out"
        self._decisions.log("error", f"{child} can't end {runs(stuck, now)}; {what}", child.facts_of(Cause.STUCK))
        pool.put(child, Input.STICK, now)
