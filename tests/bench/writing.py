"""What it costs to write a request down, on the board and in the access log: `python tests/bench/writing.py`.

Prints microseconds, the best of many short runs, which on a shared machine is the only number that repeats.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

from workerhub.kernel.board import Board
from workerhub.logs import AccessLog, LogFile

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "REQUEST_URI": "/some%20path?a=b",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/some path",
    "QUERY_STRING": "a=b",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "HTTP_HOST": "example.org",
    "HTTP_REFERER": "https://example.org/x",
    "HTTP_USER_AGENT": "curl/8",
}


def best(write: Callable[[], None]) -> float:
    """Microseconds for one."""
    return min(timeit.repeat(write, number=500, repeat=40)) / 500 * 1e6


def main() -> None:
    board = Board(1 << 20)
    (record,) = board.allocate(1).records()

    def note() -> None:
        record.begin(b"GET /some/path?query=1", b"127.0.0.1", 1.0, 61.0)
        record.end()

    print(f"board, begin and end   {best(note):6.2f} µs")
    for kind in ("combined", "json"):
        log = AccessLog(LogFile("/dev/null"), kind)
        print(f"access log, {kind:10} {best(lambda log=log: log(ENVIRON, 200, 123, 0.01)):6.2f} µs")  # type: ignore[misc]  # bound now


if __name__ == "__main__":
    main()
