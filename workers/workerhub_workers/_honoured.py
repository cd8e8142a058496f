"""The settings that the reactor puts into force for every class that uses it."""

from __future__ import annotations

from typing import Final

HONOURED: Final = frozenset({"http.max_connections", "http.proxy_protocol", "queue.max_wait"})
"""See `Worker.honours`."""
