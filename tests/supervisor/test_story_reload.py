"""New configuration and new code, without a moment in which nobody serves."""

from __future__ import annotations

from support.reloads import asked, hup, plan, proven, replaced, rolling
from support.supervision import SEGFAULT, SIGKILL, exited, policy, ready, serving, spawn, story, tell

from workerhub.supervisor import (
    AbandonPlan,
    Answer,
    ChildId,
    CommitPlan,
    DeadlineReached,
    Exit,
    Leave,
    LimitReached,
    LoadPlan,
    Nudge,
    PlanLoaded,
    PlanRejected,
    ReloadRequested,
    ScaleRequested,
    SpawnFailed,
    StopRequested,
    Supervisor,
    Tell,
    Ticket,
)
from workerhub.supervisor.events import Started
from workerhub.supervisor.phases import Phase
from workerhub.supervisor.reload import Progress
from workerhub.testing import Logged


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


def test_what_crashes_before_the_proof_is_restarted_from_the_old_generation() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> exited(2, SEGFAULT, at=11) << Logged("error", "crashed") << spawn(4, slot=1, generation=1)
        book >> ready(3, at=12) << proven() << tell(1, Nudge.DRAIN)


def test_an_old_worker_that_was_restarted_meanwhile_is_replaced_by_the_older_new_one() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=1, observe=30))
        book << Logged("info", "observed") << spawn(2, generation=2) >> ready(2, at=11)
        book >> exited(1, SEGFAULT, at=12) << Logged("error", "crashed") << spawn(3)
        book >> ready(3, at=13) << Logged("info", "1 of 1 workers ready")
        book >> DeadlineReached(41) << proven() << Logged("info", "is serving") << CommitPlan(2) << tell(3, Nudge.DRAIN)


def test_what_crashes_of_the_old_generation_later_gets_its_successor_sooner_and_costs_no_restart() -> None:
    with story(policy(size=3)) as book:
        serving(book, 3)
        asked(book, 10, policy(size=3, restart_intensity=0))
        book << spawn(4, generation=2) >> ready(4, at=11) << proven() << tell(1, Nudge.DRAIN)
        book >> exited(2, SEGFAULT, at=11.1) << Logged("error", "crashed") << spawn(5, slot=1, generation=2)
        book >> exited(3, SEGFAULT, at=11.2) << Logged("error", "crashed") << spawn(6, slot=2, generation=2)
        book >> ready(5, at=12) >> ready(6, at=12) << Logged("info", "generation 2 is serving: 3 workers")
        book << CommitPlan(2) << Logged("info", "main: 3 of 3 workers ready")


def test_a_crash_loop_does_not_keep_the_cure_waiting() -> None:
    """The pool is degraded and waits 30 s; the operator mends the code and reloads: that boots at once."""
    with story(policy(size=1, restart_intensity=1)) as book:
        serving(book, 1)
        book >> exited(1, SEGFAULT, at=10) << Logged("error", "crashed") << spawn(2)
        book >> exited(2, SEGFAULT, at=11) << Logged("error", "crashed") << Logged("error", "degraded")
        asked(book, 12, policy(size=1))
        book << spawn(3, generation=2)
        book >> ready(3, at=13) << proven() << Logged("info", "is serving: 1 worker") << CommitPlan(2)
        book << Logged("info", "main: 1 of 1 workers ready")


def test_a_cure_that_is_observed_keeps_the_server_from_giving_up() -> None:
    """Nothing of the old generation has been healthy for a whole `restart.period`, but a new worker serves."""
    watched = policy(size=1, observe=120)
    with story(policy(size=1, restart_intensity=0)) as book:
        serving(book, 1)
        book >> exited(1, SEGFAULT, at=10) << Logged("error", "crashed") << Logged("error", "degraded") << spawn(2)
        book >> exited(2, SEGFAULT, at=11) << Logged("error", "crashed")
        asked(book, 12, watched)
        book << Logged("info", "observed for 2 min") << spawn(3, generation=2) >> ready(3, at=13)
        book >> DeadlineReached(40) << spawn(4) >> exited(4, SEGFAULT, at=41) << Logged("error", "crashed")
        book >> DeadlineReached(72)
        book << spawn(5) >> exited(5, SEGFAULT, at=73) << Logged("error", "crashed")
        book >> DeadlineReached(133) << proven()
        book << Logged("info", "is serving: 1 worker") << CommitPlan(2) << Logged("info", "1 of 1 workers ready")


