"""The pure core: events in, commands out. Read `events` and `commands` to know what the system can do.

* `events`, `commands` — the whole vocabulary.
* `machine` — `Supervisor`: takes events down, then goes as far as things are.
* `states` — one child's life, as a table.
* `policy` — the operator's numbers, and the arithmetic with them.
* `children`, `pool`, `pools` — the record of what is.
* `budget` — how fast and how often workers are restarted.
* `templates` — who forks the workers, with `preload`.
* `replacement` — which slots are empty, who gets a successor, who leaves.
* `watch` — request deadlines.
* `recycle` — which workers are worn out: requests, memory, age.
* `reload`, `scale`, `stop`, `upgrade` — what somebody asks for.
* `askers` — who waits for the outcome.
* `announcements` — how the server is, for whoever started it.
* `health`, `farewell` — verdicts and good news; what follows from an exit.
* `exits`, `causes` — exit codes, and the cause that is read in a worker's exit.
* `status`, `partings` — what is going on, and what went on lately.
* `boot`, `words` — how it is told.
* `diagram` — the table as the pages in the manual show it.
"""

from typing import TYPE_CHECKING

from workerhub.later import names_from

if TYPE_CHECKING:
    from workerhub.supervisor.commands import (
        AbandonPlan,
        Announce,
        Answer,
        ClaimInheritance,
        Command,
        CommitPlan,
        EndSuccessor,
        HandOver,
        Leave,
        Level,
        LoadPlan,
        Log,
        Moment,
        Nudge,
        ReadBoard,
        RunHook,
        Send,
        Spawn,
        SpawnTemplate,
        StartSuccessor,
        StopListening,
        Tell,
    )
    from workerhub.supervisor.events import (
        BoardRead,
        ChildExited,
        ChildFailed,
        ChildId,
        ChildReady,
        ChildSpawned,
        DeadlineReached,
        Event,
        Exit,
        Inherited,
        LimitReached,
        PlanLoaded,
        PlanRejected,
        Reading,
        ReloadRequested,
        Run,
        ScaleRequested,
        SpawnFailed,
        Started,
        StopRequested,
        SuccessorLost,
        SuccessorReady,
        SuccessorStarted,
        Ticket,
        UpgradeRequested,
    )
    from workerhub.supervisor.exits import Cause, ServerExit, WorkerExit
    from workerhub.supervisor.machine import Supervisor
    from workerhub.supervisor.policy import Draw, PoolPolicy

__getattr__ = names_from(
    __name__,
    {
        "commands": (
            "AbandonPlan Announce Answer ClaimInheritance Command CommitPlan EndSuccessor HandOver Leave Level LoadPlan Log "
            "Moment Nudge ReadBoard RunHook Send Spawn SpawnTemplate StartSuccessor StopListening Tell"
        ),
        "events": (
            "BoardRead ChildExited ChildFailed ChildId ChildReady ChildSpawned DeadlineReached Event Exit Inherited LimitReached "
            "PlanLoaded PlanRejected Reading ReloadRequested Run ScaleRequested SpawnFailed Started StopRequested SuccessorLost "
            "SuccessorReady SuccessorStarted Ticket UpgradeRequested"
        ),
        "exits": "Cause ServerExit WorkerExit",
        "machine": "Supervisor",
        "policy": "Draw PoolPolicy",
    },
)

__all__ = [
    "AbandonPlan",
    "Announce",
    "Answer",
    "BoardRead",
    "Cause",
    "ChildExited",
    "ChildFailed",
    "ChildId",
    "ChildReady",
    "ChildSpawned",
    "ClaimInheritance",
    "Command",
    "CommitPlan",
    "DeadlineReached",
    "Draw",
    "EndSuccessor",
    "Event",
    "Exit",
    "HandOver",
    "Inherited",
    "Leave",
    "Level",
    "LimitReached",
    "LoadPlan",
    "Log",
    "Moment",
    "Nudge",
    "PlanLoaded",
    "PlanRejected",
    "PoolPolicy",
    "ReadBoard",
    "Reading",
    "ReloadRequested",
    "Run",
    "RunHook",
    "ScaleRequested",
    "Send",
    "ServerExit",
    "Spawn",
    "SpawnFailed",
    "SpawnTemplate",
    "StartSuccessor",
    "Started",
    "StopListening",
    "StopRequested",
    "SuccessorLost",
    "SuccessorReady",
    "SuccessorStarted",
    "Supervisor",
    "Tell",
    "Ticket",
    "UpgradeRequested",
    "WorkerExit",
]
