"""Which worker classes are installed, and how a name in the configuration becomes a class."""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from dataclasses import replace
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import TYPE_CHECKING

from workerhub.errors import ContractError, WorkerhubError
from workerhub.slotted import dataclass
from workerhub.worker.inspection import defects

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub.worker.contract import WorkerType

ENTRY_POINT_GROUP = "workerhub.workers"
"""Where a distribution announces its worker classes; the built-in ones come through the same door."""


@dataclass(frozen=True, slots=True)
class WorkerClass:
    """A worker class that keeps the contract and can run here.

    Attributes:
        name: as the configuration names it: an entry point's name, or `module:Class`.
        cls: the class.
        origin: the distribution and its version (`workerhub 0.1.0`), or `module:Class`.
        target: where it is imported from, `module:Class`.
        own: workerhub's own distribution announces it.
    """

    name: str
    cls: WorkerType
    origin: str
    target: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """One installed name, whatever is wrong with it.

    Attributes:
        name: the entry point's name.
        target: `module:Class`, as announced.
        origin: the distribution and its version; all of them, where several claim the name.
        cls: the class; None where `defects` says why there is none to use.
        defects: why it can't be used at all; empty for a class that keeps the contract.
        unavailable: why a class that keeps the contract can't run here ("pip install ..."), None where it can.
        own: workerhub's own distribution announces it.
    """

    name: str
    target: str
    origin: str
    cls: WorkerType | None
    defects: tuple[str, ...] = ()
    unavailable: str | None = None
    own: bool = False


class UnknownWorkerError(WorkerhubError):
    """No worker class has that name. The message names the nearest one and all that are installed."""

    def __init__(self, name: str, installed: tuple[str, ...]) -> None:
        from difflib import get_close_matches  # noqa: PLC0415  # only for a mistake

        nearest = get_close_matches(name, installed, n=1)
        hint = f'; did you mean "{nearest[0]}"?' if nearest else ""
        known = ", ".join(installed) or "none"
        super().__init__(f'no worker class called "{name}"{hint} (installed: {known})')
        self.name = name
        self.installed = installed


def available() -> tuple[Listing, ...]:
    """List every installed worker class by name, the broken ones with their defects.

    A distribution that can't be imported spoils its own entries only.
    """
    return tuple(_listing(name, announced) for name, announced in sorted(_announced().items()))


def find(name: str) -> WorkerClass:
    """Look a worker class up: `name` is an installed class's name, or `module:Class`.

    Raises:
        UnknownWorkerError: no such name is installed.
        ContractError: the class doesn't keep the contract, can't be imported, or can't run here; every reason at once.
    """
    if ":" in name:
        listing = _examine(name, name, name, lambda: _import(name))
    else:
        announced = _announced()
        if name not in announced:
            raise UnknownWorkerError(name, tuple(sorted(announced)))
        listing = _listing(name, announced[name])
    if listing.cls is None:
        raise ContractError(name, listing.defects)
    if listing.unavailable is not None:
        raise ContractError(name, (listing.unavailable,))
    return WorkerClass(name, listing.cls, listing.origin, listing.target, own=listing.own)


def _announced() -> dict[str, list[EntryPoint]]:
    """All entry points of the group by name. One that is found twice (two paths to one distribution) counts once."""
    found: dict[str, list[EntryPoint]] = defaultdict(list)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        found[point.name].append(point)
    return {name: points if len(points) == 1 else _distinct(points) for name, points in found.items()}


def _distinct(points: list[EntryPoint]) -> list[EntryPoint]:
    return list({(point.value, _origin(point)): point for point in reversed(points)}.values())[::-1]


def _listing(name: str, announced: list[EntryPoint]) -> Listing:
    """Examine what is announced under one name."""
    if len(announced) > 1:
        claims = " and ".join(f"{_origin(point)} ({point.value})" for point in announced)
        defect = f"the name is claimed by {claims}; uninstall one, or name the class as module:Class"
        targets = ", ".join(point.value for point in announced)
        return Listing(name, targets, ", ".join(map(_origin, announced)), None, (defect,))
    (point,) = announced
    listing = _examine(name, f"{point.module}:{point.attr}", _origin(point), point.load)
    return replace(listing, own=_origin(point).startswith("workerhub "))


def _examine(name: str, target: str, origin: str, load: Callable[[], object]) -> Listing:
    """Load a class and hold it against the contract."""
    try:
        candidate = load()
    except Exception as error:  # noqa: BLE001  # importing a stranger's module may raise anything
        return Listing(name, target, origin, None, (f"{target} can't be imported: {type(error).__name__}: {error}",))
    found = defects(candidate)
    if found:
        return Listing(name, target, origin, None, found)
    cls: WorkerType = candidate  # type: ignore[assignment]  # which is what `defects` has just proved
    return Listing(name, target, origin, cls, (), cls.unavailable())


def _import(reference: str) -> object:
    """Import `module:Class`."""
    module, _, attribute = reference.partition(":")
    if not module or not attribute:
        raise ValueError("expected module:Class")
    found: object = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _origin(point: EntryPoint) -> str:
    """The distribution that announces an entry point, with its version."""
    return f"{_header(point.dist, 'Name')} {_header(point.dist, 'Version')}" if point.dist is not None else "unknown"


def _header(distribution: Distribution, name: str) -> str:
    """One header of a distribution's metadata."""
    # `Distribution.name` and `.version` parse all of it as an e-mail, the long description included: 5 ms of a start.
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    found = re.search(rf"^{name}:[ \t]*(\S+)", text.partition("\n\n")[0], re.MULTILINE)
    return found[1] if found else "unknown"
