"""How much memory a process holds that would come back if it ended.

That is what it doesn't share (its "unique set size"), and what of it is swapped out. Linux tells by `/proc/PID/smaps_rollup`, for which it walks
the process's page tables and holds up the process's own mmap calls meanwhile: 0.2 ms for a small worker, 12 ms for each GiB it holds. What is
resident as a whole is told for 0.03 ms by `/proc/PID/status`, and the part is never more than the whole. So the part is only looked at once the
whole is above the bound that matters.

Where that can't be read (a master without CAP_SYS_PTRACE in a container, workers of another user) the anonymous memory is taken, which counts what a
worker still shares with the master too: some 10 MiB. Other systems tell what is resident by ps(1).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")

_KNOWS_PROC: Final = (_PROC / "self" / "status").exists()

_PS: Final = "/bin/ps"

_PS_PATIENCE: Final = 2.0
"""Seconds; it takes some milliseconds."""


def private_memory(pid: int, above: int) -> int | None:
    """Measure a process.

    Args:
        pid: a child that isn't reaped yet, so that its pid is still its own.
        above: bytes; up to this the answer may be too large (what is shared is counted), but isn't above it.

    Returns:
        Bytes, or None: the process has ended, or nobody can tell.
    """
    if not _KNOWS_PROC:
        return resident_by_ps(pid)
    whole = _fields(_PROC / f"{pid}" / "status")
    resident, swapped = whole.get("VmRSS"), whole.get("VmSwap", 0)
    if resident is None or resident + swapped <= above:
        return None if resident is None else resident + swapped
    parts = _fields(_PROC / f"{pid}" / "smaps_rollup")
    if not parts:
        return whole.get("RssAnon", resident) + swapped
    return sum(size for name, size in parts.items() if name.startswith("Private_")) + parts.get("SwapPss", 0)


def resident_by_ps(pid: int) -> int | None:
    """Ask ps(1) for what is resident. Bytes, or None: no such process, or no such program."""
    import subprocess  # noqa: PLC0415  # brings much along, and Linux doesn't need it

    with suppress(OSError, ValueError, subprocess.SubprocessError):
        command = (_PS, "-o", "rss=", "-p", f"{pid}")
        told = subprocess.run(command, capture_output=True, timeout=_PS_PATIENCE, check=True)  # noqa: S603  # a number
        return int(told.stdout) * 1024
    return None


def _fields(file: Path) -> dict[str, int]:
    """The sizes in such a file, by name, in bytes; nothing if it can't be read, or its process has ended."""
    found = {}
    with suppress(OSError):
        for line in file.read_bytes().splitlines():
            name, _, value = line.partition(b":")
            if value.endswith(b" kB"):
                found[name.decode()] = int(value[:-3]) * 1024
    return found
