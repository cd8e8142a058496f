"""The worker classes that every test of worker classes runs over, and what such a test needs to know about them."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workerhub.worker import WorkerType

WORKER_CLASSES = tuple(sorted(entry_points(group="workerhub.workers").names))
"""Whatever is installed: a class of somebody else's has to pass, too."""

SIZES = ("threads", "connections")
"""The options that say how many requests a process runs at once."""


def one_slot(worker: WorkerType) -> dict[str, int]:
    """The options with which a class runs one request at a time."""
    return {name: 1 for name in SIZES if name in worker.Options.model_fields}
