"""A template for each generation, and workers that it forks."""

from __future__ import annotations

import pytest
from support.reloads import asked, proven
from support.supervision import SEGFAULT, SIGKILL, exited, policy, ready, spawn, spawn_template, spawned, story, tell

from workerhub.supervisor import (
    AbandonPlan,
    ChildFailed,
    ChildId,
    CommitPlan,
    DeadlineReached,
    Exit,
    Leave,
    LimitReached,
    Nudge,
    PoolPolicy,
    ScaleRequested,
    SpawnFailed,
    StopRequested,
    Supervisor,
)
from workerhub.supervisor.events import Started
from workerhub.testing import Logged, Playbook

APP_FAILED = Exit(code=64)


def preloaded(**changes: object) -> PoolPolicy:
    return policy(preload=True, **changes)


def serving_from_a_template(book: Playbook, size: int = 2) -> None:
    """Child 1 is the template, children 2 to `size` + 1 are the workers."""
    book >> Started(0) << spawn_template(1) >> ready(1, at=0)
    for number in range(2, size + 2):
        book << spawn(number, slot=number - 2, template=1)
    for number in range(2, size + 2):
        book >> spawned(number, at=0) >> ready(number, at=0)
    book << Logged("info", f"main: {size} of {size} workers ready")


def stillborn(number: int, at: float) -> SpawnFailed:
    return SpawnFailed(at, ChildId(number), "its template is gone")


# Starting


def test_workers_are_forked_when_the_template_is_ready() -> None:
    with story(preloaded()) as book:
        serving_from_a_template(book)


@pytest.mark.parametrize("how", ["fails", "is late"])
def test_a_template_that_does_not_boot_is_the_end_of_the_start(how: str) -> None:
    with story(preloaded(restart_intensity=0)) as book:
        book >> Started(0) << spawn_template(1)
        if how == "fails":
            (
                book
                >> ChildFailed(1, ChildId(1), "no module called shop", "Traceback of it")
                >> exited(1, APP_FAILED, at=1)
            )
            book << Logged(
                "error",
                "template main is gone: the application failed to load: no module called shop",
                "Traceback of it",
            )
        else:
            book >> DeadlineReached(60) << Logged("error", "template main was not ready within 60 s")
            book << tell(1, Nudge.DUMP) << tell(1, Nudge.ABORT)
        book << Logged("error", "main: no worker became ready")
        if how == "is late":
            book >> exited(1, at=61) << Logged("error", "not ready within timeouts.boot")
        book << Logged("info", "stopped") << Leave(4)


def test_a_template_that_is_killed_while_it_boots_is_tried_again() -> None:
    with story(preloaded(size=1)) as book:
        book >> Started(0) << spawn_template(1)
        book >> exited(1, SIGKILL, at=1) << Logged("error", "killed from outside") << spawn_template(2)
        book >> ready(2, at=2) << spawn(3, template=2)


# Replacing


def test_a_crash_and_a_worn_out_worker_are_replaced_from_the_template() -> None:
    with story(preloaded()) as book:
        serving_from_a_template(book)
        book >> exited(2, SEGFAULT, at=10) << Logged("error", "crashed") << spawn(4, template=1)
        book >> spawned(4, at=10) >> ready(4, at=10) << Logged("info", "main: 2 of 2 workers ready")
        book >> LimitReached(20, ChildId(3)) << spawn(5, slot=1, template=1)
        book >> spawned(5, at=20) >> ready(5, at=20) << tell(3, Nudge.DRAIN)
        book >> exited(3, at=21) << Logged("info", "recycled")
        book >> ScaleRequested(30, 1, "SIGTTIN") << Logged("info", "workers 2 -> 3") << spawn(6, slot=2, template=1)


def test_a_template_takes_no_room() -> None:
    """The template, two workers, and one successor: surge is 1."""
    with story(preloaded()) as book:
        serving_from_a_template(book)
        for child in (2, 3):
            book >> LimitReached(10, ChildId(child))
            if child == 2:
                book << spawn(4, template=1)


