"""What a master leaves to the one that is to follow it: open descriptors, and one environment variable that says what they are."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Final

from workerhub.kernel.systemd import FromSystemd, PassedSocket
from workerhub.slotted import dataclass, field

VARIABLE: Final = "WORKERHUB_UPGRADE"

VERSION: Final = 1
"""Rises when a master of before could no longer be followed. One that doesn't know it opens its own sockets, can't, and is refused."""

READY: Final = b"ready"
YOURS: Final = b"yours"
TROUBLE: Final = b"trouble "
"""What goes over the link, one message at a time: all workers serve; all is handed over; an error, in words."""

MAX_TROUBLE: Final = 32 << 10
"""Bytes of an error that are told; of a longer one the end, where a traceback has its error."""


@dataclass(frozen=True, slots=True)
class Legacy:
    """What is left.

    Attributes:
        sockets: descriptors of listening sockets, by the address as `bind` has it.
        pidfile: its path; None: there is none.
        control: the control socket's path and descriptor; None: there is none.
        systemd: what systemd told the first master.
    """

    sockets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    pidfile: str | None = None
    control: tuple[str, int] | None = None
    systemd: FromSystemd = FromSystemd()  # immutable

    def descriptors(self) -> set[int]:
        """All that has to stay open."""
        found = {fd for fds in self.sockets.values() for fd in fds}
        found.update(passed.fd for passed in self.systemd.sockets)
        return found | ({self.control[1]} if self.control is not None else set())

    def describe(self, link: int, pid: int) -> str:
        """The variable's value; `link` is the new master's end of the connection, `pid` the old one's."""
        told = {
            "version": VERSION,
            "pid": pid,
            "link": link,
            "sockets": self.sockets,
            "pidfile": self.pidfile,
            "control": self.control,
            "systemd": [self.systemd.sockets, self.systemd.why_none, self.systemd.notify_socket, self.systemd.watchdog],
        }
        return json.dumps(told)


class Predecessor:
    """The master before this one, as this one sees it.

    Attributes:
        legacy: what it leaves.
        pid: its own.
    """

    def __init__(self, legacy: Legacy, pid: int, link: socket.socket) -> None:
        self.legacy = legacy
        self.pid = pid
        self._link = link
        link.setblocking(False)

    def fileno(self) -> int:
        """The link's descriptor; -1 once it is closed."""
        return self._link.fileno()

    def claim(self) -> None:
        """Tell it that everything serves. One that is gone is no error here: `hear` tells."""
        self._send(READY)

    def complain(self, text: str) -> None:
        """Tell it what goes wrong, for its log and whoever waits for the upgrade."""
        self._send(TROUBLE + text.encode("utf-8", "backslashreplace")[-MAX_TROUBLE:])

    def hear(self) -> bool | None:
        """Whether it has handed over (True), or is gone without having done so (False); None: nothing yet."""
        try:
            message = self._link.recv(64)
        except BlockingIOError:
            return None
        except OSError:
            message = b""
        return message == YOURS

    def close(self) -> None:
        """There is no more to say."""
        self._link.close()

    def _send(self, message: bytes) -> None:
        with suppress(OSError):
            self._link.send(message)


def take_inheritance(environ: MutableMapping[str, str] = os.environ) -> Predecessor | None:
    """Take it out of the environment; None: nobody is to be followed. The descriptors are closed on exec from now on."""
    text = environ.pop(VARIABLE, None)
    if text is None:
        return None
    try:
        told = json.loads(text)
        if told["version"] != VERSION or told["pid"] != os.getppid():
            return None
        passed, why_none, notify_socket, watchdog = told["systemd"]
        systemd = FromSystemd(tuple(PassedSocket(fd, name) for fd, name in passed), why_none, notify_socket, watchdog)
        sockets = {address: tuple(fds) for address, fds in told["sockets"].items()}
        legacy = Legacy(sockets, told["pidfile"], tuple(told["control"]) if told["control"] else None, systemd)
        for fd in (*legacy.descriptors(), told["link"]):
            os.set_inheritable(fd, False)
        return Predecessor(legacy, told["pid"], socket.socket(fileno=told["link"]))
    except (ValueError, KeyError, TypeError, OSError):
        return None  # nobody's that we know; what is taken will say so itself
