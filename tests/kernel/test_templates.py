"""Templates, and the workers that they fork."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from support.processes import children, stat
from support.waiting import wait_for

from workerhub.kernel import forkserver, orphans
from workerhub.kernel.processes import PosixKernel
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildExited, ChildId, ChildReady, ChildSpawned, Exit, SpawnFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Stage

    from workerhub.kernel.birth import Birth
    from workerhub.kernel.protocol import Forks, Happening

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has child subreapers"),
]


def wait_to_leave(birth: Birth) -> int:
    birth.watch_master()
    birth.report_ready()
    while not birth.signals:
        select.select([birth.signals], [], [])
        birth.signals.clear()
    return 11


def exit_with(_birth: Birth, word: bytes) -> int:
    """The life of a worker whose word is its exit code."""
    return int(word)


def wait_and_exit_with(birth: Birth, word: bytes) -> int:
    wait_to_leave(birth)
    return int(word)


def template(
    stage: Stage, live: Callable[[Birth, bytes], int] = exit_with, first: Callable[[], None] = lambda: None
) -> ChildId:
    """Start a template, ready, whose workers live so."""

    def life(birth: Birth, forks: Forks) -> int:
        first()
        birth.watch_master()
        birth.report_ready()
        forks.serve(live)
        return 5

    child = stage.spawn_template(life)
    stage.ready(child)
    return child


def told_of(stage: Stage, child: ChildId) -> list[type[Happening]]:
    return [type(it) for it in stage.story if getattr(it, "child", None) == child]


def open_files(pid: int | str = "self") -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(entry.readlink()))
    return found


def count_open() -> int:
    return len(open_files())


# Being forked


def test_a_worker_that_a_template_forks_is_the_masters_child(stage: Stage) -> None:
    home = template(stage, wait_and_exit_with)
    worker = stage.spawn_from(home, b"42")
    stage.ready(worker)
    process = stat(stage.pid(worker))
    assert process is not None
    assert process.parent == os.getpid()
    assert children(stage.pid(home)) == []
    stage.kernel.nudge(worker, Nudge.DRAIN)
    assert stage.exit_of(worker).exit == Exit(code=42)
    assert told_of(stage, worker) == [ChildSpawned, ChildReady, ChildExited]
    assert stage.of(ChildSpawned, worker)[0].pid == process.pid  # type: ignore[union-attr]  # asked for by its type
    stage.kernel.nudge(home, Nudge.DRAIN)
    assert stage.exit_of(home).exit == Exit(code=5)


def test_workers_that_exit_at_once_are_told_with_their_pids_and_codes(stage: Stage) -> None:
    """However early they end, also before the master knows their pids."""
    home = template(stage)
    workers = [stage.spawn_from(home, b"%d" % code) for code in range(30)]
    assert [stage.exit_of(worker).exit for worker in workers] == [Exit(code=code) for code in range(30)]
    assert all(told_of(stage, worker) == [ChildSpawned, ChildExited] for worker in workers)


def test_a_worker_that_was_reaped_before_anything_was_heard_of_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pid stands on the board by then: whoever forked it had to exit before it became ours."""

    def dies(_birth: Birth, _word: bytes) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(forkserver.ForkServer, "_live", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    worker = stage.spawn_from(template(stage, dies), b"")
    assert stage.exit_of(worker).exit == Exit(signal=signal.SIGKILL)
    assert told_of(stage, worker) == [ChildSpawned, ChildExited]


def test_a_worker_that_ends_between_two_looks_of_the_kernel_is_known_when_it_is_reaped(stage: Stage) -> None:
    worker = stage.spawn_from(template(stage), b"6")
    row = stage.kernel._children[worker].row
    wait_for(lambda: row.pid and (found := stat(row.pid)) and found.state == "Z", "the worker to be dead")
    spawned, exited = stage.kernel._reap()
    assert isinstance(spawned, ChildSpawned)
    assert isinstance(exited, ChildExited)
    assert (spawned.child, exited.child, exited.exit) == (worker, worker, Exit(code=6))


def test_orders_that_came_before_the_birth_are_not_lost(stage: Stage) -> None:
    home = template(stage, wait_and_exit_with)
    workers = [stage.spawn_from(home, b"7") for _ in range(10)]
    for worker in workers:
        stage.kernel.nudge(worker, Nudge.DRAIN)
    assert [stage.exit_of(worker).exit for worker in workers] == [Exit(code=7)] * 10


def test_what_a_worker_runs_stands_on_its_own_row(stage: Stage) -> None:
    def busy(birth: Birth, word: bytes) -> int:
        birth.row.records()[1].begin(word, b"192.0.2.1", 5.0, 65.0)
        return wait_to_leave(birth)

    home = template(stage, busy)
    workers = [stage.spawn_from(home, line, capacity=2) for line in (b"GET /a", b"GET /b")]
    for worker in workers:
        stage.ready(worker)
    readings = stage.kernel.read_board(dict.fromkeys(workers, 0))
    assert [readings[worker].runs[0].line for worker in workers] == ["GET /a", "GET /b"]
    assert all((readings[worker].memory or 0) > 0 for worker in workers)
    stage.kernel.nudge(workers[0], Nudge.KILL)
    assert [run.line for run in stage.exit_of(workers[0]).last.runs] == ["GET /a"]


def test_a_worker_keeps_nothing_of_its_template(stage: Stage, tmp_path: Path) -> None:
    def look(birth: Birth, word: bytes) -> int:
        (tmp_path / word.decode()).write_text("\n".join(open_files()))
        return os.get_inheritable(birth.report_fd)

    def be_the_template() -> None:
        (tmp_path / "template").write_text("\n".join(open_files()))

    outer = set(open_files())
    home = template(stage, look, be_the_template)
    for name in (b"first", b"second"):
        exited = stage.exit_of(stage.spawn_from(home, name))
        assert exited.exit.code == 0, "what it executes gets none of its descriptors"
    mine = (tmp_path / "template").read_text().splitlines()
    first, second = ((tmp_path / name).read_text().splitlines() for name in ("first", "second"))
    own = {file for file in mine if file.startswith(("pipe:", "socket:"))} - outer
    assert len(own) == 3  # signals, reports, orders
    assert not own & {*first, *second}
    assert len([file for file in first if "workerhub-dump" in file]) == 1
    assert len(first) == len(second) == len(mine) - 1  # no order pipe


def test_a_template_grows_by_nothing_with_each_worker(stage: Stage) -> None:
    home = template(stage)
    stage.exit_of(stage.spawn_from(home, b"0"))
    before, ours = len(open_files(stage.pid(home))), count_open()
    for _ in range(10):
        stage.exit_of(stage.spawn_from(home, b"0"))
    wait_for(lambda: len(open_files(stage.pid(home))) == before, "the template to have closed what was the workers'")
    assert count_open() == ours


def test_stacks_of_a_worker_begin_with_its_own_life(stage: Stage) -> None:
    def busy_here(birth: Birth, _word: bytes) -> int:
        birth.report_ready()
        while True:
            pass

    worker = stage.spawn_from(template(stage, busy_here), b"")
    stage.ready(worker)
    stage.kernel.nudge(worker, Nudge.DUMP)
    wait_for(lambda: os.fstat(stage.kernel._children[worker].dump_fd).st_size, "the stacks")
    stage.kernel.nudge(worker, Nudge.KILL)
    dump = stage.exit_of(worker).dump
    assert "in busy_here" in dump
    assert dump.count("in be_worker") == 1  # the template's own frames, which the fork copied, are left out
    assert "in serve" not in dump


def test_the_second_fork_is_whatever_os_fork_is_by_then(stage: Stage) -> None:
    """So that an event loop which came with the worker class sees the fork; the first one it doesn't see."""
    real, seen = os.fork, []

    def fork() -> int:
        pid = real()
        seen.append(pid)
        return pid

    def count_forks(_birth: Birth, _word: bytes) -> int:
        return 40 + len(seen)

    def patch() -> None:
        os.fork = fork

    worker = stage.spawn_from(template(stage, count_forks, patch), b"")
    assert stage.exit_of(worker).exit == Exit(code=41)


# Templates that end


def test_the_end_of_a_template_is_no_harm_to_its_workers(stage: Stage) -> None:
    home = template(stage, wait_and_exit_with)
    worker = stage.spawn_from(home, b"3")
    stage.ready(worker)
    stage.kernel.nudge(home, Nudge.KILL)
    assert stage.exit_of(home).exit == Exit(signal=signal.SIGKILL)
    assert stage.kernel.wait(stage.kernel.now() + 0.05) == []
    stage.kernel.nudge(worker, Nudge.DRAIN)
    assert stage.exit_of(worker).exit == Exit(code=3)


def test_a_template_that_is_gone_takes_no_orders(stage: Stage) -> None:
    home = template(stage)
    stage.kernel.nudge(home, Nudge.KILL)
    wait_for(lambda: children(os.getpid()) == [], "the template to be dead")
    before = count_open(), bytes(stage.kernel._children.board._taken)
    with pytest.raises(OSError, match="the template takes no orders: Broken pipe"):
        stage.spawn_from(home, b"0")
    assert before == (count_open(), bytes(stage.kernel._children.board._taken))
    stage.exit_of(home)
    with pytest.raises(OSError, match="the template is gone"):
        stage.spawn_from(home, b"0")


def test_workers_that_a_template_did_not_come_to_fork_are_told(stage: Stage) -> None:
    """A template that stands still holds nobody up; what it was to do has failed when it is gone."""
    home = template(stage)
    os.kill(stage.pid(home), signal.SIGSTOP)
    before = count_open()
    workers = [stage.spawn_from(home, b"0") for _ in range(3)]
    stage.kernel.nudge(workers[0], Nudge.KILL)
    assert stage.kernel.wait(stage.kernel.now() + 0.05) == []
    stage.kernel.nudge(home, Nudge.KILL)
    stage.play(lambda _story: len(stage.of(SpawnFailed)) == 3)
    stage.exit_of(home)
    reasons = {it.reason for it in stage.of(SpawnFailed) if isinstance(it, SpawnFailed)}
    assert reasons == {"its template is gone"}
    assert count_open() < before
    assert not any(stage.kernel._children.board._taken)


def test_more_orders_than_there_is_room_for_are_refused_and_not_waited_for(stage: Stage) -> None:
    home = template(stage)
    os.kill(stage.pid(home), signal.SIGSTOP)

    def order() -> None:
        for _ in range(200):
            stage.spawn_from(home, bytes(8000))

    with pytest.raises(OSError, match="the template takes no orders"):
        order()


def test_a_template_leaves_when_its_master_is_gone_and_so_do_its_workers(tmp_path: Path) -> None:
    """The worker is told by the system, whose child it is only since the process in between has exited."""
    reader, writer = os.pipe()

    def live(birth: Birth, _word: bytes) -> int:
        signal.alarm(30)  # nobody else would end it, should it not leave
        code = wait_to_leave(birth)
        os.write(writer, b"worker ")
        return code

    def life(birth: Birth, forks: Forks) -> int:
        signal.alarm(30)
        birth.report_ready()
        forks.serve(live)
        os.write(writer, b"template ")
        return 0

    master = os.fork()
    if master == 0:
        try:
            kernel = PosixKernel()
            home, worker = ChildId(1), ChildId(2)
            kernel.spawn_template(home, 1, life)
            kernel.wait(None)
            kernel.spawn_from(home, worker, 1, b"")
            while not any(isinstance(it, ChildReady) and it.child == worker for it in kernel.wait(None)):
                pass
            (tmp_path / "served").touch()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(master, 0)
    assert (tmp_path / "served").exists()
    os.close(writer)
    told = b""
    while select.select([reader], [], [], 20.0)[0] and (data := os.read(reader, 64)):
        told += data
    os.close(reader)
    assert sorted(told.split()) == [b"template", b"worker"]


# What goes wrong on the way


def fail_to_fork() -> NoReturn:
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def patch_second_fork() -> None:
    os.fork = fail_to_fork


def test_a_fork_that_fails_is_told_and_the_template_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(forkserver, "fork", fail_to_fork)
        first = template(stage)
    second = template(stage, first=patch_second_fork)
    for home in (first, second):
        for _ in range(2):
            worker = stage.spawn_from(home, b"0")
            stage.play(lambda _story, worker=worker: bool(stage.of(SpawnFailed, worker)))  # type: ignore[misc]  # bound here
            (failed,) = stage.of(SpawnFailed, worker)
            assert isinstance(failed, SpawnFailed)
            assert failed.reason == "no process can be started: Resource temporarily unavailable"
    assert not stage.of(ChildExited)


def test_a_fork_that_hangs_is_ended_and_the_template_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkserver, "PATIENCE", 0.1)

    def hang_once() -> None:
        real = os.fork

        def fork() -> int:
            if not (gate := Path(f"/proc/{os.getppid()}/fd/{flag}")).exists() or not gate.stat().st_size:
                time.sleep(60)
            return real()

        os.fork = fork

    flag = os.memfd_create("flag")
    home = template(stage, first=hang_once)
    hung = stage.spawn_from(home, b"0")
    stage.play(lambda _story: bool(stage.of(SpawnFailed, hung)))
    (failed,) = stage.of(SpawnFailed, hung)
    assert isinstance(failed, SpawnFailed)
    assert failed.reason == "no process can be started: forking took more than 0.1 s"
    assert children(stage.pid(home)) == []
    os.write(flag, b"go")
    assert stage.exit_of(stage.spawn_from(home, b"9")).exit == Exit(code=9)
    os.close(flag)


