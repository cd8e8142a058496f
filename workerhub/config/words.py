"""The environment and the command line: words, each with the name of a setting, to one layer each."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import tomli

from workerhub.config.report import ENVIRONMENT_PREFIX
from workerhub.config.tree import Key, Layer, Origin, Source
from workerhub.slotted import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PROFILE_VARIABLE: Final = "WORKERHUB_PROFILE"

KUBERNETES_LINK: Final = re.compile(r"WORKERHUB_(SERVICE_(HOST|PORT(_.+)?)|PORT(_[0-9]+_.+)?)")
"""What Kubernetes puts into every container where a Service is called "workerhub"; nobody wrote it for us to read."""


@dataclass(frozen=True, slots=True)
class Override:
    """One setting from the command line: dotted key, the value's text, and the flag it came from."""

    key: str
    text: str
    place: str


def parse_value(text: str) -> Any:
    """Read a word as a TOML value where it is one ("4", "true", '["a", "b"]'), else as the text it is."""
    try:
        found = tomli.loads(f"value = {text}")
    except tomli.TOMLDecodeError:
        return text
    value = found.pop("value")
    meant = isinstance(value, bool | int | str | list | dict) or (isinstance(value, float) and math.isfinite(value))
    return text if found or not meant else value


def environment_layer(environ: Mapping[str, str], directory: Path, position: int) -> Layer:
    """Gather `WORKERHUB_*`: two underscores part table and key, `WORKERHUB_WORKER__PROCESSES=4`.

    Names are folded to lower case, but for those inside `env`, which are environment variables themselves.
    """
    layer = Layer()
    for number, name in enumerate(sorted(environ)):
        if not name.startswith(ENVIRONMENT_PREFIX) or name == PROFILE_VARIABLE or KUBERNETES_LINK.fullmatch(name):
            continue
        table, *rest = name.removeprefix(ENVIRONMENT_PREFIX).split("__")
        key = (table.lower(), *(rest if table.lower() == "env" else map(str.lower, rest)))
        layer.put(key, parse_value(environ[name]), Origin(Source.ENVIRONMENT, name, directory, (position, number)))
    return layer


def command_line_layer(overrides: Iterable[Override], directory: Path, position: int) -> Layer:
    """Gather what flags and `--set` say; the last one wins."""
    layer = Layer()
    for number, override in enumerate(overrides):
        key: Key = tuple(override.key.split("."))
        origin = Origin(Source.COMMAND_LINE, override.place, directory, (position, number))
        layer.put(key, parse_value(override.text), origin)
    return layer
