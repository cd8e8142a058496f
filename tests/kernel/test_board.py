"""The shared board: limits of its layout, torn reads, what is safe to print, what it costs."""

from __future__ import annotations

import math
import mmap
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workerhub.kernel.board import RECORD, Board, BoardRow, printable
from workerhub.supervisor.events import Reading, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL = 16 * mmap.PAGESIZE


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board(SMALL)
    yield board
    board.close()


def test_a_fresh_row_shows_nothing(board: Board) -> None:
    assert board.allocate(3).snapshot() == Reading(requests=0)


def test_a_request_is_seen_while_it_runs_and_counted_when_it_is_over(board: Board) -> None:
    row = board.allocate(3)
    _, record, _ = row.records()
    record.begin(b"GET /x", b"192.0.2.1", 12.5, math.inf)
    assert record.thread == threading.get_ident()
    assert row.snapshot() == Reading(requests=0, runs=(Run(1, 12.5, math.inf, "GET /x", "192.0.2.1"),))
    record.end()
    assert row.snapshot() == Reading(requests=1)


def test_requests_are_counted_over_all_slots(board: Board) -> None:
    row = board.allocate(14)
    for times, record in enumerate(row.records()):
        for _ in range(times):
            record.begin(b"GET /", b"", 1.0, 2.0)
            record.end()
    row.records()[3].begin(b"GET /", b"", 1.0, 2.0)
    assert row.snapshot().requests == sum(range(14)) - 3  # a second writing side starts to count anew: one to a worker


def test_long_fields_are_cut_and_short_ones_leave_nothing_of_the_one_before(board: Board) -> None:
    row = board.allocate(1)
    (record,) = row.records()
    record.begin(b"G" * 1000, b"c" * 1000, 1.0, 2.0)
    (run,) = row.snapshot().runs
    assert (run.line, run.client) == ("G" * 176, "c" * 48)
    record.begin(b"GET /", b"", 1.0, 2.0)
    (run,) = row.snapshot().runs
    assert (run.line, run.client) == ("GET /", "")


def test_neighbours_do_not_overlap(board: Board) -> None:
    rows = [board.allocate(capacity) for capacity in (1, 14, 15, 40)]
    for row in rows:
        row.closing = True
        for index, record in enumerate(row.records()):
            record.begin(b"x" * 176, b"y" * 48, float(index), math.inf)
    for row, capacity in zip(rows, (1, 14, 15, 40), strict=True):
        reading = row.snapshot()
        assert [run.started_at for run in reading.runs] == [float(index) for index in range(capacity)]
        assert all(run.line == "x" * 176 and run.client == "y" * 48 for run in reading.runs)
        row.closing = False
        assert len(row.snapshot().runs) == capacity


def test_rows_are_whole_pages(board: Board) -> None:
    assert [board.allocate(capacity).size // mmap.PAGESIZE for capacity in (1, 14, 15)] == [1, 1, 2]
    assert RECORD.size == 256


def test_room_is_found_again_and_comes_back_empty(board: Board) -> None:
    rows = [board.allocate(14) for _ in range(16)]
    with pytest.raises(OSError, match="no room on the board for a worker of 1 requests"):
        board.allocate(1)
    for row in rows[4:7]:
        row.closing = True
        row.records()[13].begin(b"GET /", b"", 1.0, 2.0)
        board.free(row)
    again = board.allocate(30)
    assert again.at == rows[4].at
    assert not again.closing
    assert again.snapshot() == Reading(requests=0)


def test_what_is_finished_after_the_server_was_told_to_stop_is_counted_apart(board: Board) -> None:
    row = board.allocate(2)
    one, other = row.records()
    for record in (one, one, other):
        record.begin(b"GET /", b"", 1.0, 2.0)
        record.end()
    other.begin(b"GET /", b"", 1.0, 2.0)
    assert row.snapshot().drained == 0
    row.closing = True
    one.begin(b"GET /", b"", 1.0, 2.0)
    other.end()
    row.closing = True  # told again
    one.end()
    assert (row.snapshot().requests, row.snapshot().drained) == (5, 2)


def test_a_whole_arena_costs_no_memory_until_it_is_written() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * mmap.PAGESIZE

    before = resident()
    board = Board()
    board.allocate(1000)
    assert resident() - before < 4 << 20
    board.close()


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"GET /a\0\0\0", "GET /a"),
        (b"\r\nforged\x1b[31m\x7f", r"\x0d\x0aforged\x1b[31m\x7f"),
        (b"caf\xc3\xa9", r"caf\xc3\xa9"),
        (b"a\\x41", r"a\\x41"),
        (b"\0inside\0", r"\x00inside"),
    ],
)
def test_what_is_read_is_safe_to_print(field: bytes, expected: str) -> None:
    assert printable(field) == expected


