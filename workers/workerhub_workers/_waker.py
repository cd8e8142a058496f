"""Wakes a thread that sleeps in a poller."""

from __future__ import annotations

import contextlib
import os


class Waker:
    """A pipe whose reading end stands in the poller. May be rung by any thread, and from a signal handler."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._rung = False

    def fileno(self) -> int:
        """The reading end."""
        return self._reader

    def ring(self) -> None:
        """Have the sleeper wake up, or not fall asleep. What it shall see has to be in place before."""
        if not self._rung:
            self._rung = True
            with contextlib.suppress(BlockingIOError):
                os.write(self._writer, b".")

    def clear(self) -> None:
        """To be called by the woken one before it looks: a ring from now on is a new one."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 64)
        self._rung = False

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._reader)
        os.close(self._writer)
