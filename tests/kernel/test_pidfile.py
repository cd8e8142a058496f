"""One master for each pidfile."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from workerhub.kernel.pidfile import Pidfile, PidfileError

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from workerhub.kernel.pidfile import Pidfile
held = Pidfile(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_it_holds_the_pid_and_goes_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    held = Pidfile(path)
    assert path.read_text() == f"{os.getpid()}\n"
    held.remove()
    assert not path.exists()
    held.remove()


def test_a_living_masters_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(PidfileError, match=f"{path} belongs to a running server, pid {other.pid}"):
            Pidfile(path)
        other.kill()
    assert path.read_text() == f"{other.pid}\n"
    Pidfile(path).remove()  # its owner is dead, whatever the file says


def test_a_pid_that_somebody_else_has_by_now_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{os.getppid()} and more than that\n")
    held = Pidfile(path)
    assert path.read_text() == f"{os.getpid()}\n"
    held.remove()


def test_a_file_that_is_another_masters_by_now_stays(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    held = Pidfile(path)
    path.unlink()
    path.write_text("1\n")
    held.remove()
    assert path.read_text() == "1\n"


def test_a_child_neither_keeps_the_lock_nor_removes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    held = Pidfile(path)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        held.remove()
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    assert path.exists()
    held.remove()
    Pidfile(path).remove()  # while the child lives
    os.close(writer)
    os.waitpid(pid, 0)
    os.close(reader)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(PidfileError, match=r"can't write .*/no/pid: No such file or directory"):
        Pidfile(tmp_path / "no" / "pid")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "pid").symlink_to(tmp_path / "victim")
    with pytest.raises(PidfileError):
        Pidfile(tmp_path / "pid")
    assert (tmp_path / "victim").read_text() == "precious"
