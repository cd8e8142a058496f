"""A worker class at work in a process of its own, without a master: real sockets, real signals, a board and a log to look at.

SIGTERM tells the worker to leave, SIGUSR1 that the whole server stops, SIGUSR2 interrupts the request that has run longest.
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import signal
import socket
import struct
import tempfile
import threading
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.raw import RawClient
from support.waiting import PATIENCE, wait_for

from workerhub.http import HttpSettings
from workerhub.worker import Books, ServeSettings, Worker, WorkerContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from support.client import Address

    from workerhub.worker import WSGIApplication

HTTP = HttpSettings(
    parser="auto",
    max_request_line=8192,
    max_header_bytes=65536,
    max_headers=100,
    max_body=None,
    body_memory=64 * 1024,
    trusted_proxies=(),
    forwarded="off",
    server_header="workerhub",
    keepalive=True,
)
SETTINGS = ServeSettings(
    http=HTTP,
    request_timeout=None,
    header_timeout=PATIENCE * 2,
    body_timeout=PATIENCE * 2,
    write_timeout=PATIENCE * 2,
    keepalive_timeout=PATIENCE * 2,
    response_memory=64 * 1024,
    multiprocess=False,
)
"""No timeout that could end a test's connection by itself, and little memory, so that a megabyte is much."""

_RECORD = struct.Struct("=QQd")
"""Begun, ended, when the latest began."""


class StopFlag:
    """`Stopping` by a pipe, into which the interpreter writes a byte for each signal, whichever thread it met."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer)
        self._told = False
        self.server = False

    def tell(self, *, server: bool) -> None:
        """Tell the worker to leave."""
        self._told = True
        self.server = self.server or server
        os.write(self._writer, b".")

    def __bool__(self) -> bool:
        return self._told

    def fileno(self) -> int:
        """Readable after `tell`."""
        return self._reader

    def clear(self) -> None:
        """Take the wake-up bytes."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)


class SharedRecord:
    """`RunRecord` in a page that the test sees: how many began, how many ended."""

    def __init__(self, page: mmap.mmap, index: int) -> None:
        self._page = page
        self._at = index * _RECORD.size

    def begin(self, line: bytes, client: bytes, started_at: float, deadline: float) -> None:
        """One more began."""
        begun, ended = self.counts()
        _RECORD.pack_into(self._page, self._at, begun + 1, ended, started_at)

    def end(self) -> None:
        """One more ended."""
        begun, ended = self.counts()
        _RECORD.pack_into(self._page, self._at, begun, ended + 1, math.inf)

    def counts(self) -> tuple[int, int]:
        """How many began, how many ended."""
        begun, ended, _ = _RECORD.unpack_from(self._page, self._at)
        return begun, ended

    def began_at(self) -> float:
        """When the request began that runs; infinity if none does."""
        began_at: float = _RECORD.unpack_from(self._page, self._at)[2]
        return began_at or math.inf


class FileLog:
    """`Log` as JSON lines in a file that both processes have open."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as the test looks at it

    def write(self, level: str, message: str, detail: str = "") -> None:
        """One line."""
        os.write(self._file.fileno(), json.dumps([level, message, detail]).encode() + b"\n")

    def debug(self, message: str, detail: str = "", **fields: object) -> None:
        """One line."""
        self.write("debug", message, detail)

    def info(self, message: str, detail: str = "", **fields: object) -> None:
        """One line."""
        self.write("info", message, detail)

    def warning(self, message: str, detail: str = "", **fields: object) -> None:
        """One line."""
        self.write("warning", message, detail)

    def error(self, message: str, detail: str = "", **fields: object) -> None:
        """One line."""
        self.write("error", message, detail)

    def lines(self) -> list[tuple[str, str, str]]:
        """Level, message and detail of all that was written so far."""
        size = os.fstat(self._file.fileno()).st_size
        text = os.pread(self._file.fileno(), size, 0).decode()
        return [tuple(json.loads(line)) for line in text.splitlines()]

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


class Serving:
    """What a test sees of the worker.

    Attributes:
        address: where it listens.
        pid: its process.
        exit_code: None while it lives.
    """

    def __init__(
        self, address: Address, pid: int, log: FileLog, records: tuple[SharedRecord, ...], access: FileLog
    ) -> None:
        self.address = address
        self.pid = pid
        self.exit_code: int | None = None
        self._log = log
        self._records = records
        self._access = access

    def connect(self, *, receive_buffer: int | None = None) -> RawClient:
        """Open a connection."""
        return RawClient(self.address, receive_buffer=receive_buffer)

    def tell(self, number: signal.Signals) -> None:
        """Send the worker a signal."""
        os.kill(self.pid, number)

    def drain(self) -> None:
        """Tell the worker to leave."""
        self.tell(signal.SIGTERM)

    def stop_server(self) -> None:
        """Tell the worker that the whole server stops."""
        self.tell(signal.SIGUSR1)

    def interrupt(self) -> None:
        """End the request that has run longest."""
        self.tell(signal.SIGUSR2)

    def wait(self) -> int:
        """Wait for the worker's end; its exit code."""
        if self.exit_code is None:
            reaped: list[int] = []
            wait_for(lambda: bool(reaped) or self._reap(reaped), "the worker's exit")
            self.exit_code = os.waitstatus_to_exitcode(reaped[0])
        return self.exit_code

    def _reap(self, reaped: list[int]) -> bool:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            reaped.append(status)
        return bool(pid)

    def log(self, *levels: str) -> list[str]:
        """The messages of these levels (of warning and error where none is given), with their details."""
        wanted = levels or ("warning", "error")
        return [f"{message}\n{detail}".strip() for level, message, detail in self._log.lines() if level in wanted]

    def access(self) -> list[list[Any]]:
        """The access log: method, target, status, bytes."""
        return [json.loads(message) for _, message, _ in self._access.lines()]

    def requests(self) -> tuple[int, int]:
        """How many began and how many ended, over all slots."""
        counts = [record.counts() for record in self._records]
        return sum(begun for begun, _ in counts), sum(ended for _, ended in counts)

    def open_files(self) -> int:
        """How many descriptors the worker has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def cpu_seconds(self) -> float:
        """Processor time that the worker has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fork(live: Callable[[], None], listeners: tuple[socket.socket, ...], journal: FileLog) -> int:
    """Have a process of its own run `live` and exit with 0, or with 1 and a traceback in the log."""
    for listener in listeners:
        listener.setblocking(False)
    assert threading.active_count() == 1, "a process with threads can't be forked safely"
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            live()
            code = 0
        except BaseException:  # noqa: BLE001  # whatever it is, the test wants to read it
            journal.error("the worker died", traceback.format_exc())
        finally:
            os._exit(code)
    return pid


