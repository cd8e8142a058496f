"""The error log: what the operator reads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from time import time
from typing import Literal, TypeAlias

from workerhub.logs.files import LogFile
from workerhub.logs.text import date_and_time, iso, offset_of, one_line

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Format: TypeAlias = Literal["text", "json"]

_RANK: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_INDENT = "\n    "


class ErrorLog:
    """Messages with a level. A traceback follows its message's line indented, or as a field of the JSON object.

    Text: `2026-11-22 17:01:02.123 +0000 [4711] warning main/0: message`.

    Safe to use from a signal handler and from threads: no lock, one system call. Never raises.
    """

    __slots__ = ("_fields", "_file", "_format", "_level", "_name")

    def __init__(
        self,
        file: LogFile,
        level: Level = "info",
        format: Format = "text",  # noqa: A002  # named as the setting is
        name: str = "master",
        fields: Mapping[str, object] | None = None,
    ) -> None:
        self._file = file
        self._level: Level = level
        self._format: Format = format
        self._name = name
        self._fields = dict(fields or {})

    def named(self, name: str, **fields: object) -> ErrorLog:
        """The same log, spoken to by somebody else (`main/0`); `fields` go along with each JSON object."""
        return ErrorLog(self._file, self._level, self._format, name, {**self._fields, **fields})

    def debug(self, message: str, detail: str = "", **fields: object) -> None:
        """For who looks for a fault."""
        self.write("debug", message, detail, fields)

    def info(self, message: str, detail: str = "", **fields: object) -> None:
        """Something happened, as it should."""
        self.write("info", message, detail, fields)

    def warning(self, message: str, detail: str = "", **fields: object) -> None:
        """Something went wrong and was dealt with."""
        self.write("warning", message, detail, fields)

    def error(self, message: str, detail: str = "", **fields: object) -> None:
        """Something went wrong, and somebody should look at it."""
        self.write("error", message, detail, fields)

    def write(self, level: Level, message: str, detail: str = "", fields: Mapping[str, object] | None = None) -> None:
        """Write one message, if its level is one that is written.

        Args:
            level: how much it matters.
            message: one line; what isn't printable is escaped.
            detail: several lines: a traceback.
            fields: more facts, for the JSON format; the log's own field names win.
        """
        if _RANK[level] < _RANK[self._level]:
            return
        render = self._as_json if self._format == "json" else self._as_text
        self._file.write(render(level, message, detail, fields or {}).encode("utf-8", "backslashreplace") + b"\n")

    def tell_lost(self, what: str) -> Callable[[int, str], None]:
        """Make the `on_recovery` of a log file: its lost lines are told here."""

        def tell(count: int, reason: str) -> None:
            self.warning(f"lines lost from the {what}: {count} ({reason})", lost=count, reason=reason)

        return tell

    def _as_text(self, level: Level, message: str, detail: str, _fields: Mapping[str, object]) -> str:
        now = time()
        stamp = f"{date_and_time(now)}.{int(now * 1000) % 1000:03d} {offset_of(now)}"
        lines = [one_line(line) for line in detail.rstrip("\n").split("\n")] if detail else []
        return _INDENT.join([f"{stamp} [{os.getpid()}] {level} {self._name}: {one_line(message)}", *lines])

    def _as_json(self, level: Level, message: str, detail: str, fields: Mapping[str, object]) -> str:
        own = {"time": iso(time()), "level": level, "pid": os.getpid(), "name": self._name, "message": message}
        if detail:
            own["detail"] = detail.rstrip("\n")
        return json.dumps(
            own | {key: value for key, value in (self._fields | dict(fields)).items() if key not in own}, default=str
        )
