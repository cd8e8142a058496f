"""Workers are worn out, by requests, memory or age: replaced before they are retired."""

from __future__ import annotations

from support.reloads import asked
from support.supervision import SEGFAULT, ask, exited, policy, read, ready, run, spawn, spawned, story, tell, weigh

from workerhub.supervisor import (
    ChildId,
    DeadlineReached,
    LimitReached,
    Nudge,
    ReadBoard,
    StopRequested,
    Supervisor,
)
from workerhub.supervisor.commands import AbandonPlan
from workerhub.supervisor.events import Started
from workerhub.testing import Logged, Playbook

LIMITED = policy(max_requests=100, max_requests_jitter=10)


def limit(number: int, *, at: float) -> LimitReached:
    return LimitReached(at, ChildId(number))


def serving(book: Playbook) -> None:
    book >> Started(0) << spawn(1, after=110) << spawn(2, slot=1, after=110)
    book >> ready(1, at=0) >> ready(2, at=0) << Logged("info", "2 of 2 workers ready")


def test_the_replacement_is_ready_before_the_worker_leaves() -> None:
    with story(LIMITED) as book:
        serving(book)
        book >> limit(1, at=50) << spawn(3, after=110)
        book >> ready(3, at=51) << tell(1, Nudge.DRAIN)
        book >> exited(1, at=52) << Logged("info", "worker main/0 is gone: recycled: its share of requests is done")


def test_one_at_a_time_the_others_wait_in_the_order_in_which_they_came() -> None:
    with story(LIMITED) as book:
        serving(book)
        book >> limit(2, at=50) << spawn(3, slot=1, after=110) >> limit(1, at=50.5) >> limit(1, at=50.6)
        book >> ready(3, at=51) << tell(2, Nudge.DRAIN)
        book >> exited(2, at=52) << Logged("info", "recycled") << spawn(4, after=110)


def test_a_larger_surge_recycles_more_at_once() -> None:
    with story(policy(max_requests=100, surge=2)) as book:
        book >> Started(0) << spawn(1, after=100) << spawn(2, slot=1, after=100)
        book >> ready(1, at=0) >> ready(2, at=0) << Logged("info", "ready")
        book >> limit(1, at=50) << spawn(3, after=100) >> limit(2, at=50) << spawn(4, slot=1, after=100)


def test_pools_recycle_independently() -> None:
    one, other = policy(name="web", size=1, max_requests=9), policy(name="api", size=1, max_requests=9)
    with story(one, other) as book:
        book >> Started(0) << spawn(1, pool="web", after=9) << spawn(2, pool="api", after=9)
        book >> ready(1, at=0) << Logged("info", "web") >> ready(2, at=0) << Logged("info", "api")
        book >> limit(1, at=50) << spawn(3, pool="web", after=9)
        book >> limit(2, at=50) << spawn(4, pool="api", after=9)


def test_a_replacement_that_crashes_is_tried_again_while_the_worker_serves() -> None:
    with story(LIMITED) as book:
        serving(book)
        book >> limit(1, at=50) << spawn(3, after=110)
        book >> exited(3, SEGFAULT, at=50.5) << Logged("error", "crashed (SIGSEGV, booting)") << spawn(4, after=110)
        book >> exited(4, SEGFAULT, at=50.6) << Logged("error", "crashed (SIGSEGV, booting)")
        book >> DeadlineReached(51.5) << spawn(5, after=110)
        book >> ready(5, at=52) << tell(1, Nudge.DRAIN)


def test_a_worker_that_crashes_while_it_waits_for_its_replacement_needs_no_other() -> None:
    with story(LIMITED) as book:
        serving(book)
        book >> limit(1, at=50) << spawn(3, after=110)
        book >> exited(1, SEGFAULT, at=50.5) << Logged("error", "crashed (SIGSEGV)")
        book >> ready(3, at=51) << Logged("info", "main: 2 of 2 workers ready")


