"""What the master's loop needs besides a kernel: everything about plans, and the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from workerhub.errors import WorkerhubError
from workerhub.kernel.birth import Birth
from workerhub.kernel.protocol import Forks
from workerhub.plan import Change
from workerhub.slotted import dataclass
from workerhub.supervisor.commands import Level, Spawn, SpawnTemplate
from workerhub.supervisor.policy import PoolPolicy


class PlanRefusedError(WorkerhubError):
    """A reload's configuration can't be used, or can't be served. The text is what the operator reads."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the supervisor needs to know of a plan; see `PlanLoaded`."""

    policies: tuple[PoolPolicy, ...]
    unchanged: tuple[str, ...] = ()


class Stage(Protocol):
    """The plans by generation, with what each of them holds open. `workerhub.testing.FakeStage` is another."""

    @property
    def policies(self) -> tuple[PoolPolicy, ...]:
        """The first plan's, one for each pool."""

    def planner(self) -> Callable[[], bytes]:
        """What reads the configuration again, to be called in a process of its own; the result is for `load`."""

    def load(self, generation: int, planned: bytes) -> Loaded:
        """Take what the planner came to, and open what only the new plan needs.

        Raises:
            PlanRefusedError: nothing was touched.
        """

    def commit(self, generation: int) -> None:
        """This plan is in force; give back what only others needed."""

    def abandon(self, generation: int) -> None:
        """This plan has failed; give back what only it needed."""

    def stop_listening(self, pool: str) -> None:
        """Take no new connections for that pool; those that wait to be accepted go on waiting."""

    def capacity(self, order: Spawn | SpawnTemplate) -> int:
        """How many requests such a worker can run at once."""

    def life(self, order: Spawn) -> Callable[[Birth], int]:
        """What such a worker does, to be called in the child only."""

    def template(self, order: SpawnTemplate) -> Callable[[Birth, Forks], int]:
        """What such a template does, to be called in the child only."""

    def word(self, order: Spawn) -> bytes:
        """What a template has to be told about such a worker."""

    def hook(self, name: str, facts: Mapping[str, object]) -> Callable[[], None] | None:
        """What the operator has hooked up to that name, ready to be called in a process of its own; None: nothing."""

    def compare(self, planned: bytes) -> tuple[Change, ...]:
        """What `load` would change, without touching anything.

        Args:
            planned: what the planner came to.

        Raises:
            PlanRefusedError: it would be refused, as far as can be known before anything is touched.
        """

    def about(self) -> Mapping[str, object]:
        """Who this server is, for `workerhub status`: what is known without looking at a worker. Fit for JSON."""

    def log(self, level: Level, message: str, fields: Mapping[str, object], detail: str) -> None:
        """Write to the error log."""

    def reopen(self) -> None:
        """Open the log files anew."""
