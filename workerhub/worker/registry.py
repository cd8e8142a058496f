"""Which worker classes are installed, and how a name in the configuration becomes a class."""

from __future__ import annotations

import importlib
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from workerhub.errors import ContractError, WorkerhubError
from workerhub.slotted import dataclass
from workerhub.worker.entry_points import Announcement, announced
from workerhub.worker.inspection import defects

if TYPE_CHECKING:
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
    return tuple(_listing(name, announcements) for name, announcements in sorted(_announced().items()))


def find(name: str) -> WorkerClass:
    """Look a worker class up: `name` is an installed class's name, or `module:Class`.

    Raises:
        UnknownWorkerError: no such name is installed.
        ContractError: the class doesn't keep the contract, can't be imported, or can't run here; every reason at once.
    """
    if ":" in name:
        listing = _examine(name, name, name)
    else:
        known = _announced()
        if name not in known:
            raise UnknownWorkerError(name, tuple(sorted(known)))
        listing = _listing(name, known[name])
    if listing.cls is None:
        raise ContractError(name, listing.defects)
    if listing.unavailable is not None:
        raise ContractError(name, (listing.unavailable,))
    return WorkerClass(name, listing.cls, listing.origin, listing.target, own=listing.own)


def _announced() -> dict[str, list[Announcement]]:
    """All entry points of the group by name. One that is found twice (two paths to one distribution) counts once."""
    found: dict[str, list[Announcement]] = defaultdict(list)
    for announcement in dict.fromkeys(announced(ENTRY_POINT_GROUP)):
        found[announcement.name].append(announcement)
    return found


def _listing(name: str, announcements: list[Announcement]) -> Listing:
    """Examine what is announced under one name."""
    if len(announcements) > 1:
        claims = " and ".join(f"{each.origin} ({each.target})" for each in announcements)
        defect = f"the name is claimed by {claims}; uninstall one, or name the class as module:Class"
        targets = ", ".join(each.target for each in announcements)
        return Listing(name, targets, ", ".join(each.origin for each in announcements), None, (defect,))
    (announcement,) = announcements
    listing = _examine(name, announcement.target, announcement.origin)
    return replace(listing, own=announcement.origin.startswith("workerhub "))


def _examine(name: str, target: str, origin: str) -> Listing:
    """Load a class and hold it against the contract."""
    try:
        candidate = _import(target)
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
