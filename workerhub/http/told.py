"""What the access log is told of a request that was refused while it was read: as much of it as is known."""

from __future__ import annotations

import re
from typing import Any, Final

_REQUEST_LINE: Final = re.compile(rb"([^ ]+) ([^ ]+) (HTTP/[0-9]\.[0-9])")


def environ_of(beginning: bytes, limit: int, peer: tuple[str, str]) -> dict[str, Any]:
    """An environment as far as the log reads one.

    Args:
        beginning: what has come of the head, from its first byte on.
        limit: bytes of the request line that are of interest.
        peer: the client's address and port.

    Returns:
        Method, target and protocol if there are three such words, else whatever there is, as the target. As latin-1, and as wild as it
        came: the log makes it harmless.
    """
    line = beginning.removeprefix(b"\r\n").partition(b"\n")[0].removesuffix(b"\r")[:limit]
    match = _REQUEST_LINE.fullmatch(line)
    method, target, protocol = match.groups() if match else (b"", line, b"")
    decoded = target.decode("latin-1")
    path, _, query = decoded.partition("?")
    return {
        "REQUEST_METHOD": method.decode("latin-1"),
        "REQUEST_URI": decoded,
        "RAW_URI": decoded,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": protocol.decode("latin-1"),
        "REMOTE_ADDR": peer[0],
        "REMOTE_PORT": peer[1],
    }
