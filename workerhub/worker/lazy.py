"""Options that are declared by name, so that a worker class can be imported without pydantic.

The model is needed where the configuration is judged, and nowhere else. A class that names it as
`Options = lazy_options("package.module:Model")` costs its workers neither the import nor the memory of pydantic.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from workerhub.worker.options import WorkerOptions


NO_OPTIONS: Final = "workerhub.worker.options:WorkerOptions"
"""What a class that declares no options has: the base of all, without a key."""


class LazyOptions:
    """Stands for a model until somebody asks for it. To be read on the class: `cls.Options` is the model itself."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self._model: type[WorkerOptions] | None = None

    def __get__(self, instance: object, owner: type | None = None) -> type[WorkerOptions]:
        """Import the model, the first time.

        Raises:
            ImportError: there is no such module.
            AttributeError: there is no such class in it.
        """
        if self._model is None:
            module, _, name = self.reference.partition(":")
            self._model = getattr(importlib.import_module(module), name)
        return self._model


def lazy_options(reference: str) -> Any:
    """Declare a worker class's `Options` as `module:Model`, which is imported when it is first asked for.

    The worker is then given the validated values as an `OptionValues`, with the model's attributes but without its methods.
    """
    return LazyOptions(reference)


def declared_lazily(cls: type) -> bool:
    """Whether a worker class names its options only."""
    return isinstance(getattr_static(cls, "Options", None), LazyOptions)


def declares_none(cls: type) -> bool:
    """Whether a worker class has no options of its own, so that there is nothing to validate and no need for pydantic."""
    options = getattr_static(cls, "Options", None)
    return isinstance(options, LazyOptions) and options.reference == NO_OPTIONS


class OptionValues:
    """The validated values of options that were declared lazily: the model's attributes, to be read."""

    __slots__ = ("__dict__",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"options are frozen; {name} can't be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"options are frozen; {name} can't be deleted")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OptionValues) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # as unhashable as the values may be

    def __repr__(self) -> str:
        return f"OptionValues({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"
