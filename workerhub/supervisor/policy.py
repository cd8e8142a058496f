"""What the operator decided about one pool, and the pure functions that apply it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Draw: TypeAlias = Callable[[int], int]
"""Chance, handed in: `draw(most)` is a whole number from 0 to `most`, both included."""


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """The numbers that rule one pool. All times in seconds; None is "off". Made by `workerhub.plan` from the settings.

    The meaning of each stands in the settings of the same name: `timeouts.*`, `recycle.*`, `restart.*`, `reload.*`.

    Raises:
        ValueError: a number that no setting lets through.
    """

    name: str
    size: int
    boot_timeout: float
    request_timeout: float | None
    kill_timeout: float
    graceful_timeout: float
    drain_delay: float
    max_requests: int | None
    max_requests_jitter: int
    restart_intensity: int
    restart_period: float
    restart_backoff: float
    restart_backoff_max: float
    surge: int

    def __post_init__(self) -> None:
        for name in ("size", "surge"):
            if getattr(self, name) < 1:
                raise ValueError(f"pool {self.name}: {name} must be 1 or more, got {getattr(self, name)}")
        for name in ("boot_timeout", "kill_timeout", "graceful_timeout", "drain_delay", "max_requests_jitter",
                     "restart_intensity", "restart_period", "restart_backoff", "restart_backoff_max"):  # fmt: skip
            if getattr(self, name) < 0:
                raise ValueError(f"pool {self.name}: {name} must not be negative, got {getattr(self, name)}")


def restarts_within(history: Sequence[float], now: float, period: float) -> tuple[float, ...]:
    """The restarts that the budget still remembers: those less than `period` seconds old."""
    return tuple(moment for moment in history if now - moment < period)


def back_off(restarts: int, first: float, most: float) -> float:
    """Seconds to keep between two restarts, when so many are remembered: none at first, then `first`, doubling to `most`.

    The first restart is immediate because the usual crash is a single one, and a site would rather not wait for it.
    """
    if restarts == 0:
        return 0.0
    doublings = min(restarts - 1, 60)  # 2 ** 60 seconds outlive every limit; a float would overflow later
    return min(most, first * 2.0**doublings)


def recycle_after(policy: PoolPolicy, draw: Draw) -> int | None:
    """After how many requests a new worker is to be replaced, so that siblings born together don't leave together."""
    if policy.max_requests is None:
        return None
    return policy.max_requests + (draw(policy.max_requests_jitter) if policy.max_requests_jitter else 0)
