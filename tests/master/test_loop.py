"""What the loop does besides carrying events and commands."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path

import pytest
from support.supervision import policy

from workerhub.kernel.notify import Notifier
from workerhub.kernel.protocol import Happening, HookEnded, TaskEnded
from workerhub.master import Master
from workerhub.supervisor import (
    ChildId,
    Nudge,
    Reading,
    ReloadRequested,
    ScaleRequested,
    ServerExit,
    StopRequested,
    Ticket,
)
from workerhub.testing import FakeKernel, FakeStage, Request, Script


def run(kernel: FakeKernel, stage: FakeStage | None = None) -> int:
    return Master(kernel, stage or FakeStage(kernel, [policy()]), lambda most: most).run()


def lines(kernel: FakeKernel, who: str) -> list[str]:
    return [line[23:] for line in kernel.transcript.lines if line[14:23].strip() == who]


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGINT", 0), ("SIGQUIT", 0)])
def test_signals_that_stop(name: str, code: int) -> None:
    kernel = FakeKernel()
    kernel.send_signal(10, name)
    assert run(kernel) == code
    assert f"asked for ({name})" in str(kernel.transcript)


def test_usr1_opens_the_log_files_anew_here_and_in_every_worker() -> None:
    kernel = FakeKernel()
    kernel.send_signal(10, "SIGUSR1")
    kernel.send_signal(20, "SIGTERM")
    run(kernel)
    assert "opens its log files anew" in str(kernel.transcript)
    assert [line for line in lines(kernel, "master") if "reopen" in line] == [
        " tells child 1: reopen",
        " tells child 2: reopen",
    ]


def test_a_new_master_that_cannot_be_started_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel()

    def refuse(*_: object) -> int:
        raise OSError("this master is the container's first process")

    monkeypatch.setattr(kernel, "start_successor", refuse)
    kernel.send_signal(10, "SIGUSR2")
    kernel.send_signal(20, "SIGTERM")
    run(kernel)
    (told,) = lines(kernel, "error")
    assert "upgrade failed: the new master can't be started" in told
    assert "this master is the container's first process" in str(kernel.transcript)


class HookedStage(FakeStage):
    """Has a function hooked up to everything."""

    def hook(self, name: str, facts: Mapping[str, object]) -> Callable[[], None] | None:
        return lambda: None


def test_hooks_are_run_by_the_kernel() -> None:
    kernel = FakeKernel()
    for at, name in ((10, "SIGHUP"), (20, "SIGTERM")):
        kernel.send_signal(at, name)
    run(kernel, HookedStage(kernel, [policy()]))
    assert [line.split()[-1] for line in lines(kernel, "master") if "hook" in line] == [
        "server_ready",
        "worker_exited",
        "reloaded",
        "worker_exited",
        "worker_exited",
        "worker_exited",
    ]


class FailingHookKernel(FakeKernel):
    def wait(self, until: float | None) -> Sequence[Happening]:
        return [
            HookEnded(event.at, event.hook, "Traceback: nobody listens") if isinstance(event, HookEnded) else event
            for event in super().wait(until)
        ]


def test_a_hook_that_fails_is_logged_and_changes_nothing() -> None:
    kernel = FailingHookKernel()
    kernel.send_signal(20, "SIGTERM")
    assert run(kernel, HookedStage(kernel, [policy(size=1)])) == 0
    assert lines(kernel, "error") == [" the hook server_ready failed"]


class FailingTaskKernel(FakeKernel):
    def wait(self, until: float | None) -> Sequence[Happening]:
        return [
            TaskEnded(event.at, event.task, None, "it was killed by signal 11")
            if isinstance(event, TaskEnded)
            else event
            for event in super().wait(until)
        ]


def test_a_planner_that_dies_refuses_the_reload() -> None:
    kernel = FailingTaskKernel()
    kernel.send_signal(10, "SIGHUP")
    kernel.send_signal(20, "SIGTERM")
    assert run(kernel) == 0
    assert "reload refused; generation 1 keeps serving" in str(kernel.transcript)
    assert "the process that reads the configuration failed: it was killed by signal 11" in str(kernel.transcript)
    assert "loads generation" not in str(kernel.transcript)


class BrokenKernel(FakeKernel):
    """Looking at the board raises something that nobody expects."""

    def read_board(self, memory: Mapping[ChildId, int]) -> Mapping[ChildId, Reading]:
        raise RuntimeError("the board is gone")


def test_a_defect_of_the_master_leaves_no_orphans() -> None:
    kernel = BrokenKernel({1: Script(requests=(Request(after=5, lasts=20),)), 2: Script(drains_after=inf)})
    assert run(kernel, FakeStage(kernel, [policy(request_timeout=10)])) == ServerExit.DEFECT
    assert kernel.living == {}
    assert "RuntimeError: the board is gone" in str(kernel.transcript)
    assert "child 1   exits with code 0" in str(kernel.transcript), "what ran was finished"
    assert "child 2   dies of signal 9" in str(kernel.transcript), "what didn't leave was killed"


def run_watched(kernel: FakeKernel, directory: Path, request_timeout: float | None = None) -> list[str]:
    """Run one worker under a watchdog of a minute; what systemd hears, one line for each message."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"{directory}/notify")
        notifier = Notifier(heard.getsockname(), watchdog=60)
        stage = FakeStage(kernel, [policy(size=1, request_timeout=request_timeout)])
        Master(kernel, stage, lambda most: most, notifier).run()
        notifier.close()
        heard.setblocking(False)
        messages = []
        while True:
            try:
                messages.append(heard.recv(4096).decode().replace("\n", " "))
            except BlockingIOError:
                return messages


