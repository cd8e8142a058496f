"""The children that aren't reaped: what each was given, what it says, what it left.

A worker is forked by the kernel, or by a template (`forkserver`) to which an order is sent and from which nothing is waited for. Until such a
worker is met it has no pid here, and what it is to be told is kept. It is met when it says something, or when it is reaped; its pid is
read off the board, and believed if it is that of a child of ours. That there will be no such worker is what the end of its report pipe
says, which only the template and the worker can write to.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from workerhub.kernel.board import Board, BoardRow
from workerhub.kernel.dumps import open_dump, read_dump, take_dump
from workerhub.kernel.files import nameless_file
from workerhub.kernel.memory import private_memory
from workerhub.kernel.newborn import Descriptors
from workerhub.kernel.protocol import ChildNews
from workerhub.kernel.reports import Report, ReportPipe
from workerhub.kernel.signals import NUDGE_SIGNALS
from workerhub.slotted import dataclass, field
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildExited, ChildId, ChildSpawned, Exit, Reading, SpawnFailed


@dataclass(slots=True)
class Child:
    """A worker's or a template's process.

    Attributes:
        pid: None: a template is to fork it, and it wasn't met yet.
        orders: what a template is told through which workers to fork.
        untold: what it is to be told when it is met.
        dumped: where in the dump file that begins which the latest DUMP asked for.
    """

    id: ChildId
    row: BoardRow
    reports: ReportPipe
    dump_fd: int
    pid: int | None = None
    orders: socket.socket | None = None
    untold: list[Nudge] = field(default_factory=list)
    dumped: int = 0

    def close(self) -> None:
        """Close its descriptors."""
        self.reports.close()
        os.close(self.dump_fd)
        if self.orders is not None:
            self.orders.close()


class Children(Mapping[ChildId, Child]):
    """All of them, by name.

    Args:
        selector: the kernel's.
        now: the clock.
        is_other: whether a process of that pid is known, and no child of this kind.

    Attributes:
        board: who has which row.

    Raises:
        OSError: there is no memory for the board.
    """

    def __init__(
        self, selector: selectors.BaseSelector, now: Callable[[], float], is_other: Callable[[int], bool]
    ) -> None:
        self.board = Board()
        self._selector = selector
        self._now = now
        self._is_other = is_other
        self._by_id: dict[ChildId, Child] = {}
        self._by_pid: dict[int, Child] = {}

    def __getitem__(self, child: ChildId) -> Child:
        return self._by_id[child]

    def __iter__(self) -> Iterator[ChildId]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    # What they need

    def make_room(self, child: ChildId, capacity: int) -> tuple[Child, Descriptors]:
        """Get a child its row and its descriptors. The one for its reports is to be closed here when somebody has it.

        Raises:
            OSError: there is no room, or there are no descriptors; the message says which.
        """
        row = self.board.allocate(capacity)
        fds: list[int] = []
        try:
            fds += [open_dump()]
            fds += [nameless_file("stacks")]
            fds += os.pipe()
        except OSError as error:
            for fd in fds:
                os.close(fd)
            self.board.free(row)
            raise OSError(error.errno, f"no descriptors for another child: {error.strerror}") from error
        dump, stacks, reader, writer = fds
        return Child(child, row, ReportPipe(child, reader, stacks), dump), Descriptors(writer, stacks, dump)

    def add(self, child: Child) -> None:
        """It is on its way: listen to it."""
        self._by_id[child.id] = child
        if child.pid is not None:
            self._by_pid[child.pid] = child
        self._selector.register(child.reports.fd, selectors.EVENT_READ, lambda _mask: self._take_reports(child))

    def give_back(self, child: Child) -> None:
        """Free what was a child's."""
        with suppress(KeyError):
            self._selector.unregister(child.reports.fd)
        child.close()
        self.board.free(child.row)

    def close(self) -> None:
        """Close their descriptors."""
        for child in self._by_id.values():
            child.close()

    # What they are told, and what is seen of them

    def nudge(self, child: Child, nudge: Nudge) -> Sequence[ChildSpawned]:
        """Tell one something; if it could be met only now, that is reported."""
        if nudge is Nudge.FINISH:
            child.row.closing = True
        elif nudge is Nudge.STACKS:
            child.row.asked = True
        elif nudge is Nudge.DUMP:
            child.dumped = os.fstat(child.dump_fd).st_size
        if child.pid is None:
            child.untold.append(nudge)
            return list(self._meet(child))
        with suppress(ProcessLookupError):  # not reaped yet, so the pid is still its own
            os.kill(child.pid, NUDGE_SIGNALS[nudge])
        return ()

    def read_board(self, memory: Mapping[ChildId, int]) -> Mapping[ChildId, Reading]:
        """Look at every row; see the protocol."""
        readings = {}
        for name, child in self._by_id.items():
            reading = child.row.snapshot()
            if name in memory and child.pid is not None:
                reading = replace(reading, memory=private_memory(child.pid, memory[name]))
            readings[name] = reading
        return readings

    def read_dump(self, name: ChildId) -> str:
        """What one has left that was nudged by DUMP; see the protocol."""
        child = self._by_id.get(name)
        return "" if child is None else take_dump(child.dump_fd, child.dumped)

    # What happens to them

    def reaped(self, pid: int, how: Exit) -> Iterator[ChildNews]:
        """Tell all that a child left, if it was one of these, and free what was its."""
        child = self._by_pid.pop(pid, None)
        if child is None:
            child = self._unmet(pid)
            if child is None:
                return
            yield ChildSpawned(self._now(), child.id, pid)
        del self._by_id[child.id]
        yield from _of_the_born(child.reports.read_last(self._now()))
        last, dump = child.row.snapshot(), read_dump(child.dump_fd)
        self.give_back(child)
        yield ChildExited(self._now(), child.id, how, last, dump)

    def _take_reports(self, child: Child) -> Iterator[ChildNews]:
        """Read one's pipe, one turn; at its end, stop listening."""
        reports = list(child.reports.read(self._now()))
        if child.pid is None:
            yield from self._meet(child)
        if child.pid is None and (failure := self._stillbirth(child, reports)):
            del self._by_id[child.id]
            self.give_back(child)
            yield failure
            return
        yield from _of_the_born(reports)
        if child.reports.ended:
            self._selector.unregister(child.reports.fd)

    def _stillbirth(self, child: Child, reports: Sequence[Report]) -> SpawnFailed | None:
        """Why a worker that a template was to fork will never be; None: it may still come."""
        for report in reports:
            if isinstance(report, SpawnFailed):
                return report
        return SpawnFailed(self._now(), child.id, "its template is gone") if child.reports.ended else None

    def _meet(self, child: Child) -> Iterator[ChildSpawned]:
        """Get to know a worker that a template was to fork, if it has."""
        pid = child.row.pid
        if pid in self._by_pid or self._is_other(pid) or not _is_ours(pid):
            return
        child.pid = pid
        self._by_pid[pid] = child
        for nudge in child.untold:
            self.nudge(child, nudge)
        yield ChildSpawned(self._now(), child.id, pid)

    def _unmet(self, pid: int) -> Child | None:
        """Who it was that had this pid, if a template has forked it."""
        return next((child for child in self._by_id.values() if child.pid is None and child.row.pid == pid), None)


def _is_ours(pid: int) -> bool:
    """Whether a process is a child of this one, dead or alive. Until it is reaped its pid is its own."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return True


def _of_the_born(reports: Iterable[Report]) -> Iterator[Report]:
    """Without what can't be said of oneself."""
    return (report for report in reports if not isinstance(report, SpawnFailed))
