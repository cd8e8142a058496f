"""A signal between a test and the process it started: wait for a condition, never for a while."""

from __future__ import annotations

import os
import select

from support.waiting import PATIENCE


class Latch:
    """Made before the fork. Each `open` lets one `wait` pass, in whichever process."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def open(self, times: int = 1) -> None:
        """Let so many waits pass."""
        os.write(self._writer, b"." * times)

    def wait(self) -> None:
        """Wait for one `open`; fails after `PATIENCE`."""
        ready, _, _ = select.select([self._reader], [], [], PATIENCE)
        if not ready:
            raise TimeoutError("nobody opened the latch")
        os.read(self._reader, 1)

    def is_open(self) -> bool:
        """Whether a wait would pass now."""
        return bool(select.select([self._reader], [], [], 0)[0])

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._reader)
        os.close(self._writer)
