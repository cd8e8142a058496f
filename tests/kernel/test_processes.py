"""The real kernel, with real forks."""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import os
import select
import selectors
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from support.waiting import wait_for

from workerhub.kernel.files import read_text
from workerhub.kernel.processes import PosixKernel
from workerhub.kernel.protocol import HookEnded, SignalArrived, TaskEnded
from workerhub.kernel.signals import Heard, WorkerSignals
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildExited, ChildFailed, ChildId, ChildReady, Exit, LimitReached
from workerhub.supervisor.exits import WorkerExit

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Stage

    from workerhub.kernel.birth import Birth

pytestmark = pytest.mark.timeout(60)


def wait_to_leave(birth: Birth) -> int:
    """The life of a worker that only waits for the order to leave."""
    birth.report_ready()
    while not birth.signals:
        select.select([birth.signals], [], [])
        birth.signals.clear()
    return 10 if birth.signals.server else 11


def sleep_for_ever(birth: Birth) -> int:
    birth.report_ready()
    while True:
        time.sleep(60)


# Being born, reporting, and leaving


def test_a_life_is_told_from_ready_to_exit(stage: Stage) -> None:
    def life(birth: Birth) -> int:
        birth.report_ready()
        return 3

    child = stage.spawn(life)
    exited = stage.exit_of(child)
    assert [type(it) for it in stage.story] == [ChildReady, ChildExited]
    assert exited.exit == Exit(code=3)
    assert exited.dump == ""
    assert all(a.at <= b.at for a, b in pairwise(stage.story))


@pytest.mark.parametrize(("nudge", "code"), [(Nudge.DRAIN, 11), (Nudge.FINISH, 10)])
def test_a_child_is_told_to_leave_and_whether_the_server_stops(stage: Stage, nudge: Nudge, code: int) -> None:
    child = stage.spawn(wait_to_leave)
    stage.play(lambda story: any(isinstance(it, ChildReady) for it in story))
    stage.kernel.nudge(child, nudge)
    assert stage.exit_of(child).exit == Exit(code=code)


