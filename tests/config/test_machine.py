from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from workerhub.config.machine import usable_cpus

if TYPE_CHECKING:
    from pathlib import Path

CPUS = 8


@pytest.fixture(autouse=True)
def _eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(CPUS)), raising=False)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_affinity_alone(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == CPUS


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("max 100000", CPUS),
        ("", CPUS),
        ("9900000 100000", CPUS),
    ],
)
def test_version_2(tmp_path: Path, quota: str, cpus: int) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota})
    assert usable_cpus(tmp_path) == cpus


def test_version_2_the_tightest_above_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/site.service\n",
            "sys/fs/cgroup/system.slice/cpu.max": "300000 100000",
            "sys/fs/cgroup/system.slice/site.service/cpu.max": "400000 100000",
        },
    )
    assert usable_cpus(tmp_path) == 3


def test_version_1(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/docker/abc\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
    )
    assert usable_cpus(tmp_path) == 3


def test_version_1_within_a_container_that_does_not_see_its_own_path(tmp_path: Path) -> None:
    """Kubernetes: /proc names the node's path, and the container's own group is mounted in its place."""
    write(
        tmp_path,
        {
            "proc/self/cgroup": "11:cpu,cpuacct:/kubepods/burstable/pod17/2b4f\n1:name=systemd:/kubepods/burstable/pod17/2b4f\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert usable_cpus(tmp_path) == 1


def test_both_versions_side_by_side(tmp_path: Path) -> None:
    """systemd's hybrid mode: version 2 is mounted, and has no controllers."""
    write(
        tmp_path,
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/\n0::/system.slice\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/unified/system.slice/cgroup.procs": "",
        },
    )
    assert usable_cpus(tmp_path) == 4


def test_version_1_without_a_quota(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert usable_cpus(tmp_path) == CPUS
