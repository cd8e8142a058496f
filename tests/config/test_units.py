from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerhub.config.units import (
    DURATION_UNITS,
    LONGEST_DURATION,
    SIZE_UNITS,
    format_duration,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("5m", 300.0),
        ("12h", 43200.0),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("2d", 172800.0),
        ("0s", 0.0),
        (90, 90.0),
        (0.1, 0.1),
        (0, 0.0),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 * 2**20),
        ("64KiB", 65536),
        ("10MB", 10_000_000),
        ("1KB", 1000),
        ("1.5KiB", 1536),
        ("7B", 7),
        ("2GiB", 2**31),
        ("1GB", 10**9),
        (8192, 8192),
        (0, 0),
        (4096.0, 4096),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("30", "write it without quotes, or with a unit (ms, s, m, h, d)"),
        ("30 s", 'did you mean "30s"?'),
        ("30S", 'did you mean "30s"?'),
        (" 30s", 'did you mean "30s"?'),
        ("30sec", "the units are ms, s, m, h, d"),
        ("soon", ""),
        ("", ""),
        ("-1s", ""),
        ("٣s", ""),  # digits, but not ASCII ones
        (True, ""),
        (None, ""),
        ([30], ""),
        (-1, "a time can't be negative"),
        (float("nan"), "a number has to be finite"),
        (float("inf"), "a number has to be finite"),
        (LONGEST_DURATION + 1, "that is more than ten years"),
        (10**400, "that is more than ten years"),
    ],
)
def test_what_is_no_duration(text: object, hint: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is compared as a whole
        parse_duration(text)
    assert str(caught.value) == hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("64kib", 'did you mean "64KiB"?'),
        ("8k", "the units are B, KB, KiB, MB, MiB, GB, GiB"),
        ("1.5B", "that is not a whole number of bytes"),
        (1.5, "that is not a whole number of bytes"),
        (-1, "a size can't be negative"),
        (False, ""),
    ],
)
def test_what_is_no_size(text: object, hint: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is compared as a whole
        parse_size(text)
    assert str(caught.value) == hint


@given(st.integers(min_value=0, max_value=3000), st.sampled_from(sorted(DURATION_UNITS)))
def test_a_written_duration_reads_back(number: int, unit: str) -> None:
    seconds = parse_duration(f"{number}{unit}")
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=0, max_value=10**6), st.sampled_from(sorted(SIZE_UNITS)))
def test_a_unit_multiplies(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == number * SIZE_UNITS[unit]


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans(), st.binary()))
def test_anything_else_is_a_value_error(value: object) -> None:
    """No other exception: pydantic turns a `ValueError` into a problem, and nothing else."""
    for parse in (parse_duration, parse_size):
        with contextlib.suppress(ValueError):
            assert parse(value) >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(90, "90s"), (120, "2m"), (0.25, "250ms"), (0, "0s"), (86400, "1d"), (5400, "90m"), (1.5, "1500ms")],
)
def test_durations_are_written_short(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
