"""What is going on, as a picture for people: data only, made when somebody asks. Durations are in seconds, memory in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workerhub.slotted import dataclass
from workerhub.supervisor.children import Child
from workerhub.supervisor.events import ChildId, Reading, Run
from workerhub.supervisor.exits import HARMLESS, Cause
from workerhub.supervisor.partings import Parting
from workerhub.supervisor.pool import Pool
from workerhub.supervisor.pools import Pools
from workerhub.supervisor.reload import Progress

RUNS_SHOWN: Final = 10
"""Of each worker, the oldest; a greenlet worker may run a thousand."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A request that is running. `overdue`: it outlived its deadline."""

    line: str
    client: str
    seconds: float
    overdue: bool


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker that isn't reaped, or a template.

    Attributes:
        slot: its place in the pool; None: it is a template, which forks workers.
        state: a word of `states.State`.
        in_state: how long it has been in it.
        age: how long it has been ready; None before.
        requests: how many it has finished.
        memory: its private memory; None where nobody can tell.
        leaving: why it is to leave, or to be replaced; empty while it is wanted.
        busy: how many it runs.
        running: the oldest of them, the oldest first.
    """

    slot: int | None
    generation: int
    pid: int | None
    state: str
    in_state: float
    age: float | None
    requests: int
    memory: int | None
    leaving: str
    busy: int
    running: tuple[RunStatus, ...]


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """A worker, or a template (`slot` is None), that is gone. `trouble`: somebody should look into it. `cause` is a word for programs, `reason` a sentence."""

    ago: float
    slot: int | None
    generation: int
    pid: int | None
    cause: str
    reason: str
    trouble: bool


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """A pool.

    Attributes:
        standing: "in force"; or what else it is to the server.
        generation: the newest one in force here.
        size: how many workers are wanted.
        configured: how many the configuration says.
        serving: of how many slots a healthy worker serves, of whatever generation.
        degraded: the restart budget is spent.
        next_start: in how many seconds workers may be started again; None: now.
    """

    name: str
    standing: str
    generation: int
    size: int
    configured: int
    serving: int
    degraded: bool
    next_start: float | None
    workers: tuple[WorkerStatus, ...]
    exits: tuple[ExitStatus, ...]


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """A reload that is going on.

    Attributes:
        phase: a word of `phases.Phase`.
        generation: the new one.
        ready: in how many slots the generation serves that is to be in force: the new one, or on the way back the old one.
        slots: how many there are.
    """

    phase: str
    generation: int
    ready: int
    slots: int


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The whole server."""

    generation: int
    stopping: bool
    reload: ReloadStatus | None
    pools: tuple[PoolStatus, ...]


def picture(
    pools: Pools, progress: Progress | None, readings: Mapping[ChildId, Reading], now: float, *, stopping: bool
) -> ServerStatus:
    """Draw it.

    Args:
        pools: all there are.
        progress: how far a reload has come; None: nobody reloads.
        readings: the board, with everybody's memory.
        now: the moment.
        stopping: the server has been asked to stop.
    """
    reload = None
    if progress is not None:
        reload = ReloadStatus(progress.phase.value, progress.generation, progress.ready, progress.workers)
    return ServerStatus(pools.generation, stopping, reload, tuple(_pool(pool, readings, now) for pool in pools))


def _pool(pool: Pool, readings: Mapping[ChildId, Reading], now: float) -> PoolStatus:
    workers = sorted(pool.children, key=lambda child: (child.slot, child.generation, child.id))
    due = pool.budget.due
    return PoolStatus(
        name=pool.name,
        standing=pool.standing.value,
        generation=pool.generation,
        size=pool.size,
        configured=pool.policy.size,
        serving=pool.served_slots(),
        degraded=pool.budget.degraded,
        next_start=None if due is None or due <= now else due - now,
        workers=tuple(_worker(child, readings.get(child.id, Reading(0)), now) for child in [*pool.templates, *workers]),
        exits=tuple(_exit(parting, now) for parting in pool.partings),
    )


def _worker(child: Child, reading: Reading, now: float) -> WorkerStatus:
    oldest_first = sorted(reading.runs, key=lambda run: run.started_at)
    return WorkerStatus(
        slot=None if child.is_template else child.slot,
        generation=child.generation,
        pid=child.pid,
        state=child.state.value,
        in_state=max(0.0, now - child.since),
        age=None if child.ready_at is None else max(0.0, now - child.ready_at),
        requests=reading.requests,
        memory=reading.memory,
        leaving=_why_leaving(child),
        busy=len(oldest_first),
        running=tuple(_run(run, now) for run in oldest_first[:RUNS_SHOWN]),
    )


def _why_leaving(child: Child) -> str:
    if child.leave is None:
        return ""
    return child.worn if child.leave is Cause.RECYCLED else child.leave.value


def _run(run: Run, now: float) -> RunStatus:
    return RunStatus(run.line, run.client, max(0.0, now - run.started_at), overdue=run.deadline <= now)


def _exit(parting: Parting, now: float) -> ExitStatus:
    return ExitStatus(
        ago=max(0.0, now - parting.at),
        slot=parting.slot,
        generation=parting.generation,
        pid=parting.pid,
        cause=parting.cause.name.lower(),
        reason=parting.reason,
        trouble=parting.cause not in HARMLESS,
    )
