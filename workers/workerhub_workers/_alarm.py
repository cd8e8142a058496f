"""A timer in the shape of a descriptor: it wakes a thread that sleeps in a poller, unless another thread puts it off in time.

So the sleeper needn't wake up to see that nothing is the matter. Python has it from 3.13 on (`os.timerfd_create`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

_MONOTONIC = 1  # CLOCK_MONOTONIC
_FLAGS = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)  # what TFD_NONBLOCK and TFD_CLOEXEC are defined as
_NANO = 1_000_000_000

_TimerSpec = ctypes.c_long * 4
"""`struct itimerspec`: seconds and nanoseconds of the interval, and until the first time."""

# Functions that never wait, so they may as well keep the interpreter lock.
_libc = ctypes.PyDLL(None) if sys.platform == "linux" else None


class Alarm:
    """Readable a fixed time after it was last put off, until `clear`, or until it is put off again.

    Args:
        seconds: that time.

    Raises:
        OSError: the system has no such timer, or no descriptor for it.
    """

    def __init__(self, seconds: float) -> None:
        if _libc is None:
            raise OSError("this system has no timerfd")
        self._fd: int = _libc.timerfd_create(_MONOTONIC, _FLAGS)
        if self._fd < 0:
            raise OSError("no timer is to be had")
        self._settime = _libc.timerfd_settime
        self._spec = ctypes.byref(_TimerSpec(0, 0, int(seconds), int(seconds % 1 * _NANO)))

    def fileno(self) -> int:
        """For the poller."""
        return self._fd

    def put_off(self) -> None:
        """Start the time anew."""
        self._settime(self._fd, 0, self._spec, None)

    def clear(self) -> None:
        """It was heard."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)
