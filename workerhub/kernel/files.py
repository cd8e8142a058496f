"""Files without a name: gone when the last descriptor is, whatever happens to the processes that hold one."""

from __future__ import annotations

import os

MAX_TEXT = 64 << 10
"""Bytes of such a file that are read back, of a longer one the end."""


def nameless_file(purpose: str) -> int:
    """Open one, for reading and writing, closed on exec.

    Raises:
        OSError: no descriptor or no memory is left.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(f"workerhub-{purpose}", os.MFD_CLOEXEC)
    import tempfile  # noqa: PLC0415  # brings much along, and Linux doesn't need it

    fd, path = tempfile.mkstemp(prefix=f"workerhub-{purpose}-")
    os.unlink(path)  # noqa: PTH108  # mkstemp speaks in strings
    return fd


def read_text(fd: int) -> str:
    """What was written to it, wherever the writer's position stands now."""
    size = os.fstat(fd).st_size
    start = max(0, size - MAX_TEXT)
    return os.pread(fd, MAX_TEXT, start).decode("utf-8", "backslashreplace")


def read_all(fd: int, most: int | None = None) -> bytes:
    """Everything that was written to it, or the first `most` bytes of that."""
    size = os.fstat(fd).st_size
    return os.pread(fd, size if most is None else min(size, most), 0)


def rewrite(fd: int, data: bytes) -> None:
    """Put this in place of whatever was in it.

    Raises:
        OSError: there is no room.
    """
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    write_all(fd, data)


def cut_off(fd: int, start: int) -> str:
    """Take what was written to it from there on out of it."""
    text = os.pread(fd, MAX_TEXT, start).decode("utf-8", "backslashreplace")
    os.ftruncate(fd, start)
    os.lseek(fd, start, os.SEEK_SET)  # for the writer, too, if it is a child: they share the position
    return text


def write_all(fd: int, data: bytes) -> None:
    """Write to it, all of it.

    Raises:
        OSError: there is no room.
    """
    while data:
        data = data[os.write(fd, data) :]
