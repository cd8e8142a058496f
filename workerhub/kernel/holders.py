"""Who holds an address, where the system tells: Linux's /proc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"
_PROC = Path("/proc")


def holder_of_port(port: int) -> str:
    """Who listens on a TCP port, on whatever address: `pid 4711 (nginx)`; empty where the system doesn't tell.

    Other users' processes are only seen by root.
    """
    inodes = {inode for table in ("net/tcp", "net/tcp6") for inode in _listening(_PROC / table, port)}
    return _owner_of(inodes)


def holder_of_path(path: str) -> str:
    """Who listens on a UNIX socket: `pid 4711 (nginx)`; empty where the system doesn't tell."""
    inodes = set()
    with suppress(OSError):
        for line in (_PROC / "net/unix").read_text("utf-8", "replace").splitlines()[1:]:
            fields = line.split(maxsplit=7)
            if len(fields) == 8 and fields[7] == path:
                inodes.add(fields[6])
    return _owner_of(inodes)


def _listening(table: Path, port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on the port, from /proc/net/tcp (proc_pid_net(5))."""
    with suppress(OSError):
        for line in table.read_text("ascii", "replace").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _owner_of(inodes: set[str]) -> str:
    """The processes that hold one of these sockets; of a family, the eldest."""
    if not inodes:
        return ""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    pids = sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal() and _holds(entry, wanted))
    return f"pid {pids[0]} ({_name(pids[0])})" if pids else ""


def _holds(process: Path, wanted: set[str]) -> bool:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) in wanted:
                    return True
    return False


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "?"
