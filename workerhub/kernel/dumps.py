"""What faulthandler leaves in a worker's dump file: the stacks of all threads, most recent call first."""

from __future__ import annotations

import re

from workerhub.kernel.files import cut_off, nameless_file, read_text

OUTERMOST = "be_worker"
"""The function in `workerhub.kernel.newborn` that a worker's life begins in; frames outside it are the master's past."""

_BEFORE_BIRTH = re.compile(rf"(?m)(^  File .* in {OUTERMOST}\n)(?:  File .*\n|  \.\.\.\n)+")


def open_dump() -> int:
    """Open a dump file.

    Raises:
        OSError: no descriptor or no memory is left.
    """
    return nameless_file("dump")


def read_dump(fd: int) -> str:
    """What is in it, without the frames that the process was forked in."""
    return _BEFORE_BIRTH.sub(r"\1", read_text(fd))


def take_dump(fd: int, start: int) -> str:
    """The same, but only what came after that position; it is taken out, so that who reads all in the end doesn't find it."""
    return _BEFORE_BIRTH.sub(r"\1", cut_off(fd, start))
