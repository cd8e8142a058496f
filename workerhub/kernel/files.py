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


def read_all(fd: int) -> bytes:
    """Everything that was written to it."""
    return os.pread(fd, os.fstat(fd).st_size, 0)


def write_all(fd: int, data: bytes) -> None:
    """Write to it, all of it.

    Raises:
        OSError: there is no room.
    """
    while data:
        data = data[os.write(fd, data) :]