def test_reloads_asked_for_during_a_reload_are_one_that_follows() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=1))
        book << spawn(2, generation=2)
        for at in range(10):
            book >> hup(10.1 + at / 10) << Logged("info", "follows the one that is running")
        book >> ready(2, at=12) << proven() << Logged("info", "is serving: 1 worker") << CommitPlan(2)
        book << Logged("info", "generation 3") << LoadPlan(3) << tell(1, Nudge.DRAIN)
        book >> plan(12, policy(size=1))
        book >> exited(1, at=12) << replaced() << spawn(3, generation=3)
        book >> ready(3, at=13) << proven() << Logged("info", "is serving") << CommitPlan(3) << tell(2, Nudge.DRAIN)


def test_the_next_reload_waits_for_room() -> None:
    """Workers that still drain hold their memory: reloads in a row don't pile up."""
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=1))
        book << spawn(2, generation=2) >> ready(2, at=11)
        book << proven() << Logged("info", "is serving") << CommitPlan(2) << tell(1, Nudge.DRAIN)
        asked(book, 12, policy(size=1), generation=3)
        book >> DeadlineReached(41) << tell(1, Nudge.DUMP) << tell(1, Nudge.ABORT)
        book >> exited(1, Exit(code=67), at=41.1) << Logged("error", "timeouts.graceful (exit code 67)")
        book << spawn(3, generation=3)


# Killed in the middle


def test_a_first_worker_that_is_killed_from_outside_is_started_again() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> exited(3, SIGKILL, at=11) << Logged("error", "killed from outside") << spawn(4, generation=2)
        book >> ready(4, at=12) << proven() << tell(1, Nudge.DRAIN)


def test_a_fork_that_the_system_refuses_is_tried_again() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> SpawnFailed(10, ChildId(3), "no memory") << Logged("error", "no memory") << spawn(4, generation=2)
        book >> SpawnFailed(10, ChildId(4), "no memory") << Logged("error", "no memory")
        book >> DeadlineReached(11) << spawn(5, generation=2)


def test_a_new_worker_that_is_killed_from_outside_while_the_others_are_replaced_is_started_again() -> None:
    with story() as book:
        rolling(book)
        book >> exited(4, SIGKILL, at=13) << Logged("error", "killed from outside") << spawn(5, slot=1, generation=2)
        book >> exited(3, SIGKILL, at=13.1) << Logged("error", "killed from outside")
        book >> DeadlineReached(14) << spawn(6, generation=2)
        book >> ready(5, at=14.5) << tell(2, Nudge.DRAIN)
        book >> ready(6, at=14.6) << Logged("info", "is serving") << CommitPlan(2) << Logged("info", "ready")


def test_a_new_worker_that_crashes_after_it_was_healthy_is_started_again() -> None:
    with story() as book:
        rolling(book, policy(observe=0.5))
        book >> exited(3, SEGFAULT, at=13) << Logged("error", "crashed (SIGSEGV)") << spawn(5, generation=2)
        book >> ready(4, at=14) << tell(2, Nudge.DRAIN)
        book >> ready(5, at=14) << Logged("info", "is serving") << CommitPlan(2) << Logged("info", "ready")


# Observing


def test_the_first_worker_is_observed_before_the_others_are_replaced() -> None:
    with story() as book:
        serving(book)
        asked(book, 10, policy(observe=30))
        book << Logged("info", "generation 2: its first worker is observed for 30 s") << spawn(3, generation=2)
        book >> ready(3, at=12) >> DeadlineReached(42) << proven() << tell(1, Nudge.DRAIN)


def test_every_pool_is_observed_for_its_own_time_and_none_is_replaced_before_all_are_proven() -> None:
    web, api = policy(name="web", size=1, observe=30), policy(name="api", size=1)
    with story(web, api) as book:
        book >> Started(0) << spawn(1, pool="web") << spawn(2, pool="api") >> ready(1, at=0) << Logged("info", "web")
        book >> ready(2, at=0) << Logged("info", "api")
        asked(book, 10, web, api)
        book << Logged("info", "observed") << spawn(3, pool="web", generation=2) << spawn(4, pool="api", generation=2)
        book >> ready(3, at=11) >> ready(4, at=20) >> DeadlineReached(41) << proven()
        book << Logged("info", "is serving: 2 workers") << CommitPlan(2) << tell(1, Nudge.DRAIN) << tell(2, Nudge.DRAIN)


