"""What is told about a reload: to the log, and to those who wait for it."""

from __future__ import annotations

from collections.abc import Sequence

from workerhub.supervisor.askers import Askers
from workerhub.supervisor.commands import Level
from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import Ticket
from workerhub.supervisor.words import count


class Bulletin:
    """Speaks of one reload after another.

    Attributes:
        generation: the new one.
    """

    def __init__(self, decisions: Decisions, generation: int) -> None:
        self.generation = generation
        self._decisions = decisions
        self._askers = Askers(decisions)
        self._followers = Askers(decisions)
        self._told: tuple[str, int] = ("", 0)

    def join(self, ticket: Ticket | None, news: str = "") -> None:
        """Somebody waits for the next reload; `news` is told at once."""
        self._followers.join(ticket, news)

    def begin(self, generation: int) -> None:
        """The next reload is this one."""
        self.generation = generation
        self._askers.take_over(self._followers)

    def log(self, level: Level, message: str, detail: str = "") -> None:
        """Write to the log."""
        self._decisions.log(level, message, {"generation": self.generation}, detail)

    def tell(self, message: str) -> None:
        """Tell those who wait."""
        self._askers.tell(f"generation {self.generation}: {message}", {"generation": self.generation})

    def tell_progress(self, done: str, ready: int, workers: int) -> None:
        """Tell those who wait in how many slots it is done, if that is news."""
        if self._told != (done, ready):
            self._told = (done, ready)
            message = f"generation {self.generation}: {ready} of {workers} {done}"
            self._askers.tell(message, {"generation": self.generation, "ready": ready, "workers": workers})

    def committed(self, workers: int, unchanged: Sequence[str]) -> None:
        """All workers are new."""
        self.log("info", f"generation {self.generation} is serving: {count(workers, 'worker')}")
        self._askers.answer(
            f"generation {self.generation} is serving ({workers} of {workers})",
            ok=True,
            detail="\n".join(map(stays, unchanged)),
            fields={"generation": self.generation, "workers": workers, "unchanged": tuple(unchanged)},
        )

    def failed(self, old: int, why: str, message: str = "") -> None:
        """All workers are old, or will be.

        Args:
            old: the generation in force.
            why: the report or the traceback.
            message: what holds now, if that isn't that the old one serves.
        """
        text = message or f"generation {old} keeps serving"
        self._askers.answer(text, ok=False, detail=why, fields={"generation": old})

    def refused(self, why: str) -> None:
        """Nobody will reload any more."""
        for askers in (self._askers, self._followers):
            askers.answer(f"not reloaded: {why}", ok=False)


def stays(setting: str) -> str:
    """Say what becomes of a setting that a running server keeps."""
    return f"{setting} can't change while the server runs; it stays as it is"
