"""What systemd tells the one process that it starts: which sockets it opened for it, and where it listens to it.

It does so by environment variables and open descriptors, which every child would inherit and take for its own. So they are taken out before
the first fork. (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3))
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

FIRST_FD: Final = 3
"""SD_LISTEN_FDS_START: passed sockets are numbered from here on."""

MOST_FDS: Final = 4096
"""More sockets than anybody passes; a larger number is a mistake."""

VARIABLES: Final = (
    "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
)  # fmt: skip


class PassedSocket(NamedTuple):
    """An open descriptor, and what the socket unit calls it: `FileDescriptorName=`, or the unit's own name."""

    fd: int
    name: str


class FromSystemd(NamedTuple):
    """What there was. A plain process has nothing of it.

    Attributes:
        sockets: in the order of the socket units.
        why_none: completes the sentence "no sockets were passed: ...".
        notify_socket: where `READY=1` and the like are to be sent; empty for nowhere. An abstract address begins with `@`.
        watchdog: seconds within which the process has to say that it is alive; None: nobody waits for it.
    """

    sockets: tuple[PassedSocket, ...] = ()
    why_none: str = "LISTEN_FDS is not set, so systemd started this server without a socket unit, or did not start it"
    notify_socket: str = ""
    watchdog: float | None = None


def take_from_systemd(environ: MutableMapping[str, str] = os.environ) -> FromSystemd:
    """Take it out of the environment. The sockets' descriptors are closed on exec from now on."""
    said = {name: environ.pop(name) for name in VARIABLES if name in environ}
    sockets, why_none = _sockets(said)
    for passed in sockets:
        with suppress(OSError):  # whoever opens it as a listener finds out
            os.set_inheritable(passed.fd, False)
    return FromSystemd(sockets, why_none, said.get("NOTIFY_SOCKET", ""), _watchdog(said))


def _sockets(said: Mapping[str, str]) -> tuple[tuple[PassedSocket, ...], str]:
    """The sockets, or why there are none."""
    if "LISTEN_FDS" not in said:
        return (), FromSystemd().why_none
    count = _number(said["LISTEN_FDS"])
    if not 0 < count <= MOST_FDS:
        return (), f"LISTEN_FDS is {said['LISTEN_FDS']!r}"
    meant = said.get("LISTEN_PID", "nobody")
    if meant != str(os.getpid()):
        return (
            (),
            f"they are meant for process {meant} (LISTEN_PID), and this is {os.getpid()}; a script between has to exec",
        )
    names = said.get("LISTEN_FDNAMES", "").split(":")
    names += ["unknown"] * (count - len(names))
    return tuple(PassedSocket(FIRST_FD + index, names[index] or "unknown") for index in range(count)), ""


def _watchdog(said: Mapping[str, str]) -> float | None:
    """Seconds; None where nobody waits, or where somebody else is meant."""
    microseconds = _number(said.get("WATCHDOG_USEC", ""))
    meant = _number(said.get("WATCHDOG_PID", str(os.getpid())))
    return microseconds / 1e6 if microseconds and meant == os.getpid() else None


def _number(text: str) -> int:
    """A decimal number; 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
