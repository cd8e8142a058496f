"""Collects what is wrong and words it. Every problem reads: place, key, what was expected, what was given, what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from workerhub.config.english import Schema, count, describe, find, nearest, show
from workerhub.config.tree import DEFAULT, Key, Layer, Origin, Source
from workerhub.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails, ValidationError

ENVIRONMENT_PREFIX: Final = "WORKERHUB_"
COMMAND_LINE: Final = "the command line"
"""What the problems are counted for where there is no file."""

META: Final = ("extends", "profiles")
"""What may stand at the top of a file beside settings."""

WordUnknown: TypeAlias = Callable[[Key, object, Origin, list[str]], str]
"""Words the refusal of a key that doesn't exist, given its value, where it stands and the keys that do exist there."""


class Report:
    """The problems of one configuration, in the order of the places they were found in."""

    def __init__(self, title: str) -> None:
        self.title = title
        """What the problems are counted for: the file's name, or "the command line"."""
        self._found: dict[Problem, tuple[int, int]] = {}
        self._keys: set[Key] = set()

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, origin: Origin, key: Key, message: str) -> None:
        """Note a problem. The same one noted twice counts once."""
        self._found.setdefault(Problem(origin.place, ".".join(key), message), origin.position)
        self._keys.add(key)

    def concerns(self, key: Key) -> bool:
        """Whether a problem was noted for this key, something in it or the table around it."""
        return any(known[: len(key)] == key or key[: len(known)] == known for known in self._keys)

    def problems(self) -> tuple[Problem, ...]:
        """All of them, ordered by place; those of one place in the order they were noted."""
        return tuple(sorted(self._found, key=self._found.__getitem__))

    def raise_if_any(self) -> None:
        """Raise all problems at once.

        Raises:
            ConfigError: there are some.
        """
        if self:
            raise ConfigError(self.problems(), self.title)


def render(error: ConfigError, consequence: str = "; nothing was started") -> str:
    """Write a whole report, closing line included, as it goes to standard error."""
    where = f"on {error.source}" if error.source == COMMAND_LINE else f"in {error.source}"
    closing = f"{count(len(error.problems), 'problem')} {where}{consequence}."
    return "\n".join([*map(str, error.problems), closing])


class Judge:
    """Turns what pydantic says about one model into problems.

    Args:
        report: where they go.
        layer: what was validated, with its origins.
        schema: makes the model's JSON Schema: what is allowed is read from there, once there is a problem.
        table: where in the configuration the model's own keys stand; `()` for the whole.
        missing: where a key is missed that nobody wrote.
    """

    def __init__(
        self, report: Report, layer: Layer, schema: Callable[[], Schema], missing: Origin, table: Key = ()
    ) -> None:
        self.report = report
        self.layer = layer
        self._make_schema = schema
        self.missing = missing
        self.table = table
        self.only: Callable[[Origin], bool] = lambda _origin: True
        """Which places are of interest; problems anywhere else are passed over."""
        self.word_unknown: WordUnknown = unknown_setting
        """Words the refusal of a key that isn't in the model, given the ones that are."""

    @cached_property
    def _schema(self) -> Schema:
        return self._make_schema()

    def judge(self, error: ValidationError) -> list[Key]:
        """Note every problem. Returns the keys that are to blame."""
        blamed: dict[Key, None] = {}
        for details in error.errors(include_url=False):
            path = self._path(details)
            key = (*self.table, *map(str, path))
            if key in blamed:
                continue  # the other branches of a union say the same
            blamed[key] = None
            origin = self.layer.origin(key)
            if origin is DEFAULT:  # nobody wrote it, nor the table around it
                origin = self.missing
            if self.only(origin):
                self.report.add(origin, key, self._message(details, path, key, origin))
        return list(blamed)

    def _path(self, details: ErrorDetails) -> tuple[str | int, ...]:
        """The part of pydantic's location that stands in the configuration: without the names of union members."""
        inner = self._given(self.table)
        path: list[str | int] = []
        for step in details["loc"]:
            if (isinstance(inner, Mapping) and step in inner) or (isinstance(inner, list) and isinstance(step, int)):
                path.append(step)
                inner = self._given((*self.table, *path))
            elif details["type"] == "missing" and step == details["loc"][-1]:
                path.append(step)
        return tuple(path)

    def _given(self, path: tuple[str | int, ...]) -> Any:
        value: Any = self.layer.tree
        for step in path:
            value = value[step]
        return value

    def _message(self, details: ErrorDetails, path: tuple[str | int, ...], key: Key, origin: Origin) -> str:
        kind, context = details["type"], details.get("ctx", {})
        if kind in {"extra_forbidden", "unexpected_keyword_argument"}:  # of a model, of a dataclass
            return self.word_unknown(key, self.layer.value(key), origin, self._siblings(path))
        if kind == "refused":
            return details["msg"]
        field = find(path, self._schema)
        if kind == "missing":
            return f"required: {describe(field, self._schema)}"
        given = show(self._given((*self.table, *path)))
        if kind in {"value_error", "assertion_error"}:  # a validator of a plug-in's own
            return f"{context.get('error')}, got {given}" if path else str(context.get("error"))
        hint = f"; {context['hint']}" if kind == "unreadable" and context.get("hint") else ""
        return f"expected {describe(field, self._schema)}, got {given}{hint}"

    def _siblings(self, path: tuple[str | int, ...]) -> list[str]:
        return list(find(path[:-1], self._schema).get("properties", ()))


def unknown_setting(key: Key, value: object, origin: Origin, siblings: list[str]) -> str:
    """Word the refusal of a key that doesn't exist, with the name that was probably meant."""
    from workerhub.config.catalogue import SETTINGS  # noqa: PLC0415  # brings pydantic along, and reading needs none

    name = key[-1]
    if name in META:
        return f"unknown setting here; {name} stands at the top of a file"
    if not isinstance(value, dict):  # what is a table here, another server's setting can't be
        for setting in SETTINGS:
            if name.lower() in setting.elsewhere:
                return f"unknown setting; here it is called {spelt(setting.path, origin, setting.key)}"
    if len(key) == 1 and origin.source is Source.FILE:
        siblings = [*siblings, *META]
    if close := nearest(name, siblings):
        return f"unknown setting; did you mean {spelt((*key[:-1], close), origin, close)}?"
    for setting in SETTINGS:
        if name.lower() == setting.path[-1]:
            return f"unknown setting; did you mean {spelt(setting.path, origin, setting.key)}?"
    inside = f" in {'.'.join(key[:-1])}" if key[:-1] else ""
    return f"unknown setting (known{inside}: {', '.join(sorted(siblings)) or 'none'})"


def spelt(path: Key, origin: Origin, name: str) -> str:
    """Write a suggestion as it would have to be written where the mistake is."""
    if origin.source is Source.ENVIRONMENT:
        return ENVIRONMENT_PREFIX + "__".join(path).upper()
    return f'"{name}"'
