"""The order of a template's life, and of a worker's that it forks (`preload`).

The template: fork → title → foreign sockets closed → identity → worker class made → `prepare` → application imported → what it left
behind looked at → `gc.freeze` → reported ready → forks workers until told to leave.

A worker: fork → title → worker class made → hook `worker_forked` → hook `worker_ready` → reported ready → `serve` → `close` → what the
application registered with `atexit`. All else it has from the template: sockets, identity, the patched and imported world.

The worker class is made twice, and the instance in the template only prepares: what it keeps in itself no worker sees, so that none is
tempted to share a descriptor or a thread that isn't there. And a template that was ready leaves without `close` and `atexit`: what
these would clean up, its workers may still use.
"""

from __future__ import annotations

import gc
import pickle
from collections.abc import Mapping
from functools import partial

from workerhub.child.leftovers import open_connections, other_threads
from workerhub.child.steps import Life
from workerhub.kernel.birth import Birth
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.protocol import Forks
from workerhub.logs import ErrorLog, Logs
from workerhub.plan import PoolPlan
from workerhub.supervisor.commands import Spawn, SpawnTemplate
from workerhub.worker import TEMPLATE_SLOT, WSGIApplication


def live_as_template(
    birth: Birth,
    forks: Forks,
    *,
    pool: PoolPlan,
    order: SpawnTemplate,
    listeners: Listeners,
    logs: Logs,
    title: str = "workerhub",
) -> int:
    """Live a template's whole life in this process.

    Args:
        birth: what connects it with the master.
        forks: how it forks.
        pool: whose workers it forks.
        order: who it is.
        listeners: the master's; those that aren't the pool's are closed.
        logs: where it and its workers write.
        title: what processes' titles begin with.

    Returns:
        the exit code; a failure was reported to the master before.
    """
    life = Life(birth, pool, Spawn(order.child, order.pool, TEMPLATE_SLOT, order.generation, None), logs)
    was_ready = False

    def course() -> None:
        nonlocal was_ready
        life.take_place(listeners)
        life.make_worker(listeners)
        before = open_connections()
        life.prepare()
        app = life.load()
        _warn(life.error_log, before)
        gc.collect()  # what is garbage by now, each worker would keep
        gc.freeze()  # what isn't is never looked at again, so its pages stay shared
        was_ready = life.get_ready()
        forks.serve(partial(_live_as_worker, pool=pool, app=app, listeners=listeners, logs=logs, title=title))

    life.set_title(title)
    code = life.go(course)
    if not was_ready:
        life.close()
    return code


def word_for(order: Spawn) -> bytes:
    """What the template is told about a worker that it is to fork."""
    return pickle.dumps(order)


def _live_as_worker(
    birth: Birth, word: bytes, *, pool: PoolPlan, app: WSGIApplication, listeners: Listeners, logs: Logs, title: str
) -> int:
    """Live the rest of a worker's life, from the fork; the exit code."""
    order: Spawn = pickle.loads(word)  # noqa: S301  # our master's
    life = Life(birth, pool, order, logs)

    def course() -> None:
        life.watch_master()
        life.make_worker(listeners)
        life.call_hook("worker_forked")
        life.call_hook("worker_ready")
        life.serve(app)

    return life.live(title, course)


def _warn(error_log: ErrorLog, before: Mapping[int, str]) -> None:
    """Say what the workers won't have, or won't have for themselves.

    Args:
        error_log: where.
        before: the connections that were open before the import.
    """
    instead = "or when they are first needed (docs/explanation/fork-safety.md)"
    if threads := other_threads():
        error_log.warning(
            f"threads that the import has started don't exist in the workers: {', '.join(threads)};"
            f" start them in hooks.worker_ready, {instead}",
            threads=threads,
        )
    if peers := sorted(peer for inode, peer in open_connections().items() if inode not in before):
        error_log.warning(
            f"connections that the import has left open are the same ones in all workers, which get each other's answers: {', '.join(peers)};"
            f" make them in hooks.worker_ready, {instead}",
            connections=peers,
        )
