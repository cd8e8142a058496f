"""The picture of what is going on, drawn in the middle of stories."""

from __future__ import annotations

from support.supervision import SEGFAULT, exited, policy, ready, run, serving, spawn, spawned, story, tell

from workerhub.supervisor import (
    ChildId,
    LimitReached,
    LoadPlan,
    Nudge,
    PlanLoaded,
    PoolPolicy,
    Reading,
    ReloadRequested,
    ScaleRequested,
    Started,
    StopRequested,
    Supervisor,
)
from workerhub.supervisor.partings import KEPT
from workerhub.supervisor.status import ExitStatus, ReloadStatus, RunStatus, ServerStatus, WorkerStatus
from workerhub.testing import Logged, Playbook


def look(book: Playbook, now: float, **readings: Reading) -> ServerStatus:
    """What somebody who asks at that moment sees: `look(book, 10, w1=Reading(...))`."""
    supervisor = book._supervisor
    assert isinstance(supervisor, Supervisor)
    return supervisor.status({ChildId(int(name[1:])): reading for name, reading in readings.items()}, now)


def test_a_worker_that_serves() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> spawned(1)
        runs = (run(8.0, 9.0, index=0), run(5.0, index=1, line="GET /old"))
        status = look(book, 10.0, w1=Reading(requests=7, runs=runs, memory=1 << 20))
    assert status.generation == 1
    assert status.stopping is False
    assert status.reload is None
    ((pool),) = status.pools
    assert (pool.name, pool.size, pool.configured, pool.serving, pool.degraded) == ("main", 1, 1, 1, False)
    assert pool.workers == (
        WorkerStatus(
            slot=0,
            generation=1,
            pid=101,
            state="ready",
            in_state=10.0,
            age=10.0,
            requests=7,
            memory=1 << 20,
            leaving="",
            busy=2,
            running=(
                RunStatus("GET /old", "192.0.2.1", 5.0, overdue=False),
                RunStatus("GET /slow", "192.0.2.1", 2.0, overdue=True),
            ),
        ),
    )


def test_a_template_stands_before_its_workers_without_a_slot() -> None:
    with quietly(policy(size=1, preload=True)) as book:
        book >> Started(0) >> spawned(1) >> ready(1, at=0) >> spawned(2) >> ready(2, at=0) >> exited(1, SEGFAULT, at=3)
        (pool,) = look(book, 10.0).pools
    assert [(one.slot, one.pid, one.state) for one in pool.workers] == [(None, None, "booting"), (0, 102, "ready")]
    assert (pool.serving, pool.size) == (1, 1)
    assert pool.exits == (ExitStatus(7.0, None, 1, 101, "crashed", "crashed (SIGSEGV)", trouble=True),)


def test_of_many_requests_the_oldest_are_shown() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        runs = tuple(run(float(number), index=number) for number in range(100))
        (worker,) = look(book, 200.0, w1=Reading(5, runs)).pools[0].workers
    assert worker.busy == 100
    assert [shown.seconds for shown in worker.running] == [200.0 - number for number in range(10)]


def quietly(*policies: PoolPolicy) -> Playbook:
    """A story in which it doesn't matter what is commanded."""
    return Playbook(Supervisor(policies, lambda most: most), leaving_out=lambda _command: True)


def test_before_anything_has_happened() -> None:
    with quietly(policy(size=1)) as book:
        assert look(book, 1.0).pools[0].workers == ()


def test_a_worker_that_boots_has_no_age_and_one_without_a_row_nothing_to_tell() -> None:
    with quietly(policy(size=1)) as book:
        book >> Started(0)
        (worker,) = look(book, 4.0).pools[0].workers
    assert (worker.state, worker.in_state, worker.age, worker.pid) == ("booting", 4.0, None, None)
    assert (worker.requests, worker.memory, worker.busy) == (0, None, 0)


def test_why_workers_leave_and_have_left() -> None:
    with quietly(policy(size=2, max_requests=5)) as book:
        book >> Started(0) >> spawned(1) >> spawned(2) >> ready(1, at=0) >> ready(2, at=0)
        book >> LimitReached(10, ChildId(1)) >> exited(2, SEGFAULT, at=12)
        (pool,) = look(book, 20.0).pools
    one = next(worker for worker in pool.workers if worker.pid == 101)
    assert (one.state, one.in_state, one.leaving) == ("outgoing", 10.0, "its share of requests is done")
    assert pool.serving == 1
    assert pool.exits == (ExitStatus(8.0, 1, 1, 102, "crashed", "crashed (SIGSEGV)", trouble=True),)


def test_ordinary_exits_do_not_drive_a_crash_out() -> None:
    with quietly(policy(size=1)) as book:
        book >> Started(0) >> ready(1, at=0) >> exited(1, SEGFAULT, at=1) >> ready(2, at=2)
        for number in range(3, 20):
            book >> ScaleRequested(number, +1, "test") >> ready(number, at=number)
            book >> ScaleRequested(number, -1, "test") >> exited(number, at=number + 0.5)
        exits = look(book, 30.0).pools[0].exits
    assert [it.cause for it in exits] == ["scaled_down"] * KEPT + ["crashed"]
    assert [it.ago for it in exits] == sorted(it.ago for it in exits)


def test_a_pool_that_restarts_too_often() -> None:
    with quietly(policy(size=1, restart_intensity=1)) as book:
        book >> Started(0) >> ready(1, at=0) >> exited(1, SEGFAULT, at=1) >> ready(2, at=2) >> exited(2, SEGFAULT, at=3)
        (pool,) = look(book, 5.0).pools
    assert (pool.degraded, pool.next_start, pool.serving) == (True, 26.0, 0)


def test_the_stages_of_a_reload() -> None:
    with story() as book:
        serving(book)
        book >> ReloadRequested(10, "test") << Logged("info", "reload asked for (test)") << LoadPlan(2)
        assert look(book, 10).reload == ReloadStatus("loading", 2, 0, 2)
        book >> PlanLoaded(11, (policy(),)) << spawn(3, generation=2)
        assert look(book, 11).reload == ReloadStatus("proving", 2, 0, 2)
        book >> ready(3, at=12) << Logged("info", "proven itself") << tell(1, Nudge.DRAIN)
        status = look(book, 12)
        assert status.reload == ReloadStatus("rolling", 2, 1, 2)
        assert status.generation == 1, "until it is committed there is a way back"
        assert [(worker.slot, worker.generation, worker.state) for worker in status.pools[0].workers] == [
            (0, 1, "draining"),
            (0, 2, "ready"),
            (1, 1, "outgoing"),
        ]
        assert status.pools[0].serving == 2


def test_a_reload_on_its_way_back() -> None:
    with quietly(policy(size=1)) as book:
        book >> Started(0) >> ready(1, at=0) >> ReloadRequested(10, "test") >> PlanLoaded(11, (policy(size=2),))
        book >> ready(2, at=12) >> exited(3, SEGFAULT, at=13)
        reload = look(book, 13).reload
        assert reload is not None
        assert (reload.phase, reload.generation) == ("rolling back", 2)


def test_scaled_and_stopping() -> None:
    with quietly(policy(size=1)) as book:
        book >> Started(0) >> ready(1, at=0) >> ScaleRequested(1, +1, "test")
        assert (look(book, 2).pools[0].size, look(book, 2).pools[0].configured) == (2, 1)
        book >> StopRequested(3, fast=False, origin="test")
        status = look(book, 4)
        assert status.stopping
        assert [worker.leaving for worker in status.pools[0].workers] == ["the server stops"] * 2
