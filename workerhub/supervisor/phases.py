"""One reload as a table: every phase, everything that can turn up in it, and what follows.

Theory of operation
-------------------

A reload is a transaction: it ends with every worker new, or with every worker old. It is LOADING while the configuration is read, which
touches nothing. Then one worker of the new generation is started in every pool, beside the old ones: PROVING. It has to become ready and
to stay healthy for `reload.observe`; meanwhile whatever crashes of the old generation is restarted from it. Then the pools are run by the
new generation's numbers and `replacement` gives it slot after slot, `reload.surge` at a time: ROLLING. When it serves in the last one, the
reload is committed, and only then is given back what only the old generation needed: its plan, its listeners, the pools that the new
configuration no longer names, the slots that are too many.

Until that moment there is a way back. What speaks against a new generation is

* a worker of it that goes down before it has been ready for `reload.observe`: its application or its set-up fails, it crashes, it leaves,
  it isn't ready within `timeouts.boot`, it gets stuck;
* more than `restart.intensity` restarts of its workers within `restart.period`;
* `reload.deadline`.

What doesn't is a SIGKILL from outside and a fork that the system refuses, since it would have hit any worker, and a crash of one that had
been healthy for so long. Both are mended from the new generation and only go on the restart budget. Losses of old workers don't even
that: their slots get a new one sooner.

Going back is RETURNING. The old generation is in force again at once; its workers stay where they still are, and where they are gone
they are started again from the old plan. A new worker whose slot has nobody else serves until then. So the way back costs nobody service
either, and takes a moment if nothing was replaced yet. If a worker of the old generation can't be started again, or `reload.deadline`
passes once more, that is said, and it is left to the ordinary supervision, which goes on trying: the next reload may be the cure and
must not be kept waiting.

A reload asked for during another one FOLLOWs it; several are one. A stop ends a reload where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from workerhub.slotted import dataclass


class Phase(Enum):
    """How far a reload has come. The value is what a reader sees."""

    IDLE = "no reload"
    LOADING = "loading"
    """The configuration is read and its listeners are opened."""
    PROVING = "proving"
    """One worker of the new generation boots in every pool, and is observed."""
    ROLLING = "rolling"
    """The new generation takes slot after slot."""
    RETURNING = "rolling back"
    """The old generation takes its slots back."""


class Turn(Enum):
    """What can turn up. The value is what a reader sees."""

    ASKED = "reload asked for"
    LOADED = "configuration accepted"
    REJECTED = "configuration refused"
    PROVEN = "first workers healthy for `reload.observe`"
    FAILED = "something speaks against the new generation"
    COMPLETE = "new workers in every slot"
    RETURNED = "old workers in every slot, or it can't be helped"
    STOPPED = "server stops"


class Deed(Enum):
    """What is done about it. The value completes the cell in the manual."""

    NOTHING = ""
    LOAD = "the configuration is read"
    FOLLOW = "follows"
    PROVE = "first workers are started"
    REFUSE = "nothing was touched; answered"
    ROLL = "the others are replaced"
    COMMIT = "committed; answered"
    GO_BACK = "the old generation is in force"
    CONCLUDE = "rolled back; answered"
    DISCARD = "the plan is given back"
    DISMISS = "first workers leave, the plan is given back; answered"
    BREAK_OFF = "answered"


@dataclass(frozen=True, slots=True)
class Cell:
    """What follows: the next phase (None: the same), and what is done."""

    to: Phase | None
    deed: Deed


NOTHING: Final = Cell(None, Deed.NOTHING)
"""Can't turn up here, or means nothing."""

TABLE: Final[Mapping[Phase, Mapping[Turn, Cell]]] = {
    Phase.IDLE: {
        Turn.ASKED: Cell(Phase.LOADING, Deed.LOAD),
        Turn.LOADED: Cell(None, Deed.DISCARD),
        Turn.REJECTED: NOTHING,
        Turn.PROVEN: NOTHING,
        Turn.FAILED: NOTHING,
        Turn.COMPLETE: NOTHING,
        Turn.RETURNED: NOTHING,
        Turn.STOPPED: NOTHING,
    },
    Phase.LOADING: {
        Turn.ASKED: Cell(None, Deed.FOLLOW),
        Turn.LOADED: Cell(Phase.PROVING, Deed.PROVE),
        Turn.REJECTED: Cell(Phase.IDLE, Deed.REFUSE),
        Turn.PROVEN: NOTHING,
        Turn.FAILED: NOTHING,
        Turn.COMPLETE: NOTHING,
        Turn.RETURNED: NOTHING,
        Turn.STOPPED: Cell(Phase.IDLE, Deed.BREAK_OFF),
    },
    Phase.PROVING: {
        Turn.ASKED: Cell(None, Deed.FOLLOW),
        Turn.LOADED: NOTHING,
        Turn.REJECTED: NOTHING,
        Turn.PROVEN: Cell(Phase.ROLLING, Deed.ROLL),
        Turn.FAILED: Cell(Phase.RETURNING, Deed.GO_BACK),
        Turn.COMPLETE: NOTHING,
        Turn.RETURNED: NOTHING,
        Turn.STOPPED: Cell(Phase.IDLE, Deed.DISMISS),
    },
    Phase.ROLLING: {
        Turn.ASKED: Cell(None, Deed.FOLLOW),
        Turn.LOADED: NOTHING,
        Turn.REJECTED: NOTHING,
        Turn.PROVEN: NOTHING,
        Turn.FAILED: Cell(Phase.RETURNING, Deed.GO_BACK),
        Turn.COMPLETE: Cell(Phase.IDLE, Deed.COMMIT),
        Turn.RETURNED: NOTHING,
        Turn.STOPPED: Cell(Phase.IDLE, Deed.BREAK_OFF),
    },
    Phase.RETURNING: {
        Turn.ASKED: Cell(None, Deed.FOLLOW),
        Turn.LOADED: NOTHING,
        Turn.REJECTED: NOTHING,
        Turn.PROVEN: NOTHING,
        Turn.FAILED: NOTHING,
        Turn.COMPLETE: NOTHING,
        Turn.RETURNED: Cell(Phase.IDLE, Deed.CONCLUDE),
        Turn.STOPPED: Cell(Phase.IDLE, Deed.BREAK_OFF),
    },
}
