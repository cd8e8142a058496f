"""The life of one child as a table: every state, everything that can happen in it, and what follows.

Theory of operation
-------------------

A child is BOOTING from the moment its `Spawn` is decided. It becomes READY by its own report and in no other way. From then on it
serves, and there are three kinds of bad or changed news about it:

* It has to be replaced, and nothing is wrong with it (a reload, or it is worn out: its requests, its memory, its age). It is OUTGOING: it serves exactly
  as a READY one does, until a successor in its slot is READY. If the reason goes away (the reload is rolled back), it is simply KEPT.
* One of its requests can't be ended. It is STUCK: its stacks are asked for at once, and it leaves when a successor is READY. It may
  still serve other requests, but nobody counts on it. There is no way back, even if the request ends after all: what happened once in
  that process is best not tried again.
* It is told to leave. A child that serves is DRAINING; one that still boots is CANCELLED. The difference is the time it gets: a booting
  child has nothing to finish. Its report of readiness may have crossed our order on the way; then it may have taken requests already, and
  gets the time that every draining child gets, counted from the order.

A child that doesn't leave in time is ABORTING: it leaves its stacks behind and cuts what it runs. If that takes too long it is
KILLED, and stays so until it is reaped, since a killed process still holds its memory. A process that survives even SIGKILL sits in an
uninterruptible system call; all one can do is say so, and ask again.

Each state but READY, OUTGOING, STUCK and GONE has a deadline, set on entering it; OVERDUE is that deadline passing. GONE is final.

A template (`preload`) lives by the same table. Only a template has a deadline while it is READY, and only while there is a worker that it
was told to fork and hasn't forked.

What doesn't fit the table, and where it is decided: *which* child receives REPLACE, DRAIN, FINISH or ABORT, and when, is the business
of `replacement`, `reload` and `stop`; STICK and HOPELESS are found by `watch`. Nothing outside this file says what state follows which.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from workerhub.slotted import dataclass
from workerhub.supervisor.commands import Nudge


class State(Enum):
    """Where a child is in its life. The value is what a reader sees."""

    BOOTING = "booting"
    """Decided or forked; not ready yet."""
    READY = "ready"
    """Serves."""
    OUTGOING = "outgoing"
    """Serves until its replacement is ready."""
    STUCK = "stuck"
    """Holds a request that can't be ended; leaves when its replacement is ready."""
    CANCELLED = "cancelled"
    """Told to leave while booting."""
    DRAINING = "draining"
    """Told to leave; finishes what it runs."""
    ABORTING = "aborting"
    """Told to leave now; what it runs is cut."""
    KILLED = "killed"
    """Sent the signal it can't refuse; not reaped yet."""
    GONE = "gone"
    """Reaped, or never born."""


class Input(Enum):
    """What can happen to a child. The value is what a reader sees."""

    SPAWN_FAILED = "spawn failed"
    """The system refused the fork."""
    READY = "reported ready"
    """It says that it serves."""
    FAILED = "reported a failure"
    """It says why it can't go on; its exit follows."""
    EXITED = "reaped"
    """The process is gone."""
    OVERDUE = "state's deadline passed"
    """It stayed longer in its state than it may."""
    REPLACE = "replacement wanted"
    """A successor is to take its slot: a reload, or it is worn out."""
    KEEP = "replacement called off"
    """The reload that wanted it replaced is rolled back."""
    STICK = "request can't be ended"
    """A request outlived its deadline, the interruption, and `timeouts.kill`."""
    HOPELESS = "only stuck requests left"
    """Nothing that it still runs will ever end."""
    DRAIN = "told to leave"
    """Its successor is ready, or there is no place for it any more."""
    FINISH = "told that the server stops"
    """As told to leave, and what waits in the accept queue is served first."""
    ABORT = "told to leave now"
    """A fast stop."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What follows: the next state (None: the same), and what the child is told, in order."""

    to: State | None = None
    nudges: tuple[Nudge, ...] = ()


NOTHING: Final = Cell()
"""Nothing happens."""


def _to(state: State, *nudges: Nudge) -> Cell:
    return Cell(state, nudges)


