from __future__ import annotations

from math import inf

import pytest

from workerhub.kernel.protocol import HookEnded, Kernel, SignalArrived
from workerhub.supervisor import (
    ChildExited,
    ChildFailed,
    ChildId,
    ChildReady,
    ChildSpawned,
    Exit,
    LimitReached,
    Nudge,
    Reading,
    ReloadRequested,
    SpawnFailed,
    Ticket,
)
from workerhub.testing import DeadlockError, FakeKernel, OutOfFuelError, Request, Script

ONE = ChildId(1)
IDLE = Reading(0)


def spawn(kernel: FakeKernel, child: ChildId = ONE) -> int:
    return kernel.spawn(child, 1, lambda _birth: 0)


def ready(script: Script) -> FakeKernel:
    kernel = FakeKernel(script=script)
    spawn(kernel)
    assert kernel.wait(None) == [ChildReady(0.5, ONE)]
    return kernel


def test_it_is_a_kernel() -> None:
    kernel: Kernel = FakeKernel()
    assert kernel.now() == 0


def test_the_clock_jumps_to_the_next_happening_or_to_the_moment() -> None:
    kernel = FakeKernel()
    kernel.send_signal(3600, "SIGHUP")
    assert (kernel.wait(10), kernel.now()) == ([], 10)
    assert (kernel.wait(None), kernel.now()) == ([SignalArrived(3600, "SIGHUP")], 3600)


def test_what_happens_at_one_moment_is_reported_together_in_order() -> None:
    kernel = FakeKernel()
    for name in ("SIGHUP", "SIGTERM"):
        kernel.send_signal(1, name)
    assert kernel.wait(1) == [SignalArrived(1, "SIGHUP"), SignalArrived(1, "SIGTERM")]


def test_time_never_runs_backwards() -> None:
    kernel = FakeKernel()
    kernel.wait(10)
    assert (kernel.wait(5), kernel.now()) == ([], 10)


def test_waiting_for_nothing_is_a_deadlock() -> None:
    with pytest.raises(DeadlockError, match=r"child 1 +is ready"):
        ready(Script()).wait(None)


def test_a_spinning_master_runs_out_of_fuel() -> None:
    kernel = FakeKernel(fuel=10)
    for _ in range(10):
        kernel.wait(0)
    with pytest.raises(OutOfFuelError):
        kernel.wait(0)


def test_a_boot_that_fails() -> None:
    kernel = FakeKernel(script=Script(fails_with="no shop"))
    spawn(kernel)
    assert kernel.wait(None) == [
        ChildFailed(0.5, ONE, "no shop", "Traceback of no shop"),
        ChildExited(0.5, ONE, Exit(code=64), IDLE),
    ]


def test_a_fork_that_is_refused() -> None:
    with pytest.raises(OSError, match="no memory"):
        spawn(FakeKernel(script=Script(refused="no memory")))


def test_scripts_are_dealt_by_order_of_birth() -> None:
    kernel = FakeKernel({2: Script(boots_after=2)}, Script(boots_after=1))
    for number in (1, 2, 3):
        assert spawn(kernel, ChildId(number)) == 100 + number
    assert kernel.wait(None) == [ChildReady(1, ChildId(1)), ChildReady(1, ChildId(3))]
    assert kernel.wait(None) == [ChildReady(2, ChildId(2))]


def test_dying_on_its_own_and_by_somebody_outside() -> None:
    kernel = ready(Script(dies_after=7, exit=Exit(code=3)))
    assert kernel.wait(None) == [ChildExited(7, ONE, Exit(code=3), IDLE)]
    kernel = ready(Script())
    kernel.end_process(5, 1, Exit(signal=9))
    assert kernel.wait(None) == [ChildExited(5, ONE, Exit(signal=9), IDLE)]
    assert kernel.living == {}


def test_requests_show_on_the_board_and_are_finished_before_leaving() -> None:
    kernel = ready(Script(requests=(Request(after=1, lasts=10, timeout=60), Request(after=5, lasts=1))))
    kernel.wait(2)
    (run,) = kernel.read_board({})[ONE].runs
    assert (run.index, run.started_at, run.deadline, run.line) == (0, 1.5, 61.5, "GET /")
    kernel.nudge(ONE, Nudge.DRAIN)
    assert kernel.wait(None) == [ChildExited(11.6, ONE, Exit(code=0), Reading(1))], "the second request found it closed"


def test_interrupting_ends_what_is_overdue_unless_it_is_stubborn() -> None:
    requests = (
        Request(after=0, lasts=inf, timeout=1),
        Request(after=0, lasts=inf, timeout=1, stubborn=True),
        Request(after=0, lasts=inf, timeout=9),
    )
    kernel = ready(Script(requests=requests))
    kernel.wait(2)
    kernel.nudge(ONE, Nudge.INTERRUPT)
    assert [run.index for run in kernel.read_board({})[ONE].runs] == [1, 2]