def test_an_order_to_leave_is_not_lost_between_fork_and_set_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal arrives while the child still has no handler of its own; it is delivered to that one afterwards."""
    reader, writer = os.pipe()
    install = WorkerSignals.install

    def late(self: WorkerSignals, dump_fd: int) -> None:
        os.read(reader, 1)
        install(self, dump_fd)

    monkeypatch.setattr(WorkerSignals, "install", late)
    child = stage.spawn(wait_to_leave)
    stage.kernel.nudge(child, Nudge.DRAIN)
    os.write(writer, b"x")
    assert stage.exit_of(child).exit == Exit(code=11)
    assert not stage.of(SignalArrived)
    os.close(reader)
    os.close(writer)


def test_no_order_to_leave_is_lost_however_early(stage: Stage) -> None:
    children = []
    for _ in range(30):
        children.append(stage.spawn(wait_to_leave))
        stage.kernel.nudge(children[-1], Nudge.DRAIN)
    assert [stage.exit_of(child).exit for child in children] == [Exit(code=11)] * 30


def test_an_exception_becomes_a_report_and_an_exit_code(stage: Stage) -> None:
    def life(_birth: Birth) -> NoReturn:
        raise ZeroDivisionError("no\nway")

    child = stage.spawn(life)
    assert stage.exit_of(child).exit == Exit(code=WorkerExit.SETUP_FAILED)
    (failed,) = stage.of(ChildFailed)
    assert isinstance(failed, ChildFailed)
    assert failed.reason == "ZeroDivisionError: no way"
    assert "in life" in failed.detail


def test_a_killed_child_leaves_the_request_that_it_was_running(stage: Stage) -> None:
    def life(birth: Birth) -> int:
        one, two = birth.row.records()
        one.begin(b"GET /done", b"", 1.0, 2.0)
        one.end()
        two.begin(b"GET /stuck", b"192.0.2.1", 5.0, 65.0)
        return sleep_for_ever(birth)

    child = stage.spawn(life, capacity=2)
    stage.play(lambda story: any(isinstance(it, ChildReady) for it in story))
    (run,) = stage.kernel.read_board({})[child].runs
    assert (run.index, run.line, run.client, run.started_at, run.deadline) == (1, "GET /stuck", "192.0.2.1", 5.0, 65.0)
    stage.kernel.nudge(child, Nudge.KILL)
    exited = stage.exit_of(child)
    assert exited.exit == Exit(signal=signal.SIGKILL)
    assert exited.last.runs == (run,)
    assert exited.last.requests == 1
    assert stage.kernel.read_board({}) == {}


def test_a_segfault_leaves_its_python_stack(stage: Stage) -> None:
    def crash_here(_birth: Birth) -> NoReturn:
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: no core file
        faulthandler._sigsegv()  # type: ignore[attr-defined]  # a test's tool of CPython's own
        raise AssertionError

    exited = stage.exit_of(stage.spawn(crash_here))
    assert exited.exit.signal == signal.SIGSEGV
    assert "Segmentation fault" in exited.dump
    assert "in crash_here" in exited.dump
    assert exited.dump.count("in be_worker") == 1
    assert "in spawn" not in exited.dump  # the master's frames, which the fork copied


def test_a_busy_child_leaves_its_stacks_when_asked(stage: Stage) -> None:
    def busy_here(birth: Birth) -> int:
        birth.report_ready()
        while True:
            pass

    child = stage.spawn(busy_here)
    stage.play(lambda story: any(isinstance(it, ChildReady) for it in story))
    stage.kernel.nudge(child, Nudge.DUMP)
    dump_fd = stage.kernel._children[child].dump_fd
    wait_for(lambda: "in busy_here" in read_text(dump_fd), "the stacks")
    stage.kernel.nudge(child, Nudge.KILL)
    assert "in busy_here" in stage.exit_of(child).dump


def test_signals_for_the_master_leave_a_worker_alone(stage: Stage) -> None:
    child = stage.spawn(wait_to_leave)
    stage.play(lambda story: any(isinstance(it, ChildReady) for it in story))
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2):
        os.kill(stage.pid(child), number)
    stage.kernel.nudge(child, Nudge.DRAIN)
    assert stage.exit_of(child).exit == Exit(code=11)


@pytest.mark.parametrize(
    ("nudge", "heard"),
    [(Nudge.INTERRUPT, Heard.INTERRUPT), (Nudge.ABORT, Heard.ABORT), (Nudge.REOPEN, Heard.REOPEN)],
)
def test_a_nudge_runs_its_action_in_the_worker(stage: Stage, nudge: Nudge, heard: Heard) -> None:
    def life(birth: Birth) -> int:
        birth.signals.actions[heard] = lambda _frame: os._exit(42)
        return wait_to_leave(birth)

    child = stage.spawn(life)
    stage.play(lambda story: any(isinstance(it, ChildReady) for it in story))
    stage.kernel.nudge(child, nudge)
    assert stage.exit_of(child).exit == Exit(code=42)


def _state(pid: int) -> str:
    """The process's state letter; its name in front of it may hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_nudging_a_child_that_is_gone_is_no_error(stage: Stage) -> None:
    child = stage.spawn(lambda _birth: 0)
    wait_for(lambda: _state(stage.pid(child)) == "Z", "the child to be a zombie")
    stage.kernel.nudge(child, Nudge.DRAIN)
    stage.exit_of(child)
    stage.kernel.nudge(child, Nudge.KILL)


# Reports, well-meant and not


def test_all_reports_come_before_the_exit(stage: Stage) -> None:
    def life(birth: Birth) -> int:
        for _ in range(5000):
            birth.report_limit()
        birth.report_failed("the end", "x" * 100_000)
        return 1

    child = stage.spawn(life)
    stage.exit_of(child)
    assert [type(it) for it in stage.story] == [LimitReached] * 5000 + [ChildFailed, ChildExited]
    failed = stage.story[-2]
    assert isinstance(failed, ChildFailed)
    assert failed.detail == "x" * (32 << 10)


