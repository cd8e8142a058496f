"""Plans that were never read from a file: what the real master needs to run on a `FakeKernel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workerhub.kernel.birth import Birth
from workerhub.kernel.protocol import Forks
from workerhub.master.stage import Loaded, PlanRefusedError
from workerhub.plan import Change
from workerhub.supervisor.commands import Level, Spawn, SpawnTemplate
from workerhub.supervisor.policy import PoolPolicy
from workerhub.testing.kernel import FakeKernel


class FakeStage:
    """Implements `workerhub.master.stage.Stage`. Everything that is asked of it is noted in the kernel's transcript.

    Args:
        kernel: whose clock and transcript are used.
        policies: what is in force at the start.
        reloads: what each reload finds, in order: policies, or the reason why there are none; after the last one, the same again.
    """

    def __init__(
        self,
        kernel: FakeKernel,
        policies: Sequence[PoolPolicy],
        reloads: Sequence[Sequence[PoolPolicy] | str] = (),
    ) -> None:
        self._kernel = kernel
        self._policies = tuple(policies)
        self._reloads = list(reloads)

    @property
    def policies(self) -> tuple[PoolPolicy, ...]:
        """What is in force at the start."""
        return self._policies

    def planner(self) -> Callable[[], bytes]:
        """Nothing is read."""
        return bytes

    def load(self, generation: int, planned: bytes) -> Loaded:  # noqa: ARG002  # pretend
        """Find what the next reload finds.

        Raises:
            PlanRefusedError: the test wants it so.
        """
        found = self._reloads.pop(0) if self._reloads else self._policies
        self._note(f"loads generation {generation}")
        if isinstance(found, str):
            raise PlanRefusedError(found)
        self._policies = tuple(found)
        return Loaded(self._policies)

    def commit(self, generation: int) -> None:
        """Note it."""
        self._note(f"commits generation {generation}")

    def abandon(self, generation: int) -> None:
        """Note it."""
        self._note(f"abandons generation {generation}")

    def stop_listening(self, pool: str) -> None:
        """Note it."""
        self._note(f"stops listening for {pool}")

    def capacity(self, order: Spawn | SpawnTemplate) -> int:
        """One request at a time."""
        who = f"{order.pool}/{order.slot}" if isinstance(order, Spawn) else f"the template of {order.pool},"
        self._note(f"starts {who} of generation {order.generation} as child {order.child}")
        return 1

    def life(self, order: Spawn) -> Callable[[Birth], int]:
        """Nobody will live it."""
        return lambda _birth: order.slot

    def template(self, order: SpawnTemplate) -> Callable[[Birth, Forks], int]:
        """Nobody will live it."""
        return lambda _birth, _forks: order.generation

    def word(self, order: Spawn) -> bytes:
        """Nobody will hear it."""
        return order.pool.encode()

    def hook(self, name: str, facts: Mapping[str, object]) -> Callable[[], None] | None:  # noqa: ARG002  # pretend
        """No hooks are configured."""
        return None

    def compare(self, planned: bytes) -> tuple[Change, ...]:  # noqa: ARG002  # pretend
        """Find what the next reload would find, but for policies, which are never compared.

        Raises:
            PlanRefusedError: the test wants it so.
        """
        if self._reloads and isinstance(self._reloads[0], str):
            raise PlanRefusedError(self._reloads[0])
        return ()

    def about(self) -> Mapping[str, object]:
        """Nobody in particular."""
        return {"title": "a pretend server"}

    def log(self, level: Level, message: str, fields: Mapping[str, object], detail: str) -> None:  # noqa: ARG002  # text only
        """Note what an operator would read."""
        if level != "debug":
            self._kernel.transcript.note(self._kernel.now(), level, f"{message}\n{detail}" if detail else message)

    def reopen(self) -> None:
        """Note it."""
        self._note("opens its log files anew")

    def _note(self, what: str) -> None:
        self._kernel.transcript.note(self._kernel.now(), "master", what)