def test_abort_kill_and_dump() -> None:
    kernel = ready(Script())
    kernel.nudge(ONE, Nudge.DUMP)
    kernel.nudge(ONE, Nudge.ABORT)
    assert kernel.wait(None) == [ChildExited(0.55, ONE, Exit(code=67), IDLE, "stacks of child 1 at 0.500\n")]
    kernel = ready(Script(aborts_after=inf))
    kernel.nudge(ONE, Nudge.ABORT)
    kernel.nudge(ONE, Nudge.KILL)
    assert kernel.wait(None) == [ChildExited(0.51, ONE, Exit(signal=9), IDLE)]


def test_reaching_the_limit() -> None:
    assert ready(Script(limit_after=4)).wait(None) == [LimitReached(4.5, ONE)]


def test_memory_grows_as_the_script_says_and_is_told_of_those_asked_about() -> None:
    kernel = FakeKernel(script=Script(memory=1000, leaks=10))
    for number in (1, 2):
        spawn(kernel, ChildId(number))
    assert kernel.read_board({ONE: 0})[ONE].memory == 1000, "nothing leaks while it boots"
    kernel.wait(0.5)
    kernel.wait(4.5)
    assert [reading.memory for reading in kernel.read_board({ONE: 0}).values()] == [1040, None]


def test_hooks_end_well() -> None:
    kernel = FakeKernel()
    kernel.run_hook("reloaded", lambda: None, 30)
    assert kernel.wait(None) == [HookEnded(0, "reloaded", "")]


def test_who_asks_hears_what_becomes_of_it() -> None:
    kernel = FakeKernel()
    request = ReloadRequested(5, "control", Ticket(1))
    kernel.ask(request)
    assert (kernel.wait(None), kernel.now()) == ([request], 5)
    kernel.tell(Ticket(1), "half of it", {})
    kernel.answer(Ticket(1), "no", ok=False, detail="because", fields={})
    assert kernel.transcript.lines == [
        "       5.000  asker 1   asks: control",
        "       5.000  asker 1   hears: half of it",
        "       5.000  asker 1   is answered no: no",
        "                         | because",
    ]


# Templates

TWO, THREE = ChildId(2), ChildId(3)


def template(script: Script = Script()) -> FakeKernel:  # noqa: B008  # frozen: sharing it is safe
    """A kernel with a template, child 1, that is ready."""
    kernel = FakeKernel({1: script})
    kernel.spawn_template(ONE, 1, lambda _birth, _forks: 0)
    assert kernel.wait(None) == [ChildReady(0.5, ONE)]
    return kernel


def test_a_template_forks_a_little_later() -> None:
    kernel = template(Script(forks_after=0.5))
    kernel.spawn_from(ONE, TWO, 1, b"")
    assert kernel.wait(None) == [ChildSpawned(1.0, TWO, 102)]
    assert kernel.wait(None) == [ChildReady(1.5, TWO)]


def test_what_a_worker_is_told_before_its_birth_it_hears_then() -> None:
    kernel = template()
    kernel.spawn_from(ONE, TWO, 1, b"")
    kernel.nudge(TWO, Nudge.DRAIN)
    assert [type(it) for it in kernel.wait(None)] == [ChildSpawned]
    (exited,) = kernel.wait(None)
    assert exited == ChildExited(exited.at, TWO, Exit(code=0), IDLE)
    assert set(kernel.living) == {ONE}


def test_a_template_that_hangs_has_forked_nobody_when_it_is_killed() -> None:
    kernel = template(Script(forks_after=inf))
    for child in (TWO, THREE):
        kernel.spawn_from(ONE, child, 1, b"")
    kernel.nudge(TWO, Nudge.KILL)
    assert kernel.wait(60) == []
    kernel.nudge(ONE, Nudge.KILL)
    assert kernel.wait(None) == [
        ChildExited(60.01, ONE, Exit(signal=9), IDLE),
        SpawnFailed(60.01, TWO, "its template is gone"),
        SpawnFailed(60.01, THREE, "its template is gone"),
    ]
    with pytest.raises(OSError, match="the template is gone"):
        kernel.spawn_from(ONE, ChildId(4), 1, b"")


def test_a_template_forks_nobody_for_whom_there_is_no_process() -> None:
    kernel = FakeKernel({2: Script(refused="no more processes")})
    kernel.spawn_template(ONE, 1, lambda _birth, _forks: 0)
    kernel.spawn_from(ONE, TWO, 1, b"")
    assert kernel.wait(None) == [SpawnFailed(0.002, TWO, "no more processes")]
