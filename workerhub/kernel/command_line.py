"""How this process was started, so that it can be done again."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from workerhub.slotted import dataclass


@dataclass(frozen=True, slots=True)
class CommandLine:
    """How this process was started.

    Attributes:
        words: what to execute, and its arguments.
        directory: the working directory as a shell or service manager calls it. Behind a symbolic link another release may lie by now.
    """

    words: tuple[str, ...]
    directory: str

    @classmethod
    def of_this_process(cls) -> CommandLine:
        """To be asked at the start: later a link that leads here may lead elsewhere."""
        return cls(_words(), _directory())


def _words() -> tuple[str, ...]:
    """What was executed: a script itself, where one was, as the interpreter that it names may be another by now."""
    whole, own = sys.orig_argv, sys.argv
    options = whole[1 : len(whole) - len(own)]
    script = own[0] if whole[-len(own) :] == own else ""
    if script and os.access(script, os.X_OK):
        with suppress(OSError), open(script, "rb") as file:  # noqa: PTH123  # pathlib would have to be imported for it
            first = file.readline(256).split()
            if first and first[0].startswith(b"#!") and all(os.fsencode(option) in first for option in options):
                return (script if "/" in script else f"./{script}", *own[1:])
    return tuple(whole)


def _directory() -> str:
    told = os.environ.get("PWD", "")
    try:
        real = os.getcwd()  # noqa: PTH109  # a string
        return told if told.startswith("/") and os.path.samefile(told, real) else real  # noqa: PTH121  # as above
    except OSError:
        return told or "/"
