"""What Linux tells about processes, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/PID/stat that the tests look at; see proc(5). `cpu` is user + system time in seconds."""

    pid: int
    state: str
    parent: int
    session: int
    cpu: float


def stat(pid: int) -> Stat | None:
    """One process, or None if there is none of that number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold anything
    cpu = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return Stat(pid, fields[0], int(fields[1]), int(fields[3]), cpu)


def every() -> list[Stat]:
    """All processes there are."""
    found = (stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [process for process in found if process is not None]


def alive(pid: int) -> bool:
    """Whether the process exists and still runs (a zombie doesn't)."""
    process = stat(pid)
    return process is not None and process.state not in "ZX"


def children(pid: int) -> list[int]:
    """The living children, oldest first."""
    return sorted(process.pid for process in every() if process.parent == pid and process.state not in "ZX")


def session(leader: int) -> list[int]:
    """The living processes of the session, the leader among them."""
    return [process.pid for process in every() if process.session == leader and process.state not in "ZX"]


def tree(root: int) -> list[int]:
    """The process and all that descends from it."""
    found = [root]
    for pid in found:
        found += children(pid)
    return found


def title(pid: int) -> str:
    """What `ps` shows; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes together."""
    return sum(process.cpu for process in map(stat, pids) if process is not None)


def proportional_memory(pids: list[int]) -> int:
    """PSS in bytes: private memory, and of what is shared each process's fair share."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def is_stopped(pid: int) -> bool:
    """Whether every thread of the process stands still, or is gone: SIGSTOP has reached all.

    Raises:
        FileNotFoundError: there is no such process.
    """
    texts = [(task / "stat").read_text(errors="replace") for task in Path(f"/proc/{pid}/task").iterdir()]
    return all(text[text.rindex(")") + 2] in "TtZX" for text in texts)


def clients_of(pid: int) -> frozenset[int]:
    """The clients' ports of all IPv4 connections over TCP that the process has accepted and holds now."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return frozenset(int(row[2].rpartition(":")[2], 16) for row in rows if row[9] in inodes) - {0}
