"""What a process holds for itself, as the real system tells it."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from workerhub.kernel import memory
from workerhub.kernel.memory import private_memory, resident_by_ps
from workerhub.supervisor.events import ChildReady

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.stage import Stage

    from workerhub.kernel.birth import Birth

MIB = 1 << 20

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems tell by ps alone")


def touched(size: int, flags: int = mmap.MAP_PRIVATE) -> mmap.mmap:
    """So much memory, each page of it written to."""
    block = mmap.mmap(-1, size, flags=flags | mmap.MAP_ANONYMOUS)
    for at in range(0, size, mmap.PAGESIZE):
        block[at] = 1
    return block


@contextmanager
def forked(prepare: Callable[[], object]) -> Iterator[int]:
    """A child that has done so and now waits."""
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            held = prepare()
            os.write(writer, b"\1" if held is not None else b"\0")
            signal.pause()
        finally:
            os._exit(1)
    try:
        os.read(reader, 1)
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


@on_linux
def test_what_a_process_holds_alone_is_counted() -> None:
    with forked(lambda: touched(64 * MIB)) as pid:
        measured = private_memory(pid, 0)
    assert measured is not None
    assert 64 * MIB <= measured < 64 * MIB + 30 * MIB


@on_linux
def test_what_it_shares_is_not() -> None:
    """Inherited from the parent, and not written to since: it wouldn't come back."""
    inherited = touched(64 * MIB)
    shared = touched(64 * MIB, mmap.MAP_SHARED)
    with forked(lambda: inherited[0] + shared[0]) as pid:
        measured = private_memory(pid, 0)
    assert measured is not None
    assert measured < 30 * MIB


@on_linux
def test_below_the_bound_the_cheap_figure_will_do_and_is_never_too_small() -> None:
    inherited = touched(64 * MIB)
    with forked(lambda: [inherited[at] for at in range(0, len(inherited), mmap.PAGESIZE)]) as pid:
        cheap, exact = private_memory(pid, 1 << 40), private_memory(pid, 0)
    assert cheap is not None
    assert exact is not None
    assert exact < cheap


@on_linux
def test_the_exact_figure_is_not_asked_for_below_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    fields = memory._fields

    def noted(file: Path) -> dict[str, int]:
        read.append(file.name)
        return fields(file)

    monkeypatch.setattr(memory, "_fields", noted)
    private_memory(os.getpid(), 1 << 40)
    assert read == ["status"]
    private_memory(os.getpid(), 0)
    assert read == ["status", "status", "smaps_rollup"]


@on_linux
def test_what_is_swapped_out_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of what several processes share there, `SwapPss` is this one's part."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name:\tpython\nVmRSS:\t     900 kB\nVmSwap:\t     400 kB\nThreads:\t1\n")
    (tmp_path / "7" / "smaps_rollup").write_text(
        "559af7997000-7ffedd873000 ---p 00000000 00:00 0    [rollup]\n"
        "Rss: 900 kB\nPrivate_Clean: 10 kB\nPrivate_Dirty: 200 kB\nSwap: 400 kB\nSwapPss: 300 kB\n"
    )
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    assert private_memory(7, 0) == (10 + 200 + 300) * 1024
    assert private_memory(7, 1 << 30) == (900 + 400) * 1024


def test_a_process_that_has_ended_has_no_memory() -> None:
    gone = subprocess.Popen((sys.executable, "-c", ""))
    os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)
    assert private_memory(gone.pid, 0) is None, "not reaped yet"
    gone.wait()
    assert private_memory(gone.pid, 0) is None
    assert resident_by_ps(gone.pid) is None


@on_linux
@pytest.mark.skipif(os.getuid() != 0, reason="becomes somebody else")
def test_where_the_exact_figure_is_not_to_be_had_the_anonymous_memory_is_taken() -> None:
    """As for a master without CAP_SYS_PTRACE whose workers run as another user."""
    reader, writer = os.pipe()
    with forked(lambda: touched(64 * MIB)) as pid:

        def ask() -> int:
            os.setuid(65534)
            return os.write(writer, b"%d" % (private_memory(pid, 0) or 0))

        with forked(ask):
            answer = int(os.read(reader, 20))
        exact = private_memory(pid, 0)
        resident = resident_by_ps(pid)
    os.close(reader)
    os.close(writer)
    assert exact is not None
    assert resident is not None
    assert exact < answer <= resident


def test_ps_tells_where_nothing_else_does() -> None:
    with forked(lambda: touched(64 * MIB)) as pid:
        measured = resident_by_ps(pid)
    assert measured is not None
    assert measured >= 64 * MIB


def test_without_ps_nobody_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_PS", "/nowhere/ps")
    monkeypatch.setattr(memory, "_KNOWS_PROC", False)
    assert private_memory(os.getpid(), 0) is None


@on_linux
def test_below_the_bound_page_tables_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is resident is told cheaply; `smaps_rollup` walks the page tables and holds the process up."""
    read: list[str] = []
    fields = memory._fields

    def noting(path: Path) -> dict[str, int]:
        read.append(path.name)
        return fields(path)

    with forked(lambda: touched(64 * MIB)) as pid:
        monkeypatch.setattr(memory, "_fields", noting)
        private_memory(pid, 1 << 40)
        assert read == ["status"]
        private_memory(pid, 0)
        assert read == ["status", "status", "smaps_rollup"]


def test_the_kernel_looks_at_those_it_is_asked_about(stage: Stage) -> None:
    def life(birth: Birth) -> int:
        held = touched(64 * MIB)
        birth.report_ready()
        while held:
            time.sleep(60)
        return 0

    one, other = stage.spawn(life), stage.spawn(life)
    stage.play(lambda story: sum(isinstance(it, ChildReady) for it in story) == 2)
    readings = stage.kernel.read_board({one: 0})
    assert (readings[one].memory or 0) >= 64 * MIB
    assert readings[other].memory is None
