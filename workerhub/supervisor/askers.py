"""Who waits for an outcome."""

from __future__ import annotations

from collections.abc import Mapping

from workerhub.supervisor.commands import Answer, Tell
from workerhub.supervisor.decisions import Decisions
from workerhub.supervisor.events import Ticket


class Askers:
    """The tickets that wait for one outcome together. Answering forgets them, so nobody is answered twice."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self._tickets: list[Ticket] = []

    def join(self, ticket: Ticket | None, news: str = "") -> None:
        """One more waits, and is told the news; None: somebody asked who doesn't."""
        if ticket is not None:
            self._tickets.append(ticket)
            if news:
                self._decisions.add(Tell(ticket, news))

    def take_over(self, others: Askers) -> None:
        """What the others wait for begins now."""
        self._tickets += others._tickets
        others._tickets = []

    def tell(self, message: str, fields: Mapping[str, object] | None = None) -> None:
        """How far it is."""
        for ticket in self._tickets:
            self._decisions.add(Tell(ticket, message, fields or {}))

    def answer(self, message: str, *, ok: bool, detail: str = "", fields: Mapping[str, object] | None = None) -> None:
        """How it ended."""
        for ticket in self._tickets:
            self._decisions.add(Answer(ticket, ok, message, detail, fields or {}))
        self._tickets = []
