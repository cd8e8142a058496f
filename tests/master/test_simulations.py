"""The real master on a pretend kernel: hours of a server's life, told in transcripts that a reviewer can read.

A transcript that changed is rewritten with `REWRITE_TRANSCRIPTS=1 pytest tests/master`; commit it when you can explain every line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest
from support.supervision import policy

from workerhub.master import Master
from workerhub.supervisor import (
    Exit,
    PoolPolicy,
    ReloadRequested,
    SuccessorLost,
    SuccessorReady,
    Ticket,
    UpgradeRequested,
)
from workerhub.testing import FakeKernel, FakeStage, Request, Script

TRANSCRIPTS = Path(__file__).parent / "transcripts"
HOUR = 3600.0


def serve(kernel: FakeKernel, *policies: PoolPolicy, reloads: tuple[tuple[PoolPolicy, ...] | str, ...] = ()) -> int:
    return Master(kernel, FakeStage(kernel, policies or (policy(),), reloads), lambda most: most // 2).run()


def a_day_without_events() -> tuple[FakeKernel, int]:
    """No ticking: between readiness and TERM the master isn't woken once."""
    kernel = FakeKernel(fuel=50)
    kernel.send_signal(24 * HOUR, "SIGTERM")
    return kernel, serve(kernel)


def an_application_that_does_not_import() -> tuple[FakeKernel, int]:
    kernel = FakeKernel(script=Script(fails_with="ModuleNotFoundError: No module named 'shop'"))
    return kernel, serve(kernel, policy(size=4))


def a_crash_loop_that_heals() -> tuple[FakeKernel, int]:
    """Two workers; every replacement of the first one crashes for two minutes, while the second serves."""
    sick = Script(dies_after=2.0)
    kernel = FakeKernel(dict.fromkeys((1, *range(3, 12)), sick))
    kernel.send_signal(HOUR, "SIGTERM")
    return kernel, serve(kernel)


def nothing_healthy_left() -> tuple[FakeKernel, int]:
    """Both workers crash after a while, and no replacement lives long enough to become ready."""
    old = Script(dies_after=100.0)
    kernel = FakeKernel({1: old, 2: old}, Script(dies_after=0.4))
    return kernel, serve(kernel)


def a_stuck_request() -> tuple[FakeKernel, int]:
    """One request hangs in C code, beside one that is only slow: interrupted, given up, replaced, drained, killed."""
    hang = Request(after=10, lasts=inf, timeout=60, stubborn=True, line="GET /hang")
    slow = Request(after=60, lasts=20, timeout=60, line="GET /slow")
    late = Request(after=12, lasts=inf, timeout=60, line="GET /late")
    kernel = FakeKernel({1: Script(requests=(hang, slow, late))})
    kernel.send_signal(300, "SIGTERM")
    return kernel, serve(kernel, policy(request_timeout=60))


def recycling_under_way() -> tuple[FakeKernel, int]:
    """Both workers have done their share at the same moment; they go one after the other."""
    tired = Script(limit_after=100, requests=(Request(after=95, lasts=10),))
    kernel = FakeKernel({1: tired, 2: tired})
    kernel.send_signal(200, "SIGTERM")
    return kernel, serve(kernel, policy(max_requests=1000, max_requests_jitter=100))


def leaking_workers() -> tuple[FakeKernel, int]:
    """All three leak alike and are above the limit at the same look; they go one after the other, and so do their successors."""
    kernel = FakeKernel(script=Script(memory=100 << 20, leaks=20 << 20, requests=(Request(after=24, lasts=3),)))
    kernel.send_signal(45, "SIGTERM")
    return kernel, serve(kernel, policy(size=3, max_memory=512 << 20))


def workers_of_age() -> tuple[FakeKernel, int]:
    """Each has drawn the same, so all have served long enough at the same moment. Nothing wakes the master in between."""
    kernel = FakeKernel(fuel=200)
    kernel.send_signal(30 * HOUR, "SIGTERM")
    return kernel, serve(kernel, policy(size=3, max_age=12 * HOUR))


def a_memory_limit_that_no_worker_can_keep() -> tuple[FakeKernel, int]:
    kernel = FakeKernel(script=Script(memory=600 << 20))
    kernel.send_signal(200, "SIGTERM")
    return kernel, serve(kernel, policy(max_memory=512 << 20))


