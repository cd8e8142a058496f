"""Where lines go."""

from __future__ import annotations

import os
from collections.abc import Callable

STDOUT, STDERR = 1, 2


def _say_nothing(_count: int, _reason: str) -> None:
    """Nobody wants to know."""


class LogFile:
    """A file that is appended to, or a standard stream. Once open, it never raises.

    A line that can't be written (disk full, reader gone) is counted, and the number is told as soon as writing works.

    Attributes:
        path: absolute; empty for a standard stream.
        on_recovery: called with the number of lost lines and the reason, once lines are written again.
    """

    def __init__(self, target: str, *, standard: int = STDERR, owner: tuple[int, int] | None = None) -> None:
        """Open it.

        Args:
            target: a path, or `-` for the standard stream.
            standard: which standard stream `-` is.
            owner: user and group id for the file when this process is root.

        Raises:
            OSError: the file can't be opened; carries the path.
        """
        streams = {"-": standard, "/dev/stdout": STDOUT, "/dev/stderr": STDERR}
        self.path = "" if target in streams else os.path.abspath(target)  # noqa: PTH100  # a lexical matter: nothing is looked up
        self.on_recovery: Callable[[int, str], None] = _say_nothing
        self._owner = owner
        self._lost = 0
        self._reason = ""
        self._torn = False
        self._fd = self._open() if self.path else streams[target]

    def write(self, line: bytes) -> None:
        """Append one line, newline included, by one system call: lines of several processes don't mix."""
        if self._torn:
            line = b"\n" + line
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            self._lost += 1
            self._reason = error.strerror or str(error)
            return
        self._torn = written < len(line)
        if self._torn:
            self._lost += 1
            self._reason = "the line was cut: the disk is full, or the reader too slow"
        elif self._lost:
            lost, self._lost = self._lost, 0
            self.on_recovery(lost, self._reason)

    def reopen(self) -> str:
        """Open the path anew, after somebody renamed the file. On failure the old file stays in use.

        Returns:
            what went wrong, in one line; empty when all is well.
        """
        if not self.path:
            return ""
        try:
            fresh = self._open()
        except OSError as error:
            return f"can't reopen {self.path}: {error.strerror}; the file opened before stays in use"
        os.dup2(fresh, self._fd, inheritable=False)  # the number stays, so no thread writes to a closed descriptor
        os.close(fresh)
        return ""

    def close(self) -> None:
        """Close it, if it is a file. What is written later is lost."""
        if self.path and self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _open(self) -> int:
        """Open the path for appending, and give the file to its owner.

        Raises:
            OSError: carries the path.
        """
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o644)
        if self._owner is not None and os.geteuid() == 0:
            try:
                os.fchown(fd, *self._owner)
            except OSError as error:
                os.close(fd)
                raise OSError(error.errno, error.strerror, self.path) from error
        return fd
