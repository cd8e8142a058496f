"""Where a request of `sync` spends its instructions: `python tests/bench/hot_path.py [kept|new|close]`.

Prints the bytecodes that each function executes for a request: a number that is the same on every machine and at every hour, unlike a time. For
the processor's own instructions run it with `--quiet` under `valgrind --tool=callgrind --toggle-collect=functools_reduce`, and divide by 400.
Client and server take turns in one thread; what the client does is the same for every server, and isn't counted.
"""

from __future__ import annotations

import socket
import sys
from collections import Counter
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bench.hello import application  # noqa: E402  # found by what was just added
from bench.http_core import settings  # noqa: E402  # likewise
from workerhub_workers.sync import _Loop  # noqa: E402  # likewise

from workerhub.kernel.board import Board  # noqa: E402  # behind the two above
from workerhub.worker import Books, ServeSettings, WorkerContext  # noqa: E402  # likewise

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

REQUESTS = 400
WARM = 64
"""Requests before, in which the interpreter adapts and the connections' memories fill."""

HEADS = {
    "kept": b"GET / HTTP/1.1\r\nHost: 127.0.0.1:18124\r\n\r\n",
    "new": b"GET /?n=%d HTTP/1.1\r\nHost: 127.0.0.1:18124\r\nUser-Agent: x\r\nX-Request-Id: %d\r\n\r\n",
    "close": b"GET / HTTP/1.1\r\nHost: 127.0.0.1:18124\r\nConnection: close\r\n\r\n",
}


class Staying:
    """Nobody tells this worker to leave."""

    server = False

    def __init__(self) -> None:
        self._ends = socket.socketpair()

    def __bool__(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._ends[0].fileno()

    def clear(self) -> None:
        pass


class Quiet:
    """A log that is off."""

    def debug(self, message: str, detail: str = "", **fields: object) -> None:
        pass

    info = warning = error = debug


def worker(listener: socket.socket) -> Callable[[], bool]:
    """A turn of a `sync` worker's loop."""
    context = WorkerContext(
        pool="main",
        slot=0,
        generation=1,
        worker_class="sync",
        listeners=(listener,),
        settings=ServeSettings(settings("httptools"), 60.0, 15.0, 30.0, 30.0, 75.0, 1 << 20, multiprocess=False),
        stopping=Staying(),
        log=Quiet(),
        books=Books(Board(1 << 20).allocate(1).records()),
    )
    return _Loop(context, context.request(application)).reactor.turn


def asking(kind: str, turn: Callable[[], bool], address: Any) -> Callable[[int], None]:
    """A client: asks for so many times, each time until it is answered."""
    head = HEADS[kind]
    kept: list[socket.socket] = []

    def ask(number: int) -> None:
        if kept:
            client = kept.pop()
        else:
            client = socket.socket()
            client.connect(address)
            client.setblocking(False)
        client.send(head % (number, number) if kind == "new" else head)
        while True:
            turn()
            try:
                client.recv(4096)
            except BlockingIOError:
                continue
            break
        if kind == "close":
            client.close()
        else:
            kept.append(client)

    return ask


def count(ask: Callable[[int], None]) -> Counter[CodeType]:
    """The bytecodes that each function executes."""
    bytecodes: Counter[CodeType] = Counter()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        bytecodes[frame.f_code] += event == "opcode"
        return trace

    sys.settrace(trace)
    for number in range(REQUESTS):
        ask(WARM + number)
    sys.settrace(None)
    return bytecodes


def main() -> None:
    kind = next((each for each in HEADS if each in sys.argv), "kept")
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    ask = asking(kind, worker(listener), listener.getsockname())
    for number in range(WARM):
        ask(number)
    if "--quiet" in sys.argv:
        reduce(lambda _, number: ask(WARM + number), range(REQUESTS), None)
        return
    total = 0.0
    for code, bytecodes in count(ask).most_common():
        file = Path(code.co_filename)
        if file.parent != HERE and file.name != "socket.py":
            total += bytecodes / REQUESTS
            print(f"{bytecodes / REQUESTS:7.1f}  {file.stem}.{code.co_name}")
    print(f"{total:7.1f}  in all")


if __name__ == "__main__":
    main()
