"""How a setting's values are written: the bridge from what a file says to a value, to JSON Schema and to English."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from workerhub.config.english import EXPECTED
from workerhub.slotted import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue


class Kind(Protocol):
    """What stands behind a type in `Annotated` and says how it is validated: to pydantic, and to `workerhub.config.validator`."""

    def core_schema(self, inner: Callable[[], CoreSchema]) -> CoreSchema:
        """Make the validator's schema; `inner` makes the one of what stands before."""


@dataclass(frozen=True, slots=True)
class Written:
    """Annotates a type with the way its values are written.

    Attributes:
        read: turns what the file says into the value. A `ValueError` says no; its text, if any, is a hint.
        expected: what is allowed, to stand behind the word "expected".
        schema: the same as JSON Schema.
    """

    read: Callable[[Any], object]
    expected: str
    schema: Mapping[str, Any]

    def core_schema(self, inner: Callable[[], CoreSchema]) -> CoreSchema:  # noqa: ARG002  # it has a reader instead
        """Replace the annotated type's own validation by `read`."""
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Tell pydantic."""
        return self.core_schema(lambda: handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell editors the same as the operator."""
        return {**self.schema, EXPECTED: self.expected}

    def _validate(self, value: object) -> object:
        try:
            return self.read(value)
        except ValueError as error:
            raise PydanticCustomError("unreadable", "{hint}", {"hint": str(error)}) from error


@dataclass(frozen=True, slots=True)
class Checked:
    """Annotates a type with one more condition: `check` is given the value, and raises `PydanticCustomError` or returns it."""

    check: Callable[[Any], object]

    def core_schema(self, inner: Callable[[], CoreSchema]) -> CoreSchema:
        """Put the check behind the annotated type's own validation."""
        return core_schema.no_info_after_validator_function(self.check, inner())

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Tell pydantic."""
        return self.core_schema(lambda: handler(source))


def text_matching(pattern: str, expected: str) -> Written:
    """A kind for text that has to match `pattern` as a whole."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError
        return value

    return Written(read, expected, {"type": "string", "pattern": f"^({pattern})$"})


def or_word(kind: Written, word: str, value: object) -> Written:
    """The same kind, or one word that stands for `value`."""

    def read(given: object) -> object:
        return value if given == word else kind.read(given)

    return Written(read, f'{kind.expected}, or "{word}"', {"anyOf": [{"const": word}, kind.schema]})


def or_off(kind: Written) -> Written:
    """The same kind, or "off", which becomes None."""
    return or_word(kind, "off", None)


def above_zero(kind: Written) -> Written:
    """The same kind without zero, which would be a limit that nothing keeps."""

    def read(given: object) -> object:
        value = kind.read(given)
        if value == 0:
            raise ValueError("0 would let nothing through")
        return value

    return Written(read, kind.expected, kind.schema)
