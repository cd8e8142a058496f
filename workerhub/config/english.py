"""Says in English what a setting accepts and what it was given. Works from JSON Schema, so a plug-in's options read alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

EXPECTED: Final = "x-expected"
"""The JSON Schema keyword that holds, in English, what a value of this kind looks like. Removed on publication."""

LONGEST_SHOWN: Final = 60
"""Characters of a value that are shown before it is cut: the line around it has to fit on a screen."""

_NUMBERS: Final = {"integer": "a whole number", "number": "a number"}
_SIMPLE: Final = {"boolean": "true or false", "object": "a table", "string": "text", "null": "nothing"}


def describe(schema: Schema, root: Schema) -> str:
    """Say what a JSON Schema allows, to stand behind "expected". `root` holds the `$defs` it refers to."""
    schema = _resolved(schema, root)
    if EXPECTED in schema:
        return str(schema[EXPECTED])
    if "const" in schema or "enum" in schema:
        return either(show(value) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        branches = [_resolved(branch, root) for branch in schema["anyOf"]]
        return either(dict.fromkeys(describe(branch, root) for branch in branches if branch.get("type") != "null"))
    kind = schema.get("type")
    if kind in _NUMBERS:
        return _NUMBERS[kind] + _bounds(schema)
    if kind == "array":
        return "a list" + (f", each {describe(schema['items'], root)}" if schema.get("items") else "")
    return _SIMPLE.get(str(kind), "another value")


def find(path: Sequence[str | int], root: Schema) -> Schema:
    """Walk a JSON Schema along a path of table keys and list indexes, as far as it leads."""
    schema = _resolved(root, root)
    for step in path:
        inner = _step(schema, step, root)
        if inner is None:
            break
        schema = inner
    return schema


def show(value: object) -> str:
    """Write a value as TOML would, on one line, cut to fit; nothing in it can move the cursor."""
    text = _toml(value)
    text = "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)
    if len(text) <= LONGEST_SHOWN:
        return text
    return text[: LONGEST_SHOWN - 3] + "..."


def either(choices: Iterable[str]) -> str:
    """Join with commas and, at last, "or"."""
    *front, last = choices
    return f"{', '.join(front)} or {last}" if front else last


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    from difflib import get_close_matches  # noqa: PLC0415  # only for a mistake

    by_folded = {candidate.casefold().replace("-", "_"): candidate for candidate in known}
    found = get_close_matches(name.casefold().replace("-", "_"), by_folded, n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None


def count(number: int, noun: str) -> str:
    """Write "1 problem", "3 problems"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema or len(schema.get("allOf", ())) == 1:
        inner = schema["allOf"][0] if "allOf" in schema else root["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = {**inner, **{key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}}
    return schema


def _step(schema: Schema, step: str | int, root: Schema) -> Schema | None:
    for branch in schema.get("anyOf", ()):
        if (inner := _step(_resolved(branch, root), step, root)) is not None:
            return inner
    if isinstance(step, int):
        inner = schema.get("items")
    else:
        inner = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
    return _resolved(inner, root) if isinstance(inner, Mapping) else None


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    parts = [f" of {low} or more"] if low is not None else []
    parts += [f" above {above}"] if above is not None else []
    parts += [f" of {high} or less"] if high is not None else []
    parts += [f" below {below}"] if below is not None else []
    return " and".join(parts)


def _toml(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table" if value else "an empty table"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return "None" if value is None else str(value)
