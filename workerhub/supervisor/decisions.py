"""The list of commands that one `Supervisor.handle` returns, in the making."""

from __future__ import annotations

from collections.abc import Mapping

from workerhub.supervisor.commands import Command, Level, Log


class Decisions:
    """Collects commands in order. Every part of the supervisor writes into the same one; only `handle` takes them."""

    def __init__(self) -> None:
        self._commands: list[Command] = []

    def add(self, command: Command) -> None:
        """Ask for something, after everything that was asked for before."""
        self._commands.append(command)

    def log(self, level: Level, message: str, fields: Mapping[str, object] | None = None, detail: str = "") -> None:
        """Ask for a line in the error log; `fields` are what the JSON format adds."""
        self._commands.append(Log(level, message, fields or {}, detail))

    def take(self) -> list[Command]:
        """The finished list; the next one starts empty."""
        finished, self._commands = self._commands, []
        return finished