def _live(
    instance: Worker[Any],
    app: WSGIApplication,
    records: tuple[SharedRecord, ...],
    journal: FileLog,
    before: Callable[[], None],
) -> None:
    """A worker's life, as short as it can be told."""
    stopping = instance.context.stopping
    assert isinstance(stopping, StopFlag)

    def interrupt() -> None:
        index = min(range(len(records)), key=lambda index: records[index].began_at())
        journal.info(f"interrupt: {instance.interrupt(index)}")

    signal.signal(signal.SIGTERM, lambda *_: stopping.tell(server=False))
    signal.signal(signal.SIGUSR1, lambda *_: stopping.tell(server=True))
    signal.signal(signal.SIGUSR2, lambda *_: interrupt())
    before()
    instance.prepare()
    journal.info("serving")
    try:
        instance.serve(app)
    finally:
        instance.close()


@contextlib.contextmanager
def serving(
    worker: type[Worker[Any]],
    app: WSGIApplication,
    *,
    options: Mapping[str, Any] | None = None,
    listeners: tuple[socket.socket, ...] = (),
    http: Mapping[str, Any] | None = None,
    recycle_after: int | None = None,
    limit_reached: Callable[[], None] = lambda: None,
    before: Callable[[], None] = lambda: None,
    **settings: Any,
) -> Iterator[Serving]:
    """Run a worker class with an application until the block ends; then it is drained, and killed if that takes too long.

    Args:
        worker: the class.
        app: the application; being forked, it may be a closure over latches.
        options: the class's own options.
        listeners: listening sockets; one on a free port of the loopback where none is given.
        http: fields of `HTTP` to change.
        recycle_after: as in `Books`.
        limit_reached: as in `Books`; runs in the worker.
        before: runs in the worker before anything else.
        settings: fields of `SETTINGS` to change.
    """
    own = listeners or (socket.create_server(("127.0.0.1", 0), backlog=256),)
    chosen = worker.Options.model_validate(options or {})
    capacity = worker.capacity(chosen)
    page = mmap.mmap(-1, max(mmap.PAGESIZE, capacity * _RECORD.size))
    records = tuple(SharedRecord(page, index) for index in range(capacity))
    journal, access = FileLog(), FileLog()

    def note_access(environ: Mapping[str, Any], status: int, sent: int, seconds: float) -> None:
        access.info(json.dumps([environ["REQUEST_METHOD"], environ["PATH_INFO"], status, sent]))

    def live() -> None:
        context = WorkerContext(
            pool="main",
            slot=0,
            generation=1,
            worker_class=worker.__name__,
            listeners=own,
            settings=replace(SETTINGS, **{"http": replace(HTTP, **(http or {})), **settings}),
            stopping=StopFlag(),
            log=journal,
            books=Books(records, note_access, recycle_after, limit_reached),
        )
        _live(worker(context, chosen), app, records, journal, before)

    pid = _fork(live, own, journal)
    server = Serving(own[0].getsockname(), pid, journal, records, access)
    for listener in own:
        listener.close()
    try:
        wait_for(lambda: any(line[1] in {"serving", "the worker died"} for line in journal.lines()), "the worker")
        yield server
        if server.exit_code is None:
            server.drain()
            server.wait()
        troubles = [line for line in server.log() if "died" in line or "error in the server" in line]
        assert not troubles, "\n".join(troubles)
    finally:
        if server.exit_code is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for closable in (journal, access, page):
            closable.close()
