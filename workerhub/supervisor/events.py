"""Everything that can happen to the supervisor. Past tense; each carries `at`, seconds on the monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NewType, TypeAlias

from workerhub.slotted import dataclass
from workerhub.supervisor.policy import PoolPolicy

ChildId = NewType("ChildId", int)
"""Names one child process for the whole life of the master; never used again, unlike a pid."""

Ticket = NewType("Ticket", int)
"""Names one asker who waits for an outcome; gets `Tell` on the way, and `Answer` once, always."""


@dataclass(frozen=True, slots=True)
class Run:
    """One request that a worker is running, as its board row shows it.

    Attributes:
        index: the request slot, 0 .. capacity - 1.
        started_at: when the request was dispatched.
        deadline: the worker's promise: the request is over by then; `inf` where `timeouts.request` is off.
        line: method and target, cut to fit, safe to print.
        client: the peer's address, safe to print.
    """

    index: int
    started_at: float
    deadline: float
    line: str
    client: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One worker's board row at one moment.

    Attributes:
        requests: how many it has finished.
        runs: what it is running.
        memory: its private memory in bytes, exact above the bound that `ReadBoard` gave; None if not asked for, or if nobody can tell.
        drained: how many of its requests it has finished since it was told that the server stops.
    """

    requests: int
    runs: tuple[Run, ...] = ()
    memory: int | None = None
    drained: int = 0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: exactly one of `code` and `signal` is set. `core_dumped` as the system reported it."""

    code: int | None = None
    signal: int | None = None
    core_dumped: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The listeners are open and the master is ready to supervise."""

    at: float


@dataclass(frozen=True, slots=True)
class ChildSpawned:
    """A `Spawn` was carried out."""

    at: float
    child: ChildId
    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """A `Spawn` could not be carried out: no process, no memory, no room on the board."""

    at: float
    child: ChildId
    reason: str


@dataclass(frozen=True, slots=True)
class ChildReady:
    """A worker reported that its application is loaded and that it serves."""

    at: float
    child: ChildId


@dataclass(frozen=True, slots=True)
class ChildFailed:
    """A worker reported why it can't boot; its exit follows. `reason` is one line, `detail` the traceback."""

    at: float
    child: ChildId
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A worker finished the `recycle_after`-th request that its `Spawn` named. It goes on serving."""

    at: float
    child: ChildId


@dataclass(frozen=True, slots=True)
class ChildExited:
    """A child was reaped.

    Attributes:
        exit: the status.
        last: the last look at its board row: what it was doing.
        dump: stacks that the process left behind when it crashed or was asked for them, else empty.
    """

    at: float
    child: ChildId
    exit: Exit
    last: Reading
    dump: str = ""


@dataclass(frozen=True, slots=True)
class BoardRead:
    """The answer to `ReadBoard`: one reading for each living worker."""

    at: float
    readings: Mapping[ChildId, Reading]


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The moment that `next_deadline()` named has come."""

    at: float


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody asked the server to stop. `fast`: without waiting for requests. `origin`: "SIGTERM", say.

    A `ticket`, here and in the other requests, is answered with the outcome; who doesn't wait for it has none.
    """

    at: float
    fast: bool
    origin: str
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """Somebody asked for new configuration and new code."""

    at: float
    origin: str
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True)
class PlanLoaded:
    """The answer to `LoadPlan`: the configuration is valid and its new listeners are open.

    Attributes:
        policies: one for each pool.
        unchanged: settings that differ and stay as they are nevertheless, since a running server can't change them; dotted names.
    """

    at: float
    policies: tuple[PoolPolicy, ...]
    unchanged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanRejected:
    """The answer to `LoadPlan`: the configuration can't be used; nothing was touched. `reason` as the operator reads it."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class ScaleRequested:
    """Somebody asked for more or fewer processes in a pool (all pools where `pool` is empty).

    Attributes:
        change: so many more, or fewer where it is negative.
        size: so many altogether; then `change` means nothing.
    """

    at: float
    change: int
    origin: str
    pool: str = ""
    ticket: Ticket | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class UpgradeRequested:
    """Somebody asked for a new master: new Python, new workerhub, new libraries."""

    at: float
    origin: str
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True)
class SuccessorStarted:
    """A `StartSuccessor` was carried out."""

    at: float
    pid: int


@dataclass(frozen=True, slots=True)
class SuccessorReady:
    """The new master says that all its workers serve."""

    at: float


@dataclass(frozen=True, slots=True)
class SuccessorLost:
    """The new master is gone, or could not be started. Not reported of one that has been handed everything.

    Attributes:
        exit: how it ended; None: it was never there.
        detail: the errors that it complained of; or why it could not be started.
    """

    at: float
    exit: Exit | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Inherited:
    """The master before this one has handed over: sockets, pidfile and control socket are this one's own."""

    at: float


Event: TypeAlias = (
    Started
    | ChildSpawned
    | SpawnFailed
    | ChildReady
    | ChildFailed
    | LimitReached
    | ChildExited
    | BoardRead
    | DeadlineReached
    | StopRequested
    | ReloadRequested
    | PlanLoaded
    | PlanRejected
    | ScaleRequested
    | UpgradeRequested
    | SuccessorStarted
    | SuccessorReady
    | SuccessorLost
    | Inherited
)
