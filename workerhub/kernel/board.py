"""The shared board: what each worker is doing, written by the worker and read by the master, without a system call.

One anonymous shared map is made before the first fork, large enough for every worker there will ever be at once; memory
is only spent on pages that were written to. A worker's row is a run of whole pages: a header, then one run record for
each request that it can run at once. As writing takes no system call and reading doesn't need the worker, liveness
depends neither on the worker's interpreter lock nor on the worker being alive: after a SIGKILL the row still tells.

Torn reads. Each field has one writer. A run record is only written while its busy byte is 0, and the busy byte is set
last. So a reader that sees the same (busy, number) before and after its copy, with busy 1, has a copy of one moment;
otherwise it looks again, and after a few tries reports the slot as free: a slot that changes so fast isn't stuck.
(On processors that reorder stores a copy may still mix two requests for a moment; nothing is decided on one look alone:
the worker compares its own record, in its own memory order, before it ends a request.)
"""

from __future__ import annotations

import errno
import mmap
import struct
from _thread import get_ident  # the real one, also where threading is monkey-patched
from contextlib import suppress

from workerhub.supervisor.events import Reading, Run

ARENA_BYTES = 64 << 20
"""Room for 250 workers of 1000 requests, or for 16000 of up to 14. Address space, not memory, until it is written."""

RECORD = struct.Struct("=QQdd48s176s")
"""number of requests begun, thread, started-at, deadline, client, request line; both cut to fit. 256 bytes."""

_HEADER_BYTES = 256
"""The header's fields in bytes, written by the master: [0] closing, [1] asked (reset by the worker), [16:24] requests that were finished when
it was closing; written by who forks for it: [8:12] pid. The rest is room."""

_PID = struct.Struct("=i")
_PID_AT = 8

_DONE_BEFORE = struct.Struct("=Q")
_DONE_BEFORE_AT = 16

_STRIDE = RECORD.size + 8
"""One run record: the record, its busy byte, and padding to keep the next one aligned."""

_LOOKS = 8


class RunRecord:
    """One request slot of a worker: the writing side, in the worker's process.

    Written by one thread at a time; about 0.4 µs for `begin` and `end` together (tests/bench/writing.py measures).

    Attributes:
        thread: the identifier of the thread that began the latest request, as `threading.get_ident` gives it.
    """

    __slots__ = ("_at", "_busy", "_map", "_number", "_pack", "thread")

    def __init__(self, arena: mmap.mmap, at: int) -> None:
        self._map = arena
        self._at = at
        self._busy = at + RECORD.size
        self._number = 0
        self._pack = RECORD.pack_into
        self.thread = 0

    def begin(self, line: bytes, client: bytes, started_at: float, deadline: float) -> None:
        """A request was dispatched. Times on the monotonic clock; `deadline` is `inf` where there is none."""
        self._number = number = self._number + 1
        self.thread = thread = get_ident()
        self._pack(self._map, self._at, number, thread, started_at, deadline, client, line)
        self._map[self._busy] = 1

    def end(self) -> None:
        """It is over; counts one finished request."""
        self._map[self._busy] = 0


