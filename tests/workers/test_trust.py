"""When requests may run where they are found."""

from __future__ import annotations

import threading

from workerhub_workers._trust import LONGEST_PAUSE, MOST, PAUSE, Sample, Trust


def test_it_is_given_to_begin_with_and_lost_with_the_first_that_is_late() -> None:
    trust = Trust()
    assert trust.is_given(100.0)
    trust.shrink(100.0)
    assert not trust.is_given(100.0 + PAUSE / 2)


def test_it_is_given_again_for_a_try() -> None:
    trust = Trust()
    trust.shrink(100.0)
    assert trust.is_given(100.0 + PAUSE)
    trust.shrink(100.0 + PAUSE)
    assert not trust.is_given(100.0 + PAUSE)


def test_each_try_in_vain_makes_the_next_one_wait_longer() -> None:
    trust, now = Trust(), 100.0
    pauses = []
    for _ in range(8):
        trust.shrink(now)
        lost_at = now
        while not trust.is_given(now):
            now += PAUSE / 8
        pauses.append(round((now - lost_at) / PAUSE))
    assert pauses == [1, 2, 4, 8, 16, 16, 16, 16]
    assert pauses[-1] * PAUSE == LONGEST_PAUSE


def test_once_it_has_grown_it_stands_a_few_and_comes_back_soon() -> None:
    trust = Trust()
    trust.shrink(100.0)
    trust.shrink(200.0)
    assert trust.is_given(300.0)
    for _ in range(10 * MOST):
        trust.grow()
    for _ in range(4):
        trust.shrink(300.0)
    assert trust.is_given(300.0)
    trust.shrink(300.0)
    assert not trust.is_given(300.0)
    assert trust.is_given(300.0 + PAUSE)


def test_a_sample_tells_waiting_from_computing() -> None:
    sample = Sample()
    sum(range(100_000))
    assert not sample.has_waited()
    threading.Event().wait(0.01)
    assert sample.has_waited()
