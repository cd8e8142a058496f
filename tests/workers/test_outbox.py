"""What a client hasn't read yet: every byte once, in order, whatever the socket takes."""

from __future__ import annotations

import os
import socket
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workerhub_workers._outbox import MERGE, TURN, Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(30)
    with ours, theirs:
        yield ours, theirs


def drained(outbox: Outbox, pair: tuple[socket.socket, socket.socket], size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        outbox.send(pair[0])
        received += pair[1].recv(1 << 20)
    return bytes(received)


@given(st.lists(st.integers(0, 3 * MERGE) | st.integers(0, 10), max_size=20))
def test_all_bytes_arrive_once_and_in_order(sizes: list[int]) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        outbox = Outbox()
        pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
        for piece in pieces:
            outbox.add(piece)
        assert outbox.size == sum(sizes)
        assert drained(outbox, (ours, theirs), sum(sizes)) == b"".join(pieces)
        outbox.send(ours)
        assert (outbox.size, outbox.pieces) == (0, [])


def test_small_pieces_are_sent_together(pair: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox()
    for _ in range(1000):
        outbox.add(b"x" * 10)
    assert len(outbox.pieces) == 1
    assert outbox.send(pair[0]) == 10_000


def test_files_go_between_bytes_and_are_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox()
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789" * 100_000)
        file.flush()
        fd = os.dup(file.fileno())
        outbox.add(b"before ")
        outbox.add_file(fd, 5, 999_990)
        outbox.add(b" after")
    assert outbox.size == len(b"before  after")
    assert drained(outbox, pair, 999_990 + 13) == b"before " + (b"0123456789" * 100_000)[5:999_995] + b" after"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_file_that_became_shorter_is_an_error(pair: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox()
    with tempfile.TemporaryFile() as file:
        outbox.add_file(os.dup(file.fileno()), 0, 10)
    with pytest.raises(OSError, match="the file ended before"):
        outbox.send(pair[0])
    outbox.clear()
    assert outbox.pieces == []


def test_one_client_gets_no_more_than_its_turn() -> None:
    class Greedy:
        def send(self, data: bytes, flags: int) -> int:
            return len(data)

    outbox = Outbox()
    for _ in range(3):
        outbox.add(bytes(TURN))
    assert outbox.send(Greedy()) == TURN  # type: ignore[arg-type]  # a socket that takes everything
    assert outbox.size == 2 * TURN