class BoardRow:
    """One worker's part of the board. The worker writes its `records`; the master reads by `snapshot`, sets `closing` and `asked`."""

    __slots__ = ("_map", "at", "capacity", "size")

    def __init__(self, arena: mmap.mmap, at: int, size: int, capacity: int) -> None:
        self._map = arena
        self.at = at
        self.size = size
        """Bytes, whole pages."""
        self.capacity = capacity

    def records(self) -> tuple[RunRecord, ...]:
        """Make the writing side. To be called once, in the worker's process."""
        return tuple(RunRecord(self._map, at) for at in self._offsets())

    def neighbour(self, at: int, size: int, capacity: int) -> BoardRow:
        """Another row of the same board, as its own attributes describe it."""
        return BoardRow(self._map, at, size, capacity)

    @property
    def pid(self) -> int:
        """Whose row this is, where another process than the master has forked it; 0 while there is nobody."""
        found: int = _PID.unpack_from(self._map, self.at + _PID_AT)[0]
        return found

    @pid.setter
    def pid(self, value: int) -> None:
        _PID.pack_into(self._map, self.at + _PID_AT, value)

    @property
    def closing(self) -> bool:
        """Whether the whole server stops, so that nobody else will take what waits in the accept queue."""
        return bool(self._map[self.at])

    @closing.setter
    def closing(self, value: bool) -> None:
        if value and not self.closing:
            _DONE_BEFORE.pack_into(self._map, self.at + _DONE_BEFORE_AT, self.snapshot().requests)
        self._map[self.at] = value

    @property
    def asked(self) -> bool:
        """Whether the worker shall write down where everything is."""
        return bool(self._map[self.at + 1])

    @asked.setter
    def asked(self, value: bool) -> None:
        self._map[self.at + 1] = value

    def snapshot(self) -> Reading:
        """Read the row, from whichever process, while the worker may be writing."""
        finished = 0
        runs = []
        for index, at in enumerate(self._offsets()):
            begun, run = self._look(at, index)
            finished += begun
            if run is not None:
                finished -= 1
                runs.append(run)
        done_before = _DONE_BEFORE.unpack_from(self._map, self.at + _DONE_BEFORE_AT)[0] if self.closing else finished
        return Reading(requests=finished, runs=tuple(runs), drained=finished - done_before)

    def _offsets(self) -> range:
        """Where the run records stand."""
        first = self.at + _HEADER_BYTES
        return range(first, first + _STRIDE * self.capacity, _STRIDE)

    def _look(self, at: int, index: int) -> tuple[int, Run | None]:
        """Read one record: how many requests it began, and the one that runs."""
        arena = self._map
        busy = at + RECORD.size
        for _ in range(_LOOKS):
            number = arena[at : at + 8]
            if not arena[busy]:
                break
            copy = arena[at : at + RECORD.size]
            if arena[busy] and arena[at : at + 8] == number == copy[:8]:
                begun, _thread, started_at, deadline, client, line = RECORD.unpack(copy)
                return begun, Run(index, started_at, deadline, printable(line), printable(client))
        return int.from_bytes(arena[at : at + 8], "little"), None


class Board:
    """The whole map, and who has which pages of it. Made in the master before the first fork.

    Raises:
        OSError: the system doesn't give the address space.
    """

    def __init__(self, size: int = ARENA_BYTES) -> None:
        flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
        self._map = mmap.mmap(-1, size, flags)
        self._taken = bytearray(size // mmap.PAGESIZE)  # one byte a page: 1 is taken

    def allocate(self, capacity: int) -> BoardRow:
        """Find room for a worker that runs up to `capacity` requests at once. The row is zero.

        Raises:
            OSError: (ENOSPC) no room; the message says so.
        """
        pages = -(-(_HEADER_BYTES + _STRIDE * capacity) // mmap.PAGESIZE)
        first = self._taken.find(bytes(pages))
        if first < 0:
            raise OSError(errno.ENOSPC, f"no room on the board for a worker of {capacity} requests")
        self._taken[first : first + pages] = b"\1" * pages
        return BoardRow(self._map, first * mmap.PAGESIZE, pages * mmap.PAGESIZE, capacity)

    def free(self, row: BoardRow) -> None:
        """Take the row of a process that was reaped back. Its memory goes back to the system where that is possible."""
        if hasattr(mmap, "MADV_REMOVE"):
            with suppress(OSError):
                self._map.madvise(mmap.MADV_REMOVE, row.at, row.size)
        self._map[row.at : row.at + row.size] = bytes(row.size)
        first, pages = row.at // mmap.PAGESIZE, row.size // mmap.PAGESIZE
        self._taken[first : first + pages] = bytes(pages)

    def close(self) -> None:
        """Unmap it. The rows are of no use any more."""
        self._map.close()


_SAFE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0x100))}
_SAFE[ord("\\")] = "\\\\"


def printable(field: bytes) -> str:
    r"""Make a board field fit for a log: padding off, anything but printable ASCII as `\xNN`."""
    return field.rstrip(b"\0").decode("latin-1").translate(_SAFE)
