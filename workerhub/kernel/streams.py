"""The standard streams. Apart from all else, as it comes before all else."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def open_standard_streams() -> None:
    """Make sure that descriptors 0, 1 and 2 are open, so that no socket gets one of these numbers and what is printed."""
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        os.set_inheritable(fd, True)
        fd = os.open(os.devnull, os.O_RDWR)
    os.close(fd)


def flush() -> None:
    """Write what waits to be: before a fork, else the child would write it once more."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