def test_a_worker_that_hangs_in_the_fork_can_be_killed(stage: Stage) -> None:
    """It never says that it is born; the process that forked it has left its pid on the board."""

    def hang_in_the_child() -> None:
        real = os.fork

        def fork() -> int:
            pid = real()
            if pid == 0:
                time.sleep(60)
            return pid

        os.fork = fork

    worker = stage.spawn_from(template(stage, first=hang_in_the_child), b"0")
    row = stage.kernel._children[worker].row
    wait_for(lambda: row.pid and (found := stat(row.pid)) and found.parent == os.getpid(), "the worker to be ours")
    assert not stage.of(ChildSpawned)
    stage.kernel.nudge(worker, Nudge.KILL)
    wait_for(lambda: (found := stat(row.pid)) and found.state == "Z", "the worker to be dead")
    assert stage.exit_of(worker).exit == Exit(signal=signal.SIGKILL)
    assert told_of(stage, worker) == [ChildSpawned, ChildExited]


@pytest.mark.parametrize("pid", [1, os.getpid(), -1], ids=["init", "the master", "everybody"])
def test_the_pid_of_somebody_else_is_not_believed(stage: Stage, pid: int) -> None:
    """An application runs with what the template has, and may write anywhere on the board."""

    def claim() -> None:
        os.fork = lambda: pid

    worker = stage.spawn_from(template(stage, first=claim), b"0")
    stage.kernel.nudge(worker, Nudge.DRAIN)
    stage.play(lambda _story: bool(stage.of(SpawnFailed, worker)))
    assert told_of(stage, worker) == [SpawnFailed]


def test_who_lives_can_not_say_that_he_does_not(stage: Stage) -> None:
    def deny(birth: Birth, word: bytes) -> int:
        os.write(birth.report_fd, b'{"report": "unborn", "reason": "never was"}\n')
        return int(word)

    worker = stage.spawn_from(template(stage, deny), b"8")
    assert stage.exit_of(worker).exit == Exit(code=8)
    assert not stage.of(SpawnFailed)


def test_a_system_without_adoption_has_no_templates(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "adoption_is_possible", lambda: False)
    before = count_open()
    with pytest.raises(OSError, match="orphans can't be adopted"):
        stage.spawn_template(lambda _birth, _forks: 0)
    assert count_open() == before
