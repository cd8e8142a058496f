"""What the checks of clauses work with: a worker class, and workers of it that live as long as somebody needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from typing import Any, Self

from workerhub.testing.contract.clauses import expect
from workerhub.testing.contract.site import Site
from workerhub.testing.served import Moment, Served
from workerhub.testing.staging import HOOKS, Staging
from workerhub.testing.waiting import PATIENCE
from workerhub.testing.workplace import employing
from workerhub.worker import WorkerType

REQUEST_TIMEOUT = 600.0
"""Seconds. Requests have a deadline, and none comes near it."""


class Kit:
    """A worker class under test. To be closed, or used in a `with` statement, which does that.

    What a check does with a worker is looked over at its end: no request may be left on the board, and nothing may have gone wrong
    in the worker that the application has no part in.

    Attributes:
        worker: the class.
        options: its own options, as the `[worker]` table would say them.
        patience: seconds that anything may take which the class is to do. Only one that doesn't do it takes so long.
    """

    def __init__(
        self, worker: WorkerType, options: Mapping[str, Any] | None = None, *, patience: float = PATIENCE
    ) -> None:
        self.worker = worker
        self.options = dict(options or {})
        self.patience = patience
        self._shared: dict[str, tuple[Served[Site], ExitStack]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """End what is left of its workers."""
        for name in list(self._shared):
            self._end(name)

    @cached_property
    def capacity(self) -> int:
        """What the class says for these options."""
        return self.worker.capacity(self.worker.Options.model_validate(self.options))

    @contextmanager
    def life(self, worker: WorkerType | None = None, **circumstances: Any) -> Iterator[Served[Site]]:
        """A worker of its own, from its birth on; what is left of it when the block ends is killed.

        Args:
            worker: another class than the one under test.
            circumstances: as for `Staging.of`; what it calls is called with the `Site`.
        """
        site = Site(self.patience)
        hooks = {name: partial(circumstances.pop(name), site) for name in HOOKS if name in circumstances}
        known = {"options": self.options, "patience": self.patience, "request_timeout": REQUEST_TIMEOUT}
        with ExitStack() as belongings:
            belongings.callback(site.close)
            staging = Staging.of(**known, **hooks, **circumstances)
            yield belongings.enter_context(employing(worker or self.worker, site, staging))

    @contextmanager
    def serving(self, **circumstances: Any) -> Iterator[Served[Site]]:
        """A worker of its own that serves, and is looked over at the end of the block. See `life`."""
        with self.life(**circumstances) as served:
            served.come_to(Moment.SERVING)
            yield served
            _look_over(served)

    @contextmanager
    def shared(self, **circumstances: Any) -> Iterator[Served[Site]]:
        """A worker that serves, for checks that leave it as it was; whoever wants the same circumstances gets the same one.

        It is looked over at the end of the block, and after a failure there is a new one. See `life`.
        """
        name = repr(sorted(circumstances.items()))
        if name not in self._shared:
            with ExitStack() as belongings:
                served = belongings.enter_context(self.life(**circumstances))
                served.come_to(Moment.SERVING)
                self._shared[name] = served, belongings.pop_all()
        served, _ = self._shared[name]
        try:
            yield served
            _look_over(served)
        except BaseException as error:
            error.add_note(served.story())
            self._end(name)
            raise

    def _end(self, name: str) -> None:
        """A shared worker is not needed any more."""
        _, belongings = self._shared.pop(name)
        belongings.close()


def _look_over(served: Served[Site]) -> None:
    """A check has ended well so far.

    Raises:
        BrokenError: something has gone wrong that it wasn't about.
    """
    served.wait_until(lambda: not served.runs(), "have no request on the board any more")
    troubles = served.troubles()
    expect(not troubles, "\n".join(troubles))
    served.app.shut()
    served.turn_page()
