"""Stopping: gently, hurried, or at once."""

from __future__ import annotations

from support.supervision import (
    CLEAN,
    SEGFAULT,
    SIGKILL,
    exited,
    policy,
    ready,
    run,
    serving,
    spawn,
    spawned,
    story,
    tell,
)

from workerhub.supervisor import (
    ChildExited,
    ChildId,
    DeadlineReached,
    Exit,
    Leave,
    LimitReached,
    Nudge,
    Reading,
    Send,
    StopListening,
    StopRequested,
    Supervisor,
)
from workerhub.supervisor.events import Started
from workerhub.testing import Logged, Playbook

ABORTED = Exit(code=67)


def term(at: float) -> StopRequested:
    return StopRequested(at, fast=False, origin="SIGTERM")


def interrupt(at: float) -> StopRequested:
    return StopRequested(at, fast=True, origin="SIGINT")


def asked(book: Playbook, at: float) -> None:
    book >> term(at) << Logged("info", "graceful stop asked for (SIGTERM)")


def test_everyone_finishes_and_the_server_leaves() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << tell(1, Nudge.FINISH) << tell(2, Nudge.FINISH)
        book >> exited(1, at=11) << Logged("info", "worker main/0 is gone: the server stops")
        book >> exited(2, at=13) << Logged("info", "worker main/1")
        book << Logged("info", "stopped after 3 s: no request was cut") << Leave(0)


def test_nobody_new_is_let_in_while_those_who_are_in_are_served_to_the_end() -> None:
    supervisor = Supervisor([policy(size=1, drain_delay=5)], lambda most: most)
    for event in (Started(0), ready(1, at=0), term(10)):
        assert StopListening("main") not in supervisor.handle(event)
    told = [it for it in supervisor.handle(DeadlineReached(15)) if isinstance(it, StopListening | Send)]
    assert told == [StopListening("main"), tell(1, Nudge.FINISH)]
    assert StopListening("main") not in supervisor.handle(term(16))


def test_the_end_says_how_many_were_finished() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << tell(1, Nudge.FINISH) << tell(2, Nudge.FINISH)
        book >> ChildExited(11, ChildId(1), CLEAN, Reading(1000, drained=12)) << Logged("info", "worker main/0")
        book >> ChildExited(13, ChildId(2), CLEAN, Reading(7, drained=5)) << Logged("info", "worker main/1")
        book << Logged("info", "stopped after 3 s: no request was cut, 17 finished") << Leave(0)


def test_after_leaving_nothing_is_asked_any_more() -> None:
    """Also if the board was to be read at this very moment."""
    with story(policy(size=1, request_timeout=10)) as book:
        serving(book, 1)
        asked(book, 5)
        book << tell(1, Nudge.FINISH)
        book >> exited(1, at=10) << Logged("info", "the server stops") << Logged("info", "stopped") << Leave(0)


def test_the_drain_delay_is_served_out_and_crashes_are_mended_meanwhile() -> None:
    with story(policy(size=1, drain_delay=5, max_requests=9)) as book:
        book >> Started(0) << spawn(1, after=9) >> ready(1, at=0) << Logged("info", "ready")
        asked(book, 10)
        book >> exited(1, SEGFAULT, at=11) << Logged("error", "crashed") << spawn(2, after=9)
        book >> ready(2, at=12) >> LimitReached(13, ChildId(2))
        book >> DeadlineReached(15) << tell(2, Nudge.FINISH)
        (
            book
            >> exited(2, at=16)
            << Logged("info", "the server stops")
            << Logged("info", "stopped after 6 s")
            << Leave(0)
        )


def test_asked_twice_the_delay_is_skipped() -> None:
    with story(policy(size=1, drain_delay=60)) as book:
        serving(book, 1)
        asked(book, 10)
        book >> term(12) << Logged("info", "again") << tell(1, Nudge.FINISH)


