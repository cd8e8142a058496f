"""What the operator decided about one pool, and the pure functions that apply it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from workerhub.slotted import dataclass

Draw: TypeAlias = Callable[[int], int]
"""Chance, handed in: `draw(most)` is a whole number from 0 to `most`, both included."""


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """The numbers that rule one pool. Times in seconds, memory in bytes; None is "off". Made by `workerhub.planning` from the settings.

    The meaning of each stands in the settings of the same name: `timeouts.*`, `recycle.*`, `restart.*`, `reload.*`, `preload`.

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
    max_memory: int | None
    max_age: float | None
    restart_intensity: int
    restart_period: float
    restart_backoff: float
    restart_backoff_max: float
    surge: int
    observe: float
    reload_deadline: float
    preload: bool

    def __post_init__(self) -> None:
        for name in ("size", "surge"):
            if getattr(self, name) < 1:
                raise ValueError(f"pool {self.name}: {name} must be 1 or more, got {getattr(self, name)}")
        for name in ("boot_timeout", "kill_timeout", "graceful_timeout", "drain_delay", "max_requests_jitter",
                     "restart_intensity", "restart_period", "restart_backoff", "restart_backoff_max", "observe", "reload_deadline"):  # fmt: skip
            if getattr(self, name) < 0:
                raise ValueError(f"pool {self.name}: {name} must not be negative, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one worker may use up before it is replaced; None is "as much as it likes".

    Attributes:
        requests: how many it finishes.
        memory: private memory in bytes; replaced above it.
        age: seconds from its readiness.
    """

    requests: int | None
    memory: int | None
    age: float | None


AGE_JITTER = 0.1
"""The part of `recycle.max_age` that is left to chance."""


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


def allowance(policy: PoolPolicy, draw: Draw) -> Allowance:
    """Draw what a new worker may use up, so that siblings born together aren't worn out together.

    `max_requests` is the least and has a jitter of its own; `max_age` is the most, so that its name holds: chance takes up to a tenth
    away. Memory has no jitter: it isn't foreseeable anyway, and two equal siblings above the limit wait in the queue for `reload.surge`.
    """
    requests, age = policy.max_requests, policy.max_age
    if requests is not None and policy.max_requests_jitter:
        requests += draw(policy.max_requests_jitter)
    if age is not None:
        age -= draw(int(age * AGE_JITTER * 1000)) / 1000  # chance comes in whole numbers: milliseconds
    return Allowance(requests, policy.max_memory, age)