# A template that goes down


def test_a_lost_template_is_rebuilt_at_once_and_workers_do_not_notice() -> None:
    with story(preloaded()) as book:
        serving_from_a_template(book)
        book >> exited(1, SIGKILL, at=10)
        (
            book
            << Logged("error", "template main is gone: killed from outside (SIGKILL), perhaps out of memory")
            << spawn_template(4)
        )
        book >> exited(2, SEGFAULT, at=11) << Logged("error", "crashed")
        book >> ready(4, at=12) << spawn(5, template=4)


def test_a_template_that_crashes_again_and_again_is_rebuilt_with_back_off() -> None:
    with story(preloaded()) as book:
        serving_from_a_template(book)
        book >> exited(1, SEGFAULT, at=10) << Logged("error", "crashed") << spawn_template(4)
        book >> exited(4, SEGFAULT, at=10.1) << Logged("error", "crashed")
        book >> DeadlineReached(11) << spawn_template(5)
        book >> exited(5, SEGFAULT, at=11.1) << Logged("error", "crashed")
        book >> DeadlineReached(13) << spawn_template(6)


def test_a_template_that_boots_has_its_chance_before_the_server_is_given_up() -> None:
    """Nothing has been healthy for a whole `restart.period`."""
    with story(preloaded(size=1, restart_period=5, restart_backoff=0)) as book:
        serving_from_a_template(book, 1)
        book >> exited(1, SIGKILL, at=10) << Logged("error", "template main is gone") << spawn_template(3)
        book >> exited(2, SIGKILL, at=10) << Logged("error", "worker main/0", "is gone")
        book >> DeadlineReached(15) >> ready(3, at=16) << spawn(4, template=3)


def test_what_a_lost_template_was_to_fork_the_next_one_forks() -> None:
    with story(preloaded(size=1)) as book:
        serving_from_a_template(book, 1)
        book >> LimitReached(10, ChildId(2)) << spawn(3, template=1)
        book >> exited(1, SIGKILL, at=10) << Logged("error", "template main is gone") << spawn_template(4)
        book >> stillborn(3, 10) << Logged("warning", "worker main/0 could not be started: its template is gone")
        book >> ready(4, at=10.5) << spawn(5, template=4)


def test_a_template_that_hangs_is_ended_with_its_stacks_and_rebuilt() -> None:
    with story(preloaded(size=1)) as book:
        serving_from_a_template(book, 1)
        book >> LimitReached(10, ChildId(2)) << spawn(3, template=1)
        book >> DeadlineReached(30) << Logged("error", "template main forks nobody any more; it is ended")
        book << tell(1, Nudge.DUMP) << tell(1, Nudge.ABORT) << spawn_template(4)
        book >> ready(4, at=32)
        book >> DeadlineReached(35) << tell(1, Nudge.KILL)
        book >> exited(1, SIGKILL, at=35, dump="in hang_here")
        book << Logged("error", "template main is gone: forked nobody any more", "in hang_here")
        book >> stillborn(3, 35) << Logged("warning", "could not be started") << spawn(5, template=4)


def test_a_template_that_has_much_to_do_is_given_the_time() -> None:
    """Thirty workers, one every second."""
    with story(preloaded(size=30)) as book:
        book >> Started(0) << spawn_template(1) >> ready(1, at=0)
        for number in range(30):
            book << spawn(number + 2, slot=number, template=1)
        for number in range(30):
            book >> DeadlineReached(number) >> spawned(number + 2, at=number) >> ready(number + 2, at=number)
        book << Logged("info", "30 of 30 workers ready")