@pytest.mark.parametrize(
    "junk",
    [
        b"\n\n\n",
        b"hello\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b'{"report": "surprise"}\n',
        b'{"report": ["ready"]}\n',
        b'{"report": "failed", "reason": 3, "detail": ""}\n',
        b'{"report": "failed"}\n',
        b"[" * 100_000 + b"\n",
        b"x" * 3_000_000 + b"\n",
        b'{"report": "ready"' + b" " * 300_000 + b"}\n",
    ],
    ids=lambda junk: f"{junk[:24]!r}x{len(junk)}",
)
def test_what_is_no_report_is_dropped(stage: Stage, junk: bytes) -> None:
    def life(birth: Birth) -> int:
        rest = junk
        while rest:
            rest = rest[os.write(birth.report_fd, rest) :]
        birth.report_limit()
        return 0

    stage.exit_of(stage.spawn(life))
    assert [type(it) for it in stage.story] == [LimitReached, ChildExited]


def test_a_half_report_at_the_end_is_dropped(stage: Stage) -> None:
    def life(birth: Birth) -> int:
        os.write(birth.report_fd, b'{"report": "ready"}')
        return 0

    stage.exit_of(stage.spawn(life))
    assert [type(it) for it in stage.story] == [ChildExited]


def test_a_child_that_reports_without_end_does_not_keep_the_kernel_from_the_others(stage: Stage) -> None:
    def storm(birth: Birth) -> int:
        while True:
            birth.report_limit()

    stage.spawn(storm)
    other = stage.spawn(lambda _birth: 7)
    assert stage.exit_of(other).exit == Exit(code=7)


