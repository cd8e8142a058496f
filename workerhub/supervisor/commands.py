"""Everything that the supervisor can ask for. Imperative; the master has the kernel carry them out, in order."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Literal, TypeAlias

from workerhub.slotted import dataclass, field
from workerhub.supervisor.events import ChildId, Ticket

Level: TypeAlias = Literal["debug", "info", "warning", "error"]


class Nudge(Enum):
    """What a child can be told. Which signal carries it is the kernel's business."""

    DRAIN = "drain"
    """Leave: stop accepting, finish what runs. Siblings take the new connections."""
    FINISH = "finish"
    """Leave, the whole server stops: serve what waits in the accept queue first, then as DRAIN."""
    INTERRUPT = "interrupt"
    """End each request that outlived its deadline; log where it was stuck."""
    DUMP = "dump"
    """Leave the stacks of all threads behind, without needing the interpreter lock."""
    ABORT = "abort"
    """Leave now; running requests are cut."""
    KILL = "kill"
    """End the process at once; it can't refuse."""
    STACKS = "stacks"
    """Write down where every thread and every task is. Sent by the master itself when somebody asks."""
    REOPEN = "reopen"
    """Open the log files anew, after the master has. Sent by the master itself when it gets SIGUSR1."""


@dataclass(frozen=True, slots=True)
class SpawnTemplate:
    """Fork a template: it imports the application and then forks workers. Answered by `ChildSpawned` or `SpawnFailed`."""

    child: ChildId
    pool: str
    generation: int


@dataclass(frozen=True, slots=True)
class Spawn:
    """Fork one worker. Answered by `ChildSpawned` or `SpawnFailed`; one that a template forks, when the template has come to it.

    Attributes:
        recycle_after: report `LimitReached` after so many requests, jitter included; None is never.
        template: who forks it, ready and of the same generation; None: the master itself.
    """

    child: ChildId
    pool: str
    slot: int
    generation: int
    recycle_after: int | None
    template: ChildId | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Tell a child something. A child that is already gone is no error: its exit is on the way."""

    child: ChildId
    nudge: Nudge


@dataclass(frozen=True, slots=True)
class ReadBoard:
    """Look at what every worker is doing. Answered by `BoardRead`.

    Attributes:
        memory: whose private memory is wanted, too, and a bound in bytes: below it any figure will do that isn't too small, so that
            the exact one, which costs something, is found out only where it matters.
    """

    memory: Mapping[ChildId, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Read and validate the configuration again and open what it listens on. Answered by `PlanLoaded` or `PlanRejected`."""

    generation: int


@dataclass(frozen=True, slots=True)
class CommitPlan:
    """The generation serves: listeners, logs and settings that only older generations used may go."""

    generation: int


@dataclass(frozen=True, slots=True)
class AbandonPlan:
    """The generation failed: what only it would have used may go, the one before it stays in force."""

    generation: int


@dataclass(frozen=True, slots=True)
class StopListening:
    """The pool's own listeners take nobody new. Connections that the system has completed stay in their queues, for the workers to serve."""

    pool: str


@dataclass(frozen=True, slots=True)
class StartSuccessor:
    """Start a new master from this one's command line, with the listening sockets. Answered by `SuccessorStarted` or `SuccessorLost`."""


@dataclass(frozen=True, slots=True)
class EndSuccessor:
    """Have the new master stop: DRAIN is gracefully, ABORT at once; KILL ends it. One that is gone is no error. `SuccessorLost` follows."""

    nudge: Nudge


@dataclass(frozen=True, slots=True)
class HandOver:
    """Give the new master what there is only one of: sockets, pidfile, control socket, the place that systemd watches."""

    pid: int


@dataclass(frozen=True, slots=True)
class ClaimInheritance:
    """Tell the master before this one that all workers serve. Answered by `Inherited`."""


@dataclass(frozen=True, slots=True)
class Log:
    """Write to the error log. A command, so that a story asserts what the operator would read.

    Attributes:
        message: one line.
        fields: for the JSON format: pool, slot, generation, pid, cause ...
        detail: a traceback or a list of stacks, several lines; empty for none.
    """

    level: Level
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)
    detail: str = ""


class Moment(Enum):
    """What comes about that whoever started the server may wait for."""

    READY = "ready"
    """For the first time, every pool has a worker that serves."""
    RELOADING = "reloading"
    """A reload has begun."""
    RELOADED = "reloaded"
    """It is over, whatever came of it: what serves now goes on serving."""
    STOPPING = "stopping"
    """The server is on its way out."""
    PROGRESS = "progress"
    """None of these; only the words are new."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell whoever started the server, systemd say, how it is.

    Attributes:
        status: one line: "generation 3: 8 of 8 workers serving".
    """

    moment: Moment
    status: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell one asker how far it is. One that doesn't listen any more is no error.

    Attributes:
        message: one line.
        fields: the same in parts, for programs: generation, replaced, workers ...
    """

    ticket: Ticket
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell one asker how it ended: once for each ticket, always, also when the server stops.

    Attributes:
        ok: what was asked for has happened.
        message: one line: what holds now.
        detail: why it didn't happen: a report or a traceback, several lines; empty for none.
        fields: the same in parts, for programs.
    """

    ticket: Ticket
    ok: bool
    message: str
    detail: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunHook:
    """Call the operator's hook of that name (`hooks.NAME`), if there is one, outside the master process."""

    hook: Literal["server_ready", "worker_exited", "reloaded"]
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Leave:
    """The master is done: clean up and exit with the code."""

    code: int


Command: TypeAlias = (
    Spawn
    | SpawnTemplate
    | Send
    | ReadBoard
    | LoadPlan
    | CommitPlan
    | AbandonPlan
    | StopListening
    | StartSuccessor
    | EndSuccessor
    | HandOver
    | ClaimInheritance
    | Log
    | Tell
    | Answer
    | Announce
    | RunHook
    | Leave
)
