"""Whether requests are of the kind that had better run where they are found, judged by those that did."""

from __future__ import annotations

import resource
from time import monotonic, thread_time

WORTH = 0.0001
"""Seconds of waiting for something that two more switches between threads are worth; less is better waited for on the spot."""

GOOD = 1
"""What a sample that didn't wait does to trust."""

BAD = -2
"""What one that waited does, and any request that was late: so trust stands a third of the samples, or one that is late every other sample."""

MOST = 8
"""So much trust is lost again by a handful of requests."""

PAUSE = 0.1
"""Seconds for which trust that was lost isn't given; twice as many each time that it is lost again before it has grown to `MOST`."""

LONGEST_PAUSE = 1.6
"""Seconds that one try in vain, which costs the others a millisecond or two, is to be rarer than."""

_THREAD = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)


class Trust:
    """A number that grows with each request that turns out well, and falls faster with those that don't.

    Not judged while requests are handed over: one that waits for the interpreter, because other threads have it, can't be told from
    one that waits for a database. So trust that was lost is given again after a while, for a try.
    """

    def __init__(self) -> None:
        self._level = 0
        self._pause = PAUSE
        self._again_at = 0.0

    def is_given(self, now: float) -> bool:
        """Whether requests may run where they are found."""
        if self._level < 0 and now >= self._again_at:
            self._level = 0
        return self._level >= 0

    def grow(self) -> None:
        """A sample didn't wait."""
        self._level = min(self._level + GOOD, MOST)
        if self._level == MOST:
            self._pause = PAUSE

    def shrink(self, now: float) -> None:
        """A sample waited, or a request was late."""
        self._level += BAD
        if self._level < 0:
            self._again_at = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)


class Sample:
    """Watches one request in the thread that runs it, from now on."""

    __slots__ = ("_idle", "_waits")

    def __init__(self) -> None:
        self._waits = _waits()
        self._idle = _idle()

    def has_waited(self) -> bool:
        """Whether the request has waited for long.

        Both must be: waits without much time are locks that were free a moment later, time without a wait is another process's that had the processor.
        """
        return _idle() - self._idle > WORTH and _waits() != self._waits


def _waits() -> int:
    """How often this thread has waited for anything."""
    return resource.getrusage(_THREAD).ru_nvcsw


def _idle() -> float:
    """A clock, in seconds, that stands still while this thread computes."""
    return monotonic() - thread_time()