def a_reload_with_a_request_in_flight() -> tuple[FakeKernel, int]:
    kernel = FakeKernel({1: Script(requests=(Request(after=9, lasts=5),))})
    kernel.send_signal(10, "SIGHUP")
    kernel.send_signal(60, "SIGTERM")
    return kernel, serve(kernel)


def a_reload_to_broken_code_and_back() -> tuple[FakeKernel, int]:
    kernel = FakeKernel({3: Script(fails_with="SyntaxError: invalid syntax")})
    for at in (10, 20, 30):
        kernel.send_signal(at, "SIGHUP")
    kernel.send_signal(60, "SIGTERM")
    return kernel, serve(kernel, reloads=((policy(),), "server.toml:7: timeouts.requst: unknown setting", (policy(),)))


def a_reload_that_is_rolled_back_half_way() -> tuple[FakeKernel, int]:
    """The third of four new workers doesn't boot; somebody waits for the answer, and tries again."""
    kernel = FakeKernel({7: Script(fails_with="ConnectionError: no database"), 5: Script(requests=(Request(1, 3),))})
    kernel.ask(ReloadRequested(10, "control", Ticket(1)))
    kernel.ask(ReloadRequested(30, "control", Ticket(2)))
    kernel.send_signal(60, "SIGTERM")
    return kernel, serve(kernel, policy(size=4))


def a_reload_whose_code_dies_under_observation() -> tuple[FakeKernel, int]:
    kernel = FakeKernel({3: Script(dies_after=20)})
    for number, at in enumerate((10, 40), start=1):
        kernel.ask(ReloadRequested(at, "control", Ticket(number)))
    kernel.send_signal(100, "SIGTERM")
    return kernel, serve(kernel, policy(observe=30))


def a_reload_whose_import_hangs() -> tuple[FakeKernel, int]:
    kernel = FakeKernel({3: Script(boots_after=inf)})
    kernel.ask(ReloadRequested(10, "control", Ticket(1)))
    kernel.send_signal(100, "SIGTERM")
    return kernel, serve(kernel)


def many_hups_at_once() -> tuple[FakeKernel, int]:
    kernel = FakeKernel()
    for number in range(5):
        kernel.send_signal(10 + number / 10, "SIGHUP")
    kernel.send_signal(60, "SIGTERM")
    return kernel, serve(kernel)


def scaling_and_reopening() -> tuple[FakeKernel, int]:
    kernel = FakeKernel()
    for at, name in ((10, "SIGTTIN"), (20, "SIGUSR1"), (30, "SIGTTOU"), (60, "SIGTERM")):
        kernel.send_signal(at, name)
    return kernel, serve(kernel, policy(size=1))


def upgrades_until_one_succeeds() -> tuple[FakeKernel, int]:
    """The first new master can't read its configuration, the second hangs, the third takes over while a request runs."""
    kernel = FakeKernel({1: Script(requests=(Request(after=995, lasts=20),))})
    refused = SuccessorLost(0, Exit(code=2), "server.toml:3: wroker: unknown setting")
    for at, successor in ((10, (2.0, refused)), (100, None), (1000, (3.0, SuccessorReady(0)))):
        kernel.arrange_successor(at, successor)
        kernel.ask(UpgradeRequested(at, "control", Ticket(at)))
    return kernel, serve(kernel)


def a_stop_that_cuts() -> tuple[FakeKernel, int]:
    """A request outlives the graceful time, and its worker doesn't even react to being told to leave at once."""
    deaf = Script(requests=(Request(after=5, lasts=inf),), aborts_after=inf)
    kernel = FakeKernel({1: deaf})
    kernel.send_signal(10, "SIGTERM")
    return kernel, serve(kernel, policy(drain_delay=5))


def a_hurried_stop() -> tuple[FakeKernel, int]:
    busy = Script(requests=(Request(after=5, lasts=inf),))
    kernel = FakeKernel({1: busy})
    kernel.send_signal(10, "SIGTERM")
    kernel.send_signal(12, "SIGINT")
    return kernel, serve(kernel, policy(drain_delay=5))


def two_pools() -> tuple[FakeKernel, int]:
    web, api = policy(name="web", size=2), policy(name="api", size=1)
    kernel = FakeKernel()
    kernel.end_process(5, 3, Exit(signal=9))
    kernel.send_signal(10, "SIGHUP")
    kernel.send_signal(60, "SIGTERM")
    return kernel, serve(kernel, web, api)