def test_a_limit_that_is_reached_while_a_reload_replaces_the_worker_is_not_forgotten_when_it_is_rolled_back() -> None:
    with story(policy(size=1, max_requests=100, restart_intensity=0)) as book:
        book >> Started(0) << spawn(1, after=100) >> ready(1, at=0) << Logged("info", "1 of 1 workers ready")
        asked(book, 10, policy(size=2, max_requests=100, restart_intensity=0))
        book << spawn(2, generation=2, after=100)
        book >> limit(1, at=10.2)
        book >> exited(2, SEGFAULT, at=10.5) << Logged("error", "crashed") << AbandonPlan(2)
        book << Logged("error", "rolled back") << spawn(3, after=100)


# Memory


HEAVY = policy(max_memory=512 << 20)


def heavy(book: Playbook) -> None:
    """Two workers that begin with 100 MiB each."""
    book >> Started(0) << spawn(1) << spawn(2, slot=1) >> spawned(1) >> spawned(2)
    book >> ready(1, at=0) << ask(512, 1) >> weigh(0, w1=100, w2=None)
    book >> ready(2, at=0) << Logged("info", "2 of 2 workers ready") << ask(512, 2) >> weigh(0, w1=None, w2=100)


def test_memory_is_looked_at_when_a_worker_becomes_ready_and_then_of_all_at_once_every_five_seconds() -> None:
    supervisor = Supervisor([HEAVY], lambda most: most)
    supervisor.handle(Started(0))
    assert supervisor.next_deadline() == 60, "who boots isn't looked at"
    assert supervisor.handle(ready(1, at=1))[-1] == ask(512, 1)
    supervisor.handle(weigh(1, w1=100))
    assert supervisor.handle(ready(2, at=4))[-1] == ask(512, 2)
    supervisor.handle(weigh(4, w2=100))
    for moment in (6, 11, 16):
        assert supervisor.next_deadline() == moment
        assert supervisor.handle(DeadlineReached(moment)) == [ask(512, 1, 2)]
        supervisor.handle(weigh(moment, w1=100, w2=100))


def test_without_a_limit_nobody_s_memory_is_looked_at() -> None:
    supervisor = Supervisor([policy()], lambda most: most)
    for event in (Started(0), ready(1, at=1), ready(2, at=1)):
        assert not [command for command in supervisor.handle(event) if isinstance(command, ReadBoard)]
    assert supervisor.next_deadline() is None


def test_only_pools_with_a_limit_are_looked_at() -> None:
    with story(policy(name="web", size=1, max_memory=512 << 20), policy(name="api", size=1)) as book:
        book >> Started(0) << spawn(1, pool="web") << spawn(2, pool="api")
        book >> ready(1, at=0) << Logged("info", "web") << ask(512, 1) >> weigh(0, w1=100)
        book >> ready(2, at=0) << Logged("info", "api")
        book >> DeadlineReached(5) << ask(512, 1) >> weigh(5, w1=100, w2=None)


def test_a_worker_that_holds_too_much_is_replaced_and_the_log_says_how_much() -> None:
    with story(HEAVY) as book:
        heavy(book)
        book >> DeadlineReached(5) << ask(512, 1, 2) >> weigh(5, w1=612, w2=512) << spawn(3)
        book >> DeadlineReached(10) << ask(512, 2) >> weigh(10, w2=512)
        book >> ready(3, at=11) << tell(1, Nudge.DRAIN) << ask(512, 3) >> weigh(11, w3=100)
        book >> exited(1, at=12)
        book << Logged("info", "worker main/0 (101) is gone: recycled: 612 MiB of memory, limit 512 MiB")


def test_two_that_hold_too_much_at_the_same_moment_leave_one_after_the_other() -> None:
    with story(HEAVY) as book:
        heavy(book)
        book >> DeadlineReached(5) << ask(512, 1, 2) >> weigh(5, w1=612, w2=700) << spawn(3)
        book >> ready(3, at=6) << tell(1, Nudge.DRAIN) << ask(512, 3) >> weigh(6, w3=100)
        book >> exited(1, at=7) << Logged("info", "612 MiB") << spawn(4, slot=1)
        book >> ready(4, at=8) << tell(2, Nudge.DRAIN) << ask(512, 4) >> weigh(8, w4=100)
        book >> exited(2, at=9) << Logged("info", "700 MiB of memory, limit 512 MiB")


