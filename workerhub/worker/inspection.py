"""What is wrong with a class that wants to be a worker class: every defect, not the first."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

from workerhub.slotted import dataclass
from workerhub.worker.contract import CONTRACT_VERSION, Worker
from workerhub.worker.lazy import OptionValues, declares_none

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerhub.worker.options import WorkerOptions


@dataclass(frozen=True, slots=True)
class _Method:
    """One method of the contract: what it is called with, and whether on the class, before there is an instance."""

    name: str
    arguments: tuple[str, ...] = ()
    on_class: bool = False

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"


_METHODS = (
    _Method("unavailable", on_class=True),
    _Method("capacity", ("options",), on_class=True),
    _Method("__init__", ("context", "options")),
    _Method("prepare"),
    _Method("serve", ("app",)),
    _Method("interrupt", ("index",)),
    _Method("stack", ("index",)),
    _Method("tasks"),
    _Method("close"),
)

_RESERVED = {"class", "class_", "processes"}
"""The `[worker]` table's own keys, and the name that a Python field for `class` would have."""


def defects(candidate: object) -> tuple[str, ...]:
    """Hold a class against the contract; empty if it keeps it, as far as can be seen without running it.

    Safe to call with anything: what the candidate's own code raises is one more defect.
    """
    if not isinstance(candidate, type):
        return (f"expected a class, got {candidate!r:.100}",)
    shape = (
        *_ancestry(candidate),
        *(defect for method in _METHODS for defect in _shape(candidate, method)),
        *_options(candidate),
        *_keepalive(getattr(candidate, "default_keepalive", None)),
    )
    # Calling its methods makes sense only where they have the right shape.
    return shape or (*_availability(candidate), *_capacity(candidate))


def _ancestry(cls: type) -> Iterator[str]:
    if not issubclass(cls, Worker):
        yield f"{cls.__name__} does not derive from workerhub.worker.Worker"
        return
    if cls.contract_version != CONTRACT_VERSION:
        yield (
            f"{cls.__name__} was written for version {cls.contract_version} of the worker contract; "
            f"this workerhub speaks version {CONTRACT_VERSION}"
        )


def _shape(cls: type, method: _Method) -> Iterator[str]:
    """Whether one method exists and can be called as the contract calls it."""
    raw = inspect.getattr_static(cls, method.name, None)
    if raw is None or raw is object.__init__ or getattr(raw, "__isabstractmethod__", False):
        yield f"{method} is missing"
        return
    if not callable(getattr(cls, method.name)):
        yield f"{method.name} is not a method"
        return
    bound_to_nothing = isinstance(raw, classmethod | staticmethod)
    if method.on_class and not bound_to_nothing:
        yield f"{method} must be a classmethod: it is called before there is an instance"
        return
    function = getattr(cls, method.name)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        yield f"{method} must be a plain function: calling this one runs nothing"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # pragma: no cover  # a method written in C may not tell
        return
    try:
        signature.bind(*(() if bound_to_nothing else (None,)), *method.arguments)
    except TypeError as error:
        yield f"{method.name}{signature} can't be called as {method}: {error}"


def _options(cls: type) -> Iterator[str]:
    """Whether the options are a model that the configuration can be validated with."""
    if declares_none(cls):
        return
    from workerhub.worker.options import WorkerOptions  # noqa: PLC0415  # pydantic, for who has use for it

    try:
        options: object = getattr(cls, "Options", None)
    except Exception as error:  # noqa: BLE001  # importing a stranger's module may raise anything
        yield f"Options can't be imported: {type(error).__name__}: {error}"
        return
    if not (isinstance(options, type) and issubclass(options, WorkerOptions)):
        yield f"Options must be a subclass of workerhub.worker.WorkerOptions, not {options!r:.100}"
        return
    if options.model_config.get("extra") != "forbid":
        yield f"Options ({options.__name__}) must forbid unknown keys (extra='forbid')"
    if not options.model_config.get("frozen"):
        yield f"Options ({options.__name__}) must be frozen"
    keys = {name for field, info in options.model_fields.items() for name in (field, info.alias) if name is not None}
    for key in sorted(keys & _RESERVED):
        yield f"Options ({options.__name__}) may not have a field {key!r}: the [worker] table's own"


def _keepalive(seconds: object) -> Iterator[str]:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (number and 0 < seconds < math.inf):  # type: ignore[operator]  # `number` says so
        yield f"default_keepalive must be a number of seconds above 0, or None, not {seconds!r}"


def _availability(cls: type[Worker[WorkerOptions]]) -> Iterator[str]:
    try:
        reason: object = cls.unavailable()
    except Exception as error:  # noqa: BLE001  # a stranger's code may raise anything
        yield f"unavailable() raised {type(error).__name__}: {error}"
        return
    if not (reason is None or (isinstance(reason, str) and reason)):
        yield f"unavailable() must return None or a reason, not {reason!r:.100}"


def _capacity(cls: type[Worker[WorkerOptions]]) -> Iterator[str]:
    try:
        options: Any = OptionValues({}) if declares_none(cls) else cls.Options()
    except ValueError:
        return  # it has a key without a default; what its value leads to is seen when there is one
    try:
        capacity: object = cls.capacity(options)
    except Exception as error:  # noqa: BLE001  # a stranger's code may raise anything
        yield f"capacity() raised {type(error).__name__} for the default options: {error}"
        return
    yield from capacity_defects(capacity)


def capacity_defects(capacity: object) -> tuple[str, ...]:
    """Hold what `Worker.capacity` returned against the contract."""
    if isinstance(capacity, int) and not isinstance(capacity, bool) and capacity >= 1:
        return ()
    return (f"capacity() must return a whole number of 1 or more, not {capacity!r:.100}",)
