"""New configuration and new code, without a moment in which nobody serves."""

from __future__ import annotations

from support.supervision import SEGFAULT, exited, policy, ready, serving, spawn, story, tell

from workerhub.supervisor import (
    AbandonPlan,
    ChildFailed,
    ChildId,
    CommitPlan,
    DeadlineReached,
    Exit,
    Leave,
    LoadPlan,
    Nudge,
    PlanLoaded,
    PlanRejected,
    PoolPolicy,
    ReloadRequested,
    ScaleRequested,
    StopRequested,
)
from workerhub.supervisor.events import Started
from workerhub.testing import Logged, Playbook

BROKEN = Exit(code=64)


def hup(at: float) -> ReloadRequested:
    return ReloadRequested(at, "SIGHUP")


def plan(at: float, *policies: PoolPolicy) -> PlanLoaded:
    return PlanLoaded(at, policies or (policy(),))


def asked(book: Playbook, at: float, *policies: PoolPolicy, generation: int = 2) -> None:
    """Up to the point where a worker of the new generation is to prove itself."""
    book >> hup(at) << Logged("info", f"reload asked for (SIGHUP): generation {generation}") << LoadPlan(generation)
    book >> plan(at, *policies)


def test_new_before_old_one_at_a_time() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> ready(3, at=11) << Logged("info", "generation 2 has proven itself") << tell(1, Nudge.DRAIN)
        book >> exited(1, at=12) << Logged("info", "worker main/0 is gone: replaced by a new generation")
        book << spawn(4, slot=1, generation=2)
        book >> ready(4, at=13) << Logged("info", "generation 2 is serving: 2 workers") << CommitPlan(2)
        book << tell(2, Nudge.DRAIN)
        book >> exited(2, at=14) << Logged("info", "replaced by a new generation")


def test_configuration_that_is_refused_changes_nothing() -> None:
    with story() as book:
        serving(book)
        book >> hup(10) << Logged("info", "generation 2") << LoadPlan(2)
        book >> PlanRejected(10, "server.toml:7: ...") << Logged("error", "generation 1 keeps serving", "server.toml:7")
        asked(book, 20, generation=3)
        book << spawn(3, generation=3)


def test_code_that_does_not_boot_changes_nothing() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> ChildFailed(11, ChildId(3), "SyntaxError", "Traceback") >> exited(3, BROKEN, at=11)
        book << Logged("error", "the application failed to load: SyntaxError", "Traceback")
        book << Logged("error", "generation 2 is given up", "SyntaxError; generation 1 keeps serving") << AbandonPlan(2)


def test_code_that_does_not_boot_in_time_changes_nothing() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> DeadlineReached(70) << Logged("error", "was not ready within 60 s")
        book << tell(3, Nudge.DUMP) << tell(3, Nudge.ABORT)
        book << Logged("error", "generation 2 is given up", "timeouts.boot") << AbandonPlan(2)
        book >> exited(3, Exit(code=67), at=71) << Logged("error", "not ready within timeouts.boot")


def test_what_crashes_before_the_proof_is_restarted_from_the_old_generation() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> exited(2, SEGFAULT, at=11) << Logged("error", "crashed") << spawn(4, slot=1, generation=1)
        book >> exited(3, BROKEN, at=12) << Logged("error", "failed to load") << Logged("error", "given up")
        book << AbandonPlan(2) >> ready(4, at=13) << Logged("info", "main: 2 of 2 workers ready")


def test_a_crash_loop_does_not_keep_the_cure_waiting() -> None:
    """The pool is degraded and waits 30 s; the operator mends the code and reloads: that boots at once."""
    with story(policy(size=1, restart_intensity=1)) as book:
        serving(book, 1)
        book >> exited(1, SEGFAULT, at=10) << Logged("error", "crashed") << spawn(2)
        book >> exited(2, SEGFAULT, at=11) << Logged("error", "crashed") << Logged("error", "degraded")
        asked(book, 12, policy(size=1))
        book << spawn(3, generation=2)
        book >> ready(3, at=13) << Logged("info", "proven") << Logged("info", "is serving: 1 worker") << CommitPlan(2)
        book << Logged("info", "main: 1 of 1 workers ready")


