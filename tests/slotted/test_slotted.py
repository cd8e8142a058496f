"""The classes of `workerhub.slotted` are held against their twins from the standard library: what one does, the other does."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from workerhub import slotted


def classes(decorator: Any) -> SimpleNamespace:
    """One class of each shape, made by that decorator."""

    @decorator(frozen=True, slots=True)
    class Point:
        """A place."""

        x: int
        y: int = 0
        tags: list[str] = field(default_factory=list)
        secret: str = field(default="", repr=False, compare=False)

        @property
        def length(self) -> int:
            return abs(self.x) + abs(self.y)

    @decorator(frozen=True, slots=True)
    class Span:
        """Refuses to be empty."""

        first: int
        last: int

        def __post_init__(self) -> None:
            if self.last < self.first:
                raise ValueError("empty")

    @decorator(frozen=True, slots=True, kw_only=True)
    class Named:
        """Takes nothing by place."""

        size: int = 1
        name: str

    @decorator(slots=True)
    class Count:
        """Isn't frozen."""

        number: int = 0

    @decorator(eq=False, slots=True)
    class Itself:
        """Is compared by which it is."""

        number: int = 0

    @decorator(frozen=True, slots=True)
    class Nothing:
        """Has no fields, and words of its own."""

        def __repr__(self) -> str:
            return "nothing at all"

    return SimpleNamespace(Point=Point, Span=Span, Named=Named, Count=Count, Itself=Itself, Nothing=Nothing)


OURS, STANDARD = classes(slotted.dataclass), classes(dataclass)

ACTIONS: list[Callable[[Any], object]] = [
    # Making, by place and by name.
    lambda kit: repr(kit.Point(1)),
    lambda kit: repr(kit.Point(1, 2, ["a"], "hidden")),
    lambda kit: repr(kit.Point(y=2, x=1)),
    lambda kit: repr(kit.Span(1, last=2)),
    lambda kit: repr(kit.Named(name="a")),
    lambda kit: repr(kit.Count()),
    lambda kit: repr(kit.Nothing()),
    # What can't be made.
    lambda kit: kit.Point(),
    lambda kit: kit.Point(1, 2, [], "", 5),
    lambda kit: kit.Point(1, x=1),
    lambda kit: kit.Point(1, z=1),
    lambda kit: kit.Point(z=1),
    lambda kit: kit.Span(2, 1),
    lambda kit: kit.Named("a"),
    lambda kit: kit.Nothing(1),
    # A default that is made is made each time.
    lambda kit: kit.Point(1).tags is kit.Point(1).tags,
    # Frozen or not, and without room for more. (A frozen one of the standard library trips over itself when it is given more.)
    lambda kit: setattr(kit.Point(1), "x", 2),
    lambda kit: delattr(kit.Point(1), "x"),
    lambda kit: setattr(kit.Count(), "number", 2),
    lambda kit: setattr(kit.Count(), "other", 2),
    lambda kit: hasattr(kit.Point(1), "__dict__"),
    # Compared by what it holds, and only with its own kind.
    lambda kit: kit.Span(1, 2) == kit.Span(1, 2),
    lambda kit: kit.Span(1, 2) == kit.Span(1, 3),
    lambda kit: kit.Span(1, 2) == (1, 2),
    lambda kit: kit.Span(1, 2) == kit.Point(1, 2),
    lambda kit: kit.Point(1, secret="a") == kit.Point(1, secret="b"),
    lambda kit: kit.Nothing() == kit.Nothing(),
    lambda kit: kit.Itself() == kit.Itself(),
    # Hashed likewise, where it can be.
    lambda kit: len({kit.Span(1, 2), kit.Span(1, 2), kit.Span(1, 3)}),
    lambda kit: hash(kit.Span(1, 2)),
    lambda kit: hash(kit.Point(1)),
    lambda kit: hash(kit.Count()),
    lambda kit: type(hash(kit.Itself())),
    # A dataclass to everybody.
    lambda kit: repr(dataclasses.replace(kit.Point(1), y=5)),
    lambda kit: dataclasses.replace(kit.Point(1), z=5),
    lambda kit: dataclasses.replace(kit.Span(1, 2), last=0),
    lambda kit: dataclasses.asdict(kit.Point(1, 2)),
    lambda kit: [each.name for each in dataclasses.fields(kit.Point)],
    lambda kit: (kit.Point.__match_args__, kit.Named.__match_args__),
    lambda kit: copy.deepcopy(kit.Point(1, 2, ["a"])) == kit.Point(1, 2, ["a"]),
    # What stands in the class stays.
    lambda kit: kit.Point(-3, 4).length,
    lambda kit: (kit.Point.__name__, kit.Point.__doc__),
]


def outcome(action: Callable[[Any], object], kit: SimpleNamespace) -> object:
    """What an action returns, or which error it raises."""
    try:
        return action(kit)
    except Exception as error:  # noqa: BLE001  # whatever it is, the twin has to raise it too
        return type(error)


@pytest.mark.parametrize("action", ACTIONS)
def test_it_does_what_the_standard_one_does(action: Callable[[Any], object]) -> None:
    assert outcome(action, OURS) == outcome(action, STANDARD)


@slotted.dataclass(frozen=True, slots=True)
class Parcel:
    """Goes through a pipe."""

    weight: float
    contents: tuple[str, ...] = ()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_it_can_be_pickled(protocol: int) -> None:
    parcel = Parcel(1.5, ("a", "b"))
    assert pickle.loads(pickle.dumps(parcel, protocol)) == parcel


def test_an_error_says_what_the_class_is_made_of() -> None:
    with pytest.raises(TypeError, match="Parcel is made of weight, contents; got 1, height=2"):
        Parcel(1, height=2)  # type: ignore[call-arg]  # which is the point
