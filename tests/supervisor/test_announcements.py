"""What whoever started the server is told of it."""

from __future__ import annotations

from support.supervision import CLEAN, SEGFAULT, exited, policy, ready

from workerhub.supervisor import (
    Announce,
    ChildFailed,
    ChildId,
    DeadlineReached,
    Event,
    Exit,
    Moment,
    PlanLoaded,
    PlanRejected,
    PoolPolicy,
    ReloadRequested,
    Started,
    StopRequested,
    Supervisor,
)


class Listener:
    """A supervisor, and what it announces."""

    def __init__(self, *policies: PoolPolicy) -> None:
        self._supervisor = Supervisor(policies or (policy(),), lambda most: most)

    def hears(self, *events: Event) -> list[tuple[Moment, str]]:
        """Let things happen, one after the other."""
        commands = [command for event in events for command in self._supervisor.handle(event)]
        return [(told.moment, told.status) for told in commands if isinstance(told, Announce)]

    def serving(self) -> Listener:
        self.hears(Started(0), ready(1, at=1), ready(2, at=2))
        return self


def hup(at: float) -> ReloadRequested:
    return ReloadRequested(at, "SIGHUP")


def test_ready_with_the_first_worker() -> None:
    listener = Listener()
    assert listener.hears(Started(0)) == [(Moment.PROGRESS, "generation 1: 0 of 2 workers serving")]
    assert listener.hears(ready(2, at=1)) == [(Moment.READY, "generation 1: 1 of 2 workers serving")]
    assert listener.hears(ready(1, at=2)) == [(Moment.PROGRESS, "generation 1: 2 of 2 workers serving")]
    assert listener.hears(DeadlineReached(3)) == []


def test_ready_when_every_pool_is() -> None:
    listener = Listener(policy(name="web", size=1), policy(name="api", size=1))
    assert listener.hears(Started(0), ready(1, at=1))[-1] == (
        Moment.PROGRESS,
        "generation 1: 1 of 2 workers serving",
    )
    assert listener.hears(ready(2, at=2)) == [(Moment.READY, "generation 1: 2 of 2 workers serving")]


def test_a_reload_from_its_request_to_its_end() -> None:
    listener = Listener().serving()
    assert listener.hears(hup(10)) == [(Moment.RELOADING, "generation 1: 2 of 2 workers serving; trying generation 2")]
    assert listener.hears(PlanLoaded(11, (policy(),))) == []
    assert listener.hears(ready(3, at=12)) == [
        (Moment.PROGRESS, "generation 1: 2 of 2 workers serving; generation 2: 1 of 2 replaced")
    ]
    assert listener.hears(exited(1, at=13)) == []
    assert listener.hears(ready(4, at=14)) == [(Moment.RELOADED, "generation 2: 2 of 2 workers serving")]


def test_a_reload_that_is_rolled_back_half_way_is_over_when_all_are_old_again() -> None:
    listener = Listener().serving()
    listener.hears(hup(10), PlanLoaded(11, (policy(),)), ready(3, at=12), exited(1, at=13))
    assert listener.hears(exited(4, SEGFAULT, at=14)) == [
        (Moment.PROGRESS, "generation 1: 2 of 2 workers serving; generation 2 is rolled back: 1 of 2 old again")
    ]
    assert listener.hears(ready(5, at=15)) == [(Moment.RELOADED, "generation 1: 2 of 2 workers serving")]


def test_a_way_back_that_is_blocked_shows_in_the_status() -> None:
    listener = Listener().serving()
    listener.hears(hup(10), PlanLoaded(11, (policy(),)), ready(3, at=12), exited(1, at=13), exited(4, SEGFAULT, at=14))
    status = "generation 1: 2 of 2 workers serving, 1 of them of a generation that was rolled back"
    assert listener.hears(exited(5, SEGFAULT, at=15)) == [(Moment.RELOADED, status)]


def test_a_reload_that_is_refused_or_fails_before_anything_is_replaced_is_over_too() -> None:
    listener = Listener().serving()
    before = (Moment.RELOADED, "generation 1: 2 of 2 workers serving")
    assert listener.hears(hup(10), PlanRejected(11, "server.toml:7: ..."))[-1] == before
    listener.hears(hup(20), PlanLoaded(21, (policy(),)))
    failed = ChildFailed(22, ChildId(3), "SyntaxError", "Traceback")
    assert listener.hears(failed, exited(3, Exit(code=64), at=22)) == [before]


def test_of_two_reloads_in_a_row_each_has_a_beginning_and_an_end() -> None:
    """systemd waits for a RELOADING that is younger than its own request."""
    listener = Listener().serving()
    listener.hears(hup(10))
    assert listener.hears(hup(11)) == []
    assert [moment for moment, _ in listener.hears(PlanRejected(12, "no"))] == [Moment.RELOADED, Moment.RELOADING]
    assert [moment for moment, _ in listener.hears(PlanRejected(13, "no"))] == [Moment.RELOADED]


def test_a_crash_shows_in_the_status() -> None:
    listener = Listener().serving()
    assert listener.hears(exited(2, SEGFAULT, at=10)) == [(Moment.PROGRESS, "generation 1: 1 of 2 workers serving")]
    assert listener.hears(ready(3, at=11)) == [(Moment.PROGRESS, "generation 1: 2 of 2 workers serving")]


def test_a_degraded_pool_shows_in_the_status() -> None:
    listener = Listener(policy(restart_intensity=0)).serving()
    assert listener.hears(exited(2, SEGFAULT, at=10)) == [
        (Moment.PROGRESS, "generation 1: 1 of 2 workers serving; degraded")
    ]


def test_a_stop_counts_down() -> None:
    listener = Listener().serving()
    stop = StopRequested(10, fast=False, origin="SIGTERM")
    assert listener.hears(stop) == [(Moment.STOPPING, "stopping: 2 workers left")]
    assert listener.hears(stop) == []
    assert listener.hears(exited(1, CLEAN, at=11)) == [(Moment.PROGRESS, "stopping: 1 worker left")]
    assert listener.hears(exited(2, CLEAN, at=12)) == [(Moment.PROGRESS, "stopping: 0 workers left")]


def test_a_start_that_fails_is_never_ready() -> None:
    listener = Listener(policy(size=1))
    failed = ChildFailed(1, ChildId(1), "SyntaxError", "Traceback")
    told = listener.hears(Started(0), failed, exited(1, Exit(code=64), at=1))
    assert [moment for moment, _ in told] == [Moment.PROGRESS, Moment.STOPPING]


def test_a_reload_asked_for_while_starting_is_told_when_it_is_ready() -> None:
    listener = Listener()
    assert [moment for moment, _ in listener.hears(Started(0), hup(1))] == [Moment.PROGRESS]
    assert [moment for moment, _ in listener.hears(ready(1, at=2))] == [Moment.READY, Moment.RELOADING]
