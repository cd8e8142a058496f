"""Tells systemd how the server is: the notify protocol in plain socket code (sd_notify(3)).

A message is one datagram of `NAME=value` lines. Nothing that goes wrong here harms the server: it is complained about once.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Final

from workerhub.supervisor.commands import Moment

SEND_TIMEOUT: Final = 1.0
"""Seconds. systemd's queue is full only while it is busy with something else."""

EXTENSION: Final = 30.0
"""Seconds for which systemd is asked to wait while a start, a reload or a stop is under way; asked again at a third of them."""

_EXTEND: Final = f"EXTEND_TIMEOUT_USEC={EXTENSION * 1e6:.0f}"
_ALIVE: Final = "WATCHDOG=1"

_FIELDS: Final[Mapping[Moment, str]] = {
    Moment.READY: "READY=1\nMAINPID={pid}",
    Moment.RELOADING: "RELOADING=1\nMONOTONIC_USEC={usec:.0f}",
    Moment.RELOADED: "READY=1",
    Moment.STOPPING: "STOPPING=1",
    Moment.PROGRESS: "",
}
"""What is sent in front of the status line."""


class Notifier:
    """Speaks to one notify socket, or to nobody.

    The master calls `turn` each time its loop turns, and nobody else does: a watchdog that is fed is a loop that turns.

    Args:
        address: a path, or an abstract name behind `@`; empty: nobody listens.
        watchdog: seconds within which a sign of life is wanted, or None; it is given at half of them.
        complain: told, once, that the socket can't be reached.
        silent: say nothing until `speak`: it is another master that systemd watches.

    Raises:
        OSError: no descriptor is left.
    """

    def __init__(
        self,
        address: str = "",
        watchdog: float | None = None,
        complain: Callable[[str], None] = lambda _trouble: None,
        *,
        silent: bool = False,
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._complain = complain
        self._complained = False
        self._silent = silent
        self._status = ""
        self._socket: socket.socket | None = None
        self._every: dict[str, float] = {}
        """Which signs of life are wanted, and after how many seconds each again."""
        self._due: dict[str, float] = {}
        """When that is; at once for one that isn't here."""
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(SEND_TIMEOUT)
            self._every[_EXTEND] = EXTENSION / 3  # the start is under way
            if watchdog is not None:
                self._every[_ALIVE] = watchdog / 2

    def fileno(self) -> int:
        """The socket's descriptor; -1 where nobody listens."""
        return -1 if self._socket is None else self._socket.fileno()

    def announce(self, moment: Moment, status: str, now: float) -> None:
        """Something has come about.

        Args:
            moment: what.
            status: what `systemctl status` shows from now on; one line.
            now: seconds on the monotonic clock.
        """
        self._status = status
        if self._socket is None or self._silent:
            return
        if moment is not Moment.PROGRESS:
            self._due.pop(_EXTEND, None)
            if moment in (Moment.READY, Moment.RELOADED):
                self._every.pop(_EXTEND, None)
            else:
                self._every[_EXTEND] = EXTENSION / 3
        fields = _FIELDS[moment].format(pid=os.getpid(), usec=now * 1e6)
        self._send(*filter(None, (fields, f"STATUS={status}")))

    def turn(self, now: float) -> float | None:
        """The loop has turned: give the signs of life that are due. Returns when this wants to be called again; None: never."""
        if self._silent:
            return None
        due = [sign for sign in self._every if now >= self._due.get(sign, now)]
        if due:
            self._due.update((sign, now + self._every[sign]) for sign in due)
            self._send(*due)
        return min(self._due.values(), default=None)

    def speak(self, now: float) -> None:
        """Systemd watches this master from now on, which is ready."""
        self._silent = False
        self.announce(Moment.READY, self._status, now)

    def hand_over(self, pid: int) -> None:
        """Have systemd watch another process, and say nothing more."""
        if self._socket is not None and not self._silent:
            self._send(f"MAINPID={pid}")
        self.close()

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._every, self._due = {}, {}

    def _send(self, *lines: str) -> None:
        assert self._socket is not None  # noqa: S101  # else there is nothing to announce and nothing due
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._complained:
                self._complained = True
                self._complain(f"can't reach systemd at {self._address!r} (NOTIFY_SOCKET): {error.strerror or error}")
