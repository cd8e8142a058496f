"""A request outlives its deadline: interrupted, then given up, then its worker is replaced, drained and killed."""

from __future__ import annotations

from support.supervision import SIGKILL, exited, policy, read, ready, run, serving, spawn, spawned, story, tell

from workerhub.supervisor import DeadlineReached, Nudge, ReadBoard, StopRequested, Supervisor
from workerhub.supervisor.events import Started
from workerhub.testing import Logged

TIMED = policy(request_timeout=10)


def looks(supervisor: Supervisor) -> float | None:
    return supervisor.next_deadline()


def test_the_board_is_read_when_something_may_be_overdue_and_not_before() -> None:
    supervisor = Supervisor([TIMED], lambda most: most)
    for event in (Started(0), ready(1, at=1), ready(2, at=1)):
        supervisor.handle(event)
    assert looks(supervisor) == 11, "what hasn't started at 1 can't be overdue before 11"
    assert supervisor.handle(DeadlineReached(11)) == [ReadBoard()]
    supervisor.handle(read(11, w1=(run(4, 14),), w2=(run(8, 18),)))
    assert looks(supervisor) == 14, "the oldest running request's deadline"
    supervisor.handle(DeadlineReached(14))
    supervisor.handle(read(14, w1=(), w2=(run(8, 18),)))
    assert looks(supervisor) == 18
    supervisor.handle(DeadlineReached(18))
    supervisor.handle(read(18, w1=(), w2=()))
    assert looks(supervisor) == 28, "an idle server is looked at once in a request's time"


def test_without_request_deadlines_the_board_is_never_read() -> None:
    supervisor = Supervisor([policy()], lambda most: most)
    for event in (Started(0), ready(1, at=1), ready(2, at=1)):
        supervisor.handle(event)
    assert looks(supervisor) is None


def test_an_overdue_request_is_interrupted_once() -> None:
    with story(TIMED) as book:
        serving(book)
        book >> DeadlineReached(10) << ReadBoard()
        book >> read(10, w1=(run(0, 10), run(5, 15, index=1)), w2=()) << tell(1, Nudge.INTERRUPT)
        book >> DeadlineReached(15) << ReadBoard()
        book >> read(15, w1=(run(5, 15, index=1),), w2=()) << tell(1, Nudge.INTERRUPT)
        book >> DeadlineReached(20) << ReadBoard() >> read(20, w1=(), w2=())


def test_a_new_request_in_the_same_place_is_another_request() -> None:
    with story(TIMED) as book:
        serving(book)
        book >> DeadlineReached(10) << ReadBoard()
        book >> read(10, w1=(run(0, 10),)) << tell(1, Nudge.INTERRUPT)
        book >> DeadlineReached(15) << ReadBoard() >> read(15, w1=(run(11, 21),))
        book >> DeadlineReached(21) << ReadBoard()
        book >> read(21, w1=(run(11, 21),)) << tell(1, Nudge.INTERRUPT)


def test_a_request_that_cannot_be_ended_costs_its_worker_after_the_replacement_is_ready() -> None:
    with story(TIMED) as book:
        serving(book)
        stuck, other = run(0, 10), run(12, 22, index=1, line="GET /fine")
        book >> spawned(1) >> DeadlineReached(10) << ReadBoard()
        book >> read(10, w1=(stuck,)) << tell(1, Nudge.INTERRUPT)
        book >> DeadlineReached(15) << ReadBoard()
        book >> read(15, w1=(stuck, other))
        book << Logged("error", "worker main/0 (101) can't end GET /slow from 192.0.2.1 (15 s); it is replaced")
        book << tell(1, Nudge.DUMP) << spawn(3)
        book >> ready(3, at=16) << tell(1, Nudge.DRAIN) << Logged("info", "main: 2 of 2 workers ready")
        book >> DeadlineReached(17) << ReadBoard() >> read(17, w1=(stuck, other))
        book >> DeadlineReached(18) << ReadBoard() >> read(18, w1=(stuck,)) << tell(1, Nudge.KILL)
        book >> exited(1, SIGKILL, at=18.1, runs=(stuck,), dump="stack of the stuck thread")
        book << Logged(
            "error", "a request could not be ended (SIGKILL); it was running GET /slow", "stack of the stuck"
        )


def test_the_stacks_have_time_to_be_written_before_the_kill() -> None:
    """A draining worker's last request gets stuck: asked for its stacks now, killed at the next look."""
    with story(TIMED) as book:
        serving(book)
        stuck = run(0, 10)
        book >> StopRequested(1, fast=False, origin="SIGTERM") << Logged("info", "SIGTERM")
        book << tell(1, Nudge.FINISH) << tell(2, Nudge.FINISH)
        book >> exited(2, at=2) << Logged("info", "the server stops")
        book >> DeadlineReached(10) << ReadBoard() >> read(10, w1=(stuck,)) << tell(1, Nudge.INTERRUPT)
        book >> DeadlineReached(15) << ReadBoard() >> read(15, w1=(stuck,))
        book << Logged("error", "it is on its way out") << tell(1, Nudge.DUMP)
        book >> DeadlineReached(16) << ReadBoard() >> read(16, w1=(stuck,)) << tell(1, Nudge.KILL)


def test_stuck_workers_are_replaced_one_after_the_other_where_there_is_room_for_one() -> None:
    with story(TIMED) as book:
        serving(book)
        book >> DeadlineReached(10) << ReadBoard()
        book >> read(10, w1=(run(0, 10),), w2=(run(0, 10),)) << tell(1, Nudge.INTERRUPT) << tell(2, Nudge.INTERRUPT)
        book >> DeadlineReached(15) << ReadBoard() >> read(15, w1=(run(0, 10),), w2=(run(0, 10),))
        book << Logged("error", "main/0") << tell(1, Nudge.DUMP) << Logged("error", "main/1") << tell(2, Nudge.DUMP)
        book << spawn(3)
        book >> ready(3, at=16) << tell(1, Nudge.DRAIN)
        book >> DeadlineReached(17) << ReadBoard()
        book >> read(17, w1=(run(0, 10),), w2=(run(0, 10),)) << tell(1, Nudge.KILL)
        book >> exited(1, SIGKILL, at=17.1) << Logged("error", "a request could not be ended") << spawn(4, slot=1)
