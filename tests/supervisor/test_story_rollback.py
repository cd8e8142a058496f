"""Reloads that fail: every worker of the old generation serves, and the log and the answer say why."""

from __future__ import annotations

import pytest
from support.reloads import asked, hup, plan, proven, replaced, rolling
from support.supervision import SEGFAULT, exited, policy, read, ready, run, serving, spawn, spawned, story, tell

from workerhub.supervisor import (
    AbandonPlan,
    Answer,
    ChildFailed,
    ChildId,
    CommitPlan,
    DeadlineReached,
    Exit,
    LoadPlan,
    Nudge,
    ReadBoard,
    ReloadRequested,
    ScaleRequested,
    SpawnFailed,
    StopRequested,
    Tell,
    Ticket,
)
from workerhub.supervisor.events import Started
from workerhub.testing import Logged, Playbook

BROKEN = Exit(code=64)
ABORTED = Exit(code=67)


def back(*words: str) -> Logged:
    return Logged("error", "generation 2 is rolled back", *words)


def abandoned() -> Logged:
    return Logged("info", "is gone: its generation was rolled back")


# Before anything was replaced


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (SEGFAULT, "crashed"),
        (Exit(code=0), "the process ended itself"),
        (Exit(code=1), "the process ended itself"),
        (Exit(code=65), "the worker could not be set up"),
    ],
    ids=str,
)
def test_code_that_ends_its_process_changes_nothing(how: Exit, why: str) -> None:
    """`os._exit()` at import, with whatever code, is as good a reason as a crash."""
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> exited(3, how, at=11) << Logged("error", f"worker main/0 is gone: {why}") << AbandonPlan(2)
        book << back(f"worker main/0: {why}; generation 1 keeps serving")


def test_code_that_does_not_load_changes_nothing() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> ChildFailed(11, ChildId(3), "SyntaxError", "Traceback") >> exited(3, BROKEN, at=11)
        book << Logged("error", "the application failed to load: SyntaxError", "Traceback") << AbandonPlan(2)
        book << back("SyntaxError; generation 1 keeps serving")


def test_code_that_does_not_boot_in_time_changes_nothing() -> None:
    with story() as book:
        serving(book)
        asked(book, 10)
        book << spawn(3, generation=2)
        book >> DeadlineReached(70) << Logged("error", "was not ready within 60 s")
        book << tell(3, Nudge.DUMP) << tell(3, Nudge.ABORT) << AbandonPlan(2)
        book << back("timeouts.boot; generation 1 keeps serving")
        book >> exited(3, ABORTED, at=71) << Logged("error", "not ready within timeouts.boot")


def test_code_that_dies_while_it_is_observed_changes_nothing() -> None:
    with story() as book:
        serving(book)
        asked(book, 10, policy(observe=30))
        book << Logged("info", "observed") << spawn(3, generation=2) >> ready(3, at=11)
        book >> exited(3, SEGFAULT, at=40.9) << Logged("error", "crashed") << AbandonPlan(2)
        book << back("worker main/0: crashed; generation 1 keeps serving")


def test_a_request_that_hangs_while_the_worker_is_observed_speaks_against_it() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=1, request_timeout=10, observe=60))
        book << Logged("info", "observed") << spawn(2, generation=2)
        book >> ready(2, at=11)
        book >> DeadlineReached(21) << ReadBoard()
        book >> read(21, w1=(), w2=(run(11, 21),)) << tell(2, Nudge.INTERRUPT)
        book >> DeadlineReached(26) << ReadBoard() >> read(26, w1=(), w2=(run(11, 21),))
        book << Logged("error", "can't end GET /slow") << tell(2, Nudge.DUMP) << tell(2, Nudge.DRAIN) << AbandonPlan(2)
        book << back("a request could not be ended; generation 1 keeps serving")


def test_a_reload_that_is_not_done_by_its_deadline_changes_nothing() -> None:
    with story() as book:
        serving(book)
        book >> hup(10) << Logged("info", "generation 2") << LoadPlan(2)
        book >> plan(15, policy(observe=60, reload_deadline=30)) << Logged("info", "observed") << spawn(3, generation=2)
        book >> ready(3, at=16) >> DeadlineReached(40) << tell(3, Nudge.DRAIN) << AbandonPlan(2)
        book << back("not done within reload.deadline (30 s); generation 1 keeps serving")
        book >> exited(3, at=41) << abandoned()


