"""One of the threads that run requests."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from workerhub.worker import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub.http import Outcome, Request
    from workerhub.worker import RequestSlot
    from workerhub_workers._lease import Lease
    from workerhub_workers._shared import SharedConnection


class Seat:
    """One thread and the request slot that it runs requests on.

    Attributes:
        index: of the slot.
        connection: the one whose request it runs, or ran last.
        given_up: its request was interrupted; the thread ends when it comes back.
        lease: by which it has the reactor, if it was lent to it.
    """

    def __init__(self, index: int, slot: RequestSlot) -> None:
        self.index = index
        self.given_up = False
        self.connection: SharedConnection | None = None
        self.lease: Lease | None = None
        self._slot = slot
        self._request: Request | None = None
        """The one that runs."""
        self._task: Callable[[], None] | None = None
        self._bell = threading.Lock()
        self._bell.acquire()
        # Reentrant: the interrupt comes from a signal handler, which another one may interrupt.
        self._guard = threading.RLock()
        self._thread: threading.Thread | None = None

    # For the crew.

    def start(self, work: Callable[[Seat], None]) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=work, args=(self,), name=f"workerhub-{self.index}", daemon=True)
        self._thread.start()

    def call(self, task: Callable[[], None]) -> None:
        """Give the waiting thread something to do."""
        self._task = task
        self._bell.release()

    def dismiss(self) -> None:
        """Send the waiting thread home."""
        self._task = None
        self._bell.release()
        if self._thread is not None:
            self._thread.join()

    # For the thread.

    def wait(self) -> Callable[[], None] | None:
        """Wait for something to do; None: go home."""
        self._bell.acquire()
        return self._task

    def run(self, connection: SharedConnection, request: Request, *, last: bool) -> Outcome:
        """Run a request that was taken from the connection."""
        self.connection = connection
        self._request = request
        outcome = self._slot.run(request, connection, last=last, settle=self._settle)
        self._request = None
        return outcome

    def leave(self) -> None:
        """The worker leaves: an answer that hasn't begun is its connection's last."""
        request = self._request
        if request is not None:
            request.keep_alive = False

    def is_able(self) -> bool:
        """Whether the thread has what it needs but for a processor: it computes, or would; it doesn't wait."""
        try:
            text = Path(f"/proc/self/task/{self._thread and self._thread.native_id}/stat").read_bytes()
        except OSError:
            return False
        return text.rpartition(b")")[2].split()[:1] == [b"R"]

    def interrupt(self) -> bool:
        """Give the request up, and raise `RequestTimeout` in the thread as soon as it runs Python code again."""
        with self._guard:
            if not self._slot.interruptible or self.given_up:
                return self.given_up
            self.given_up = True
            _raise_in(self._ident(), RequestTimeout)
            return True

    def _settle(self) -> None:
        """The application is done: from here on nothing strikes."""
        with self._guard:
            self._slot.interruptible = False
            if self.given_up:
                _raise_in(self._ident(), None)

    def _ident(self) -> int:
        return (self._thread and self._thread.ident) or 0


def _raise_in(ident: int, error: type[BaseException] | None) -> None:
    """Have an exception raised in a thread when it next runs Python code; None takes it back if it wasn't yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(error) if error else None)