def test_a_limit_that_no_worker_can_keep_is_told_once_and_costs_a_boot_a_minute() -> None:
    with story(policy(size=1, max_memory=512 << 20)) as book:
        book >> Started(0) << spawn(1) >> ready(1, at=0) << Logged("info", "1 of 1 workers ready") << ask(512, 1)
        book >> weigh(0, w1=600)
        book << Logged("warning", "main/0 holds 600 MiB of memory, limit 512 MiB, as soon as it is ready", "60 s each")
        for moment in range(5, 60, 5):
            book >> DeadlineReached(moment) << ask(512, 1) >> weigh(moment, w1=700)
        book >> DeadlineReached(60) << spawn(2)
        book >> ready(2, at=61) << tell(1, Nudge.DRAIN) << ask(512, 2) >> weigh(61, w2=600)
        book >> exited(1, at=62) << Logged("info", "recycled: 700 MiB of memory, limit 512 MiB")


def test_memory_that_cannot_be_read_is_told_once() -> None:
    with story(HEAVY) as book:
        book >> Started(0) << spawn(1) << spawn(2, slot=1)
        book >> ready(1, at=0) << ask(512, 1) >> weigh(0, w1=None)
        book >> ready(2, at=0) << Logged("info", "2 of 2 workers ready") << ask(512, 2) >> weigh(0, w2=None)
        book >> DeadlineReached(5) << Logged("warning", "memory of worker main/0 can't be read", "has no effect")
        book << ask(512, 1, 2) >> weigh(5, w1=None, w2=None)
        book >> DeadlineReached(10) << ask(512, 1, 2) >> weigh(10, w1=None, w2=None)


def test_one_reading_serves_memory_and_request_deadlines() -> None:
    with story(policy(size=1, max_memory=512 << 20, request_timeout=5)) as book:
        book >> Started(0) << spawn(1) >> ready(1, at=0) << Logged("info", "ready") << ask(512, 1)
        book >> weigh(0, w1=100)
        book >> DeadlineReached(5) << ask(512, 1) >> read(5, w1=(run(0, 5),)) << tell(1, Nudge.INTERRUPT)


def test_a_look_at_memory_does_not_cut_the_time_that_stacks_have_to_be_written() -> None:
    timed, heavy = policy(name="web", size=1, request_timeout=4), policy(name="api", size=1, max_memory=512 << 20)
    with story(timed, heavy) as book:
        stuck = run(0, 4)
        book >> Started(0) << spawn(1, pool="web") << spawn(2, pool="api") >> ready(1, at=0) << Logged("info", "web")
        book >> ready(2, at=0.5) << Logged("info", "api") << ask(512, 2) >> read(0.5, w1=(stuck,), w2=())
        book >> DeadlineReached(4) << ReadBoard() >> read(4, w1=(stuck,)) << tell(1, Nudge.INTERRUPT)
        book >> DeadlineReached(5.5) << Logged("warning", "can't be read") << ask(512, 2)
        book >> read(5.5, w1=(stuck,), w2=())
        book >> DeadlineReached(9) << ReadBoard() >> read(9, w1=(stuck,)) << Logged("error", "can't end")
        book << tell(1, Nudge.DUMP) << spawn(3, pool="web") >> ready(3, at=9.1) << tell(1, Nudge.DRAIN)
        book << Logged("info", "web: 1 of 1 workers ready") >> read(9.2, w1=(stuck,))
        book >> DeadlineReached(10.2) << ReadBoard() >> read(10.2, w1=(stuck,)) << tell(1, Nudge.KILL)


def test_a_stopping_server_looks_at_nobody_s_memory_and_replaces_nobody() -> None:
    supervisor = Supervisor([policy(max_memory=512 << 20, max_age=3, drain_delay=60)], lambda most: most)
    for event in (Started(0), ready(1, at=0), ready(2, at=0), weigh(0, w1=100, w2=100)):
        supervisor.handle(event)
    supervisor.handle(StopRequested(1, fast=False, origin="SIGTERM"))
    assert supervisor.handle(weigh(2, w1=900, w2=900)) == []
    assert supervisor.handle(LimitReached(2, ChildId(1))) == []
    assert supervisor.handle(DeadlineReached(20)) == []
    assert supervisor.next_deadline() == 61, "drain_delay is over"