def test_what_does_not_finish_is_cut_and_counted() -> None:
    with story() as book:
        serving(book)
        book >> spawned(1) >> spawned(2)
        asked(book, 10)
        book << tell(1, Nudge.FINISH) << tell(2, Nudge.FINISH)
        book >> DeadlineReached(40)
        book << tell(1, Nudge.DUMP) << tell(1, Nudge.ABORT) << tell(2, Nudge.DUMP) << tell(2, Nudge.ABORT)
        book >> exited(1, ABORTED, at=40.1, runs=(run(9),), dump="stacks")
        book << Logged(
            "error", "worker main/0 (101)", "timeouts.graceful (exit code 67); it was running GET /slow", "stacks"
        )
        book >> DeadlineReached(45) << tell(2, Nudge.KILL)
        book >> exited(2, SIGKILL, at=45.1, runs=(run(8), run(9, index=1)))
        book << Logged("error", "did not finish within timeouts.graceful (SIGKILL)")
        book << Logged("warning", "stopped after 35.1 s: 3 requests cut") << Leave(0)


def test_a_fast_stop_cuts_at_once_and_kills_soon() -> None:
    with story(policy(kill_timeout=60)) as book:
        serving(book)
        book >> interrupt(10) << Logged("info", "fast stop asked for (SIGINT)")
        book << tell(1, Nudge.ABORT) << tell(2, Nudge.ABORT)
        book >> exited(1, ABORTED, at=10.1) << Logged("info", "the server stops (exit code 67)")
        book >> DeadlineReached(15) << tell(2, Nudge.KILL)
        book >> exited(2, SIGKILL, at=15.1) << Logged("info", "the server stops (SIGKILL)")
        book << Logged("info", "stopped") << Leave(0)


def test_a_graceful_stop_can_be_hurried() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10)
        book << tell(1, Nudge.FINISH)
        book >> interrupt(11) << Logged("info", "fast stop", "again") << tell(1, Nudge.ABORT)
        book >> term(12) << Logged("info", "again")


def test_booting_workers_leave_too() -> None:
    with story() as book:
        book >> Started(0) << spawn(1) << spawn(2, slot=1)
        asked(book, 1)
        book << tell(1, Nudge.DRAIN) << tell(2, Nudge.DRAIN)
        book >> exited(1, at=1.1) << Logged("info", "the server stops")
        book >> DeadlineReached(6) << tell(2, Nudge.KILL)
        book >> exited(2, SIGKILL, at=6.1) << Logged("info", "the server stops (SIGKILL)") << Logged("info", "stopped")
        book << Leave(0)


def test_a_worker_whose_readiness_crossed_the_order_gets_its_time() -> None:
    with story(policy(size=1)) as book:
        book >> Started(0) << spawn(1)
        asked(book, 1)
        book << tell(1, Nudge.DRAIN) >> ready(1, at=1.1) >> DeadlineReached(6)
        book >> DeadlineReached(31) << tell(1, Nudge.DUMP) << tell(1, Nudge.ABORT)


def test_a_process_that_survives_sigkill_cannot_hold_the_server() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> interrupt(10) << Logged("info", "fast stop") << tell(1, Nudge.ABORT)
        book >> DeadlineReached(15) << tell(1, Nudge.KILL)
        (
            book
            >> DeadlineReached(25)
            << Logged("error", "worker main/0 is still there after SIGKILL")
            << tell(1, Nudge.KILL)
        )
        book << Logged("error", "leaving 1 worker behind") << Logged("info", "stopped") << Leave(0)


def test_a_crash_while_leaving_is_told_as_what_it_is() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10)
        book << tell(1, Nudge.FINISH) >> exited(1, SEGFAULT, at=11) << Logged("error", "crashed (SIGSEGV, draining)")
        book << Logged("info", "stopped") << Leave(0)


def test_killed_from_outside_while_leaving_is_told_as_what_it_is() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10)
        book << tell(1, Nudge.FINISH) >> exited(1, SIGKILL, at=11, runs=(run(9),))
        book << Logged("error", "killed from outside (SIGKILL)") << Logged("warning", "1 request cut") << Leave(0)
