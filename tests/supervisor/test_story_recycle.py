"""Workers have done their share of requests: replaced before they are retired."""

from __future__ import annotations

from support.supervision import SEGFAULT, exited, policy, ready, spawn, story, tell

from workerhub.supervisor import ChildId, DeadlineReached, LimitReached, Nudge
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
        book >> exited(1, at=52) << Logged("info", "worker main/0 is gone: recycled after its share of requests")


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
        book >> ready(3, at=51)
