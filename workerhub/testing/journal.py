"""What a worker leaves in writing: open in two processes, one writes while the other reads."""

from __future__ import annotations

import json
import mmap
import os
from collections import Counter
from dataclasses import dataclass

from workerhub.kernel.board import Board, BoardRow
from workerhub.kernel.dumps import OUTERMOST, open_dump, read_dump
from workerhub.kernel.files import nameless_file, read_all


class Journal:
    """Implements `workerhub.worker.Log` as JSON lines in a file without a name. Made before the fork."""

    def __init__(self) -> None:
        self._fd = nameless_file("journal")

    def write(self, level: str, message: str, detail: str = "") -> None:
        """One line."""
        os.write(self._fd, json.dumps([level, message, detail]).encode() + b"\n")

    def debug(self, message: str, detail: str = "", **fields: object) -> None:  # noqa: ARG002  # the protocol's signature
        """One line."""
        self.write("debug", message, detail)

    def info(self, message: str, detail: str = "", **fields: object) -> None:  # noqa: ARG002  # the protocol's signature
        """One line."""
        self.write("info", message, detail)

    def warning(self, message: str, detail: str = "", **fields: object) -> None:  # noqa: ARG002  # the protocol's signature
        """One line."""
        self.write("warning", message, detail)

    def error(self, message: str, detail: str = "", **fields: object) -> None:  # noqa: ARG002  # the protocol's signature
        """One line."""
        self.write("error", message, detail)

    def lines(self, *levels: str) -> list[tuple[str, str, str]]:
        """Level, message and detail of all that was written so far; of these levels only, where some are given."""
        complete, _, _ = read_all(self._fd).rpartition(b"\n")
        written = [tuple(json.loads(line)) for line in complete.splitlines()]
        return [line for line in written if not levels or line[0] in levels]

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)


@dataclass(frozen=True, slots=True)
class Trail:
    """All that one worker leaves. Made before the fork.

    Attributes:
        row: the board's only row.
        journal: the error log, and what the harness itself has to say.
        access: the access log.
        dump: the file into which the system writes where the worker's threads are.
    """

    row: BoardRow
    journal: Journal
    access: Journal
    dump: int

    @classmethod
    def of(cls, capacity: int) -> Trail:
        """That of a worker which runs up to `capacity` requests at once."""
        row = Board(mmap.PAGESIZE * (2 + capacity // 8)).allocate(capacity)
        return cls(row, Journal(), Journal(), open_dump())

    def is_dumped(self) -> bool:
        """Whether the stacks are there, down to the last frame of the last thread, which is the main one."""
        return read_dump(self.dump).endswith(f" in {OUTERMOST}\n")

    def dumped(self) -> str:
        """Where the worker's threads were, if it was asked; threads that were in the same place are told once."""
        stacks: Counter[str] = Counter()
        for thread in read_dump(self.dump).strip().split("\n\n"):
            stacks[thread.partition("\n")[2]] += 1
        return "\n".join(f"{count} × most recent call first:\n{stack}" for stack, count in stacks.items() if stack)

    def close(self) -> None:
        """Give the files back."""
        self.journal.close()
        self.access.close()
        os.close(self.dump)
