"""What children report: JSON lines through a pipe, written by `Birth`, read here.

A worker that a template forked says first that it is born, which is no report: that anything came from it says as much. If it isn't
born, its template writes so in its place.

The application shares its process with the writer, so anything may come: half lines, endless lines, other people's
bytes. What isn't a report is dropped; nothing that comes makes the reader fail, wait, or grow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeAlias

from workerhub.kernel.files import read_all
from workerhub.kernel.protocol import StacksWritten
from workerhub.supervisor.events import ChildFailed, ChildId, ChildReady, LimitReached, SpawnFailed

Report: TypeAlias = ChildReady | ChildFailed | LimitReached | StacksWritten | SpawnFailed

MAX_LINE = 256 << 10
"""A longer line is no report: the longest (`birth.MAX_DETAIL` characters, each escaped) is shorter."""

READ_BYTES = 64 << 10
"""Read at one turn; a pipe holds as much on Linux. Who writes without end can't keep the master from its other work."""

MAX_STACKS = 1 << 20
"""Bytes of stacks that are read; a worker of ours writes less."""

LAST_TURNS = 8
"""Turns for a child that is gone. (A process it left behind may still hold the pipe, and write.)"""


class ReportPipe:
    """The master's end of one child's pipe, and the file to which the child writes its stacks before it reports them."""

    def __init__(self, child: ChildId, fd: int, stacks_fd: int) -> None:
        os.set_blocking(fd, False)
        self._child = child
        self.fd = fd
        self._stacks_fd = stacks_fd
        self._rest = b""
        self._skipping = False  # in the midst of a line that is too long
        self.ended = False
        """True once there will be nothing more."""

    def read(self, at: float) -> Iterator[Report]:
        """Take what has arrived, one turn."""
        try:
            data = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return
        self.ended = not data
        *lines, rest = (self._rest + data).split(b"\n")
        if self._skipping and lines:
            del lines[0]
            self._skipping = False
        if self._skipping or len(rest) > MAX_LINE:
            rest, self._skipping = b"", True
        self._rest = rest
        for line in lines:
            if len(line) <= MAX_LINE and (report := self._parse(line, at)) is not None:
                yield report

    def read_last(self, at: float) -> Iterator[Report]:
        """Take all that a child left which is gone."""
        for _ in range(LAST_TURNS):
            yield from self.read(at)

    def close(self) -> None:
        """Close both."""
        os.close(self.fd)
        os.close(self._stacks_fd)

    def _parse(self, line: bytes, at: float) -> Report | None:
        """Make out one line; None for what is no report."""
        fields = None
        with suppress(ValueError, RecursionError):
            fields = json.loads(line)
        match fields:
            case {"report": "ready"}:
                return ChildReady(at, self._child)
            case {"report": "limit"}:
                return LimitReached(at, self._child)
            case {"report": "stacks"}:
                return StacksWritten(at, self._child, read_all(self._stacks_fd, MAX_STACKS).decode("utf-8", "replace"))
            case {"report": "failed", "reason": str(reason), "detail": str(detail)}:
                return ChildFailed(at, self._child, reason, detail)
            case {"report": "unborn", "reason": str(reason)}:
                return SpawnFailed(at, self._child, reason)
        return None