def test_observing_begins_anew_with_a_worker_that_was_killed_from_outside() -> None:
    with story() as book:
        serving(book)
        asked(book, 10, policy(observe=30))
        book << Logged("info", "observed") << spawn(3, generation=2) >> ready(3, at=11)
        book >> exited(3, SIGKILL, at=40) << Logged("error", "killed from outside") << spawn(4, generation=2)
        book >> ready(4, at=41) >> DeadlineReached(71) << proven() << tell(1, Nudge.DRAIN)


def test_first_workers_leave_the_room_that_restarts_need() -> None:
    """One old worker drains, one is about to be restarted: a third process more would be one too many."""
    with story() as book:
        serving(book)
        book >> LimitReached(1, ChildId(1)) << spawn(3) >> ready(3, at=2) << tell(1, Nudge.DRAIN)
        book >> exited(2, SEGFAULT, at=3) << Logged("error", "crashed") << spawn(4, slot=1)
        book >> exited(4, SEGFAULT, at=3.5) << Logged("error", "crashed")
        asked(book, 3.6)
        book >> DeadlineReached(4) << spawn(5, slot=1)
        book >> exited(1, at=5) << Logged("info", "recycled") << spawn(6, generation=2)


def test_recycling_takes_the_room_that_first_workers_leave() -> None:
    wide = policy(surge=2, observe=300)
    with story(wide) as book:
        serving(book)
        asked(book, 10, wide)
        book << Logged("info", "observed") << spawn(3, generation=2)
        book >> LimitReached(10.5, ChildId(2)) << spawn(4, slot=1) >> ready(4, at=11) << tell(2, Nudge.DRAIN)


def test_recycling_waits_for_room_while_a_new_generation_proves_itself_and_is_overtaken_by_it() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2) >> LimitReached(10.5, ChildId(2))
        book >> ready(3, at=11) << proven() << tell(1, Nudge.DRAIN)
        book >> exited(1, at=12) << replaced() << spawn(4, slot=1, generation=2)


def test_a_first_worker_that_is_worn_out_before_it_is_proven_is_good_enough_to_let_the_old_one_go() -> None:
    """Else all places would be taken by workers that wait for a successor, and there would be no room for any."""
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=1, observe=30))
        book << Logged("info", "observed") << spawn(2, generation=2) >> ready(2, at=11) >> LimitReached(20, ChildId(2))
        book >> DeadlineReached(41) << proven() << Logged("info", "is serving") << CommitPlan(2) << tell(1, Nudge.DRAIN)
        book >> exited(1, at=42) << replaced() << spawn(3, generation=2)
        book >> ready(3, at=43) << tell(2, Nudge.DRAIN)


# Stopping


def test_stop_wins_over_a_reload_that_is_being_read() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> hup(10) << Logged("info", "generation 2") << LoadPlan(2)
        book >> StopRequested(11, fast=False, origin="SIGTERM") << Logged("info", "graceful stop asked for (SIGTERM)")
        book << Logged("info", "generation 2 is left unfinished") << tell(1, Nudge.FINISH)
        book >> plan(12, policy(size=1)) << AbandonPlan(2)


def test_stop_wins_over_a_reload_that_proves_itself() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=1))
        book << spawn(2, generation=2) >> hup(10.5) << Logged("info", "follows")
        book >> StopRequested(11, fast=False, origin="SIGTERM") << Logged("info", "graceful stop asked for (SIGTERM)")
        book << tell(2, Nudge.DRAIN) << AbandonPlan(2) << Logged("info", "generation 2 is left unfinished")
        book << tell(1, Nudge.FINISH)
        book >> hup(11.5) << Logged("warning", "the server is stopping")
        book >> exited(2, at=12) << Logged("info", "rolled back")
        book >> exited(1, at=12) << Logged("info", "the server stops") << Logged("info", "stopped") << Leave(0)


def test_stop_wins_over_a_reload_that_rolls() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2) >> ready(3, at=11) << proven() << tell(1, Nudge.DRAIN)
        book >> StopRequested(12, fast=False, origin="SIGTERM") << Logged("info", "graceful stop asked for")
        book << Logged("info", "generation 2 is left unfinished") << tell(2, Nudge.FINISH) << tell(3, Nudge.FINISH)


# New numbers


def test_new_numbers_apply() -> None:
    with story() as book:
        serving(book)
        asked(book, 10, policy(size=3, surge=2))
        book << spawn(3, generation=2)
        book >> ready(3, at=11) << proven() << tell(1, Nudge.DRAIN)
        book << spawn(4, slot=2, generation=2) << spawn(5, slot=1, generation=2)
        book >> ready(4, at=12) << Logged("info", "main: 3 of 3 workers ready") >> ready(5, at=13)
        book << Logged("info", "generation 2 is serving: 3 workers") << CommitPlan(2) << tell(2, Nudge.DRAIN)


