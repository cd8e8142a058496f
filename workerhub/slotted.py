"""`dataclass(slots=True)`, made without compiling anything.

The standard library writes up to six functions for each class as text and compiles them, at every start: 4 million instructions for a
frozen class, and a master needs sixty. That was half of all it did before it opened a socket. Here the classes share their functions.

What comes out is a dataclass to everybody: `fields`, `replace`, `match`, `repr`, comparing, hashing and pickling are those of the standard
one, which a test holds it against. Making an instance takes three times as long, though; a class that is made anew for each request is better
off with the standard one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, field
from typing import Any, Literal, NoReturn, TypeVar, dataclass_transform

__all__ = ["dataclass", "field"]

ClassT = TypeVar("ClassT", bound=type)


@dataclass_transform(field_specifiers=(field,))
def dataclass(
    *, slots: Literal[True], frozen: bool = False, eq: bool = True, kw_only: bool = False
) -> Callable[[ClassT], ClassT]:
    """Decorate a class, as `dataclasses.dataclass` does."""

    def made(plain: ClassT) -> ClassT:
        plain.__doc__ = plain.__doc__ or plain.__name__  # else its signature is found out, to stand there
        cls: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(plain)
        cls.__init__ = _initializer(cls)
        if eq:
            cls.__eq__, cls.__hash__ = _equal, _hash if frozen else None
        if "__repr__" not in vars(plain):
            cls.__repr__ = _shown
        if frozen:
            cls.__setattr__, cls.__delattr__ = _refuse_to_set, _refuse_to_delete
            cls.__getstate__, cls.__setstate__ = _state, _restore
        return cls  # type: ignore[no-any-return]  # the class that came in, with slots

    return made


def _initializer(cls: Any) -> Callable[..., None]:
    """Make `__init__`: arguments by place and by name, defaults, `__post_init__`."""
    fields = dataclasses.fields(cls)
    names = [each.name for each in fields]
    places = [each.name for each in fields if not each.kw_only]
    defaults = {each.name: each.default for each in fields if each.default is not MISSING}
    makers = {each.name: each.default_factory for each in fields if each.default_factory is not MISSING}
    finish = getattr(cls, "__post_init__", None)
    everything = set(names)
    put = object.__setattr__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # it becomes one
        given = {**defaults, **dict(zip(places, args, strict=False)), **kwargs}
        for name in makers.keys() - given.keys():
            given[name] = makers[name]()
        if given.keys() != everything or len(args) > len(places) or not kwargs.keys().isdisjoint(places[: len(args)]):
            got = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
            raise TypeError(f"{cls.__qualname__} is made of {', '.join(names)}; got {got or 'nothing'}")
        for name in names:
            put(self, name, given[name])
        if finish is not None:
            finish(self)

    return __init__


def _values(instance: Any) -> tuple[Any, ...]:
    """What an instance is compared by."""
    return tuple(getattr(instance, each.name) for each in dataclasses.fields(instance) if each.compare)


def _equal(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _shown(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_to_set(_self: Any, name: str, _value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
