"""Folders that only we may enter, opened for a server whose workers are somebody else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.server import SITES

import workerhub

UNSHARE = shutil.which("unshare")


def closed_folders() -> set[Path]:
    """Folders on the way to this Python and to the sites that others may not enter, such as /root."""
    needed = (SITES, Path(sys.prefix), Path(sys.base_prefix), Path(workerhub.__file__).parent)
    return {part for path in needed for part in (path, *path.parents) if not part.stat().st_mode & 0o001}


OPENED = """\
mount -t tmpfs none /mnt && mkdir -m 711 /mnt/upper && mkdir /mnt/work &&
mount -t overlay none -o lowerdir="$0",upperdir=/mnt/upper,workdir=/mnt/work "$0" && exec "$@"
"""
"""Run a command in a file system of its own where the folder $0 may be entered by everybody."""


def open_to_everybody() -> tuple[str, ...]:
    """What to put in front of a command so that other users can run this Python; where that can't be had, the test is skipped."""
    wrapper: tuple[str, ...] = ()
    for folder in closed_folders():
        wrapper = (*wrapper, str(UNSHARE), "--mount", "sh", "-c", OPENED, str(folder))
    if wrapper and subprocess.run((*wrapper, "true"), capture_output=True, check=False).returncode:
        pytest.skip("others may not enter this Python's folder, and no mount namespace can be made")
    return wrapper
