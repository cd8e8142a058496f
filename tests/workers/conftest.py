"""Every test in this folder runs over every built-in worker class."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from support.latch import Latch
from support.worker_classes import WORKER_CLASSES

from workerhub.worker import WorkerType, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

for part in ("monkey", "selectors", "signal", "ssl", "subprocess"):
    import_module(
        f"gevent.{part}"
    )  # takes longer than most tests: the workers that are forked here find it done, and patch


@pytest.fixture(params=WORKER_CLASSES)
def worker(request: pytest.FixtureRequest) -> WorkerType:
    """A worker class."""
    return find(request.param).cls


@pytest.fixture
def latch() -> Iterator[Callable[[], Latch]]:
    """Makes latches, and closes them afterwards."""
    latches: list[Latch] = []

    def make() -> Latch:
        latches.append(Latch())
        return latches[-1]

    yield make
    for one in latches:
        one.close()
