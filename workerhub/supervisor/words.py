"""How facts read in the error log. Sentences only; nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable

from workerhub.supervisor.children import Child
from workerhub.supervisor.events import ChildExited, Exit, Run
from workerhub.supervisor.exits import Cause, WorkerExit, in_words
from workerhub.supervisor.states import FORCED, State


def seconds(duration: float) -> str:
    """As exact as is useful: "0.25 s", "31 s"."""
    return f"{duration:.2f} s" if duration < 1 else f"{duration:.1f} s".replace(".0 s", " s")


def span(duration: float) -> str:
    """A long time, as exact as is useful: "45 s", "12.5 min", "11.4 h", "7 d"."""
    for unit, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if duration >= 2 * unit:
            return f"{duration / unit:.1f} {name}".replace(".0 ", " ")
    return seconds(duration)


def size(number: int) -> str:
    """Bytes in the unit in which limits are written: "612 MiB", "0.5 KiB"."""
    unit, name = (1 << 20, "MiB") if number >= 1 << 20 else (1 << 10, "KiB")
    return f"{number / unit:.1f} {name}".replace(".0 ", " ")


def count(number: int, noun: str) -> str:
    """In good English: "1 worker", "3 workers"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def runs(running: Iterable[Run], now: float) -> str:
    """Name them, the oldest first: "GET /a from 10.0.0.1 (61 s), POST /b from 10.0.0.2 (0.5 s)"."""
    oldest_first = sorted(running, key=lambda run: run.started_at)
    return ", ".join(
        f"{run.line} from {run.client or 'an unknown client'} ({seconds(max(0.0, now - run.started_at))})"
        for run in oldest_first
    )


def run_facts(run: Run, now: float) -> dict[str, object]:
    """The same of one, for programs."""
    return {"line": run.line, "client": run.client, "seconds": round(max(0.0, now - run.started_at), 3)}


def farewell(child: Child, event: ChildExited, cause: Cause) -> str:
    """The one line about an exit: who, why, how, and what it was doing."""
    return f"{child} is gone: {why_gone(child, event, cause)}"


def why_gone(child: Child, event: ChildExited, cause: Cause) -> str:
    """The same without who."""
    parts = [cause.value]
    if child.failure is not None:
        parts[0] += f": {child.failure.reason}"
    elif cause is Cause.RECYCLED:
        parts[0] += f": {child.worn}"
    if how := _how(child, event.exit, cause):
        parts[0] += f" ({how})"
    if event.last.runs:
        parts.append(f"it was running {runs(event.last.runs, event.at)}")
    return "; ".join(parts)


def why_lost(child: Child) -> str:
    """Why a child doesn't serve, in a few words."""
    why = child.leave.value if child.leave is not None else child.state.value
    return why if child.failure is None else f"{why}: {child.failure.reason}"


def _how(child: Child, exit_: Exit, cause: Cause) -> str:
    """What the cause alone doesn't tell."""
    if cause in (Cause.CRASHED, Cause.EXITED):
        return in_words(exit_) + (f", {child.state.value}" if child.state in _TELLING else "")
    return in_words(exit_) if child.state in FORCED and exit_.code != WorkerExit.DRAINED else ""


_TELLING = frozenset({State.BOOTING, State.CANCELLED, State.DRAINING, State.ABORTING})
