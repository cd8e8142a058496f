"""What Linux tells of a process that is looked at from outside; see proc(5)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from workerhub.testing.waiting import PATIENCE

_GONE = (FileNotFoundError, ProcessLookupError)
_LOOK_EVERY = 0.005
"""Seconds between two looks at a process that is to come to rest."""

_AT_REST = ("S", "T", "Z")
"""The states of a thread that sleeps, was stopped, or has ended."""

_C_LIBRARYS = 1 << 31 | 1 << 32
"""Signals 32 and 33, which the C library keeps for itself and handles from the first thread on; see nptl(7)."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What a process is made of, apart from its memory.

    Attributes:
        threads: how many it has, of whatever kind.
        children: how many processes it has started that weren't reaped.
        sockets: how many it has open.
        descriptors: how many files of any kind, sockets included.
        directory: where it works.
        umask: in octal digits.
        users: its user identifiers, and
        groups: its group identifiers.
        signals: which ones it catches, as a mask in hexadecimal digits.
    """

    threads: int
    children: int
    sockets: int
    descriptors: int
    directory: str
    umask: str
    users: str
    groups: str
    signals: str

    @classmethod
    def of(cls, pid: int) -> Anatomy:
        """Look at a living process, which may be the one that asks."""
        files = tuple(_files(pid))
        status = _status(Path(f"/proc/{pid}"))
        return cls(
            threads=len(_tasks(pid)),
            children=len(children(pid)),
            sockets=sum(file.startswith("socket:") for file in files),
            descriptors=len(files),
            directory=str(Path(f"/proc/{pid}/cwd").readlink()),
            umask=status["Umask"],
            users=status["Uid"],
            groups=status["Gid"],
            signals=f"{int(status['SigCgt'], 16) & ~_C_LIBRARYS:x}",
        )

    def dumps(self) -> str:
        """As text, which `loads` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Anatomy:
        """What `dumps` has written."""
        return cls(**json.loads(text))

    def changes(self, later: Anatomy, *names: str) -> str:
        """Which of these parts (of all, where none is named) are different later, in words; empty if none is."""
        before, after = asdict(self), asdict(later)
        return ", ".join(
            f"{name}: {before[name]} before, {after[name]} after"
            for name in names or before
            if before[name] != after[name]
        )


def children(pid: int) -> list[int]:
    """The processes that it has started and that weren't reaped."""
    found: list[int] = []
    for task in _tasks(pid):
        with suppress(*_GONE):
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return sorted(found)


def cpu_seconds(pid: int) -> float:
    """Processor time that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_rest(pid: int, *, timeout: float = PATIENCE) -> None:
    """Wait until every thread of a process sleeps, and none was awake in between: it has done all that it can do now.

    What was sent to it before was heard, as the system wakes a sleeper in the same moment. So what hasn't happened by then will
    not happen by itself, unless it waits for a time to pass.

    Raises:
        AssertionError: it is still busy after so many seconds.
        FileNotFoundError: it is gone.
    """
    limit = time.monotonic() + timeout
    before: dict[str, str] = {}
    while (now := _sleepers(pid)) != before or not now:
        if time.monotonic() > limit:
            raise AssertionError(f"the worker was still busy after {timeout:g} s")
        before = now
        time.sleep(_LOOK_EVERY)


def _sleepers(pid: int) -> dict[str, str]:
    """How often each thread has gone to sleep so far; empty if one doesn't sleep now."""
    found = {}
    for task in _tasks(pid):
        try:
            status = _status(task)
        except _GONE:
            return {}
        if not status["State"].startswith(_AT_REST):
            return {}
        found[task.name] = status.get("voluntary_ctxt_switches", "")
    return found


def _tasks(pid: int) -> list[Path]:
    """The folders of its threads."""
    return list(Path(f"/proc/{pid}/task").iterdir())


def _status(task: Path) -> dict[str, str]:
    """The lines of a process's or thread's `status`."""
    lines = (task / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _files(pid: int) -> Iterator[str]:
    """What its descriptors stand for."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(*_GONE):
            yield str(descriptor.readlink())
