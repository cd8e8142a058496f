"""Letting nobody new into a queue that is to be served to its end."""

from __future__ import annotations

import array
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

_SO_ATTACH_FILTER: Final = 26
"""asm-generic/socket.h"""

_DROP_SYN: Final = (
    (0x30, 0, 0, 13),  # load the byte of the TCP header that holds the flags (RFC 9293, 3.1)
    (0x45, 0, 1, 0x02),  # SYN set?
    (0x06, 0, 0, 0),  # then drop the segment
    (0x06, 0, 0, 0xFFFFFFFF),  # else keep it whole
)
"""A classic BPF program for a listening socket, whose filter sees the segments that come to it (socket(7), `SO_ATTACH_FILTER`)."""


def refuse_newcomers(sock: socket.socket) -> None:
    """Have the system complete no more connections on a listening TCP socket, whoever shares it. Its queue stays as it is.

    There is no call for that: `shutdown` and `close` cut those who wait, and a backlog of 0 still lets one in at a time. So the first
    segment of every new connection is dropped. Its sender tries again a second later, and finds nobody, or the next server. Linux
    only; elsewhere, and where the system refuses, nothing happens.
    """
    if sys.platform != "linux":
        return
    program = array.array("B", b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN))
    address, _ = program.buffer_info()
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_DROP_SYN), address))
