"""What this machine says: how many CPUs there are for us, who its users are, which directories it has."""

from __future__ import annotations

import grp
import math
import os
import pwd
from pathlib import Path


def usable_cpus(root: Path = Path("/")) -> int:
    """How many CPUs this process may use: its affinity, and the CPU quota of its cgroup and every one above; at least 1.

    A container limited to 1.5 CPUs has 2. `root` is where the file system begins, for tests.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, _cgroup_quota(root))))


def _cgroup_quota(root: Path) -> float:
    """CPUs that the tightest cgroup quota allows; infinite where there is none.

    Version 2 keeps both numbers in `cpu.max`, version 1 in `cpu.cfs_quota_us` and `cpu.cfs_period_us`. Within a container
    the path that /proc names often isn't visible: the hierarchy's root is the container's own group then.
    """
    quotas = [math.inf]
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0":
            mounts = (root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified")
        elif "cpu" in controllers.split(","):
            mounts = (root / "sys/fs/cgroup/cpu", root / "sys/fs/cgroup/cpu,cpuacct")
        else:
            continue
        groups = Path(group.lstrip("/"))
        for mount in mounts:
            quotas += [_quota(mount / above) for above in (groups, *groups.parents)]
    return min(quotas)


def _quota(group: Path) -> float:
    words = " ".join(_lines(group / "cpu.max")).split()
    if not words:
        words = [*_lines(group / "cpu.cfs_quota_us"), *_lines(group / "cpu.cfs_period_us")]
    try:
        quota, period = map(int, words)
    except ValueError:  # no such files, or "max"
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def user_names() -> list[str]:
    """All users that this machine lists."""
    return [entry.pw_name for entry in pwd.getpwall()]


def group_names() -> list[str]:
    """All groups that this machine lists."""
    return [entry.gr_name for entry in grp.getgrall()]


def user_exists(name: str) -> bool:
    """Whether there is a user of that name; directories that list nobody are asked, too."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def group_exists(name: str) -> bool:
    """Whether there is a group of that name."""
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