def test_an_idle_loop_wakes_up_for_the_watchdog(tmp_path: Path) -> None:
    kernel = FakeKernel()
    kernel.send_signal(70, "SIGTERM")
    heard = run_watched(kernel, tmp_path)
    assert [line for line in heard if line.startswith("WATCHDOG=1")] == ["WATCHDOG=1"] * 2, "after 30 s and 60 s"
    assert heard[-1].startswith("STATUS=stopping: 0 workers left")


def test_a_defect_of_the_master_is_told_as_a_stop(tmp_path: Path) -> None:
    kernel = BrokenKernel({1: Script(requests=(Request(after=5, lasts=20),))})
    assert "STOPPING=1 STATUS=stopping: the master failed" in run_watched(kernel, tmp_path, request_timeout=10)


def test_events_of_one_moment_are_taken_in_order_and_the_deadline_last() -> None:
    kernel = FakeKernel(script=Script(boots_after=60))
    kernel.send_signal(100, "SIGTERM")
    assert run(kernel) == 0
    assert "was not ready" not in str(kernel.transcript), "ready at the very deadline is in time"


def test_nudges_are_sent_to_children_that_are_gone_without_harm() -> None:
    kernel = FakeKernel()
    kernel.nudge(ChildId(99), Nudge.KILL)
    assert kernel.living == {}


def test_signals_are_known_by_name() -> None:
    kernel = FakeKernel()
    kernel.send_signal(10, "SIGWINCH")
    kernel.send_signal(20, "SIGTERM")
    run(kernel)
    assert lines(kernel, "warning") == [" SIGWINCH has no meaning here"]


def test_who_asks_is_answered() -> None:
    kernel = FakeKernel()
    kernel.ask(ScaleRequested(10, +1, "control", ticket=Ticket(1)))
    kernel.ask(ReloadRequested(20, "control", ticket=Ticket(2)))
    kernel.ask(StopRequested(30, fast=False, origin="control", ticket=Ticket(3)))
    assert run(kernel) == 0
    assert [line for number in (1, 2, 3) for line in lines(kernel, f"asker {number}")] == [
        " asks: control",
        " is answered yes: main: 3 of 3 workers ready",
        " asks: control",
        " hears: generation 2: reading the configuration",
        " hears: generation 2: the configuration is fine; its first worker boots",
        " hears: generation 2: 1 of 3 replaced",
        " hears: generation 2: 2 of 3 replaced",
        " is answered yes: generation 2 is serving (3 of 3)",
        " asks: control",
        " is answered yes: stopped after 0.10 s: no request was cut",
    ]
