"""What is told about workers that fail to boot: the traceback once, and how many others failed the same way."""

from __future__ import annotations

from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import ChildFailed
from workerhub.supervisor.words import count


class BootReport:
    """Folds identical failures. Sixty-four workers that miss the same module make one traceback and one line, not a wall."""

    def __init__(self, pool: str, decisions: Decisions) -> None:
        self._pool = pool
        self._decisions = decisions
        self._told: tuple[str, str] | None = None
        self._folded = 0
        self.hopeless = False
        """At first start: a failure was seen that trying again can't mend."""

    def is_news(self, failure: ChildFailed | None) -> bool:
        """Whether this failure has to be told in full; one that was told just before is only counted."""
        key = ("", "") if failure is None else (failure.reason, failure.detail)
        if key == self._told:
            self._folded += 1
            return False
        self.close()
        self._told = key
        return True

    def close(self) -> None:
        """The series is over: say how many failures were only counted."""
        if self._folded:
            self._decisions.log(
                "error", f"{self._pool}: {count(self._folded, 'more worker')} failed the same way", {"pool": self._pool}
            )
        self._told, self._folded = None, 0
