"""Being told to leave while booting: nothing runs that anybody waits for, so the boot is broken off."""

from __future__ import annotations

import os
import signal
from _thread import start_new_thread  # the real one, also where a worker class patches threading
from time import sleep
from types import FrameType


class ToldToLeave(KeyboardInterrupt):
    """SIGTERM came while the worker booted. Raised wherever the boot is; what runs application code lets it through.

    A `KeyboardInterrupt`, because event loops know that one: raised in gevent's, it gets to the greenlet that waits for the boot.
    """


class BootBreaker:
    """The action for SIGTERM during the boot: raises `ToldToLeave` in the main thread, until somebody listens.

    Python throws away what is raised within a destructor or a callback of the import system, and an application may
    catch everything; so the order is given again every second.
    """

    def __init__(self) -> None:
        self._insisting = False
        self._done = False

    def __call__(self, _frame: FrameType | None) -> None:
        """Break off what the boot is doing.

        Raises:
            ToldToLeave: unless the boot is over.
        """
        if self._done:
            return
        if not self._insisting:
            self._insisting = True
            start_new_thread(self._insist, ())
        raise ToldToLeave

    def over(self) -> None:
        """The boot is over, or broken off: from now on nothing is raised."""
        self._done = True

    def _insist(self) -> None:
        """Say it again. In a thread of its own, as the main one may be busy."""
        sleep(1.0)
        while not self._done:
            os.kill(os.getpid(), signal.SIGTERM)
            sleep(1.0)