# Age


def test_a_worker_is_replaced_exactly_when_it_has_served_long_enough() -> None:
    """Chance takes the most away here: a tenth."""
    with story(policy(size=1, max_age=12 * 3600)) as book:
        book >> Started(0) << spawn(1) >> ready(1, at=100) << Logged("info", "1 of 1 workers ready")
        book >> DeadlineReached(100 + 38879.9) >> DeadlineReached(100 + 38880) << spawn(2)
        book >> ready(2, at=39000) << tell(1, Nudge.DRAIN)
        book >> exited(1, at=39001) << Logged("info", "worker main/0 is gone: recycled: it has served for 10.8 h")


def test_the_moment_is_known_in_advance_and_nothing_ticks_until_then() -> None:
    supervisor = Supervisor([policy(size=1, max_age=1000)], lambda _most: 0)
    supervisor.handle(Started(0))
    supervisor.handle(ready(1, at=7))
    assert supervisor.next_deadline() == 1007
    supervisor.handle(DeadlineReached(1007))
    supervisor.handle(ready(2, at=1008))
    assert supervisor.next_deadline() == 1008 + 30, "timeouts.graceful of the old one"


def test_a_slow_boot_is_no_part_of_the_age() -> None:
    """Otherwise a worker that boots longer than `max_age` would be replaced as soon as it is ready, for ever."""
    with story(policy(size=1, max_age=10)) as book:
        book >> Started(0) << spawn(1) >> ready(1, at=50) << Logged("info", "ready") >> DeadlineReached(58.9)
        book >> DeadlineReached(59) << spawn(2)


def test_workers_that_are_equally_old_leave_one_after_the_other() -> None:
    with story(policy(max_age=100)) as book:
        book >> Started(0) << spawn(1) << spawn(2, slot=1)
        book >> ready(1, at=0) >> ready(2, at=0) << Logged("info", "ready")
        book >> DeadlineReached(90) << spawn(3) >> ready(3, at=91) << tell(1, Nudge.DRAIN)
        book >> exited(1, at=92) << Logged("info", "it has served for 90 s") << spawn(4, slot=1)
        book >> ready(4, at=93) << tell(2, Nudge.DRAIN)


def test_siblings_draw_different_ages() -> None:
    chances = iter((0, 10_000))
    supervisor = Supervisor([policy(max_age=100)], lambda _most: next(chances))
    for event in (Started(0), ready(1, at=0), ready(2, at=0)):
        supervisor.handle(event)
    assert [child.expires for child in supervisor.children()] == [100, 90]


def test_a_worker_that_a_reload_kept_is_recycled_if_its_time_has_come() -> None:
    """The reload is rolled back after the old worker's time has come; what it had to be replaced for is then its age."""
    aging = policy(max_age=20)
    with story(aging) as book:
        book >> Started(0) << spawn(1) << spawn(2, slot=1)
        book >> ready(1, at=0) >> ready(2, at=0) << Logged("info", "ready")
        asked(book, 10, aging)
        book << spawn(3, generation=2) >> ready(3, at=12) << Logged("info", "proven") << tell(1, Nudge.DRAIN)
        book >> exited(1, at=13) << Logged("info", "new generation") << spawn(4, slot=1, generation=2)
        book >> DeadlineReached(18)
        book >> exited(4, SEGFAULT, at=19) << Logged("error", "crashed") << AbandonPlan(2)
        book << Logged("error", "rolled back") << spawn(5)
        book >> ready(5, at=20) << Logged("info", "every slot again") << tell(3, Nudge.DRAIN)
        book >> exited(3, at=21) << Logged("info", "rolled back") << spawn(6, slot=1)
        book >> ready(6, at=22) << tell(2, Nudge.DRAIN)
        book >> exited(2, at=23) << Logged("info", "recycled: it has served for 19 s")
