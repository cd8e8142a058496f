"""Workers go down; others take their place."""

from __future__ import annotations

from support.supervision import (
    CLEAN,
    SEGFAULT,
    SIGKILL,
    SIGTERM,
    exited,
    policy,
    ready,
    run,
    serving,
    spawn,
    spawned,
    story,
    tell,
)

from workerhub.supervisor import DeadlineReached, Exit, Leave, Nudge, RunHook, Supervisor
from workerhub.supervisor.events import Started
from workerhub.testing import Logged


def test_a_single_crash_is_mended_at_once_and_told_with_what_the_worker_was_doing() -> None:
    with story() as book:
        serving(book)
        book >> spawned(1) >> exited(1, SEGFAULT, at=500, runs=(run(498.5),), dump="Fatal Python error")
        book << Logged("error", "worker main/0 (101) is gone: crashed (SIGSEGV); it was running GET /slow from 192.0.2.1 (1.5 s)",
                       "Fatal Python error")  # fmt: skip
        book << spawn(3)
        book >> ready(3, at=501) << Logged("info", "main: 2 of 2 workers ready")


def test_the_causes_are_told_apart() -> None:
    with story(policy(restart_intensity=100, restart_backoff=0)) as book:
        serving(book)
        causes = {
            SIGKILL: ("error", "killed from outside (SIGKILL), perhaps out of memory"),
            SIGTERM: ("warning", "left, asked by a signal from outside"),
            CLEAN: ("warning", "left, asked by a signal from outside"),
            Exit(code=1): ("error", "the process ended itself (exit code 1)"),
            Exit(code=66): ("error", "the worker class failed"),
            Exit(signal=42): ("error", "crashed (signal 42)"),
            Exit(signal=6, core_dumped=True): ("error", "crashed (SIGABRT, core dumped)"),
        }
        for number, (how, (level, words)) in enumerate(causes.items(), start=3):
            victim = 1 if number == 3 else number - 1
            book >> exited(victim, how, at=number) << Logged(level, words) << spawn(number)  # type: ignore[arg-type]  # two of the levels
            book >> ready(number, at=number) << Logged("info", "main: 2 of 2 workers ready")


def test_every_exit_is_announced_to_the_hook() -> None:
    supervisor = Supervisor([policy(size=1)], lambda most: most)
    for event in (Started(0), spawned(1), ready(1, at=1)):
        supervisor.handle(event)
    facts = {"pool": "main", "slot": 0, "generation": 1, "pid": 101, "cause": "crashed", "code": None, "signal": 11}
    assert RunHook("worker_exited", facts) in supervisor.handle(exited(1, SEGFAULT, at=2))


def test_crashes_in_a_row_are_answered_more_and_more_slowly() -> None:
    with story() as book:
        serving(book)
        last, at = 1, 100.0
        for number, gap in enumerate((0, 1, 2, 4, 8), start=3):
            book >> exited(last, SEGFAULT, at=at) << Logged("error", "crashed")
            at += gap
            if gap:
                book >> DeadlineReached(at)
            book << spawn(number)
            last = number
        book >> exited(last, SEGFAULT, at=at) << Logged("error", "crashed")
        book << Logged("error", "main is degraded: more than 5 restarts within 60 s; from now on one every 30 s")
        book >> DeadlineReached(at + 30) << spawn(8)
        book >> exited(8, SEGFAULT, at=at + 31) << Logged("error", "crashed")
        book >> DeadlineReached(at + 60) << spawn(9)
        book >> ready(9, at=at + 61) << Logged("info", "main: 2 of 2 workers ready") >> DeadlineReached(at + 119)
        book >> DeadlineReached(at + 120) << Logged("info", "main has recovered")


def test_the_next_deadline_is_when_the_restart_is_due() -> None:
    supervisor = Supervisor([policy()], lambda most: most)
    for event in (Started(0), ready(1, at=1), ready(2, at=1)):
        supervisor.handle(event)
    assert supervisor.next_deadline() is None, "nothing to wait for: no ticking"
    supervisor.handle(exited(1, SEGFAULT, at=10))
    supervisor.handle(ready(3, at=11))
    supervisor.handle(exited(3, SEGFAULT, at=10.5))
    assert supervisor.next_deadline() == 11


def test_workers_that_go_down_together_come_back_together() -> None:
    with story(policy(size=4, restart_intensity=2)) as book:
        serving(book, 4)
        book >> exited(1, SIGKILL, at=10) << Logged("error", "killed") << spawn(5)
        for number in (2, 3, 4):
            book >> exited(number, SIGKILL, at=10) << Logged("error", "killed")
        book >> DeadlineReached(11) << spawn(6, slot=1) << spawn(7, slot=2) << spawn(8, slot=3)


def test_with_nothing_healthy_for_a_whole_period_the_server_leaves() -> None:
    with story(policy(size=1, restart_intensity=1)) as book:
        serving(book, 1)
        book >> exited(1, SEGFAULT, at=100) << Logged("error", "crashed") << spawn(2)
        book >> exited(2, SEGFAULT, at=101) << Logged("error", "crashed") << Logged("error", "degraded")
        book >> DeadlineReached(130) << spawn(3)
        book >> exited(3, SEGFAULT, at=131) << Logged("error", "crashed")
        book >> DeadlineReached(160)
        book << Logged("error", "main: no healthy worker for 60 s") << Logged("info", "stopped") << Leave(5)


def test_what_boots_has_its_chance_before_the_server_leaves() -> None:
    with story(policy(size=1, restart_intensity=1, boot_timeout=120)) as book:
        serving(book, 1)
        book >> exited(1, SEGFAULT, at=100) << Logged("error", "crashed") << spawn(2)
        book >> DeadlineReached(160) >> ready(2, at=200) << Logged("info", "main: 1 of 1 workers ready")


def test_a_pool_that_is_lost_takes_the_others_down_gently() -> None:
    with story(policy(name="web", size=1), policy(name="api", size=1, restart_period=0.5)) as book:
        book >> Started(0) << spawn(1, pool="web") << spawn(2, pool="api")
        book >> ready(1, at=1) << Logged("info", "web") >> ready(2, at=1) << Logged("info", "api")
        book >> exited(2, SEGFAULT, at=2) << Logged("error", "crashed") << spawn(3, pool="api")
        book >> exited(3, SEGFAULT, at=2.1) << Logged("error", "crashed")
        book >> DeadlineReached(2.5) << Logged("error", "api: no healthy worker for 0.50 s") << tell(1, Nudge.FINISH)
        book >> exited(1, at=4) << Logged("info", "the server stops") << Logged("info", "stopped") << Leave(5)
