"""What there is only one of, and what therefore goes from one master to the next in an upgrade."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workerhub.config.addresses import BindAddress
from workerhub.kernel.command_line import CommandLine
from workerhub.kernel.control.listener import ControlListener
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.notify import Notifier
from workerhub.kernel.pidfile import Pidfile, PidfileError
from workerhub.slotted import dataclass, field

if TYPE_CHECKING:
    from workerhub.kernel.inheritance import Legacy, Predecessor


@dataclass(slots=True)
class Estate:
    """Held by a server's master; by two at once only where that harms nobody.

    Attributes:
        listeners: the sockets; both masters have them open, and one may close them for good.
        notifier: systemd watches one process.
        control: the control socket; None: there is none.
        receive: lets clients of the control socket in.
        bind: the addresses that are of use now.
        path: the pidfile's; None: there is to be none.
        predecessor: the master before this one; None: there is none.
        complain: told what can't be taken over; the server serves without.
        command: how this master was started.
        private: descriptors that no child keeps; the pidfile's is added.
    """

    listeners: Listeners
    notifier: Notifier
    bind: Callable[[], Iterable[BindAddress]] = tuple
    path: Path | None = None
    predecessor: Predecessor | None = None
    complain: Callable[[str], None] = lambda _trouble: None  # a default
    command: CommandLine = field(default_factory=CommandLine.of_this_process)
    private: set[int] = field(default_factory=set)
    control: ControlListener | None = None
    receive: Callable[[ControlListener], None] = lambda _listener: None  # a default
    _pidfile: Pidfile | None = None

    def take_pidfile(self) -> None:
        """Take the pidfile, if there is to be one.

        Raises:
            PidfileError: it can't be had.
        """
        if self.path is not None:
            self._pidfile = Pidfile(self.path)
            self.private.add(self._pidfile.fd)

    def open_reception(self) -> None:
        """Let clients of the control socket in. Until then children have to be kept from it, later the kernel does."""
        if self.control is not None:
            self.private.discard(self.control.socket.fileno())
            self.receive(self.control)

    def legacy(self) -> Legacy:
        """What the next master is to be told of, and to find open."""
        from workerhub.kernel.inheritance import Legacy  # noqa: PLC0415  # most masters never need it

        pidfile = str(self._pidfile.path) if self._pidfile is not None else None
        control = (str(self.control.path), self.control.socket.fileno()) if self.control is not None else None
        return Legacy(self.listeners.descriptors(), pidfile, control, self.listeners.systemd)

    def give_up(self, pid: int) -> None:
        """Leave everything to the next master, which has this pid."""
        self.listeners.shared = True
        if self._pidfile is not None:
            self._pidfile.release()
        self.notifier.hand_over(pid)

    def take_over(self, now: float) -> None:
        """All is this master's own; `now` is on the monotonic clock. What only the master before needed goes."""
        self.listeners.shared = False
        self.listeners.retain(self.bind())
        self.notifier.speak(now)
        try:
            self.take_pidfile()
        except PidfileError as error:
            self.complain(str(error))
        self.open_reception()
        if self.predecessor is not None:
            self._clear_away(self.predecessor.legacy)

    def close(self) -> None:
        """Take away what is still this master's."""
        if self.control is not None:
            self.control.close(leave_file=self.listeners.shared)
        if self._pidfile is not None:
            self._pidfile.remove()

    def _clear_away(self, legacy: Legacy) -> None:
        """Remove the files that the master before has left, and that this one has no use for."""
        used = {str(self.path.absolute())} if self.path is not None else set()
        used |= {str(self.control.path)} if self.control is not None else set()
        left = {legacy.pidfile, legacy.control[0] if legacy.control is not None else None}
        for path in left - used - {None}:
            with suppress(OSError):
                os.unlink(path)  # type: ignore[arg-type]  # no None is left  # noqa: PTH108  # it is text
