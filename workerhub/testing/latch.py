"""A signal between a test and the process it started: wait for a condition, never for a while."""

from __future__ import annotations

import os
import select
from contextlib import suppress

from workerhub.testing.waiting import PATIENCE


class Latch:
    """Made before the fork. Each `open` lets one `wait` pass, in whichever process, also in a greenlet.

    Args:
        patience: seconds after which a wait fails.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._patience = patience

    def open(self, times: int = 1) -> None:
        """Let so many waits pass."""
        os.write(self._writer, b"." * times)

    def wait(self) -> None:
        """Wait for one `open`.

        Raises:
            TimeoutError: nobody opened the latch while there was patience.
        """
        while select.select([self._reader], [], [], self._patience)[0]:
            with suppress(BlockingIOError):  # another waiter was faster
                os.read(self._reader, 1)
                return
        raise TimeoutError("nobody opened the latch")

    def is_open(self) -> bool:
        """Whether a wait would pass now."""
        return bool(select.select([self._reader], [], [], 0)[0])

    def shut(self) -> None:
        """Take back what was opened and not waited for."""
        with suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._reader)
        os.close(self._writer)
