"""All settings in a row, read off the models: what the command line, `show` and the reference page are made from."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Final, get_origin

from workerhub.config.english import describe, find
from workerhub.config.models import ServerConfig, Table, facts
from workerhub.slotted import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import Field

    from workerhub.config.tree import Key


@cache
def server_schema() -> dict[str, Any]:
    """The JSON Schema of the whole configuration, with the private keywords. Made when asked for: starting needs none."""
    from pydantic import TypeAdapter  # noqa: PLC0415  # as long as there is nothing to explain, it isn't needed

    return TypeAdapter(ServerConfig).json_schema()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        path: its tables and its name, as in the file.
        meaning: a sentence.
        default: as an operator would write it; None where there is none.
        required: it has to be given.
        several: it takes a list.
        flags: its names on the command line.
        elsewhere: its names in other servers.
    """

    path: Key
    meaning: str
    default: Any
    required: bool
    several: bool
    flags: tuple[str, ...]
    elsewhere: tuple[str, ...]

    @property
    def key(self) -> str:
        """The dotted name."""
        return ".".join(self.path)

    @property
    def expected(self) -> str:
        """What it accepts, to stand behind "expected"."""
        return describe(find(self.path, server_schema()), server_schema())


def _walk(table: type[Table], above: Key = ()) -> Iterator[Setting]:
    for declared in fields(table):
        path = (*above, declared.metadata.get("alias") or declared.name)
        inner = _table(declared)
        if inner is not None:
            yield from _walk(inner, path)
        else:
            yield _setting(path, declared)


def _table(declared: Field[Any]) -> type[Table] | None:
    """The table that a field holds; None where it is a setting."""
    kind: Any = declared.type
    return kind if isinstance(kind, type) and issubclass(kind, Table) else None


def _setting(path: Key, declared: Field[Any]) -> Setting:
    told = facts(declared)
    return Setting(
        path,
        meaning=declared.metadata["description"],
        default=told.default,
        required=declared.default is MISSING and declared.default_factory is MISSING,
        several=get_origin(getattr(declared.type, "__origin__", None)) is tuple,
        flags=told.flags,
        elsewhere=told.elsewhere,
    )


SETTINGS: Final = tuple(_walk(ServerConfig))
"""In the order of the models: the top-level ones first, then table by table."""

TABLES: Final = {
    declared.name: inspect.getdoc(table) or ""
    for declared in fields(ServerConfig)
    if (table := _table(declared)) is not None
}
"""Each table's name and what it is about."""