def test_more_kills_from_outside_than_the_budget_allows_change_nothing() -> None:
    with story() as book:
        serving(book)
        asked(book, 10, policy(restart_intensity=1))
        book << spawn(3, generation=2)
        book >> exited(3, Exit(signal=9), at=11) << Logged("error", "killed from outside") << spawn(4, generation=2)
        book >> exited(4, Exit(signal=9), at=12) << Logged("error", "killed from outside") << AbandonPlan(2)
        book << back("the restart budget is spent; generation 1 keeps serving")


def test_a_new_pool_that_does_not_boot_takes_nothing_with_it() -> None:
    web, api = policy(name="web", size=1), policy(name="api", size=1)
    with story(web) as book:
        book >> Started(0) << spawn(1, pool="web") >> ready(1, at=0) << Logged("info", "web: 1 of 1 workers ready")
        asked(book, 10, web, api)
        book << spawn(2, pool="web", generation=2) << spawn(3, pool="api", generation=2) >> ready(2, at=11)
        book >> exited(3, BROKEN, at=12) << Logged("error", "worker api/0") << tell(2, Nudge.DRAIN) << AbandonPlan(2)
        book << back("worker api/0")
        book >> exited(2, at=13) << abandoned()


# Half-way


def test_the_third_of_four_that_does_not_boot_brings_all_the_others_back() -> None:
    """Slots 0 and 1 are new already: they serve until old workers do. Slots 2 and 3 never notice."""
    with story(policy(size=4)) as book:
        serving(book, 4)
        asked(book, 10, policy(size=4))
        book << spawn(5, generation=2) >> ready(5, at=11) << proven() << tell(1, Nudge.DRAIN)
        book >> exited(1, at=12) << replaced() << spawn(6, slot=1, generation=2)
        book >> ready(6, at=13) << tell(2, Nudge.DRAIN)
        book >> exited(2, at=14) << replaced() << spawn(7, slot=2, generation=2)
        book >> ChildFailed(15, ChildId(7), "no connection", "Traceback") >> exited(7, BROKEN, at=15)
        book << Logged("error", "no connection") << AbandonPlan(2)
        book << back("worker main/2: the application failed to load: no connection; generation 1 takes 2 slots back")
        book << spawn(8, slot=0) >> ready(8, at=16) << tell(5, Nudge.DRAIN)
        book >> exited(5, at=17) << abandoned() << spawn(9, slot=1)
        book >> ready(9, at=18) << Logged("info", "generation 1 serves every slot again") << tell(6, Nudge.DRAIN)
        book >> exited(6, at=19) << abandoned()


def test_an_old_worker_that_still_serves_in_its_slot_simply_stays() -> None:
    """Two new ones boot at once. When the second one fails, the first one is ready, and the old one in its slot not gone."""
    wide = policy(size=3, surge=2)
    with story(wide) as book:
        serving(book, 3)
        asked(book, 10, wide)
        book << spawn(4, generation=2) >> ready(4, at=11) << proven() << tell(1, Nudge.DRAIN)
        book << spawn(5, slot=1, generation=2)
        book >> exited(1, at=12) << replaced() << spawn(6, slot=2, generation=2)
        book >> exited(5, BROKEN, at=13) << Logged("error", "failed to load") << tell(6, Nudge.DRAIN) << AbandonPlan(2)
        book << back("generation 1 takes 1 slot back") << spawn(7)
        book >> ready(7, at=14) << Logged("info", "every slot again") << tell(4, Nudge.DRAIN)
        book >> exited(6, at=14) << abandoned() >> exited(4, at=15) << abandoned()