def test_slots_that_are_too_many_are_given_up_last() -> None:
    """Until the new generation is committed there must be a way back to all of the old workers."""
    with story(policy(size=3)) as book:
        serving(book, 3)
        asked(book, 10)
        book << spawn(4, generation=2) >> ready(4, at=11) << proven() << tell(1, Nudge.DRAIN)
        book >> exited(1, at=12) << replaced() << spawn(5, slot=1, generation=2)
        book >> ready(5, at=13) << Logged("info", "generation 2 is serving: 2 workers") << CommitPlan(2)
        book << tell(2, Nudge.DRAIN) << tell(3, Nudge.DRAIN)
        book >> exited(2, at=14) << replaced() >> exited(3, at=14) << Logged("info", "fewer workers are wanted")


def test_scaling_survives_a_reload_that_says_nothing_new() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> ScaleRequested(5, +1, "SIGTTIN") << Logged("info", "main: workers 1 -> 2 (SIGTTIN)")
        book << spawn(2, slot=1) >> ready(2, at=6) << Logged("info", "main: 2 of 2 workers ready")
        asked(book, 10, policy(size=1))
        book << spawn(3, generation=2) >> ready(3, at=11) << proven()
        book << Logged("info", "main: stays scaled to 2; the configuration says 1") << tell(1, Nudge.DRAIN)


def test_a_number_that_changed_in_the_configuration_wins_over_scaling() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> ScaleRequested(5, +1, "SIGTTIN") << Logged("info", "1 -> 2") << spawn(2, slot=1)
        book >> ready(2, at=6) << Logged("info", "main: 2 of 2 workers ready")
        asked(book, 10, policy(size=3))
        book << spawn(3, generation=2) >> ready(3, at=11) << proven()
        book << Logged("info", "main: 3 workers, as the configuration now says, in place of the 2 it was scaled to")
        book << tell(1, Nudge.DRAIN) << spawn(4, slot=2, generation=2)


def test_scaling_while_the_others_are_replaced_is_at_once() -> None:
    with story() as book:
        rolling(book)
        book >> ScaleRequested(13, -1, "SIGTTOU") << Logged("info", "main: workers 2 -> 1") << Logged("info", "serving")
        book << CommitPlan(2) << tell(2, Nudge.DRAIN) << tell(4, Nudge.DRAIN)


def test_pools_come_and_go_and_those_that_go_are_the_last() -> None:
    web, api = policy(name="web", size=1), policy(name="api", size=2)
    with story(web) as book:
        book >> Started(0) << spawn(1, pool="web") >> ready(1, at=0) << Logged("info", "web: 1 of 1 workers ready")
        asked(book, 10, api)
        book << spawn(2, pool="api", generation=2) >> ready(2, at=11) << proven()
        book << spawn(3, slot=1, pool="api", generation=2) >> ready(3, at=12) << Logged("info", "is serving: 2 workers")
        book << CommitPlan(2) << tell(1, Nudge.DRAIN) << Logged("info", "api: 2 of 2 workers ready")
        book >> exited(1, at=13) << replaced()


def test_a_pool_that_still_closes_may_come_back() -> None:
    web, api = policy(name="web", size=1), policy(name="api", size=1)
    with story(web, api) as book:
        book >> Started(0) << spawn(1, pool="web") << spawn(2, pool="api")
        book >> ready(1, at=0) << Logged("info", "web") >> ready(2, at=0) << Logged("info", "api")
        asked(book, 10, web)
        book << spawn(3, pool="web", generation=2) >> ready(3, at=11) << proven()
        book << Logged("info", "is serving") << CommitPlan(2) << tell(2, Nudge.DRAIN) << tell(1, Nudge.DRAIN)
        asked(book, 12, web, api, generation=3)
        book << spawn(4, pool="api", generation=3)
        book >> exited(1, at=13) << replaced() << spawn(5, pool="web", generation=3) >> ready(5, at=13)
        book >> exited(4, SIGKILL, at=13) << Logged("error", "killed") << spawn(6, pool="api", generation=3)
        book >> exited(6, SIGKILL, at=13) << Logged("error", "killed") >> exited(2, at=13.5) << replaced()
        book >> DeadlineReached(14) << spawn(7, pool="api", generation=3)
        book >> ready(7, at=15) << proven() << Logged("info", "is serving: 2 workers")
        book << CommitPlan(3) << tell(3, Nudge.DRAIN)