class Meddling:
    """A map in which the worker begins another request during one of the reader's accesses, or during each from then on.

    What the reader gets is torn: its first part from before, the rest from after.
    """

    def __init__(self, board: Board, meddle: Callable[[], None], at: int, *, for_ever: bool) -> None:
        self._map = board._map
        self._meddle = meddle
        self._accesses = 0
        self._at = at
        self._for_ever = for_ever

    def __getitem__(self, where: int | slice) -> int | bytes:
        self._accesses += 1
        before = self._map[where]
        if self._accesses == self._at or (self._for_ever and self._accesses > self._at):
            self._meddle()
        after = self._map[where]
        if isinstance(before, bytes) and isinstance(after, bytes):
            return before[:100] + after[100:]
        return after


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "again and again"])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_request_that_changes_under_the_reader_is_not_mixed_with_the_next(
    board: Board, at: int, *, for_ever: bool
) -> None:
    row = board.allocate(1)
    (record,) = row.records()

    def next_request() -> None:
        letter = b"%c" % (97 + record._number % 10)
        record.end()
        record.begin(letter * 176, letter * 48, float(letter[0]), letter[0] + 0.5)

    next_request()
    seen = BoardRow(Meddling(board, next_request, at, for_ever=for_ever), row.at, row.size, 1).snapshot()  # type: ignore[arg-type]  # reads like one
    for run in seen.runs:
        letter = chr(int(run.started_at))
        assert run == Run(0, float(ord(letter)), ord(letter) + 0.5, letter * 176, letter * 48)
    assert for_ever or len(seen.runs) == 1


def test_a_reader_never_sees_two_requests_mixed() -> None:
    """Another process writes as fast as it can; whatever is read belongs together."""
    board = Board(SMALL)
    row = board.allocate(1)
    pid = os.fork()
    if pid == 0:
        try:
            (record,) = row.records()
            while True:
                for number in b"abcdefghij":
                    record.begin(bytes([number]) * 176, bytes([number]) * 48, float(number), number + 0.5)
                    record.end()
        finally:
            os._exit(1)
    try:
        seen: set[str] = set()
        until = time.monotonic() + 30
        while len(seen) < 10 and time.monotonic() < until:
            for _ in range(2000):
                for run in row.snapshot().runs:
                    letter = chr(int(run.started_at))
                    assert run == Run(0, float(ord(letter)), ord(letter) + 0.5, letter * 176, letter * 48)
                    seen.add(letter)
        assert len(seen) == 10, "the writer was hardly ever seen"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        board.close()


def test_a_record_that_is_being_written_is_not_reported(board: Board) -> None:
    """The busy byte is set last: what stands there before is nobody's business."""
    row = board.allocate(1)
    (record,) = row.records()
    record.begin(b"GET /one", b"", 1.0, 2.0)
    record.end()
    RECORD.pack_into(record._map, record._at, 2, 0, 3.0, 4.0, b"", b"GET /tw")
    assert row.snapshot().runs == ()
