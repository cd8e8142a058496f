"""The TOML adapter: text to tree, every key with its line.

tomli tells values, not where they stand. A TOML document is a sequence of statements, though: headers and `key = value`
lines, the latter perhaps over several lines. The shortest run of whole lines that is a document by itself is one
statement, so gathering lines until tomli takes them finds each statement, and the line it starts in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import tomli

from workerhub.config.tree import Key, leaves
from workerhub.slotted import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator


class UnreadableError(Exception):
    """A file can't be understood. `line` and `column` count from 1; 0 where there is none to name."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Document:
    """A file's settings, and the line of each key that stands in it, tables included."""

    tree: dict[str, Any]
    lines: dict[Key, int]


def read_toml(text: str) -> Document:
    """Parse a TOML document.

    Raises:
        UnreadableError: the first mistake in its syntax.
    """
    try:
        tree = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise _located(text, error) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, tables nested without end
        raise UnreadableError(f"not valid TOML: {error}") from None
    lines: dict[Key, int] = {}
    header: Key = ()
    for statement in _statements(text):
        inside = tomli.loads(statement.text)
        if statement.text.lstrip().startswith("["):
            header = _only_path(inside)
            _note(lines, header, statement.line)
            continue
        for key, _ in leaves(inside):
            _note(lines, (*header, *key), statement.line)
    return Document(tree, lines)


@dataclass(frozen=True, slots=True)
class _Statement:
    text: str
    line: int
    complete: bool = True


def _statements(text: str) -> Iterator[_Statement]:
    """Split into statements. The last one is incomplete where the document is."""
    gathered, first = "", 1
    for number, line in enumerate(re.findall(r"[^\n]*\n|[^\n]+", text), start=1):
        if not gathered:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            first = number
        gathered += line
        try:
            tomli.loads(gathered)
        except tomli.TOMLDecodeError:
            continue
        yield _Statement(gathered, first)
        gathered = ""
    if gathered:
        yield _Statement(gathered, first, complete=False)


_WORDINGS: Final = {
    "Illegal character '\\n'": "the string isn't closed on its line",
    "Cannot overwrite a value": "this was set further up already",
}
"""tomli's messages that leave a reader puzzled, and what they mean."""


def _with_header(message: str) -> str:
    """Write tomli's `Cannot declare ('a', 'b') twice` with the header as it stands in the file."""
    message = message[:1].lower() + message[1:]
    return re.sub(r"\(('[^)]*)\)", _header, message)


def _header(names: re.Match[str]) -> str:
    return "[" + ".".join(re.findall(r"'([^']*)'", names[1])) + "]"


def _located(text: str, error: tomli.TOMLDecodeError) -> UnreadableError:
    """Point to where the mistake is. What is never closed is noticed at the end, but was made where it was opened."""
    message = f"not valid TOML: {_WORDINGS.get(error.msg) or _with_header(error.msg)}"
    if error.pos >= len(error.doc):
        opened = [statement for statement in _statements(text) if not statement.complete]
        if opened:
            return UnreadableError(f"{message}: what begins here is never closed", opened[0].line)
    return UnreadableError(message, error.lineno, error.colno)


def _only_path(table: object) -> Key:
    """The path of a header, from the nested tables that it makes: `[a.b]` is `{a: {b: {}}}`, `[[a]]` is `{a: [{}]}`."""
    path: list[str] = []
    while isinstance(table, dict) and table:
        ((name, table),) = table.items()
        path.append(name)
    return tuple(path)


def _note(lines: dict[Key, int], key: Key, line: int) -> None:
    for depth in range(1, len(key)):
        lines.setdefault(key[:depth], line)
    lines[key] = line
