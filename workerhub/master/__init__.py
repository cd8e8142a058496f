"""The master process: owns listeners, board and children; never imports the application.

* `loop` — `Master`: happenings become events, commands become deeds.
* `desk`, `stacks` — answering questions: what is going on, and where every worker is.
* `stage` — what the loop needs besides a kernel.
* `generations` — the real stage: plans, listeners and logs, by generation.
* `watcher` — reloads while somebody develops.
* `signals` — what each signal means.
* `serve` — everything put together: from a command line to an exit code.
"""

from workerhub.master.loop import Master
from workerhub.master.serve import serve
from workerhub.master.stage import PlanRefusedError, Stage

__all__ = ["Master", "PlanRefusedError", "Stage", "serve"]
