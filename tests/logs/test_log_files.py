"""Where lines go: one write each, opened anew on request, and never an exception."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from workerhub.logs import LogFile

if TYPE_CHECKING:
    from pathlib import Path


def test_a_dash_is_a_standard_stream(capfd: pytest.CaptureFixture[str]) -> None:
    LogFile("-", standard=1).write(b"one\n")
    LogFile("-", standard=2).write(b"two\n")
    LogFile("/dev/stdout").write(b"three\n")
    LogFile("/dev/stderr").write(b"four\n")
    assert capfd.readouterr() == ("one\nthree\n", "two\nfour\n")


def test_lines_are_appended(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    file = LogFile(str(tmp_path / "log"))
    file.write(b"after\n")
    file.close()
    assert (tmp_path / "log").read_text() == "before\nafter\n"


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    file = LogFile(str(tmp_path / "log"))
    pids = []
    for letter in b"abcd":
        pid = os.fork()
        if pid == 0:
            for _ in range(500):
                file.write(bytes([letter]) * 300 + b"\n")
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    file.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 2000
    assert all(len(line) == 300 and len(set(line)) == 1 for line in lines)


def test_a_renamed_file_is_left_when_opened_anew(tmp_path: Path) -> None:
    file = LogFile(str(tmp_path / "log"))
    file.write(b"one\n")
    (tmp_path / "log").rename(tmp_path / "log.1")
    file.write(b"two\n")
    assert file.reopen() == ""
    file.write(b"three\n")
    file.close()
    assert (tmp_path / "log.1").read_text() == "one\ntwo\n"
    assert (tmp_path / "log").read_text() == "three\n"


def test_opening_anew_does_not_follow_a_change_of_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = LogFile("log")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert file.reopen() == ""
    file.close()
    assert not (tmp_path / "elsewhere" / "log").exists()


def test_a_stream_has_nothing_to_open_anew() -> None:
    assert LogFile("-").reopen() == ""


def test_lost_lines_are_counted_and_told_when_it_works_again(tmp_path: Path) -> None:
    told = []
    file = LogFile("/dev/full")
    file.on_recovery = lambda count, reason: told.append((count, reason))
    for _ in range(5):
        file.write(b"lost\n")
    assert told == []
    fresh = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(fresh, file._fd)
    os.close(fresh)
    file.write(b"kept\n")
    file.write(b"kept\n")
    file.close()
    assert told == [(5, "No space left on device")]
    assert (tmp_path / "log").read_text() == "kept\nkept\n"


def test_a_reader_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    file = LogFile(str(tmp_path / "log"))
    os.dup2(writer, file._fd)
    os.close(writer)
    file.write(b"x\n")
    file.close()
    file.write(b"after the end\n")


def test_a_line_that_was_cut_is_ended_before_the_next(tmp_path: Path) -> None:
    """A pipe that takes only a part, as a disk does that becomes full."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    file = LogFile(str(tmp_path / "log"))
    os.dup2(writer, file._fd)
    os.close(writer)
    told = []
    file.on_recovery = lambda count, reason: told.append((count, reason))
    file.write(b"a" * 70_000 + b"\n")
    taken = os.read(reader, 100_000)
    file.write(b"next\n")
    assert os.read(reader, 100) == b"\nnext\n"
    file.close()
    os.close(reader)
    assert 0 < len(taken) < 70_000
    assert told == [(1, "the line was cut: the disk is full, or the reader too slow")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_is_given_to_the_user_that_opens_it_anew(tmp_path: Path) -> None:
    file = LogFile(str(tmp_path / "log"), owner=(12345, 23456))
    status = (tmp_path / "log").stat()
    file.close()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode) & ~0o644) == (12345, 23456, 0)
