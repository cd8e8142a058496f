"""`X-Request-Start`: when the proxy in front got a request, as nginx, HAProxy, Apache and the platforms write it.

There is no standard, only a habit: a number since the epoch, often behind `t=`, in whatever unit the proxy counts in. The sizes of the units lie so far
apart that the number tells which it is.
"""

from __future__ import annotations

import re
from typing import Final

_START: Final = re.compile(r"(?:t=)?([0-9]{10,19}(?:\.[0-9]{1,9})?)", re.ASCII)

_UNITS: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6))
"""Below the first number it is so many in a second: seconds until the year 5138, then milliseconds, then microseconds."""

_NANOSECONDS: Final = 1e9

BELIEVABLE: Final = 3600.0
"""Seconds. A request that claims to have waited for longer comes from a clock that is wrong: no client waits for an hour."""


def waited(value: str, now: float) -> float:
    """Seconds since the moment that the header names; 0 where it names none, or one that can't be.

    Args:
        value: of the header; "" for none.
        now: seconds since the epoch.
    """
    match = _START.fullmatch(value)
    if match is None:
        return 0.0
    number = float(match[1])
    per_second = next((per_second for limit, per_second in _UNITS if number < limit), _NANOSECONDS)
    seconds = now - number / per_second
    return seconds if 0 < seconds < BELIEVABLE else 0.0