def test_a_later_worker_that_fails_is_tried_again_while_the_old_one_serves() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2) >> ready(3, at=11) << Logged("info", "proven") << tell(1, Nudge.DRAIN)
        book >> exited(1, at=12) << Logged("info", "replaced") << spawn(4, slot=1, generation=2)
        book >> exited(4, BROKEN, at=13) << Logged("error", "failed to load") << spawn(5, slot=1, generation=2)
        book >> ready(5, at=14) << Logged("info", "is serving") << CommitPlan(2) << tell(2, Nudge.DRAIN)


def test_a_reload_that_spends_the_budget_stops_half_way_and_says_so() -> None:
    mended = policy(restart_intensity=1)
    with story() as book:
        serving(book)
        asked(book, 10, mended)
        book << spawn(3, generation=2) >> ready(3, at=11) << Logged("info", "proven") << tell(1, Nudge.DRAIN)
        book >> exited(1, at=12) << Logged("info", "replaced") << spawn(4, slot=1, generation=2)
        book >> exited(4, BROKEN, at=13) << Logged("error", "failed to load") << spawn(5, slot=1, generation=2)
        book >> exited(5, BROKEN, at=14) << Logged("error", "failed to load") << Logged("error", "degraded")
        book << Logged("error", "reload stopped half-way", "1 worker of generation 2 and 1 of older ones keep serving")
        book << CommitPlan(2)
        asked(book, 20, mended, generation=3)
        book << spawn(6, generation=3)


def test_reloads_asked_for_during_a_reload_are_one_that_follows() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=1))
        book << spawn(2, generation=2)
        for at in (10.1, 10.2, 10.3):
            book >> hup(at) << Logged("info", "follows the one that is running")
        book >> ready(2, at=11) << Logged("info", "proven") << Logged("info", "is serving: 1 worker") << CommitPlan(2)
        book << Logged("info", "generation 3") << LoadPlan(3) << tell(1, Nudge.DRAIN)
        book >> plan(11, policy(size=1))
        book >> exited(1, at=12) << Logged("info", "replaced") << spawn(3, generation=3)
        book >> ready(3, at=13) << Logged("info", "proven") << Logged("info", "is serving") << CommitPlan(3)
        book << tell(2, Nudge.DRAIN)


def test_the_next_reload_waits_for_room() -> None:
    """Workers that still drain hold their memory: reloads in a row don't pile up."""
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=1))
        book << spawn(2, generation=2) >> ready(2, at=11)
        book << Logged("info", "proven") << Logged("info", "is serving") << CommitPlan(2) << tell(1, Nudge.DRAIN)
        asked(book, 12, policy(size=1), generation=3)
        book >> DeadlineReached(41) << tell(1, Nudge.DUMP) << tell(1, Nudge.ABORT)
        (
            book
            >> exited(1, Exit(code=67), at=41.1)
            << Logged("error", "did not finish within timeouts.graceful (exit code 67)")
        )
        book << spawn(3, generation=3)


def test_stop_wins_over_reload() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=1))
        book << spawn(2, generation=2) >> hup(10.5) << Logged("info", "follows")
        book >> StopRequested(11, fast=False, origin="SIGTERM") << Logged("info", "graceful stop asked for (SIGTERM)")
        book << Logged("error", "generation 2 is given up: the server stops") << tell(2, Nudge.DRAIN) << AbandonPlan(2)
        book << tell(1, Nudge.FINISH)
        book >> hup(11.5) << Logged("warning", "the server is stopping")
        book >> exited(2, at=12) << Logged("info", "given up")
        book >> exited(1, at=12) << Logged("info", "the server stops") << Logged("info", "stopped") << Leave(0)


def test_stop_wins_over_a_reload_that_rolls() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2) >> ready(3, at=11) << Logged("info", "proven") << tell(1, Nudge.DRAIN)
        book >> StopRequested(12, fast=False, origin="SIGTERM") << Logged("info", "graceful stop asked for")
        book << Logged("info", "generation 2 is left unfinished") << tell(2, Nudge.FINISH) << tell(3, Nudge.FINISH)


