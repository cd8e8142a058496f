"""Tells serving from all else. Imports next to nothing: what serving needs is imported while the configuration is read."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

BEFORE = ("serve", "check", "show", "schema", "workers")
"""Verbs that start a server, or look at what one would be."""

RUNNING = ("status", "reload", "upgrade", "scale", "stop", "stacks")
"""Verbs that talk to a running one."""

VERBS = (*BEFORE, *RUNNING)
"""What may stand first. Each is a module of this package, and the command in it of the same name."""

ABOUT = ("--help", "-h", "--version")
"""What may stand there instead, and means no verb. Anything else means `serve`."""


def run(args: Sequence[str] | None = None) -> int:
    """Carry out a command line, `sys.argv` if None, and return the exit code."""
    args = sys.argv[1:] if args is None else list(args)
    first = args[0] if args else "serve"
    if first in ABOUT or (first in VERBS and first != "serve"):
        from workerhub.cli.command import execute  # noqa: PLC0415  # a server's own process must not import it

        return execute(args)
    gc.disable()  # until there is something to serve: nothing of what is imported until then is garbage
    try:
        from workerhub.cli.start import start  # noqa: PLC0415  # the other verbs have no use for it

        return start(args)
    finally:
        gc.enable()


def main() -> NoReturn:
    """The console script."""
    sys.exit(run())
