"""The latest exits, kept for whoever asks what has been going on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from workerhub.slotted import dataclass
from workerhub.supervisor.children import Child
from workerhub.supervisor.exits import HARMLESS, Cause

KEPT: Final = 5
"""Exits of either kind. After a reload of many workers the crash of a minute ago is still there."""


@dataclass(frozen=True, slots=True)
class Parting:
    """One exit. `reason` completes the sentence "worker main/0 is gone: ..."; `slot` is None for a template's."""

    at: float
    slot: int | None
    generation: int
    pid: int | None
    cause: Cause
    reason: str


def parting(child: Child, at: float, cause: Cause, reason: str) -> Parting:
    """Write a child's exit down."""
    return Parting(at, None if child.is_template else child.slot, child.generation, child.pid, cause, reason)


class Partings:
    """One pool's latest exits: the ordinary ones, and those that somebody should look into."""

    def __init__(self) -> None:
        self._ordinary: deque[Parting] = deque(maxlen=KEPT)
        self._troubling: deque[Parting] = deque(maxlen=KEPT)

    def __iter__(self) -> Iterator[Parting]:
        """All that are kept, the latest first."""
        return iter(sorted([*self._ordinary, *self._troubling], key=lambda parting: parting.at, reverse=True))

    def add(self, parting: Parting) -> None:
        """A child is gone."""
        (self._ordinary if parting.cause in HARMLESS else self._troubling).append(parting)
