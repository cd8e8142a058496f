"""What stories about the supervisor begin with."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from workerhub.supervisor import (
    BoardRead,
    ChildExited,
    ChildId,
    ChildReady,
    ChildSpawned,
    Exit,
    Nudge,
    PoolPolicy,
    ReadBoard,
    Reading,
    Run,
    Send,
    Spawn,
    SpawnTemplate,
    Started,
    Supervisor,
)
from workerhub.testing import Logged, Playbook

POLICY = PoolPolicy(
    name="main",
    size=2,
    boot_timeout=60,
    request_timeout=None,
    kill_timeout=5,
    graceful_timeout=30,
    drain_delay=0,
    max_requests=None,
    max_requests_jitter=0,
    max_memory=None,
    max_age=None,
    restart_intensity=5,
    restart_period=60,
    restart_backoff=1,
    restart_backoff_max=30,
    surge=1,
    observe=0,
    reload_deadline=300,
    preload=False,
)
"""The settings' defaults, but for a smaller pool and no request deadline."""

IDLE = Reading(requests=0)
CLEAN = Exit(code=0)
SEGFAULT = Exit(signal=11)
SIGKILL = Exit(signal=9)
SIGTERM = Exit(signal=15)


def policy(**changes: object) -> PoolPolicy:
    """The usual policy, but for what matters in this story."""
    return replace(POLICY, **changes)  # type: ignore[arg-type]  # named by the caller, checked by the dataclass


def story(*policies: PoolPolicy) -> Playbook:
    """A playbook for a new supervisor. Chance always draws the most."""
    return Playbook(Supervisor(policies or (POLICY,), lambda most: most))


def serving(book: Playbook, size: int = 2, at: float = 0) -> None:
    """Tell the part that every story begins with: children 1 to `size` are born and ready."""
    book >> Started(at)  # the shift tells the story
    for number in range(1, size + 1):
        book << spawn(number, slot=number - 1)  # as above
    for number in range(1, size + 1):
        book >> ready(number, at=at)  # as above
    book << Logged("info", f"main: {size} of {size} workers ready")  # as above


def spawn(
    number: int,
    *,
    slot: int = 0,
    generation: int = 1,
    pool: str = "main",
    after: int | None = None,
    template: int | None = None,
) -> Spawn:
    return Spawn(ChildId(number), pool, slot, generation, after, None if template is None else ChildId(template))


def spawn_template(number: int, *, generation: int = 1, pool: str = "main") -> SpawnTemplate:
    return SpawnTemplate(ChildId(number), pool, generation)


def spawned(number: int, *, at: float = 0) -> ChildSpawned:
    return ChildSpawned(at, ChildId(number), 100 + number)


def ready(number: int, *, at: float) -> ChildReady:
    return ChildReady(at, ChildId(number))


def exited(number: int, how: Exit = CLEAN, *, at: float, runs: tuple[Run, ...] = (), dump: str = "") -> ChildExited:
    return ChildExited(at, ChildId(number), how, Reading(0, runs), dump)


def tell(number: int, nudge: Nudge) -> Send:
    return Send(ChildId(number), nudge)


def run(started_at: float, deadline: float = inf, *, index: int = 0, line: str = "GET /slow") -> Run:
    return Run(index, started_at, deadline, line, "192.0.2.1")


def read(at: float, **rows: tuple[Run, ...]) -> BoardRead:
    """What the board shows: `read(5, w1=(run(0),), w2=())`."""
    return BoardRead(at, {ChildId(int(name[1:])): Reading(0, runs) for name, runs in rows.items()})


def ask(limit: int, *numbers: int) -> ReadBoard:
    """Looks at the memory of these workers, too; the limit is in MiB."""
    return ReadBoard({ChildId(number): limit << 20 for number in numbers})


def weigh(at: float, **memory: int | None) -> BoardRead:
    """What they hold, in MiB: `weigh(5, w1=100, w2=None)`."""
    sizes = {ChildId(int(name[1:])): None if size is None else size << 20 for name, size in memory.items()}
    return BoardRead(at, {child: Reading(0, memory=size) for child, size in sizes.items()})
