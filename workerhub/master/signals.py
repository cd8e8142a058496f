"""What each signal means to the master."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from workerhub.kernel.protocol import SignalArrived
from workerhub.supervisor.events import Event, ReloadRequested, ScaleRequested, StopRequested, UpgradeRequested


def _stop(*, fast: bool) -> Callable[[SignalArrived], Event]:
    return lambda signal: StopRequested(signal.at, fast, signal.name)


def _scale(change: int) -> Callable[[SignalArrived], Event]:
    return lambda signal: ScaleRequested(signal.at, change, signal.name)


EVENTS: Final[Mapping[str, Callable[[SignalArrived], Event]]] = {
    "SIGTERM": _stop(fast=False),
    "SIGINT": _stop(fast=True),
    "SIGQUIT": _stop(fast=True),
    "SIGHUP": lambda signal: ReloadRequested(signal.at, signal.name),
    "SIGUSR2": lambda signal: UpgradeRequested(signal.at, signal.name),
    "SIGTTIN": _scale(+1),
    "SIGTTOU": _scale(-1),
}
"""Signals that the supervisor decides about."""

REOPEN: Final = "SIGUSR1"
"""Log files are opened anew, here and in every worker; there is nothing to decide."""
