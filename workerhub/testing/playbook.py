"""Stories about the supervisor, told in the order in which they happen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from workerhub.supervisor.commands import Announce, Command, Level, Log, RunHook, StopListening
from workerhub.supervisor.events import Event


class StoryError(AssertionError):
    """The supervisor did something else than the story says. The message is the whole story so far."""


class Decides(Protocol):
    """What a playbook can direct: a `Supervisor`, or anything with its face."""

    def handle(self, event: Event) -> list[Command]:
        """Take an event, return the commands."""


@dataclass(frozen=True, slots=True)
class Logged:
    """Expects a `Log` of that level whose message, or detail, has all the words in it."""

    level: Level
    words: tuple[str, ...]

    def __init__(self, level: Level, *words: str) -> None:
        object.__setattr__(self, "level", level)
        object.__setattr__(self, "words", words)

    def matches(self, command: Command) -> bool:
        """Whether the command is what is expected."""
        return (
            isinstance(command, Log)
            and command.level == self.level
            and all(word in f"{command.message}\n{command.detail}" for word in self.words)
        )


Expected: TypeAlias = Command | Logged


def small_talk(command: Command) -> bool:
    """What most stories leave out: debug lines, hooks, announcements, and what a stop does to the listeners."""
    return isinstance(command, RunHook | Announce | StopListening) or (
        isinstance(command, Log) and command.level == "debug"
    )


class Playbook:
    """Directs a supervisor through a story.

    `>>` lets an event happen; every command that follows from the event before must have been expected until then.
    `<<` expects the next command: the command itself, or `Logged`. The end of the `with` block is the end of the story: commands that
    nobody expected, there too, are an error. Outside of a `with` block nothing can be told, so no story is left unfinished.

    Args:
        supervisor: whom to direct.
        leaving_out: commands that this story isn't about.
    """

    def __init__(self, supervisor: Decides, leaving_out: Callable[[Command], bool] = small_talk) -> None:
        self._supervisor = supervisor
        self._leaving_out = leaving_out
        self._story: list[str] = []
        self._pending: deque[Command] = deque()
        self._open = False

    def __enter__(self) -> Self:
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        if kind is None:
            self._expect_nothing("the story ends")

    def __rshift__(self, event: Event) -> Self:
        """Let something happen."""
        if not self._open:
            raise RuntimeError("a story is told inside `with Playbook(...) as book:`")
        self._expect_nothing(f"the story goes on with {event}")
        self._story.append(f">> {event}")
        for command in self._supervisor.handle(event):
            if self._leaving_out(command):
                self._story.append(f"      ({command})")
            else:
                self._pending.append(command)
        return self

    def __lshift__(self, expected: Expected) -> Self:
        """Expect the next command."""
        if not self._pending:
            self._fail(f"expected {expected}", "nothing more was commanded")
        command = self._pending.popleft()
        if not (expected.matches(command) if isinstance(expected, Logged) else command == expected):
            self._pending.appendleft(command)
            self._fail(f"expected {expected}", "but commanded were:", *map(str, self._pending))
        self._story.append(f"   << {command}")
        return self

    def _expect_nothing(self, what: str) -> None:
        if self._pending:
            self._fail(what, "but also commanded were:", *map(str, self._pending))

    def _fail(self, *lines: str) -> None:
        story = "\n".join(self._story)
        raise StoryError("the story so far:\n" + story + "\n!! " + "\n   ".join(lines))
