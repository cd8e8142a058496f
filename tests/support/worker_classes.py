"""The worker classes that every system test runs over."""

from __future__ import annotations

WORKER_CLASSES = ("sync", "threaded")
