"""Files without a name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workerhub.kernel.files import MAX_TEXT, nameless_file, read_text


@pytest.mark.parametrize("system", ["with memfd", "without"])
def test_what_was_written_is_read_wherever_the_position_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str
) -> None:
    if system == "without":
        monkeypatch.delattr(os, "memfd_create", raising=False)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fd = nameless_file("test")
    assert not os.get_inheritable(fd)
    assert read_text(fd) == ""
    os.write(fd, b"one \xff")
    assert read_text(fd) == r"one \xff"
    os.lseek(fd, 0, os.SEEK_SET)
    assert read_text(fd) == r"one \xff"
    os.close(fd)
    assert list(tmp_path.iterdir()) == []


def test_of_a_long_one_the_end_is_read() -> None:
    fd = nameless_file("test")
    os.write(fd, b"a" * 1000 + b"b" * MAX_TEXT)
    assert read_text(fd) == "b" * MAX_TEXT
    os.close(fd)