def test_new_numbers_apply() -> None:
    with story() as book:
        serving(book)
        asked(book, 10, policy(size=3, surge=2))
        book << spawn(3, generation=2)
        book >> ready(3, at=11) << Logged("info", "proven") << tell(1, Nudge.DRAIN)
        book << spawn(4, slot=2, generation=2) << spawn(5, slot=1, generation=2)
        book >> ready(4, at=12) << Logged("info", "main: 3 of 3 workers ready") >> ready(5, at=13)
        book << Logged("info", "generation 2 is serving: 3 workers") << CommitPlan(2) << tell(2, Nudge.DRAIN)


def test_fewer_workers() -> None:
    with story() as book:
        serving(book)
        asked(book, 10, policy(size=1))
        book << spawn(3, generation=2) >> ready(3, at=11) << Logged("info", "proven")
        book << Logged("info", "generation 2 is serving: 1 worker") << CommitPlan(2)
        book << tell(1, Nudge.DRAIN) << tell(2, Nudge.DRAIN)


def test_scaling_survives_a_reload_that_says_nothing_new() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> ScaleRequested(5, +1, "SIGTTIN") << Logged("info", "main: workers 1 -> 2 (SIGTTIN)")
        book << spawn(2, slot=1) >> ready(2, at=6) << Logged("info", "main: 2 of 2 workers ready")
        asked(book, 10, policy(size=1))
        book << spawn(3, generation=2) >> ready(3, at=11) << Logged("info", "proven")
        book << Logged("info", "main: stays scaled to 2; the configuration says 1") << tell(1, Nudge.DRAIN)


def test_a_number_that_changed_in_the_configuration_wins_over_scaling() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> ScaleRequested(5, +1, "SIGTTIN") << Logged("info", "1 -> 2") << spawn(2, slot=1)
        book >> ready(2, at=6) << Logged("info", "main: 2 of 2 workers ready")
        asked(book, 10, policy(size=3))
        book << spawn(3, generation=2) >> ready(3, at=11) << Logged("info", "proven")
        book << Logged("info", "main: 3 workers, as the configuration now says, in place of the 2 it was scaled to")
        book << tell(1, Nudge.DRAIN) << spawn(4, slot=2, generation=2)


def test_pools_come_and_go() -> None:
    web, api = policy(name="web", size=1), policy(name="api", size=1)
    with story(web) as book:
        book >> Started(0) << spawn(1, pool="web") >> ready(1, at=0) << Logged("info", "web: 1 of 1 workers ready")
        asked(book, 10, api)
        book << spawn(2, pool="api", generation=2) >> ready(2, at=11) << Logged("info", "proven")
        book << tell(1, Nudge.DRAIN) << Logged("info", "is serving: 1 worker") << CommitPlan(2)
        book << Logged("info", "api: 1 of 1 workers ready")
        book >> exited(1, at=12) << Logged("info", "replaced by a new generation")


def test_a_new_pool_that_does_not_boot_takes_nothing_with_it() -> None:
    web, api = policy(name="web", size=1), policy(name="api", size=1)
    with story(web) as book:
        book >> Started(0) << spawn(1, pool="web") >> ready(1, at=0) << Logged("info", "web: 1 of 1 workers ready")
        asked(book, 10, web, api)
        book << spawn(2, pool="web", generation=2) << spawn(3, pool="api", generation=2) >> ready(2, at=11)
        book >> exited(3, BROKEN, at=12) << Logged("error", "worker api/0") << Logged("error", "given up")
        book << tell(2, Nudge.DRAIN) << AbandonPlan(2)
        book >> exited(2, at=13) << Logged("info", "worker web/0 is gone: its generation was given up")


def test_recycling_waits_while_a_new_generation_proves_itself_and_is_overtaken_by_it() -> None:
    from workerhub.supervisor import LimitReached

    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2) >> LimitReached(10.5, ChildId(2))
        book >> ready(3, at=11) << Logged("info", "proven") << tell(1, Nudge.DRAIN)
        book >> exited(1, at=12) << Logged("info", "replaced") << spawn(4, slot=1, generation=2)