# Who waits for it


def ask(at: float, ticket: int = 7) -> ReloadRequested:
    return ReloadRequested(at, "control", Ticket(ticket))


def hears(words: str, ticket: int = 7, generation: int = 2, **fields: object) -> Tell:
    return Tell(Ticket(ticket), f"generation {generation}: {words}", {"generation": generation, **fields})


def test_who_asked_hears_of_every_step() -> None:
    with story(policy(size=3)) as book:
        serving(book, 3)
        book >> ask(10) << Logged("info", "(control): generation 2") << hears("reading the configuration")
        book << LoadPlan(2)
        book >> PlanLoaded(10, (policy(size=3, surge=2),), ("user", "pidfile"))
        book << Logged("warning", "user can't change while the server runs") << Logged("warning", "pidfile")
        book << hears("the configuration is fine; its first worker boots") << spawn(4, generation=2)
        book >> ready(4, at=11) << proven() << hears("1 of 3 replaced", ready=1, workers=3) << tell(1, Nudge.DRAIN)
        book << spawn(5, slot=1, generation=2)
        book >> ready(5, at=12) << hears("2 of 3 replaced", ready=2, workers=3) << tell(2, Nudge.DRAIN)
        book >> exited(1, at=12.1) << replaced() << spawn(6, slot=2, generation=2) >> exited(2, at=12.2) << replaced()
        book >> ready(6, at=13) << Logged("info", "generation 2 is serving: 3 workers")
        book << Answer(
            Ticket(7),
            ok=True,
            message="generation 2 is serving (3 of 3)",
            detail="user can't change while the server runs; it stays as it is\n"
            "pidfile can't change while the server runs; it stays as it is",
            fields={"generation": 2, "workers": 3, "unchanged": ("user", "pidfile")},
        )
        book << CommitPlan(2) << tell(3, Nudge.DRAIN)


def test_who_asked_reads_why_the_configuration_was_refused() -> None:
    with story() as book:
        serving(book)
        book >> ask(10) << Logged("info", "generation 2") << hears("reading the configuration") << LoadPlan(2)
        book >> PlanRejected(10, "server.toml:7: ...") << Logged("error", "refused", "server.toml:7: ...")
        book << Answer(Ticket(7), False, "generation 1 keeps serving", "server.toml:7: ...", {"generation": 1})


def test_who_asks_during_a_reload_waits_for_the_next_one() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> ask(10) << Logged("info", "generation 2") << hears("reading the configuration") << LoadPlan(2)
        book >> ask(10.5, ticket=8) << Tell(Ticket(8), "follows the reload that is running")
        book << Logged("info", "follows")
        book >> PlanRejected(11, "no") << Logged("error", "refused")
        book << Answer(Ticket(7), False, "generation 1 keeps serving", "no", {"generation": 1})
        book << Logged("info", "generation 3") << hears("reading the configuration", 8, 3) << LoadPlan(3)


def test_a_stop_answers_everyone_who_waits() -> None:
    no = {ticket: Answer(Ticket(ticket), ok=False, message="not reloaded: the server stops") for ticket in (7, 8)}
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> ask(10) << Logged("info", "generation 2") << hears("reading the configuration") << LoadPlan(2)
        book >> ask(10.5, ticket=8) << Tell(Ticket(8), "follows the reload that is running")
        book << Logged("info", "follows")
        book >> StopRequested(11, fast=False, origin="SIGTERM") << Logged("info", "graceful stop")
        book << Logged("info", "left unfinished") << no[7] << no[8] << tell(1, Nudge.FINISH)
        book >> ask(12, ticket=9) << Logged("warning", "the server is stopping")
        book << Answer(Ticket(9), ok=False, message="not reloaded: the server is stopping")


def test_how_far_it_has_come_can_be_looked_at() -> None:
    supervisor = Supervisor([policy()], lambda most: most)
    seen = []
    for event in (Started(0), ready(1, at=0), ready(2, at=0), hup(1), plan(1), ready(3, at=2), exited(1, at=3),
                  ready(4, at=4)):  # fmt: skip
        supervisor.handle(event)
        seen.append(supervisor.reloading)
    assert seen == [
        *[None] * 3,
        Progress(Phase.LOADING, 2, 0, 2),
        Progress(Phase.PROVING, 2, 0, 2),
        Progress(Phase.ROLLING, 2, 1, 2),
        Progress(Phase.ROLLING, 2, 1, 2),
        None,
    ]
