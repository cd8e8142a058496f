"""The settings as they take effect: what was said about each, and else its default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workerhub.config.catalogue import SETTINGS
from workerhub.config.tree import DEFAULT, Key, Layer, Origin
from workerhub.slotted import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting: its value as it was written, and where. None: it isn't set."""

    key: Key
    value: Any
    origin: Origin


def effective(said: Layer, options: Mapping[str, Any]) -> Iterator[Shown]:
    """Every setting in the order of the reference, the worker class's options among them.

    Args:
        said: all sources that are in force.
        options: the worker class's own options by name, as they are written in a file, defaults included.
    """
    for setting in SETTINGS:
        yield _shown(said, setting.path, setting.default)
        if setting.path == ("worker", "processes"):
            for name, value in options.items():
                yield _shown(said, ("worker", name), value)


def _shown(said: Layer, key: Key, default: Any) -> Shown:
    given = said.value(key)
    if given is None:
        return Shown(key, default, DEFAULT)
    if key == ("umask",) and isinstance(given, int):
        given = f"{given:03o}"
    return Shown(key, given, said.origin(key))
