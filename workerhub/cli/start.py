"""Starts a server: has the plan made in a process of its own, imports meanwhile what a master needs, and serves.

The two go on side by side, on two processors where there are. What the plan's making takes with it (pydantic, click, a configuration's
own code, the worker class) ends with that process; the master has never seen it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from workerhub.kernel.streams import open_standard_streams
from workerhub.kernel.systemd import take_from_systemd
from workerhub.plan import PLANNING_TIMEOUT, Plan, Refusal, pack, unpack
from workerhub.supervisor.exits import ServerExit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workerhub.kernel.inheritance import Predecessor

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)

_LENGTH: Final = 8
"""Bytes in front of the verdict that tell how many follow."""


class _StopAskedError(BaseException):
    """Somebody wants us to stop before we have begun."""


def start(args: Sequence[str]) -> int:
    """Serve what a command line says until told to stop; the exit code."""
    open_standard_streams()
    before = {number: signal.signal(number, _stop) for number in _STOPPING}
    predecessor = _take_predecessor()
    systemd = take_from_systemd() if predecessor is None else predecessor.legacy.systemd
    try:
        process = _Planning(args)
        try:
            verdict = process.verdict()
        except BaseException:
            process.end()
            raise
    except _StopAskedError:
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if isinstance(verdict, Refusal):
        if predecessor is not None:
            predecessor.complain(verdict.text)
        if verdict.text:
            with suppress(OSError):
                print(verdict.text, file=sys.stderr, flush=True)  # noqa: T201  # there is no log yet
        return verdict.code
    from workerhub import master  # noqa: PLC0415  # imported already, while the plan was made

    return master.serve(partial(_plan, tuple(args)), verdict, systemd, predecessor)


def _take_predecessor() -> Predecessor | None:
    """The master that this one is to replace; None: there is none."""
    if "WORKERHUB_UPGRADE" not in os.environ:
        return None
    from workerhub.kernel.inheritance import take_inheritance  # noqa: PLC0415  # few starts are upgrades

    return take_inheritance()


class _Planning:
    """The process that makes the first plan."""

    def __init__(self, args: Sequence[str]) -> None:
        for stream in (sys.stdout, sys.stderr):  # else the child would write what waits there once more
            with suppress(Exception):
                stream.flush()
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _plan_and_exit(args, writer)
        os.close(writer)
        self._reader = reader

    def verdict(self) -> Plan | Refusal:
        """Get ready to serve, then hear what the process came to."""
        from workerhub import master  # noqa: F401, PLC0415  # takes as long as the plan does; see the module

        packed = self._packed(time.monotonic() + PLANNING_TIMEOUT)
        if packed is None:
            self.end()
            late = f"reading the configuration took more than {PLANNING_TIMEOUT:g} s; nothing was started."
            return Refusal(ServerExit.USAGE, late)
        if not packed:
            how = _ending(self.end())
            return Refusal(
                ServerExit.USAGE, f"the process that reads the configuration ended: {how}; nothing was started."
            )
        return unpack(packed)  # it ends by itself; the kernel reaps it like anybody's orphan

    def end(self) -> int:
        """End it, if it hasn't; the wait status."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        return os.waitpid(self._pid, 0)[1]

    def _packed(self, until: float) -> bytes | None:
        """Read a whole verdict; empty if the process ends before, None if the time does.

        A process that the configuration has started may hold the pipe for ever, so its end is not waited for.
        """
        data = b""
        while len(data) < _LENGTH or len(data) < _LENGTH + int.from_bytes(data[:_LENGTH], "big"):
            if not select.select([self._reader], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            more = os.read(self._reader, 1 << 16)
            if not more:
                return b""
            data += more
        os.close(self._reader)
        return data[_LENGTH:]


def _plan_and_exit(args: Sequence[str], pipe: int) -> NoReturn:
    """In the child: one verdict, then the end, whatever the configuration's code registered for it."""
    try:
        for number in (*_STOPPING, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(int(PLANNING_TIMEOUT) + 10)  # for the case that nobody is left who could end this process
        packed = pack(_plan(args, "; nothing was started"))
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        data = len(packed).to_bytes(_LENGTH, "big") + packed
        while data:
            data = data[os.write(pipe, data) :]
    except BaseException:  # noqa: BLE001  # a planner must not become a second master
        import traceback  # noqa: PLC0415  # a defect of ours

        with suppress(BaseException):
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _plan(args: Sequence[str], consequence: str) -> Plan | Refusal:
    """Make the plan. In a process of its own."""
    from workerhub.cli.words import plain  # noqa: PLC0415  # not in the master

    invocation = plain(args)
    if invocation is None:
        from workerhub.cli.command import plan  # noqa: PLC0415  # click, for who has use for it

        return plan(args, consequence)
    from workerhub.planning import plan_or_refuse  # noqa: PLC0415  # as above

    return plan_or_refuse(invocation, consequence)


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _stop(_number: int, _frame: object) -> NoReturn:
    raise _StopAskedError
