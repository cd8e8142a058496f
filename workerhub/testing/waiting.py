"""Waiting for a condition, never for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE = 30.0
"""Seconds: what a loaded machine may take. Only what fails waits so long."""


def wait_for(condition: Callable[[], Found], what: str, *, timeout: float = PATIENCE) -> Found:
    """Ask `condition` until its answer is true, and return that answer.

    Raises:
        AssertionError: `what` did not come about within `timeout` seconds.
    """
    limit = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > limit:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(0.01)
    return found
