from __future__ import annotations

import pytest

from workerhub.supervisor import Command, DeadlineReached, Event, Leave, ReadBoard, RunHook
from workerhub.supervisor.commands import Log
from workerhub.testing import Logged, Playbook, StoryError


class Parrot:
    """Answers every event with the same commands."""

    def __init__(self, *commands: Command) -> None:
        self.commands = commands

    def handle(self, event: Event) -> list[Command]:
        return list(self.commands)


HELLO = Log("info", "hello world", {}, "and more")
EVENT = DeadlineReached(1)


def test_a_story_as_it_happens() -> None:
    with Playbook(Parrot(ReadBoard(), Leave(0))) as book:
        book >> EVENT << ReadBoard() << Leave(0) >> EVENT << ReadBoard() << Leave(0)


def test_another_command_than_expected_prints_the_story() -> None:
    with pytest.raises(StoryError) as error, Playbook(Parrot(ReadBoard(), Leave(0))) as book:
        book >> EVENT << ReadBoard() << Leave(1)
    assert str(error.value).splitlines() == [
        "the story so far:",
        ">> DeadlineReached(at=1)",
        "   << ReadBoard(memory={})",
        "!! expected Leave(code=1)",
        "   but commanded were:",
        "   Leave(code=0)",
    ]


def test_a_command_that_does_not_come() -> None:
    with pytest.raises(StoryError, match="nothing more was commanded"), Playbook(Parrot()) as book:
        book >> EVENT << Leave(0)


def test_a_command_that_nobody_expected_before_the_story_goes_on() -> None:
    with pytest.raises(StoryError, match="the story goes on"), Playbook(Parrot(Leave(0))) as book:
        book >> EVENT >> EVENT


def test_a_command_that_nobody_expected_at_the_end() -> None:
    with pytest.raises(StoryError, match="the story ends"), Playbook(Parrot(Leave(0))) as book:
        book >> EVENT


def test_a_story_needs_an_end() -> None:
    with pytest.raises(RuntimeError, match="with Playbook"):
        Playbook(Parrot()) >> EVENT


def test_the_end_does_not_hide_what_went_wrong_before() -> None:
    def trip() -> Command:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Playbook(Parrot(Leave(0))) as book:
        book >> EVENT << trip()


def test_small_talk_is_left_out_unless_the_story_is_about_it() -> None:
    chatter = (Log("debug", "hm"), RunHook("reloaded", {}))
    with Playbook(Parrot(*chatter, Leave(0))) as book:
        book >> EVENT << Leave(0)
    with Playbook(Parrot(*chatter), leaving_out=lambda _command: False) as book:
        book >> EVENT << chatter[0] << chatter[1]


@pytest.mark.parametrize(
    ("expected", "matches"),
    [
        (Logged("info"), True),
        (Logged("info", "hello", "world"), True),
        (Logged("info", "more"), True),
        (Logged("error", "hello"), False),
        (Logged("info", "hello", "moon"), False),
    ],
)
def test_logged_compares_level_and_words(expected: Logged, *, matches: bool) -> None:
    assert expected.matches(HELLO) is matches
    assert not expected.matches(Leave(0))
