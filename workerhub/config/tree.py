"""What the sources say, before anybody judges it: nested tables of plain values, and where each value came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, TypeAlias

from workerhub.slotted import dataclass, field

Key: TypeAlias = tuple[str, ...]
"""The path of a value: `("worker", "threads")`."""


class Source(Enum):
    """The kinds of place that a value can come from, lowest precedence first."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written.

    Attributes:
        source: what kind of place it is.
        place: how the operator finds it: `server.toml:7`, `WORKERHUB_BACKLOG`, `--set`, `-w`, `default`.
        directory: what a relative path is relative to: the file's directory, or where the command was given.
        position: orders the places as they were read: (number of the source, line).
    """

    source: Source
    place: str
    directory: Path
    position: tuple[int, int] = (0, 0)

    def absolute(self, text: str) -> Path:
        """Where a path leads that was written there."""
        return Path(os.path.normpath(Path.cwd() / self.directory / Path(text).expanduser()))


DEFAULT: Final = Origin(Source.DEFAULT, "default", Path())


@dataclass(frozen=True, slots=True)
class Foreign:
    """Stands in the tree for a Python object that no setting can have. Prints as what it is."""

    type_name: str

    def __str__(self) -> str:
        return f"an object of type {self.type_name}"


@dataclass(frozen=True, slots=True)
class Layer:
    """A tree and the origin of everything in it, tables included."""

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Key, Origin] = field(default_factory=dict)

    def put(self, key: Key, value: object, origin: Origin) -> None:
        """Set one value; what stands in the way of its table makes room."""
        table = self.tree
        for depth, name in enumerate(key[:-1], start=1):
            inner = table.get(name)
            if not isinstance(inner, dict):
                inner = table[name] = {}
                self._forget(key[:depth])
            self.origins.setdefault(key[:depth], origin)
            table = inner
        self._forget(key)
        table[key[-1]] = value
        self.origins[key] = origin

    def over(self, below: Layer) -> Layer:
        """Lay this layer over another: tables are merged, everything else is replaced."""
        merged = Layer(_copy(below.tree), dict(below.origins))
        for key, value in leaves(self.tree):
            if value != {} or not isinstance(merged.value(key), dict):  # an empty table takes nothing away
                merged.put(key, value, self.origin(key))
        for key, origin in self.origins.items():
            merged.origins[key] = origin
        return merged

    def table(self, key: Key) -> Layer:
        """The layer that one table of this one makes up; empty where there is no such table."""
        tree = self.value(key)
        inside = {path[len(key) :]: origin for path, origin in self.origins.items() if path[: len(key)] == key}
        inside.pop((), None)
        return Layer(_copy(tree) if isinstance(tree, dict) else {}, inside)

    def value(self, key: Key) -> Any:
        """What was said about a key; None where nothing was."""
        found: Any = self.tree
        for name in key:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def without(self, keys: Iterable[Key]) -> Layer:
        """The same, but nothing is said about these keys."""
        pruned = Layer(_copy(self.tree), dict(self.origins))
        for *above, name in keys:
            table = pruned.value(tuple(above))
            if isinstance(table, dict):
                table.pop(name, None)
        return pruned

    def origin(self, key: Key) -> Origin:
        """Where a value was written, or the nearest table around it that was; `DEFAULT` where nobody wrote it."""
        for depth in range(len(key), 0, -1):
            if key[:depth] in self.origins:
                return self.origins[key[:depth]]
        return DEFAULT

    def _forget(self, key: Key) -> None:
        for known in [known for known in self.origins if known[: len(key)] == key]:
            del self.origins[known]


def leaves(tree: Mapping[str, Any], above: Key = ()) -> list[tuple[Key, Any]]:
    """List every value that isn't a table, and every empty table."""
    found: list[tuple[Key, Any]] = []
    for name, value in tree.items():
        key = (*above, name)
        if isinstance(value, dict) and value:
            found += leaves(value, key)
        else:
            found.append((key, value))
    return found


def plain(value: object) -> object:
    """Turn what a Python file may say into what TOML could have said; what TOML could not becomes `Foreign`."""
    if value is None or isinstance(value, bool | int | float | str | date | datetime | time):
        return value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PathLike):
        return str(fspath(value))
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return Foreign(type(value).__name__)


def _copy(tree: dict[str, Any]) -> dict[str, Any]:
    """Copy the tables; the values in them are never changed."""
    return {name: _copy(value) if isinstance(value, dict) else value for name, value in tree.items()}
