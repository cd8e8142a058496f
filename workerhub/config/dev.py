"""What `--dev` says: settings for somebody who changes the code, over what the file says and under what else the command line does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workerhub.config.tree import Key, Layer, Origin, Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FLAG: Final = "--dev"

SETTINGS: Final[Mapping[Key, Any]] = {
    # Breakpoints and prints are one process's, and a reload is one boot.
    ("worker", "processes"): 1,
    # Who sits at a breakpoint takes his time.
    ("timeouts", "request"): "off",
    # Nobody has to notice.
    ("timeouts", "drain_delay"): "0s",
    ("reload", "observe"): "0s",
    # A template would be one boot more.
    ("preload",): False,
}


def dev_layer(directory: Path, position: int) -> Layer:
    """The settings as a layer."""
    layer = Layer()
    for key, value in SETTINGS.items():
        layer.put(key, value, Origin(Source.COMMAND_LINE, FLAG, directory, (position, 0)))
    return layer
