"""The built-in worker classes keep the contract, clause by clause."""

from __future__ import annotations

from typing import ClassVar

import gevent  # noqa: F401  # its import takes longer than most clauses; each worker finds it done, and patches
from workerhub_workers.gevent import GeventWorker
from workerhub_workers.sync import SyncWorker
from workerhub_workers.threaded import ThreadedWorker

from workerhub.testing.pytest_plugin import WorkerContract


class TestSync(WorkerContract):
    worker = SyncWorker


class TestThreaded(WorkerContract):
    worker = ThreadedWorker
    options: ClassVar = {"threads": 2}


class TestGevent(WorkerContract):
    worker = GeventWorker
    options: ClassVar = {"connections": 32}
