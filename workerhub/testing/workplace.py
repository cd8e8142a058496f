"""Puts a worker class to work in a process of its own, without a master: real sockets, real signals, a board and a log to look at."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from workerhub.testing.forking import fork
from workerhub.testing.journal import Trail
from workerhub.testing.life import Life
from workerhub.testing.served import AppT, Moment, Served
from workerhub.testing.staging import Staging
from workerhub.worker import OptionValues, WorkerType
from workerhub.worker.lazy import declared_lazily


@contextmanager
def serving(worker: WorkerType, app: AppT, **circumstances: Any) -> Iterator[Served[AppT]]:
    """Run a worker class with an application until the block ends; then it is drained, and killed if that takes too long.

    Args:
        worker: the class.
        app: the application; being forked, it may be a closure over latches.
        circumstances: as for `Staging.of`.

    Raises:
        AssertionError: it didn't come to serve or didn't leave, or something went wrong in it that the application has no part in.
        ThreadsError: this process has threads, so it can't be forked safely.
    """
    with employing(worker, app, Staging.of(**circumstances)) as served:
        served.come_to(Moment.SERVING)
        yield served
        if not served.has_ended():
            served.drain()
            served.wait()
        if troubles := served.troubles():
            raise AssertionError("\n".join(troubles))


@contextmanager
def employing(worker: WorkerType, app: AppT, staging: Staging) -> Iterator[Served[AppT]]:
    """Begin a worker's life; what is left of it when the block ends is killed.

    An exception that leaves the block gets what the worker has logged, and where its threads are, as a note.

    Raises:
        ThreadsError: this process has threads, so it can't be forked safely.
    """
    chosen = worker.Options.model_validate(dict(staging.options))
    # As a plan would bring them to the worker.
    values = OptionValues({name: getattr(chosen, name) for name in type(chosen).model_fields})
    options = values if declared_lazily(worker) else chosen
    listeners = staging.listeners or (socket.create_server(("127.0.0.1", 0), backlog=256),)
    with ExitStack() as belongings:
        trail = Trail.of(worker.capacity(chosen))
        belongings.callback(trail.close)
        for listener in listeners:
            listener.setblocking(False)
            belongings.callback(listener.close)
        life = Life(worker, options, staging, listeners, trail)
        pid = fork(partial(life.live, app, os.getpid()), trail.journal)
        served = Served(app, listeners[0].getsockname(), pid, staging.patience, trail)
        belongings.callback(served.kill)
        for listener in listeners:
            listener.close()
        try:
            yield served
        except BaseException as error:
            error.add_note(served.story())
            raise