@pytest.mark.parametrize(
    ("how", "why"), [(SEGFAULT, "crashed"), (Exit(code=66), "the worker class failed")], ids=["crash", "serve"]
)
def test_a_new_worker_that_dies_within_the_time_of_observation_brings_the_old_ones_back(how: Exit, why: str) -> None:
    with story() as book:
        rolling(book, policy(observe=1.5))
        book >> ready(4, at=12.1) << Logged("info", "is serving") << CommitPlan(2) << tell(2, Nudge.DRAIN)
    with story(policy(size=3)) as book:
        serving(book, 3)
        asked(book, 9, policy(size=3, observe=1))
        book << Logged("info", "observed") << spawn(4, generation=2) >> ready(4, at=10) >> DeadlineReached(11)
        book << proven() << tell(1, Nudge.DRAIN) >> exited(1, at=12) << replaced() << spawn(5, slot=1, generation=2)
        book >> ready(5, at=13) << tell(2, Nudge.DRAIN)
        book >> exited(5, how, at=13.9) << Logged("error", why) << AbandonPlan(2)
        book << back(f"worker main/1: {why}; generation 1 takes 1 slot back") << spawn(6, slot=1)


def test_crashes_that_spend_the_budget_bring_the_old_ones_back() -> None:
    with story() as book:
        rolling(book, policy(restart_intensity=1))
        book >> exited(3, SEGFAULT, at=13) << Logged("error", "crashed") << spawn(5, generation=2)
        book >> ready(5, at=14) << Logged("info", "main: 2 of 2 workers ready")
        book >> exited(5, SEGFAULT, at=15) << Logged("error", "crashed") << Logged("error", "degraded")
        book << tell(4, Nudge.DRAIN) << AbandonPlan(2)
        book << back("the restart budget is spent; generation 1 keeps serving")
        book << spawn(6) >> exited(4, at=16) << abandoned()
        book >> ready(6, at=16) << Logged("info", "main: 2 of 2 workers ready")


def test_a_deadline_that_passes_half_way_brings_the_old_ones_back() -> None:
    with story() as book:
        rolling(book, policy(reload_deadline=20, boot_timeout=60))
        book >> DeadlineReached(29) << tell(4, Nudge.DRAIN) << AbandonPlan(2)
        book << back("not done within reload.deadline (20 s): 1 of 2 workers replaced; generation 1 takes 1 slot back")
        book >> exited(4, at=30) << abandoned() << spawn(5)
        book >> ready(5, at=31) << Logged("info", "every slot again") << tell(3, Nudge.DRAIN)


def test_old_numbers_and_old_pools_are_back_in_force() -> None:
    """The new configuration has fewer workers, other limits, a pool more and a pool less: nothing of it stays."""
    web, api, new = policy(name="web", size=2), policy(name="api", size=1), policy(name="new", size=1)
    with story(web, api) as book:
        book >> Started(0) << spawn(1, pool="web") << spawn(2, slot=1, pool="web") << spawn(3, pool="api")
        for number in (1, 2, 3):
            book >> ready(number, at=0)
            if number > 1:
                book << Logged("info", "ready")
        asked(book, 10, policy(name="web", size=3, max_requests=9), new)
        book << spawn(4, pool="web", generation=2, after=9) << spawn(5, pool="new", generation=2)
        book >> ready(4, at=11) >> ready(5, at=11) << proven() << tell(1, Nudge.DRAIN)
        book << spawn(6, slot=2, pool="web", generation=2, after=9)
        book << Logged("info", "new: 1 of 1 workers ready")
        book >> exited(3, SEGFAULT, at=11.5) << Logged("error", "worker api/0") << spawn(7, pool="api")
        book >> exited(6, BROKEN, at=12) << Logged("error", "worker web/2") << tell(5, Nudge.DRAIN) << AbandonPlan(2)
        book << back("generation 1 takes 1 slot back")
        book >> exited(1, at=13) << replaced() << spawn(8, pool="web")
        book >> ready(7, at=14) << Logged("info", "api: 1 of 1 workers ready")
        book >> exited(5, at=14) << abandoned()
        book >> ready(8, at=15) << Logged("info", "every slot again") << tell(4, Nudge.DRAIN)


def test_workers_that_only_the_new_size_wanted_leave() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        asked(book, 10, policy(size=3))
        book << spawn(2, generation=2) >> ready(2, at=11) << proven() << tell(1, Nudge.DRAIN)
        book << spawn(3, slot=1, generation=2) << spawn(4, slot=2, generation=2)
        book >> ready(3, at=12) >> exited(1, at=12) << replaced()
        book >> exited(4, BROKEN, at=13) << Logged("error", "failed to load") << tell(3, Nudge.DRAIN) << AbandonPlan(2)
        book << back("generation 1 takes 1 slot back")
        book >> exited(3, at=14) << abandoned() << spawn(5)
        book >> ready(5, at=15) << Logged("info", "every slot again") << tell(2, Nudge.DRAIN)