def test_a_template_is_not_blamed_for_a_worker_that_it_has_forked() -> None:
    with story(preloaded(size=1)) as book:
        serving_from_a_template(book, 1)
        book >> LimitReached(10, ChildId(2)) << spawn(3, template=1) >> spawned(3, at=10)
        book >> DeadlineReached(70) << Logged("error", "worker main/0", "was not ready within 60 s; it is ended")
        book << tell(3, Nudge.DUMP) << tell(3, Nudge.ABORT)


# Reloading


def test_a_reload_boots_a_template_then_a_worker_then_the_others() -> None:
    with story(preloaded()) as book:
        serving_from_a_template(book)
        asked(book, 10, preloaded())
        book << spawn_template(4, generation=2)
        book >> ready(4, at=12) << spawn(5, generation=2, template=4)
        book >> spawned(5, at=12) >> ready(5, at=12) << proven() << tell(2, Nudge.DRAIN)
        book >> exited(2, at=12) << Logged("info", "replaced") << spawn(6, slot=1, generation=2, template=4)
        book >> spawned(6, at=12) >> ready(6, at=12) << Logged("info", "generation 2 is serving") << CommitPlan(2)
        book << tell(1, Nudge.DRAIN) << tell(3, Nudge.DRAIN)
        book >> exited(1, at=13) << Logged("info", "template main is gone: replaced by a new generation")
        book >> exited(3, at=13) << Logged("info", "replaced by a new generation")


@pytest.mark.parametrize("how", ["fails", "is late"])
def test_new_code_that_the_template_can_not_import_changes_nothing(how: str) -> None:
    with story(preloaded(size=1)) as book:
        serving_from_a_template(book, 1)
        asked(book, 10, preloaded(size=1))
        book << spawn_template(3, generation=2)
        if how == "fails":
            book >> ChildFailed(11, ChildId(3), "SyntaxError", "Traceback") >> exited(3, APP_FAILED, at=11)
            book << Logged("error", "template main is gone: the application failed to load: SyntaxError", "Traceback")
        else:
            book >> DeadlineReached(70) << Logged("error", "template main was not ready")
            book << tell(3, Nudge.DUMP) << tell(3, Nudge.ABORT)
        (
            book
            << AbandonPlan(2)
            << Logged("error", "generation 2 is rolled back: template main: ", "generation 1 keeps serving")
        )
        if how == "is late":
            book >> exited(3, at=71) << Logged("error", "not ready within timeouts.boot")
        book >> exited(2, SEGFAULT, at=80) << Logged("error", "crashed") << spawn(4, template=1)


def test_a_new_template_that_is_killed_is_tried_again() -> None:
    """It says nothing about the code."""
    with story(preloaded(size=1)) as book:
        serving_from_a_template(book, 1)
        asked(book, 10, preloaded(size=1))
        book << spawn_template(3, generation=2)
        book >> exited(3, SIGKILL, at=11) << Logged("error", "killed from outside") << spawn_template(4, generation=2)
        book >> ready(4, at=12) << spawn(5, generation=2, template=4)


def test_a_reload_that_fails_half_way_goes_back_with_the_old_template() -> None:
    with story(preloaded()) as book:
        serving_from_a_template(book)
        asked(book, 10, preloaded())
        book << spawn_template(4, generation=2) >> ready(4, at=11) << spawn(5, generation=2, template=4)
        book >> spawned(5, at=11) >> ready(5, at=11) << proven() << tell(2, Nudge.DRAIN)
        book >> exited(2, at=12) << Logged("info", "replaced") << spawn(6, slot=1, generation=2, template=4)
        book >> spawned(6, at=12) >> ChildFailed(12, ChildId(6), "boom", "Traceback") >> exited(6, APP_FAILED, at=12)
        book << Logged("error", "the application failed to load: boom") << AbandonPlan(2)
        book << Logged("error", "generation 2 is rolled back", "generation 1 takes 1 slot back")
        book << tell(4, Nudge.DRAIN) << spawn(7, template=1)
        book >> exited(4, at=13) << Logged("info", "template main is gone: its generation was rolled back")
        book >> spawned(7, at=13) >> ready(7, at=13) << Logged("info", "generation 1 serves every slot again")
        book << tell(5, Nudge.DRAIN)


