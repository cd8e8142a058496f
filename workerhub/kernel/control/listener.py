"""Taking the control socket: one server for each place, and none left behind."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from workerhub.config.addresses import LONGEST_UNIX_PATH
from workerhub.errors import BindError
from workerhub.kernel.control.place import SUFFIX, PlaceError, directories, make_private, reasons
from workerhub.kernel.holders import holder_of_path
from workerhub.kernel.listeners import remove_stale
from workerhub.slotted import dataclass

BACKLOG: Final = 64
"""Clients that may wait to be accepted; the master accepts them as they come. Further ones try again."""

PATIENCE: Final = 2.0
"""Seconds to wait for another server that is just taking a socket in the same directory; it takes some microseconds."""


@dataclass(frozen=True, slots=True)
class ControlListener:
    """The listening socket and its file. `file` is the device and inode by which the file is known later."""

    path: Path
    socket: socket.socket
    file: tuple[int, int]

    def close(self, *, leave_file: bool = False) -> None:
        """Close the socket; take the file away if it is still ours, unless another master needs it. In the master only."""
        self.socket.close()
        if leave_file:
            return
        with suppress(OSError):
            status = self.path.lstat()
            if (status.st_dev, status.st_ino) == self.file:
                self.path.unlink()


def adopt_place(path: Path, fd: int) -> ControlListener:
    """Take over the socket that the master before this one listens on.

    Raises:
        OSError: there is none, or its file is gone.
    """
    status = path.lstat()
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    return ControlListener(path, sock, (status.st_dev, status.st_ino))


def take_place(path: Path) -> ControlListener:
    """Listen where the configuration says.

    Raises:
        BindError: another server does, or it can't be done.
    """
    try:
        return _listen(path)
    except OSError as error:
        raise _refusal(path, error, "another server listens there") from error


def find_place(name: str) -> ControlListener:
    """Listen under that name in the best of the user's directories that will do; clear the sockets away that dead servers left there.

    Raises:
        BindError: another server goes by that name.
        PlaceError: no directory will do; says why, for each.
    """
    found: list[Exception] = []
    for directory in directories():
        path = directory / name
        try:
            make_private(directory)
            listener = _listen(path)
        except PlaceError as error:
            found.append(error)
        except OSError as error:
            refusal = _refusal(
                path, error, "a server with this configuration is running; a profile would tell this one apart"
            )
            if error.errno == errno.EADDRINUSE:
                raise refusal from error
            found.append(refusal)
        else:
            _clear(directory, but=path)
            return listener
    raise PlaceError(reasons(found))


def _listen(path: Path) -> ControlListener:
    """Listen, for this user alone.

    Raises:
        OSError: it can't be done; EADDRINUSE: another server does.
    """
    if (length := len(os.fsencode(path))) > LONGEST_UNIX_PATH:
        raise OSError(
            errno.ENAMETOOLONG, f"a UNIX socket's path has at most {LONGEST_UNIX_PATH} bytes, this has {length}"
        )
    with _alone_in(path.parent):
        remove_stale(str(path))
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            before = os.umask(0o177)
            try:
                sock.bind(str(path))
            finally:
                os.umask(before)
            status = path.lstat()
            sock.listen(BACKLOG)
        except BaseException:
            sock.close()
            raise
    return ControlListener(path, sock, (status.st_dev, status.st_ino))


def _clear(directory: Path, *, but: Path) -> None:
    """Take away the sockets that nobody listens on any more. One's own isn't asked: that would be its first client."""
    with suppress(OSError), _alone_in(directory):
        for path in directory.glob(f"*{SUFFIX}"):
            if path != but:
                with suppress(OSError):
                    remove_stale(str(path))


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keep other servers from looking whether somebody listens while we are about to, or the other way round.

    A courtesy among servers, so it isn't waited for without end: in a directory of everybody's anybody may hold the lock.

    Raises:
        OSError: the directory isn't there.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    break
                time.sleep(0.01)
        yield
    finally:
        os.close(fd)


def _refusal(path: Path, error: OSError, taken: str) -> BindError:
    text = taken if error.errno == errno.EADDRINUSE else error.strerror or str(error)
    return BindError(f"the control socket {path}", text[:1].lower() + text[1:], holder_of_path(str(path)))
