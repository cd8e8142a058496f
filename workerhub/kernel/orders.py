"""The master's orders to a template: fork one worker. A message each, with the worker's descriptors in it (SCM_RIGHTS, unix(7))."""

from __future__ import annotations

import os
import socket
import struct
from array import array

from workerhub.kernel.board import BoardRow
from workerhub.kernel.newborn import Descriptors
from workerhub.slotted import dataclass

_HEADER = struct.Struct("=QQQ")
"""Where the worker's row is on the board, its size in bytes, its capacity."""

_FDS = socket.CMSG_SPACE(len(Descriptors._fields) * array("i").itemsize)

MAX_BYTES = 64 << 10
"""Of a whole order; those that there are have some hundred."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker that a template forks is given.

    Attributes:
        row: its part of the board.
        fds: what it writes to.
        word: who it is to be: the business of who sends it and of who lives.
    """

    row: BoardRow
    fds: Descriptors
    word: bytes


def order_pipe() -> tuple[socket.socket, socket.socket]:
    """Make what orders go through: the master's end and the template's. Neither ever waits.

    Raises:
        OSError: no descriptors are left.
    """
    master, template = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    master.setblocking(False)
    template.setblocking(False)
    return master, template


def send_order(pipe: socket.socket, order: Order) -> None:
    """Send one. The descriptors stay open here.

    Raises:
        OSError: the template is gone, or has so many orders to carry out already that one more has no room.
    """
    row = order.row
    message = _HEADER.pack(row.at, row.size, row.capacity) + order.word
    socket.send_fds(pipe, [message], order.fds)


def receive_order(pipe: socket.socket, board: BoardRow) -> Order | None:
    """Take one; None if there will be none any more.

    Args:
        pipe: the template's end.
        board: any row of the board.

    Raises:
        OSError: there is none now, or no descriptor is left for it.
    """
    # Not socket.recv_fds, which forgets its flags (CPython 3.11 to 3.13): the descriptors would live on in what is executed.
    message, ancillary, _flags, _address = pipe.recvmsg(MAX_BYTES, _FDS, socket.MSG_CMSG_CLOEXEC)
    if not message:
        return None
    fds = array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if len(fds) != len(Descriptors._fields):
        for fd in fds:
            os.close(fd)
        raise OSError("no descriptor is left for another worker")
    at, size, capacity = _HEADER.unpack_from(message)
    return Order(board.neighbour(at, size, capacity), Descriptors(*fds), message[_HEADER.size :])
