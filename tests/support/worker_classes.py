"""The worker classes that every test of worker classes runs over, and what such a test needs to know about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workerhub.worker import WorkerType

WORKER_CLASSES = ("sync", "threaded", "gevent")

SIZES = ("threads", "connections")
"""The options that say how many requests a process runs at once."""


def one_slot(worker: WorkerType) -> dict[str, int]:
    """The options with which a class runs one request at a time."""
    return {name: 1 for name in SIZES if name in worker.Options.model_fields}