def test_what_the_operator_has_scaled_meanwhile_stays() -> None:
    with story() as book:
        rolling(book)
        book >> ScaleRequested(13, +1, "SIGTTIN") << Logged("info", "main: workers 2 -> 3")
        book << spawn(5, slot=2, generation=2)
        book >> exited(4, BROKEN, at=14) << Logged("error", "failed to load") << tell(5, Nudge.DRAIN) << AbandonPlan(2)
        book << back("generation 1 takes 1 slot back") << spawn(6, slot=2)
        book >> ready(6, at=15) << Logged("info", "main: 3 of 3 workers ready")
        book >> exited(5, at=15) << abandoned() << spawn(7)
        book >> ready(7, at=16) << Logged("info", "every slot again") << tell(3, Nudge.DRAIN)


# When the way back is blocked


def stranded(book: Playbook) -> None:
    """Tell the part in which the old generation doesn't boot any more: its code is gone from the disk."""
    rolling(book)
    (
        book
        >> exited(4, BROKEN, at=13)
        << Logged("error", "failed to load")
        << AbandonPlan(2)
        << back("1 slot")
        << spawn(5)
    )
    book >> exited(5, BROKEN, at=14) << Logged("error", "failed to load")
    book << Logged("error", "generation 1 is in force; generation 2 serves 1 slot until it boots") << spawn(6)


def test_an_old_worker_that_does_not_boot_any_more_is_said_and_tried_again_while_the_new_one_serves() -> None:
    with story() as book:
        stranded(book)
        book >> ready(6, at=15) << tell(3, Nudge.DRAIN) >> exited(3, at=16) << abandoned()


def test_the_cure_is_not_kept_waiting_by_a_way_back_that_is_blocked() -> None:
    with story() as book:
        stranded(book)
        asked(book, 15, generation=3)
        book >> exited(6, BROKEN, at=16) << Logged("error", "failed to load") << spawn(7, generation=3)
        book >> ready(7, at=17) << proven() << tell(3, Nudge.DRAIN)
        book >> exited(3, at=18) << abandoned() << spawn(8, slot=1, generation=3)
        book >> ready(8, at=19) << Logged("info", "generation 3 is serving: 2 workers") << CommitPlan(3)
        book << tell(2, Nudge.DRAIN)


def test_a_way_back_that_takes_too_long_is_left_to_itself() -> None:
    """A process that can't be killed holds the place that the old worker needs."""
    with story(policy(boot_timeout=600)) as book:
        rolling(book, policy(boot_timeout=5, reload_deadline=30))
        book >> DeadlineReached(17) << Logged("error", "was not ready") << tell(4, Nudge.DUMP) << tell(4, Nudge.ABORT)
        book << AbandonPlan(2) << back("timeouts.boot; generation 1 takes 1 slot back")
        book >> DeadlineReached(22) << tell(4, Nudge.KILL)
        book >> DeadlineReached(32) << Logged("error", "still there after SIGKILL") << tell(4, Nudge.KILL)
        book >> DeadlineReached(42) << Logged("error", "still there after SIGKILL") << tell(4, Nudge.KILL)
        book >> DeadlineReached(47)
        book << Logged("error", "generation 1 is in force; generation 2 serves 1 slot until it boots")


def test_a_reload_asked_for_meanwhile_follows_the_way_back() -> None:
    with story() as book:
        rolling(book)
        book >> hup(12.5) << Logged("info", "follows")
        book >> exited(4, BROKEN, at=13) << Logged("error", "failed to load") << AbandonPlan(2) << back() << spawn(5)
        book >> hup(13.5) << Logged("info", "follows")
        book >> ready(5, at=14) << Logged("info", "every slot again") << Logged("info", "generation 3") << LoadPlan(3)
        book << tell(3, Nudge.DRAIN)


