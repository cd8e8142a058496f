"""All settings in a row, read off the models: what the command line, `show` and the reference page are made from."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any, Final, get_origin

from workerhub.config.english import describe, find
from workerhub.config.models import ServerConfig, Table, facts
from workerhub.slotted import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from workerhub.config.tree import Key


@cache
def server_schema() -> dict[str, Any]:
    """The JSON Schema of the whole configuration, with the private keywords. Made when asked for: starting needs none."""
    return ServerConfig.model_json_schema()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        path: its tables and its name, as in the file.
        meaning: a sentence.
        default: as an operator would write it; None where there is none.
        required: it has to be given.
        later: its behaviour comes with a later version.
        several: it takes a list.
        flags: its names on the command line.
        elsewhere: its names in other servers.
    """

    path: Key
    meaning: str
    default: Any
    required: bool
    later: bool
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


def _walk(model: type[Table], above: Key = ()) -> Iterator[Setting]:
    for attribute, field in model.model_fields.items():
        path = (*above, field.alias or attribute)
        table = _table(field)
        if table is not None:
            yield from _walk(table, path)
        else:
            yield _setting(path, field)


def _table(field: FieldInfo) -> type[Table] | None:
    """The table that a field holds; None where it is a setting."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Table) else None


def _setting(path: Key, field: FieldInfo) -> Setting:
    told = facts(field)
    return Setting(
        path,
        meaning=str(field.description),
        default=None if field.is_required() else field.default,
        required=field.is_required(),
        later=told.later,
        several=get_origin(field.annotation) is tuple,
        flags=told.flags,
        elsewhere=told.elsewhere,
    )


SETTINGS: Final = tuple(_walk(ServerConfig))
"""In the order of the models: the top-level ones first, then table by table."""

TABLES: Final = {
    name: inspect.getdoc(table) or ""
    for name, field in ServerConfig.model_fields.items()
    if (table := _table(field)) is not None
}
"""Each table's name and what it is about."""
