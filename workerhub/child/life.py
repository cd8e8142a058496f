"""The order of a worker's life.

Fork → title → foreign sockets closed → identity → worker class made → `prepare` → hook `worker_forked` → application
imported → hook `worker_ready` → reported ready → `serve` → `close` → what the application registered with `atexit`.
The kernel has reset signals before and ends the process after. (Python's and OpenSSL's random generators notice a fork
by themselves.) With a template the first half of it is the template's: see `template`.

Told to leave while it boots, a worker leaves at once: nothing runs in it that anybody waits for.
"""

from __future__ import annotations

from workerhub.child.steps import Life
from workerhub.kernel.birth import Birth
from workerhub.kernel.listeners import Listeners
from workerhub.logs import Logs
from workerhub.plan import PoolPlan
from workerhub.supervisor.commands import Spawn


def live(
    birth: Birth, pool: PoolPlan, order: Spawn, listeners: Listeners, logs: Logs, *, title: str = "workerhub"
) -> int:
    """Live a worker's whole life in this process.

    Args:
        birth: what connects it with the master.
        pool: what it serves, and how.
        order: who it is.
        listeners: the master's; those that aren't the pool's are closed.
        logs: where it writes.
        title: what the process's title begins with.

    Returns:
        the exit code; a failure was reported to the master before.
    """
    life = Life(birth, pool, order, logs)

    def course() -> None:
        life.take_place(listeners)
        life.make_worker(listeners)
        life.prepare()
        life.call_hook("worker_forked")
        app = life.load()
        life.call_hook("worker_ready")
        life.serve(app)

    return life.live(title, course)
