"""How a server comes up, or doesn't."""

from __future__ import annotations

from support.supervision import SEGFAULT, SIGTERM, exited, policy, ready, serving, spawn, spawned, story, tell

from workerhub.supervisor import (
    ChildFailed,
    ChildId,
    DeadlineReached,
    Exit,
    Leave,
    Nudge,
    RunHook,
    SpawnFailed,
    Started,
    Supervisor,
)
from workerhub.testing import Logged

BROKEN = Exit(code=64)


def failed(number: int, *, at: float, reason: str = "No module named 'shop'") -> ChildFailed:
    return ChildFailed(at, ChildId(number), reason, f"Traceback (most recent call last):\n{reason}")


def test_all_workers_are_started_at_once() -> None:
    with story(policy(size=3)) as book:
        book >> Started(0) << spawn(1, slot=0) << spawn(2, slot=1) << spawn(3, slot=2)


def test_the_log_and_the_hook_wait_for_the_last_worker() -> None:
    supervisor = Supervisor([policy()], lambda most: most)
    for event in (Started(0), spawned(1), spawned(2)):
        supervisor.handle(event)
    first, second = supervisor.handle(ready(1, at=1)), supervisor.handle(ready(2, at=2))
    assert [command for command in first if isinstance(command, RunHook)] == []
    assert [command for command in second if isinstance(command, RunHook)] == [
        RunHook("server_ready", {"pools": ["main"]})
    ]


def test_an_application_that_fails_to_load_ends_the_start_with_one_traceback() -> None:
    with story(policy(size=4)) as book:
        book >> Started(0) << spawn(1) << spawn(2, slot=1) << spawn(3, slot=2) << spawn(4, slot=3)
        book >> spawned(1) >> failed(1, at=1) >> exited(1, BROKEN, at=1)
        book << Logged("error", "worker main/0 (101) is gone: the application failed to load", "'shop'", "Traceback")
        for number in (2, 3):
            book >> failed(number, at=1) >> exited(number, BROKEN, at=1)
        book >> failed(4, at=1) >> exited(4, BROKEN, at=1)
        book << Logged("error", "main: 3 more workers failed the same way")
        book << Logged("error", "main: no worker became ready") << Logged("info", "stopped") << Leave(4)


def test_different_failures_are_each_told() -> None:
    with story() as book:
        book >> Started(0) << spawn(1) << spawn(2, slot=1)
        book >> failed(1, at=1) >> exited(1, BROKEN, at=1) << Logged("error", "'shop'")
        book >> failed(2, at=1, reason="disk full") >> exited(2, BROKEN, at=1) << Logged("error", "disk full")
        book << Logged("error", "no worker became ready") << Logged("info", "stopped") << Leave(4)


def test_a_failure_is_final_only_when_nobody_else_is_booting() -> None:
    """One worker met a database that was just coming up; its sibling did not."""
    with story() as book:
        book >> Started(0) << spawn(1) << spawn(2, slot=1)
        book >> failed(1, at=1) >> exited(1, BROKEN, at=1) << Logged("error", "'shop'")
        book >> ready(2, at=2) << spawn(3)
        book >> ready(3, at=3) << Logged("info", "main: 2 of 2 workers ready")


def test_crashes_at_the_start_are_tried_again_until_the_budget_is_spent() -> None:
    with story(policy(size=1, restart_intensity=2)) as book:
        book >> Started(0) << spawn(1)
        book >> exited(1, SEGFAULT, at=1) << Logged("error", "crashed (SIGSEGV, booting)") << spawn(2)
        book >> exited(2, SEGFAULT, at=1.5) << Logged("error", "crashed")
        book >> DeadlineReached(2) << spawn(3)
        book >> exited(3, SEGFAULT, at=3) << Logged("error", "crashed")
        book << Logged("error", "no worker became ready") << Logged("info", "stopped") << Leave(4)


def test_a_worker_that_is_not_ready_in_time_shows_where_it_hangs_and_is_ended() -> None:
    with story(policy(size=1, restart_intensity=0)) as book:
        book >> Started(0) << spawn(1)
        book >> spawned(1) >> DeadlineReached(60)
        book << Logged("error", "worker main/0 (101) was not ready within 60 s")
        book << tell(1, Nudge.DUMP) << tell(1, Nudge.ABORT) << Logged("error", "no worker became ready")
        book >> DeadlineReached(65) << tell(1, Nudge.KILL)
        book >> exited(1, Exit(signal=9), at=65.1, dump="File shop.py")
        book << Logged("error", "not ready within timeouts.boot (SIGKILL)", "File shop.py")
        book << Logged("info", "stopped") << Leave(4)


def test_slow_boots_spend_the_budget_too() -> None:
    """Each try takes a whole `restart.period`; before the first success nothing is forgotten."""
    with story(policy(size=1, restart_intensity=2, boot_timeout=60)) as book:
        book >> Started(0) << spawn(1)
        for number in (1, 2):
            book >> DeadlineReached(number * 60) << Logged("error", "was not ready")
            book << tell(number, Nudge.DUMP) << tell(number, Nudge.ABORT) << spawn(number + 1)
            book >> exited(number, Exit(code=67), at=number * 60) << Logged("error", "not ready within timeouts.boot")
        book >> DeadlineReached(180) << Logged("error", "was not ready") << tell(3, Nudge.DUMP) << tell(3, Nudge.ABORT)
        book << Logged("error", "no worker became ready")
        (
            book
            >> exited(3, Exit(code=67), at=180)
            << Logged("error", "timeouts.boot")
            << Logged("info", "stopped")
            << Leave(4)
        )


def test_a_fork_that_fails_is_tried_again() -> None:
    with story(policy(size=1)) as book:
        book >> Started(0) << spawn(1)
        (
            book
            >> SpawnFailed(0, ChildId(1), "no memory")
            << Logged("error", "could not be started: no memory")
            << spawn(2)
        )
        book >> SpawnFailed(0, ChildId(2), "no memory") << Logged("error", "could not be started: no memory")
        book >> DeadlineReached(1) << spawn(3)
        book >> ready(3, at=2) << Logged("info", "main: 1 of 1 workers ready")


def test_one_pool_that_cannot_boot_ends_the_start_of_all() -> None:
    with story(policy(name="web", size=1), policy(name="api", size=1)) as book:
        book >> Started(0) << spawn(1, pool="web") << spawn(2, pool="api")
        book >> ready(1, at=1) << Logged("info", "web: 1 of 1 workers ready")
        book >> exited(2, BROKEN, at=2) << Logged("error", "worker api/0")
        book << Logged("error", "api: no worker became ready") << tell(1, Nudge.FINISH)
        book >> exited(1, at=3) << Logged("info", "the server stops") << Logged("info", "stopped") << Leave(4)


def test_later_failures_to_load_never_end_the_server() -> None:
    with story() as book:
        serving(book)
        book >> exited(1, SIGTERM, at=100) << Logged("warning", "left, asked by a signal from outside") << spawn(3)
        for number, at in ((3, 101.0), (4, 102.0)):
            book >> exited(number, BROKEN, at=at) << Logged("error", "the application failed to load")
            if number == 4:
                book >> DeadlineReached(103)
            book << spawn(number + 1)
        book >> ready(5, at=103) << Logged("info", "main: 2 of 2 workers ready")