def test_a_closed_report_pipe_does_not_keep_the_kernel_awake(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def life(birth: Birth) -> int:
        birth.report_ready()
        os.close(birth.report_fd)
        return wait_to_leave(birth)

    stage.spawn(life)
    stage.play(lambda story: any(isinstance(it, ChildReady) for it in story))
    stage.kernel.wait(stage.kernel.now() + 0.05)
    selector, woken = stage.kernel._selector, 0
    select = selector.select

    def counting(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        nonlocal woken
        woken += 1
        return select(timeout)

    monkeypatch.setattr(selector, "select", counting)
    assert stage.kernel.wait(stage.kernel.now() + 0.3) == []
    assert woken <= 3


# Time and signals


def test_waiting_ends_at_the_moment_and_not_before(stage: Stage) -> None:
    until = stage.kernel.now() + 0.05
    assert stage.kernel.wait(until) == []
    assert until <= stage.kernel.now()
    assert stage.kernel.wait(until) == []


def test_signals_are_told_by_name_and_in_order(stage: Stage) -> None:
    names = ["SIGHUP", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT", "SIGTERM"]
    for name in names:
        os.kill(os.getpid(), signal.Signals[name])
    stage.play(lambda story: len(story) >= len(names))
    assert [it.name for it in stage.story if isinstance(it, SignalArrived)] == names


def test_a_signal_wakes_the_kernel(stage: Stage) -> None:
    pid = os.getpid()

    def life(_birth: Birth) -> int:
        os.kill(pid, signal.SIGHUP)
        return 0

    stage.spawn(life)
    stage.story += stage.kernel.wait(None)
    stage.play(lambda story: any(isinstance(it, SignalArrived) for it in story))


def test_a_blocked_signal_that_the_master_inherited_is_let_in() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    try:
        kernel = PosixKernel()
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, set()) & {signal.SIGTERM, signal.SIGCHLD}
        kernel.close()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_closing_gives_the_handlers_back() -> None:
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    PosixKernel().close()
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before


# What isn't ours


def test_an_orphan_that_was_adopted_is_reaped_and_forgotten(stage: Stage) -> None:
    """As PID 1 does: the grandchild becomes this process's child when its parent is gone."""
    if sys.platform != "linux":
        pytest.skip("only Linux has child subreapers")
    subreaper, reader_writer = 36, os.pipe()
    ctypes.CDLL(None).prctl(subreaper, 1, 0, 0, 0)
    try:

        def life(_birth: Birth) -> int:
            pid = os.fork()
            if pid == 0:
                signal.alarm(30)
                while os.getppid() not in (master, 1):
                    time.sleep(0.01)
                os._exit(9)
            os.write(reader_writer[1], str(pid).encode())
            return 0

        master = os.getpid()
        stage.exit_of(stage.spawn(life))
        grandchild = int(os.read(reader_writer[0], 32))

        def gone() -> bool:
            stage.story += stage.kernel.wait(stage.kernel.now() + 0.05)
            return not Path(f"/proc/{grandchild}").exists()

        wait_for(gone, "the grandchild to be reaped")
        assert len(stage.story) == 1
    finally:
        ctypes.CDLL(None).prctl(subreaper, 0, 0, 0, 0)
        for fd in reader_writer:
            os.close(fd)


def open_files() -> set[str]:
    """What this process has open, without the directory that is being listed."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return found


def test_a_child_keeps_nothing_of_its_siblings_or_its_master(stage: Stage, tmp_path: Path) -> None:
    secret = os.open(tmp_path / "secret", os.O_CREAT | os.O_RDWR)
    stage.kernel.private.add(secret)
    first = stage.spawn(wait_to_leave)
    kernel, known = stage.kernel, stage.kernel._children[first]
    foreign = {str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in (known.reports.fd, kernel._wake_reader, secret)}

    def life(_birth: Birth) -> int:
        memory_files = [name for name in open_files() if "workerhub-dump" in name]
        (tmp_path / "found").write_text("\n".join(sorted(open_files() & foreign)) + f"\n{len(memory_files)}")
        return 0

    stage.exit_of(stage.spawn(life))
    os.close(secret)
    assert (tmp_path / "found").read_text() == "\n1"  # nothing foreign, one dump file: its own


# When the system says no


def count_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_room_on_the_board_is_told(stage: Stage) -> None:
    before = count_open()
    with pytest.raises(OSError, match="no room on the board for a worker of 10000000 requests"):
        stage.spawn(wait_to_leave, capacity=10_000_000)
    assert count_open() == before


def fail_with(number: int) -> Callable[[], NoReturn]:
    def fail(*_args: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("call", "number", "words"),
    [
        ("fork", errno.EAGAIN, "no process can be started: Resource temporarily unavailable"),
        ("pipe", errno.EMFILE, "no descriptors for another child: Too many open files"),
    ],
)
def test_a_spawn_that_fails_leaves_nothing_behind(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, call: str, number: int, words: str
) -> None:
    before = count_open(), bytes(stage.kernel._children.board._taken), signal.pthread_sigmask(signal.SIG_BLOCK, set())
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail_with(number))
        with pytest.raises(OSError, match=words):
            stage.spawn(wait_to_leave)
    assert before == (
        count_open(),
        bytes(stage.kernel._children.board._taken),
        signal.pthread_sigmask(signal.SIG_BLOCK, set()),
    )


def test_children_that_come_and_go_leave_nothing_behind(stage: Stage) -> None:
    stage.exit_of(stage.spawn(lambda _birth: 0))
    before = count_open()
    for child in [stage.spawn(lambda _birth: 0) for _ in range(10)]:
        stage.exit_of(child)
    assert count_open() == before
    assert not any(stage.kernel._children.board._taken)


# Hooks


def fail() -> NoReturn:
    raise LookupError("no such number")


@pytest.mark.parametrize(
    ("life", "expected"),
    [
        (lambda: None, ""),
        (lambda: sys.exit(0), ""),
        (lambda: sys.exit("no"), "SystemExit: no"),
        (lambda: os._exit(5), "it exited with code 5"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "it was killed by signal 9"),
        (lambda: time.sleep(60), "it did not end within 0.2 s and was killed"),
    ],
    ids=["good", "exit 0", "exit message", "os._exit", "killed", "hanging"],
)
def test_a_hook_is_told_to_have_ended_and_how(stage: Stage, life: Callable[[], None], expected: str) -> None:
    stage.kernel.run_hook("reloaded", life, timeout=0.2 if "within" in expected else 20.0)
    (ended,) = stage.play(bool)
    assert isinstance(ended, HookEnded)
    assert (ended.hook, ended.failure) == ("reloaded", expected)


def test_a_hook_that_raises_leaves_its_traceback(stage: Stage) -> None:
    stage.kernel.run_hook("server_ready", fail, timeout=20.0)
    (ended,) = stage.play(bool)
    assert isinstance(ended, HookEnded)
    assert "LookupError: no such number" in ended.failure


def test_what_a_hook_started_ends_with_it(stage: Stage) -> None:
    reader, writer = os.pipe()

    def life() -> None:
        if os.fork() == 0:
            signal.alarm(30)
        time.sleep(60)

    stage.kernel.run_hook("reloaded", life, timeout=0.2)
    os.close(writer)
    stage.play(bool)
    assert select.select([reader], [], [], 20.0)[0], "somebody still holds the pipe"
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_hook_for_which_there_is_no_process_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fork", fail_with(errno.EAGAIN))
        stage.kernel.run_hook("reloaded", fail, timeout=20.0)
    (ended,) = stage.kernel.wait(None)
    assert isinstance(ended, HookEnded)
    assert ended.failure == "no process could be started: Resource temporarily unavailable"


def test_closing_waits_for_hooks(tmp_path: Path) -> None:
    kernel = PosixKernel()
    kernel.run_hook("worker_exited", (tmp_path / "done").touch, timeout=20.0)
    kernel.close()
    assert (tmp_path / "done").exists()


# Tasks


def be_killed() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b"survived"


def hang() -> bytes:
    time.sleep(60)
    return b"woke"


@pytest.mark.parametrize(
    ("work", "result", "failure"),
    [
        (lambda: b"42", b"42", ""),
        (lambda: b"x" * (1 << 20), b"x" * (1 << 20), ""),
        (lambda: b"", None, "it exited before it was done"),
        (lambda: os._exit(0), None, "it exited before it was done"),
        (lambda: os._exit(5), None, "it exited with code 5"),
        (be_killed, None, "it was killed by signal 9"),
        (hang, None, "it did not end within 0.2 s and was killed"),
    ],
    ids=["good", "long", "nothing", "os._exit", "os._exit(5)", "killed", "hanging"],
)
def test_a_task_is_told_to_have_ended_and_what_it_came_to(
    stage: Stage, work: Callable[[], bytes], result: bytes | None, failure: str
) -> None:
    before = count_open()
    stage.kernel.run_task("counting", work, timeout=0.2 if "within" in failure else 20.0)
    (ended,) = stage.play(bool)
    assert ended == TaskEnded(ended.at, "counting", result, failure)
    assert count_open() == before


def test_a_task_for_which_there_is_no_process_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fork", fail_with(errno.EAGAIN))
        stage.kernel.run_task("counting", fail, timeout=20.0)
    (ended,) = stage.kernel.wait(None)
    failure = "no process could be started: Resource temporarily unavailable"
    assert ended == TaskEnded(ended.at, "counting", None, failure)


def test_closing_does_not_wait_for_tasks() -> None:
    kernel = PosixKernel()
    kernel.run_task("sleeping", hang, timeout=60.0)
    began = time.monotonic()
    kernel.close()
    assert time.monotonic() - began < 30


# When the master is gone


@pytest.mark.parametrize("lifeline", [False, True], ids=["told by the system", "by a lifeline"])
def test_a_worker_leaves_when_its_master_is_gone(*, lifeline: bool) -> None:
    if not lifeline and sys.platform != "linux":
        pytest.skip("only Linux tells")
    reader, writer = os.pipe()

    def life(birth: Birth) -> int:
        signal.alarm(30)  # nobody else would end it, should it not leave
        birth.watch_master()
        code = wait_to_leave(birth)
        os.write(writer, b"left")
        return code

    master = os.fork()
    if master == 0:
        try:
            kernel = PosixKernel(lifeline=lifeline)
            for number in range(2):  # a sibling that is alive doesn't count
                kernel.spawn(ChildId(number), 1, life)
            ready = 0
            while ready < 2:
                ready += len(kernel.wait(None))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(master, 0)
    os.close(writer)
    told = b""
    while select.select([reader], [], [], 20.0)[0] and (data := os.read(reader, 64)):
        told += data
    os.close(reader)
    assert told == b"leftleft"