def test_an_old_template_that_is_lost_while_the_new_one_takes_over_is_rebuilt_only_to_go_back() -> None:
    with story(preloaded()) as book:
        serving_from_a_template(book)
        asked(book, 10, preloaded())
        book << spawn_template(4, generation=2) >> ready(4, at=11) << spawn(5, generation=2, template=4)
        book >> spawned(5, at=11) >> ready(5, at=11) << proven() << tell(2, Nudge.DRAIN)
        book >> exited(1, SIGKILL, at=11) << Logged("error", "template main is gone")
        book >> exited(2, at=12) << Logged("info", "replaced") << spawn(6, slot=1, generation=2, template=4)
        book >> ChildFailed(12, ChildId(6), "boom", "Traceback") >> exited(6, APP_FAILED, at=12)
        book << Logged("error", "the application failed to load: boom") << AbandonPlan(2)
        book << Logged("error", "generation 2 is rolled back") << tell(4, Nudge.DRAIN) << spawn_template(7)
        book >> ready(7, at=14) << spawn(8, template=7)


def test_preload_comes_and_goes_with_a_reload() -> None:
    with story(policy(size=1)) as book:
        book >> Started(0) << spawn(1) >> ready(1, at=0) << Logged("info", "1 of 1 workers ready")
        asked(book, 10, preloaded(size=1))
        book << spawn_template(2, generation=2) >> ready(2, at=11) << spawn(3, generation=2, template=2)
        book >> spawned(3, at=11) >> ready(3, at=11) << proven() << Logged("info", "is serving") << CommitPlan(2)
        book << tell(1, Nudge.DRAIN) >> exited(1, at=11) << Logged("info", "replaced")
        asked(book, 20, policy(size=1), generation=3)
        book << spawn(4, generation=3) >> ready(4, at=21) << proven() << Logged("info", "is serving") << CommitPlan(3)
        book << tell(2, Nudge.DRAIN) << tell(3, Nudge.DRAIN)


# Stopping


def test_a_template_leaves_with_its_workers() -> None:
    with story(preloaded(size=1)) as book:
        serving_from_a_template(book, 1)
        (book >> StopRequested(10, fast=False, origin="SIGTERM") << Logged("info", "graceful stop"))
        book << tell(2, Nudge.FINISH) << tell(1, Nudge.FINISH)
        book >> exited(2, at=11) << Logged("info", "the server stops")
        book >> exited(1, at=11) << Logged("info", "template main is gone: the server stops")
        book << Logged("info", "stopped after 1 s") << Leave(0)


def test_a_template_that_does_not_leave_has_no_more_time_than_it_takes_to_be_killed() -> None:
    with story(preloaded(size=1)) as book:
        serving_from_a_template(book, 1)
        (book >> StopRequested(10, fast=False, origin="SIGTERM") << Logged("info", "graceful stop"))
        book << tell(2, Nudge.FINISH) << tell(1, Nudge.FINISH)
        book >> exited(2, at=11) << Logged("info", "the server stops")
        book >> DeadlineReached(15) << tell(1, Nudge.DUMP) << tell(1, Nudge.ABORT)
        book >> DeadlineReached(20) << tell(1, Nudge.KILL)


def test_a_template_is_no_worker_to_who_asks() -> None:
    supervisor = Supervisor((preloaded(size=1),), lambda most: most)
    with Playbook(supervisor) as book:
        serving_from_a_template(book, 1)
    assert [str(child) for child in supervisor.children()] == ["worker main/0 (102)"]
    (template,) = supervisor.templates()
    assert (str(template), template.facts) == ("template main", {"pool": "main", "generation": 1, "pid": None})
    assert not template.serves
