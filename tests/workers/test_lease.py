"""Who has the reactor of `threaded`, and how it gets from hand to hand."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from workerhub_workers._alarm import Alarm
from workerhub_workers._lease import Lease, Standby
from workerhub_workers._seat import Seat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerhub.worker import RequestSlot

NO_SLOT = cast("RequestSlot", None)
"""These seats run no requests of the gateway's."""


@pytest.fixture
def signals() -> Iterator[tuple[int, int]]:
    """A pipe: where the signals' bytes come out, and where they go in."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def standby(signals: tuple[int, int]) -> Iterator[Standby]:
    standby = Standby(signals[0])
    yield standby
    standby.close()


@pytest.fixture
def lease(standby: Standby) -> Lease:
    return Lease(Seat(0, NO_SLOT), standby)


def calls() -> Any:
    """Counts how often the borrower was called."""
    heard: list[None] = []
    return heard, lambda: heard.append(None)


def test_between_two_requests_it_cant_be_taken_away(lease: Lease) -> None:
    assert not lease.revoke()
    lease.enter()
    assert lease.leave()
    assert not lease.revoke()
    assert not lease.is_over


def test_the_borrower_learns_of_it_behind_the_request(lease: Lease) -> None:
    lease.enter()
    assert lease.revoke()
    assert lease.is_over
    assert not lease.leave()


def test_one_that_goes_on_without_it_finds_it_gone(lease: Lease) -> None:
    lease.enter()
    lease.forgo()
    assert lease.is_over
    assert not lease.leave()


def test_what_was_taken_away_isnt_given_back_again(lease: Lease, standby: Standby) -> None:
    lease.enter()
    assert lease.revoke()
    another = Lease(lease.seat, standby)
    lease.forgo()
    assert not another.is_over


def test_the_main_thread_sleeps_until_it_is_given_back(lease: Lease, standby: Standby) -> None:
    heard, call = calls()

    def borrow() -> None:
        for _ in range(100):
            lease.enter()
            lease.leave()
        lease.give_back()

    lease.seat.start(lambda _: borrow())
    assert not standby.wait(lease, call)
    lease.seat.dismiss()
    assert not heard


def test_a_request_that_waits_loses_it(lease: Lease, standby: Standby) -> None:
    go_on, outcome = threading.Event(), []

    def borrow() -> None:
        lease.enter()
        go_on.wait(30)
        outcome.append(lease.leave())

    lease.seat.start(lambda _: borrow())
    assert standby.wait(lease, calls()[1])
    go_on.set()
    lease.seat.dismiss()
    assert outcome == [False]


def test_a_signal_has_it_back_from_a_borrower_that_sleeps(
    lease: Lease, standby: Standby, signals: tuple[int, int]
) -> None:
    called = threading.Event()

    def borrow() -> None:
        called.wait(30)
        if lease.is_wanted:
            lease.give_back()

    lease.seat.start(lambda _: borrow())
    os.write(signals[1], b".")
    assert not standby.wait(lease, called.set)
    lease.seat.dismiss()
    # The byte is the reactor's to take, and doesn't keep anybody awake.
    assert os.read(signals[0], 64) == b"."


def test_a_signal_has_it_back_from_a_request_at_once(lease: Lease, standby: Standby, signals: tuple[int, int]) -> None:
    lease.enter()
    os.write(signals[1], b".")
    assert not standby.wait(lease, calls()[1])
    assert lease.is_over


def test_however_the_wait_ended_it_can_be_had_back(lease: Lease, standby: Standby) -> None:
    lease.enter()
    standby.have_back(lease, calls()[1])
    assert lease.is_over


def test_an_alarm_rings_once_for_each_time_it_was_put_off() -> None:
    alarm = Alarm(0.002)
    poller = select.poll()
    poller.register(alarm.fileno(), select.POLLIN)
    try:
        assert poller.poll(0) == []
        for _ in range(2):
            alarm.put_off()
            assert poller.poll(30_000) == [(alarm.fileno(), select.POLLIN)]
            alarm.clear()
            assert poller.poll(0) == []
        alarm.clear()
    finally:
        alarm.close()


def test_an_alarm_that_is_put_off_is_silent_again() -> None:
    alarm = Alarm(0.002)
    poller = select.poll()
    poller.register(alarm.fileno(), select.POLLIN)
    later = Alarm(1000.0)
    try:
        alarm.put_off()
        assert poller.poll(30_000)
        poller.register(later.fileno(), select.POLLIN)
        later.put_off()
        alarm.clear()
        assert poller.poll(10) == []
    finally:
        alarm.close()
        later.close()