def test_a_stop_ends_the_way_back() -> None:
    with story() as book:
        rolling(book)
        book >> exited(4, BROKEN, at=13) << Logged("error", "failed to load") << AbandonPlan(2) << back() << spawn(5)
        book >> StopRequested(14, fast=False, origin="SIGTERM") << Logged("info", "graceful stop")
        book << Logged("info", "generation 2 is left unfinished")
        book << tell(2, Nudge.FINISH) << tell(3, Nudge.FINISH) << tell(5, Nudge.DRAIN)


# The answer


def begun(book: Playbook, new: ReloadRequested) -> None:
    serving(book)
    book >> new << Logged("info", "generation 2")
    book << Tell(Ticket(7), "generation 2: reading the configuration", {"generation": 2}) << LoadPlan(2) >> plan(10)
    book << Tell(Ticket(7), "generation 2: the configuration is fine; its first worker boots", {"generation": 2})
    book << spawn(3, generation=2)


ASK = ReloadRequested(10, "control", Ticket(7))


def no(detail: str, message: str = "generation 1 keeps serving") -> Answer:
    return Answer(Ticket(7), ok=False, message=message, detail=detail, fields={"generation": 1})


def hears(words: str, **fields: object) -> Tell:
    return Tell(Ticket(7), f"generation 2: {words}", {"generation": 2, **fields})


def test_the_answer_has_the_traceback() -> None:
    with story() as book:
        begun(book, ASK)
        book >> spawned(3) >> ChildFailed(11, ChildId(3), "SyntaxError", "Traceback ...") >> exited(3, BROKEN, at=11)
        book << Logged("error", "SyntaxError") << AbandonPlan(2) << back()
        book << hears("rolled back")
        book << no("worker main/0 (103): the application failed to load: SyntaxError\nTraceback ...")


def test_the_answer_waits_for_the_stacks_of_a_worker_that_hangs() -> None:
    with story() as book:
        begun(book, ASK)
        book >> DeadlineReached(70) << Logged("error", "was not ready") << tell(3, Nudge.DUMP) << tell(3, Nudge.ABORT)
        book << AbandonPlan(2) << back() << hears("rolled back")
        book >> exited(3, ABORTED, at=71, dump="File shop.py, line 7") << Logged("error", "timeouts.boot")
        book << no("worker main/0: not ready within timeouts.boot\nFile shop.py, line 7")


def test_the_answer_waits_until_the_old_generation_is_whole() -> None:
    with story() as book:
        begun(book, ASK)
        book >> ready(3, at=11) << proven() << hears("1 of 2 replaced", ready=1, workers=2) << tell(1, Nudge.DRAIN)
        book >> exited(1, at=12) << replaced() << spawn(4, slot=1, generation=2)
        book >> SpawnFailed(12, ChildId(4), "no memory") << Logged("error", "no memory")
        book << spawn(5, slot=1, generation=2)
        book >> exited(5, Exit(code=1), at=13) << Logged("error", "ended itself") << AbandonPlan(2)
        book << back("generation 1 takes 1 slot back") << hears("rolled back; generation 1 takes 1 slot back")
        book << hears("1 of 2 old again", ready=1, workers=2) << spawn(6)
        book >> ready(6, at=14) << Logged("info", "every slot again")
        book << no("worker main/1: the process ended itself") << tell(3, Nudge.DRAIN)


def test_the_answer_says_if_the_old_generation_does_not_boot_any_more() -> None:
    with story() as book:
        begun(book, ASK)
        book >> ready(3, at=11) << proven() << hears("1 of 2 replaced", ready=1, workers=2) << tell(1, Nudge.DRAIN)
        book >> exited(1, at=12) << replaced() << spawn(4, slot=1, generation=2)
        book >> exited(4, BROKEN, at=13) << Logged("error", "failed to load") << AbandonPlan(2) << back()
        book << hears("rolled back; generation 1 takes 1 slot back")
        book << hears("1 of 2 old again", ready=1, workers=2) << spawn(5)
        book >> ChildFailed(14, ChildId(5), "gone", "Traceback of 5")
        book >> exited(5, BROKEN, at=14) << Logged("error", "gone")
        message = "generation 1 is in force; generation 2 serves 1 slot until it boots"
        book << Logged("error", message)
        book << no(
            "worker main/1: the application failed to load\n"
            "worker main/0: the application failed to load: gone\nTraceback of 5",
            message,
        )
        book << spawn(6)