def no_room_for_another_process() -> tuple[FakeKernel, int]:
    kernel = FakeKernel({2: Script(refused="no process can be started: Resource temporarily unavailable")})
    kernel.send_signal(60, "SIGTERM")
    return kernel, serve(kernel)


def a_reload_with_templates() -> tuple[FakeKernel, int]:
    """The template takes its time, the workers don't. One is worn out later."""
    slow, quick = Script(boots_after=5.0), Script(boots_after=0.01)
    kernel = FakeKernel({1: slow, 4: slow, 5: Script(boots_after=0.01, limit_after=20)}, quick)
    kernel.send_signal(10, "SIGHUP")
    kernel.send_signal(60, "SIGTERM")
    return kernel, serve(kernel, policy(preload=True, max_requests=100))


def a_template_that_dies_and_one_that_hangs() -> tuple[FakeKernel, int]:
    """Both workers die with the first template; one of the next one's is worn out when that one forks nobody any more."""
    kernel = FakeKernel({4: Script(forks_after=inf)}, Script(boots_after=1.0))
    for birth in (1, 2, 3):
        kernel.end_process(10, birth, Exit(signal=9))
    kernel.send_signal(200, "SIGTERM")
    return kernel, serve(kernel, policy(preload=True))


SCENARIOS: dict[Callable[[], tuple[FakeKernel, int]], int] = {
    a_day_without_events: 0,
    an_application_that_does_not_import: 4,
    a_crash_loop_that_heals: 0,
    nothing_healthy_left: 5,
    a_stuck_request: 0,
    recycling_under_way: 0,
    leaking_workers: 0,
    workers_of_age: 0,
    a_memory_limit_that_no_worker_can_keep: 0,
    a_reload_with_a_request_in_flight: 0,
    a_reload_to_broken_code_and_back: 0,
    a_reload_that_is_rolled_back_half_way: 0,
    a_reload_whose_code_dies_under_observation: 0,
    a_reload_whose_import_hangs: 0,
    many_hups_at_once: 0,
    scaling_and_reopening: 0,
    upgrades_until_one_succeeds: 0,
    a_stop_that_cuts: 0,
    a_hurried_stop: 0,
    two_pools: 0,
    no_room_for_another_process: 0,
    a_reload_with_templates: 0,
    a_template_that_dies_and_one_that_hangs: 0,
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_transcript_is_as_it_was(scenario: Callable[[], tuple[FakeKernel, int]]) -> None:
    kernel, code = scenario()
    text = f"{kernel.transcript}{kernel.now():12.3f}  master    leaves with code {int(code)}\n"
    file = TRANSCRIPTS / f"{scenario.__name__}.txt"
    if os.environ.get("REWRITE_TRANSCRIPTS"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
    assert code == SCENARIOS[scenario]
    assert kernel.living == {}, "nobody is left behind"


def test_there_is_no_transcript_without_its_scenario() -> None:
    assert {file.stem for file in TRANSCRIPTS.glob("*.txt")} == {scenario.__name__ for scenario in SCENARIOS}


def test_hours_of_leaking_never_takes_more_room_than_the_surge_and_never_a_worker_from_service() -> None:
    kernel = FakeKernel(script=Script(memory=100 << 20, leaks=1 << 20), fuel=100_000)
    kernel.send_signal(5 * HOUR, "SIGTERM")
    assert serve(kernel, policy(size=4, max_memory=512 << 20, max_age=HOUR / 10)) == 0
    assert kernel.births > 4 * 5 * 9
    alive, serving, first = 0, 0, True
    for line in kernel.transcript.lines:
        alive += line.endswith("is born")
        alive -= "exits with code" in line
        serving += line.endswith("is ready")
        serving -= line.endswith(": drain")
        first = first and serving < 4
        assert alive <= 5
        assert first or serving >= 4


def test_a_month_of_crashes_and_reloads_comes_to_rest() -> None:
    """Workers that live an hour each, a reload every six hours: nothing piles up, nobody spins."""
    kernel = FakeKernel(script=Script(dies_after=HOUR), fuel=200_000)
    for number in range(1, 4 * 30):
        kernel.send_signal(number * 6 * HOUR + 1800, "SIGHUP")
    kernel.send_signal(30 * 24 * HOUR, "SIGTERM")
    assert serve(kernel, policy(size=4)) == 0
    assert kernel.births > 2000
