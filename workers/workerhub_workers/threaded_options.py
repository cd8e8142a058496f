"""What `[worker]` takes for `threaded`. Apart from the class, so that its workers need no pydantic."""

from __future__ import annotations

from pydantic import Field

from workerhub.worker import WorkerOptions


class ThreadedOptions(WorkerOptions):
    """What `[worker]` takes for `threaded`."""

    threads: int = Field(default=8, ge=1, le=1000, description="Requests that one process runs at the same time.")
