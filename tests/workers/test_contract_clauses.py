"""The built-in worker classes keep the contract, clause by clause."""

from __future__ import annotations

from typing import ClassVar

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
