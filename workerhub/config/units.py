"""Times and sizes as an operator writes them, and back."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

DURATION_UNITS: Final = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
"""Seconds in each unit, smallest first."""

SIZE_UNITS: Final = {
    "B": 1,
    "KB": 10**3,
    "KiB": 2**10,
    "MB": 10**6,
    "MiB": 2**20,
    "GB": 10**9,
    "GiB": 2**30,
}
"""Bytes in each unit. As IEC 80000-13 has it: KiB is 1024, KB is 1000; upper and lower case mean what they say."""

DURATION_PATTERN: Final = rf"^[0-9]+(\.[0-9]+)?({'|'.join(DURATION_UNITS)})$"
SIZE_PATTERN: Final = rf"^[0-9]+(\.[0-9]+)?({'|'.join(SIZE_UNITS)})$"

LONGEST_DURATION: Final = 10 * 365 * 86400.0
"""Seconds. Ten years: beyond it somebody meant another unit, and no clock arithmetic can overflow below it."""


def parse_duration(value: object) -> float:
    """Read "30s", "5m", "12h", "250ms", "1d" or a number of seconds.

    Returns:
        Seconds, 0 or more.

    Raises:
        ValueError: anything else; the text is a hint for the operator, or empty where there is none to give.
    """
    seconds = _number(value) if not isinstance(value, str) else _quantity(value, DURATION_PATTERN, DURATION_UNITS)
    if seconds < 0:
        raise ValueError("a time can't be negative")
    if seconds > LONGEST_DURATION:
        raise ValueError("that is more than ten years")
    return float(seconds)


def parse_size(value: object) -> int:
    """Read "512MiB", "64KiB", "10MB" or a number of bytes.

    Returns:
        Bytes, 0 or more.

    Raises:
        ValueError: anything else; the text is a hint for the operator, or empty where there is none to give.
    """
    size = _number(value) if not isinstance(value, str) else _quantity(value, SIZE_PATTERN, SIZE_UNITS)
    if size < 0:
        raise ValueError("a size can't be negative")
    if size != int(size):
        raise ValueError("that is not a whole number of bytes")
    return int(size)


def format_duration(seconds: float) -> str:
    """Write seconds in the largest unit that needs no fraction: 90 is "90s", 120 is "2m", 0.25 is "250ms"."""
    exact = Fraction(seconds).limit_denominator(1_000_000)
    if exact == 0:
        return "0s"
    for unit, factor in reversed(DURATION_UNITS.items()):
        if exact % factor == 0:
            return f"{exact // factor}{unit}"
    return f"{seconds:g}s"


def _number(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError  # noqa: TRY004  # pydantic turns a ValueError, not a TypeError, into a problem
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number has to be finite")
    return Fraction(value)


def _quantity(text: str, pattern: str, units: dict[str, Fraction] | dict[str, int]) -> Fraction:
    match = re.fullmatch(pattern, text)
    if match is None:
        raise ValueError(_unit_hint(text, units))
    unit = match[2]
    return Fraction(text.removesuffix(unit)) * units[unit]


def _unit_hint(text: str, units: dict[str, Fraction] | dict[str, int]) -> str:
    """Say how `text` would be written right, where only the unit or a space is wrong."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    if match is None:
        return ""
    number, word = match.groups()
    if not word:
        return f"write it without quotes, or with a unit ({', '.join(units)})"
    exact = [unit for unit in units if unit == word] or [unit for unit in units if unit.lower() == word.lower()]
    if exact:
        return f'did you mean "{number}{exact[0]}"?'
    return f"the units are {', '.join(units)}"
