"""Starting the master that is to follow this one: the same command line, from the same place, with other code behind it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NoReturn

from workerhub.kernel.command_line import CommandLine
from workerhub.kernel.inheritance import READY, TROUBLE, VARIABLE, YOURS, Legacy

CANNOT_EXECUTE: Final = 127
"""The exit code that a shell has for it."""

MOST_TROUBLES: Final = 16
"""Errors that are kept, the latest; a worker that fails at each attempt says the same each time."""


class Successor:
    """The new master, as this one sees it: a process, and a link to it.

    Attributes:
        pid: its own.
        link: this end of the link.
        troubles: what it complained of.
        ended: it has closed its end.

    Raises:
        OSError: it can't be started; the message says why.
    """

    def __init__(self, legacy: Legacy, command: CommandLine) -> None:
        if os.getpid() == 1:
            raise OSError(
                "this master is the container's first process (PID 1), and everything ends with it: replace the container instead"
            )
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.troubles: list[str] = []
        self.ended = False
        environ = {**os.environ, VARIABLE: legacy.describe(theirs.fileno(), os.getpid())}
        if "PWD" in environ:
            environ["PWD"] = command.directory
        try:
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                self.pid = os.fork()
                if self.pid == 0:
                    _become(command, environ, {*legacy.descriptors(), theirs.fileno()}, theirs, mask)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        except BaseException:
            self.link.close()
            raise
        finally:
            theirs.close()
        self.link.setblocking(False)

    def hear(self) -> Iterator[bool]:
        """Take what it says; True for each time that it says that it is ready."""
        with suppress(OSError):  # there is no more, or nobody there; its exit will tell
            while not self.ended:
                message = self.link.recv(1 << 16)
                self.ended = not message
                if message == READY:
                    yield True
                elif message.startswith(TROUBLE):
                    self.troubles.append(message.removeprefix(TROUBLE).decode("utf-8", "replace"))
                    del self.troubles[:-MOST_TROUBLES]

    def hand_over(self) -> None:
        """Tell it that everything is its own now. One that is gone meanwhile is no error."""
        with suppress(OSError):
            self.link.send(YOURS)

    def close(self) -> None:
        """Hear nothing more of it; if nothing was handed over, it takes that for the end."""
        self.link.close()


def _become(
    command: CommandLine,
    environ: dict[str, str],
    descriptors: set[int],
    link: socket.socket,
    mask: set[int | signal.Signals],
) -> NoReturn:
    """In the child: forget this master, and execute the next."""
    try:
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            with suppress(OSError, ValueError):
                if callable(signal.getsignal(number)):
                    signal.signal(number, signal.SIG_DFL)
        for fd in descriptors:
            os.set_inheritable(fd, True)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.chdir(command.directory)
        os.execvpe(command.words[0], command.words, environ)  # noqa: S606  # what this process was started with
    except BaseException as error:  # noqa: BLE001  # a child must not become a second master
        with suppress(BaseException):
            reason = getattr(error, "strerror", None) or error
            link.send(TROUBLE + f"can't execute {command.words[0]} in {command.directory}: {reason}".encode())
    finally:
        os._exit(CANNOT_EXECUTE)
