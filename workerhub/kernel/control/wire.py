"""What goes over the control socket: JSON, an object a line, in UTF-8. Pure; both ends use it.

One connection is one conversation: the client sends a request; the server sends any number of steps, then the outcome, and
closes. Every line carries the version of the protocol, and what one end doesn't understand it refuses, in words: a misspelt
"fast" must not become a graceful stop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import Enum
from typing import Any, Final

from workerhub.errors import WorkerhubError
from workerhub.slotted import dataclass, field

VERSION: Final = 1
"""Rises when a client written for the version before could no longer be answered."""

MAX_REQUEST: Final = 4 << 10
"""Bytes of a request's line; the longest that makes sense has some 150."""

MAX_REPLY: Final = 64 << 20
"""Bytes of a reply's line that a client takes; above what a server sends."""

MAX_WORKERS: Final = 4096
"""The most that can be asked for at once: beyond it lies a slip of the finger. The board has room for four times as many."""


class Verb(Enum):
    """What can be asked."""

    STATUS = "status"
    """What is going on."""
    RELOAD = "reload"
    """New configuration and new code."""
    UPGRADE = "upgrade"
    """A new master: new Python, new workerhub, new libraries."""
    SCALE = "scale"
    """More or fewer workers: `size`, or `change`; of one `pool`, or of all."""
    STOP = "stop"
    """The end; `fast`: without waiting for requests."""
    STACKS = "stacks"
    """Where every worker is, by its Python stacks."""
    DIFF = "diff"
    """What a reload would change."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks."""

    verb: Verb
    fast: bool = False
    pool: str = ""
    size: int | None = None
    change: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is. `message` is one line; `fields` is the same in parts."""

    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended.

    Attributes:
        ok: what was asked for has happened.
        message: one line.
        detail: a report or a traceback, several lines; may be empty.
        fields: the same in parts.
    """

    ok: bool
    message: str
    detail: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


class WireError(WorkerhubError):
    """The other end said something that means nothing. The text is for whoever sent it, or reads it."""


class Lines:
    """Bytes, however they come in pieces, to lines of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        self._held += data

    def take(self) -> bytes | None:
        """The next whole line, without its end; None if there is none yet.

        Raises:
            WireError: it is too long, whether its end is there or not.
        """
        end = self._held.find(b"\n", 0, self._limit + 1)
        if end >= 0:
            line = bytes(self._held[:end])
            del self._held[: end + 1]
            return line
        if len(self._held) > self._limit:
            raise WireError(f"a line of more than {self._limit} bytes")
        return None


def write_request(request: Request) -> bytes:
    """A request as a line; what is as it would be anyway is left out."""
    told = {name: value for name, value in asdict(request).items() if value != getattr(_NOTHING, name)}
    return _line({**told, "verb": request.verb.value})


def read_request(line: bytes) -> Request:
    """Make out a request.

    Raises:
        WireError: it is none; says why, to whoever sent it.
    """
    told = _object(line)
    name = told.pop("verb", None)
    if not isinstance(name, str) or name not in _ARGUMENTS:
        raise WireError(f"no such verb: {_shown(name)} (there are: {', '.join(_ARGUMENTS)})")
    arguments = _ARGUMENTS[name]
    for argument, value in told.items():
        if argument not in arguments:
            raise WireError(f"{name} takes no {_shown(argument)}")
        if not arguments[argument](value):
            raise WireError(f"{name}: {argument} can't be {_shown(value)}")
    request = Request(Verb(name), **told)
    if request.verb is Verb.SCALE and (request.size is None) == (request.change == 0):
        raise WireError("scale takes either a size or a change")
    return request


def write_reply(reply: Step | Outcome) -> bytes:
    """A step or an outcome as a line. What JSON has no word for becomes text."""
    return _line(asdict(reply))


def read_reply(line: bytes) -> Step | Outcome:
    """Make out what a server says.

    Raises:
        WireError: it is nothing that a server of this version says.
    """
    match _object(line):
        case {"ok": bool(ok), "message": str(message), "detail": str(detail), "fields": dict(fields)}:
            return Outcome(ok, message, detail, fields)
        case {"message": str(message), "fields": dict(fields)}:
            return Step(message, fields)
    raise WireError(f"not a reply: {_shown(line.decode('utf-8', 'backslashreplace'))}")


_NOTHING = Request(Verb.STATUS)


def _is_whole(least: int, most: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


_ARGUMENTS: Final[Mapping[str, Mapping[str, Callable[[object], bool]]]] = {
    Verb.STATUS.value: {},
    Verb.RELOAD.value: {},
    Verb.UPGRADE.value: {},
    Verb.SCALE.value: {
        "pool": lambda value: isinstance(value, str),
        "size": _is_whole(1, MAX_WORKERS),
        "change": _is_whole(-MAX_WORKERS, MAX_WORKERS),
    },
    Verb.STOP.value: {"fast": lambda value: isinstance(value, bool)},
    Verb.STACKS.value: {},
    Verb.DIFF.value: {},
}
"""What each verb takes, and what is a value for it."""


def _line(told: Mapping[str, object]) -> bytes:
    return json.dumps({"workerhub": VERSION, **told}, default=str).encode("ascii") + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    """An object of this version, without the version.

    Raises:
        WireError: it is anything else.
    """
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or "workerhub" not in told:
        raise WireError(f'expected an object such as {{"workerhub": {VERSION}, "verb": "status"}}')
    version = told.pop("workerhub")
    if version != VERSION:
        raise WireError(f"version {_shown(version)} of the control protocol; this end speaks version {VERSION}")
    return told


def _shown(value: object) -> str:
    """A stranger's value, in a few characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
