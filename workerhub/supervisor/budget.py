"""How often and how fast a pool may restart workers that went down by themselves."""

from __future__ import annotations

from workerhub.supervisor.policy import PoolPolicy, back_off, restarts_within


class RestartBudget:
    """Counts restarts, spaces them out, and says when there were too many.

    A restart is a moment, not a process: workers that go down together are restarted together and count once, so that
    `restart.intensity` means the same in a pool of two and in a pool of sixty-four. The first restart is immediate; after it the
    time between two restarts is `backoff`, doubled each time up to `backoff_max`. More than `intensity` restarts within `period`
    make the pool degraded: from then on restarts are `backoff_max` apart, until everything has been up for a whole `period`.

    Replacing a healthy worker is not a restart; when the replacement goes down while booting, the next try is one.
    """

    def __init__(self, policy: PoolPolicy) -> None:
        self._policy = policy
        self._history: tuple[float, ...] = ()
        self._owed = False
        self.due: float | None = None
        """When starting workers is allowed again; None: now."""
        self.degraded = False

    def went_down(self, now: float, *, forgetting: bool = True) -> None:
        """A worker is lost that nobody had told to leave. One that goes down while a restart is planned is taken along.

        Args:
            now: the moment.
            forgetting: whether restarts older than `period` count no more. Not before a first worker became ready: boots that
                each take as long as `timeouts.boot` would never spend the budget.
        """
        if self._owed:
            return
        latest = self._history[-1] if self._history else None
        if forgetting:
            self._history = restarts_within(self._history, now, self._policy.restart_period)
        self.degraded = self.degraded or len(self._history) >= self._policy.restart_intensity
        self._owed = True
        if latest is not None:
            self.due = max(now, latest + self._gap())

    def may_start(self, now: float) -> bool:
        """Whether workers may be started now."""
        if self.due is not None and now >= self.due:
            self.due = None
        return self.due is None

    def started(self, now: float) -> None:
        """Workers were started; if any of them stands in for one that went down, that was a restart."""
        if self._owed:
            self._owed = False
            self._history = (*self._history, now)

    def recovers_at(self) -> float:
        """When, with everything up, a degraded pool counts as recovered."""
        return (self._history[-1] if self._history else float("-inf")) + self._policy.restart_period

    def recover(self) -> None:
        """Everything has been up for a whole `period`."""
        self.degraded = False

    def _gap(self) -> float:
        first, most = self._policy.restart_backoff, self._policy.restart_backoff_max
        return most if self.degraded else back_off(len(self._history), first, most)