TABLE: Final[Mapping[State, Mapping[Input, Cell]]] = {
    State.BOOTING: {
        Input.SPAWN_FAILED: _to(State.GONE),
        Input.READY: _to(State.READY),
        Input.FAILED: NOTHING,
        Input.EXITED: _to(State.GONE),
        Input.OVERDUE: _to(State.ABORTING, Nudge.DUMP, Nudge.ABORT),
        Input.REPLACE: NOTHING,
        Input.KEEP: NOTHING,
        Input.STICK: NOTHING,
        Input.HOPELESS: NOTHING,
        Input.DRAIN: _to(State.CANCELLED, Nudge.DRAIN),
        Input.FINISH: _to(State.CANCELLED, Nudge.DRAIN),
        Input.ABORT: _to(State.ABORTING, Nudge.ABORT),
    },
    State.READY: {
        Input.SPAWN_FAILED: NOTHING,
        Input.READY: NOTHING,
        Input.FAILED: NOTHING,
        Input.EXITED: _to(State.GONE),
        Input.OVERDUE: _to(State.ABORTING, Nudge.DUMP, Nudge.ABORT),
        Input.REPLACE: _to(State.OUTGOING),
        Input.KEEP: NOTHING,
        Input.STICK: _to(State.STUCK, Nudge.DUMP),
        Input.HOPELESS: NOTHING,
        Input.DRAIN: _to(State.DRAINING, Nudge.DRAIN),
        Input.FINISH: _to(State.DRAINING, Nudge.FINISH),
        Input.ABORT: _to(State.ABORTING, Nudge.ABORT),
    },
    State.OUTGOING: {
        Input.SPAWN_FAILED: NOTHING,
        Input.READY: NOTHING,
        Input.FAILED: NOTHING,
        Input.EXITED: _to(State.GONE),
        Input.OVERDUE: NOTHING,
        Input.REPLACE: NOTHING,
        Input.KEEP: _to(State.READY),
        Input.STICK: _to(State.STUCK, Nudge.DUMP),
        Input.HOPELESS: NOTHING,
        Input.DRAIN: _to(State.DRAINING, Nudge.DRAIN),
        Input.FINISH: _to(State.DRAINING, Nudge.FINISH),
        Input.ABORT: _to(State.ABORTING, Nudge.ABORT),
    },
    State.STUCK: {
        Input.SPAWN_FAILED: NOTHING,
        Input.READY: NOTHING,
        Input.FAILED: NOTHING,
        Input.EXITED: _to(State.GONE),
        Input.OVERDUE: NOTHING,
        Input.REPLACE: NOTHING,
        Input.KEEP: NOTHING,
        Input.STICK: NOTHING,
        Input.HOPELESS: NOTHING,
        Input.DRAIN: _to(State.DRAINING, Nudge.DRAIN),
        Input.FINISH: _to(State.DRAINING, Nudge.FINISH),
        Input.ABORT: _to(State.ABORTING, Nudge.ABORT),
    },
    State.CANCELLED: {
        Input.SPAWN_FAILED: _to(State.GONE),
        Input.READY: _to(State.DRAINING),
        Input.FAILED: NOTHING,
        Input.EXITED: _to(State.GONE),
        Input.OVERDUE: _to(State.KILLED, Nudge.KILL),
        Input.REPLACE: NOTHING,
        Input.KEEP: NOTHING,
        Input.STICK: NOTHING,
        Input.HOPELESS: NOTHING,
        Input.DRAIN: NOTHING,
        Input.FINISH: NOTHING,
        Input.ABORT: _to(State.ABORTING, Nudge.ABORT),
    },
    State.DRAINING: {
        Input.SPAWN_FAILED: NOTHING,
        Input.READY: NOTHING,
        Input.FAILED: NOTHING,
        Input.EXITED: _to(State.GONE),
        Input.OVERDUE: _to(State.ABORTING, Nudge.DUMP, Nudge.ABORT),
        Input.REPLACE: NOTHING,
        Input.KEEP: NOTHING,
        Input.STICK: _to(State.DRAINING, Nudge.DUMP),
        Input.HOPELESS: _to(State.KILLED, Nudge.KILL),
        Input.DRAIN: NOTHING,
        Input.FINISH: NOTHING,
        Input.ABORT: _to(State.ABORTING, Nudge.ABORT),
    },
    State.ABORTING: {
        Input.SPAWN_FAILED: _to(State.GONE),
        Input.READY: NOTHING,
        Input.FAILED: NOTHING,
        Input.EXITED: _to(State.GONE),
        Input.OVERDUE: _to(State.KILLED, Nudge.KILL),
        Input.REPLACE: NOTHING,
        Input.KEEP: NOTHING,
        Input.STICK: NOTHING,
        Input.HOPELESS: NOTHING,
        Input.DRAIN: NOTHING,
        Input.FINISH: NOTHING,
        Input.ABORT: NOTHING,
    },
    State.KILLED: {
        Input.SPAWN_FAILED: _to(State.GONE),
        Input.READY: NOTHING,
        Input.FAILED: NOTHING,
        Input.EXITED: _to(State.GONE),
        Input.OVERDUE: _to(State.KILLED, Nudge.KILL),
        Input.REPLACE: NOTHING,
        Input.KEEP: NOTHING,
        Input.STICK: NOTHING,
        Input.HOPELESS: NOTHING,
        Input.DRAIN: NOTHING,
        Input.FINISH: NOTHING,
        Input.ABORT: NOTHING,
    },
    State.GONE: {
        Input.SPAWN_FAILED: NOTHING,
        Input.READY: NOTHING,
        Input.FAILED: NOTHING,
        Input.EXITED: NOTHING,
        Input.OVERDUE: NOTHING,
        Input.REPLACE: NOTHING,
        Input.KEEP: NOTHING,
        Input.STICK: NOTHING,
        Input.HOPELESS: NOTHING,
        Input.DRAIN: NOTHING,
        Input.FINISH: NOTHING,
        Input.ABORT: NOTHING,
    },
}

SERVING: Final = frozenset({State.READY, State.OUTGOING})
"""Healthy: takes requests, and is counted on."""

HOLDING: Final = SERVING | {State.BOOTING, State.STUCK}
"""Not told to leave: holds its slot."""

LEAVING: Final = frozenset({State.CANCELLED, State.DRAINING, State.ABORTING, State.KILLED})
"""Told to leave: its end is ordered."""

FORCED: Final = frozenset({State.ABORTING, State.KILLED})
"""Being ended: leaves its stacks behind, finishes nothing."""
