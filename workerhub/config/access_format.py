"""The language of `log.access_format`: text with `%(x)s` atoms, as Apache and Gunicorn users know it."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from workerhub.slotted import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCESS_ATOMS: Mapping[str, str] = MappingProxyType(
    {
        "h": "the client's address; `-` behind a UNIX socket without a trusted proxy's word",
        "l": "always `-`, as in Apache's formats",
        "u": "the user name of HTTP basic authentication, else `-`",
        "t": "when the line was written: `[22/Nov/2026:17:01:02 +0000]`",
        "r": "the request line: `GET /path?query HTTP/1.1`",
        "m": "the method",
        "U": "the path, without the query",
        "q": "the query, without the `?`",
        "H": "the protocol: `HTTP/1.1`",
        "s": "the status",
        "B": "the body's bytes that were sent",
        "b": "the same, but `-` for none",
        "f": "the Referer",
        "a": "the User-Agent",
        "T": "the request's time in whole seconds",
        "M": "the request's time in milliseconds",
        "D": "the request's time in microseconds",
        "L": "the request's time in seconds, with six decimals",
        "p": "the worker's process id",
        "{name}i": "the request header of that name",
        "{name}e": "the WSGI environ's value of that name",
    }
)
"""Every atom and its meaning. A value that isn't there is `-`."""

NAMED_FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "combined": '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"',
        "common": '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s',
    }
)
"""What the well-known names stand for. (`json` is no pattern.)"""


@dataclass(frozen=True, slots=True)
class Atom:
    """One `%(x)s`: its letter, and for `{name}i` and `{name}e` the name."""

    letter: str
    name: str = ""


_TOKEN = re.compile(r"%\((?P<atom>[^)]*)\)s|%%|%")
_NAMED = re.compile(r"\{(?P<name>[^{}]+)\}(?P<letter>.)")


def parse_access_format(text: str) -> tuple[str | Atom, ...]:
    """Split a format, `json` apart, into literal text and atoms.

    Raises:
        ValueError: it is not in the language; the message says where and what is allowed.
    """
    pattern = NAMED_FORMATS.get(text, text)
    parts: list[str | Atom] = []
    end = 0
    for token in _TOKEN.finditer(pattern):
        parts.append(pattern[end : token.start()])
        end = token.end()
        if token[0] == "%%":
            parts.append("%")
        elif token["atom"] is None:
            raise ValueError(
                f"a lone % at character {token.start() + 1}; write %(x)s for a field, or %% for a per cent sign"
            )
        else:
            parts.append(_atom(token["atom"]))
    parts.append(pattern[end:])
    if not any(isinstance(part, Atom) for part in parts):
        raise ValueError(f'expected "json", "combined", "common", or a pattern with %(x)s fields, got "{text}"')
    if not pattern.isprintable():
        raise ValueError("a pattern is one line of printable characters")
    return tuple(part for part in parts if part)


def check_access_format(text: str) -> str | None:
    """Say what is wrong with a value of `log.access_format`, or None."""
    if text == "json":
        return None
    try:
        parse_access_format(text)
    except ValueError as error:
        return str(error)
    return None


def _atom(text: str) -> Atom:
    """Make out one atom.

    Raises:
        ValueError: there is none like it.
    """
    if len(text) == 1 and text in ACCESS_ATOMS:
        return Atom(text)
    named = _NAMED.fullmatch(text)
    if named and named["letter"] in "ie":
        return Atom(named["letter"], named["name"])
    if named and named["letter"] == "o":
        raise ValueError(f"%({text})s: response headers are not offered")
    raise ValueError(f"unknown field %({text})s (known: {' '.join(ACCESS_ATOMS)})")
