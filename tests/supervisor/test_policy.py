from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.supervision import policy

from workerhub.supervisor.budget import RestartBudget
from workerhub.supervisor.policy import AGE_JITTER, Allowance, allowance, back_off, restarts_within


def test_back_off_is_nothing_at_first_then_doubles_up_to_the_most() -> None:
    assert [back_off(count, 1, 30) for count in range(8)] == [0, 1, 2, 4, 8, 16, 30, 30]


@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_back_off_is_never_more_than_the_most(count: int, first: float, most: float) -> None:
    assert 0 <= back_off(count, first, most) <= most


@given(st.lists(st.floats(0, 1e6)).map(sorted), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_restart_is_remembered_for_less_than_a_period(history: list[float], now: float, period: float) -> None:
    kept = restarts_within(history, now, period)
    assert all(now - moment < period for moment in kept)
    assert len(kept) + sum(now - moment >= period for moment in history) == len(history)


def test_a_worker_is_recycled_after_its_share_and_a_drawn_rest() -> None:
    assert allowance(policy(), lambda _most: 1 // 0) == Allowance(None, None, None)
    assert allowance(policy(max_requests=100), lambda _most: 1 // 0).requests == 100
    assert allowance(policy(max_requests=100, max_requests_jitter=20), lambda most: most // 2).requests == 110


def test_memory_is_not_left_to_chance() -> None:
    assert allowance(policy(max_memory=1 << 30), lambda _most: 1 // 0).memory == 1 << 30


@given(st.floats(0.001, 1e8), st.floats(0, 1))
def test_max_age_is_the_most_and_chance_takes_up_to_a_tenth_away(max_age: float, chance: float) -> None:
    age = allowance(policy(max_age=max_age), lambda most: int(most * chance)).age
    assert age is not None
    assert max_age * (1 - AGE_JITTER) <= age + 0.001 <= max_age + 0.001


def test_ages_are_drawn_in_milliseconds() -> None:
    assert allowance(policy(max_age=10), lambda most: most).age == 9
    assert allowance(policy(max_age=10), lambda _most: 1).age == 9.999
    assert allowance(policy(max_age=0.005), lambda most: most).age == 0.005


@pytest.mark.parametrize("change", [{"size": 0}, {"surge": 0}, {"kill_timeout": -1}, {"restart_intensity": -1}])
def test_an_impossible_policy_cannot_exist(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        policy(**change)


class TestRestartBudget:
    def restarts(self, lives: float, until: float = 1000, **changes: object) -> list[float]:
        """When a worker is restarted that dies so many seconds after each start."""
        budget, moments, now = RestartBudget(policy(**changes)), [], 0.0
        while now < until:
            budget.went_down(now)
            now = budget.due if budget.due is not None else now
            assert budget.may_start(now)
            budget.started(now)
            moments.append(now)
            now += lives
        return moments

    def test_the_first_restart_is_immediate_and_the_gaps_double(self) -> None:
        assert self.restarts(lives=0, until=60)[:6] == [0, 1, 3, 7, 15, 45]

    def test_beyond_the_intensity_restarts_are_backoff_max_apart(self) -> None:
        moments = self.restarts(lives=0.1)
        assert {later - sooner for sooner, later in pairwise(moments[5:])} == {30}

    def test_a_gap_that_has_passed_anyway_delays_nobody(self) -> None:
        assert self.restarts(lives=20, until=100) == [0, 20, 40, 60, 80]

    def test_rare_crashes_never_degrade(self) -> None:
        assert self.restarts(lives=61, until=500) == [61 * n for n in range(9)]

    def test_workers_that_go_down_together_count_once(self) -> None:
        budget = RestartBudget(policy(restart_intensity=1))
        for _ in range(10):
            budget.went_down(5)
        assert budget.may_start(5)
        budget.started(5)
        assert not budget.degraded

    def test_intensity_zero_degrades_at_the_first_crash(self) -> None:
        budget = RestartBudget(policy(restart_intensity=0))
        budget.went_down(5)
        assert budget.degraded
        assert budget.may_start(5)

    def test_replacing_the_healthy_costs_nothing(self) -> None:
        budget = RestartBudget(policy(restart_intensity=1))
        for moment in range(10):
            assert budget.may_start(moment)
            budget.started(moment)
        budget.went_down(10)
        assert (budget.degraded, budget.due) == (False, None)
