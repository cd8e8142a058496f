"""One master for each pidfile."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from workerhub.errors import WorkerhubError


class PidfileError(WorkerhubError):
    """The pidfile can't be taken: it belongs to a running master, or can't be written."""


class Pidfile:
    """A file with the master's pid, locked for as long as the master lives.

    The lock, not the pid, tells whether a master lives: a pid may be somebody else's by now. It is a record lock
    (fcntl(2)), which belongs to the process alone: no child keeps it when the master is gone.
    """

    def __init__(self, path: Path) -> None:
        """Take the file.

        Raises:
            PidfileError: another master has it, or it can't be written.
        """
        self.path = path.absolute()
        self._pid = os.getpid()
        try:
            self._fd = self._take()
        except OSError as error:
            raise PidfileError(f"pidfile: can't write {self.path}: {error.strerror}") from error

    def remove(self) -> None:
        """Take the file away, if it is still the one that was taken, and give up the lock. In the master only."""
        if self._fd < 0 or os.getpid() != self._pid:
            return
        with suppress(OSError):
            if self._is_ours(self._fd):
                self.path.unlink()
        os.close(self._fd)
        self._fd = -1

    def release(self) -> None:
        """Give up the lock and leave the file to the next master."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def fd(self) -> int:
        """The open file, which children have no use for."""
        return self._fd

    def _take(self) -> int:
        """Open, lock, and write.

        Raises:
            OSError: the file can't be written.
            PidfileError: another master has it.
        """
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_ours(fd):  # not removed by a master that left between open and lock
                    os.ftruncate(fd, 0)
                    os.pwrite(fd, f"{self._pid}\n".encode("ascii"), 0)
                    return fd
            except BlockingIOError:
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
                os.close(fd)
                raise PidfileError(
                    f"pidfile: {self.path} belongs to a running server, pid {holder or 'unknown'}"
                ) from None
            except OSError:
                os.close(fd)
                raise
            os.close(fd)

    def _is_ours(self, fd: int) -> bool:
        """Whether the path still names the open file."""
        try:
            return os.path.samestat(os.fstat(fd), self.path.stat())
        except FileNotFoundError:
            return False
