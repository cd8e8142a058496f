"""The book-keeping: one record for each child that is not reaped yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from workerhub.slotted import dataclass, field
from workerhub.supervisor.events import ChildFailed, ChildId, Reading, Run
from workerhub.supervisor.exits import Cause
from workerhub.supervisor.policy import Allowance
from workerhub.supervisor.states import HOLDING, SERVING, State

RunKey: TypeAlias = tuple[int, float]
"""One run, told from the next one in the same request slot: index and start."""


def run_key(run: Run) -> RunKey:
    """The run's name."""
    return run.index, run.started_at


@dataclass(slots=True)
class Child:
    """What is known about one child.

    Attributes:
        request_timeout: the limit it was started with; a run that begins now can't be overdue earlier.
        allowance: what it may use up before it is replaced.
        since: when it entered its state.
        on_trial: it is a new generation's first worker, or the template of one, and the generation isn't proven yet.
        is_template: it forks workers, and serves nobody; it has no slot.
        template: of a worker, who forks it; None: the master.
        forked_at: of a template, when it last forked a worker.
        deadline: when its state ends by force; None: never.
        leave: why it is to leave, once that is decided; None while it is wanted.
        leaving_since: when it was told to leave.
        ready_at: when it became ready.
        detail: the traceback and the stacks that it left, several lines.
        spent: its share of requests is done.
        memory: the latest look at its private memory, bytes; None before the first one, and where nobody can tell.
        weighed: its memory was asked for.
        spared_until: until then it isn't replaced for its memory.
        worn: why it is recycled, in words.
        interrupted: overdue runs and when they were interrupted.
        stuck: interrupted runs that did not end, and when they were given up.
        unkillable: it outlived a whole deadline after SIGKILL.
    """

    id: ChildId
    pool: str
    slot: int
    generation: int
    since: float
    request_timeout: float | None
    allowance: Allowance
    state: State = State.BOOTING
    pid: int | None = None
    on_trial: bool = False
    is_template: bool = False
    template: ChildId | None = None
    forked_at: float = 0.0
    deadline: float | None = None
    leave: Cause | None = None
    leaving_since: float | None = None
    failure: ChildFailed | None = None
    detail: str = ""
    ready_at: float | None = None
    spent: bool = False
    memory: int | None = None
    weighed: bool = False
    spared_until: float = 0.0
    worn: str = ""
    interrupted: dict[RunKey, float] = field(default_factory=dict)
    stuck: dict[RunKey, float] = field(default_factory=dict)
    last: Reading = Reading(requests=0)  # frozen: sharing it is safe
    unkillable: bool = False

    def __str__(self) -> str:
        who = f"template {self.pool}" if self.is_template else f"worker {self.pool}/{self.slot}"
        return who if self.pid is None else f"{who} ({self.pid})"

    @property
    def facts(self) -> dict[str, object]:
        """The fields that every line about this child carries."""
        slot = {} if self.is_template else {"slot": self.slot}
        return {"pool": self.pool, **slot, "generation": self.generation, "pid": self.pid}

    def facts_of(self, cause: Cause) -> dict[str, object]:
        """The same, for a line that tells why it goes."""
        return {**self.facts, "cause": cause.name.lower()}

    @property
    def serves(self) -> bool:
        """It takes requests and is counted on."""
        return self.state in SERVING and not self.is_template

    @property
    def expires(self) -> float | None:
        """When it has served long enough; None: never, or not ready yet."""
        if self.ready_at is None or self.allowance.age is None:
            return None
        return self.ready_at + self.allowance.age


class Children:
    """Children by name, oldest first. Those told to leave, and those killed but not reaped, are among them."""

    def __init__(self) -> None:
        self._by_id: dict[ChildId, Child] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._by_id.values()))

    def get(self, child: ChildId) -> Child | None:
        """The child of that name, if it is one of ours."""
        return self._by_id.get(child)

    def add(self, child: Child) -> None:
        """A child is on its way."""
        self._by_id[child.id] = child

    def remove(self, child: Child) -> None:
        """A child is reaped, or was never born."""
        del self._by_id[child.id]

    def serving(self) -> list[Child]:
        """Those that take requests and are counted on."""
        return [child for child in self if child.serves]

    def booting(self) -> list[Child]:
        """Those that are on their way."""
        return [child for child in self if child.state is State.BOOTING]

    def holding(self, slot: int) -> list[Child]:
        """Those in the slot that are not told to leave."""
        return [child for child in self if child.slot == slot and child.state in HOLDING]
