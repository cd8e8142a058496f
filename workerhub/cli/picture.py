"""The picture that `workerhub status` draws: what a server told about itself, as lines of text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from workerhub.logs.text import one_line
from workerhub.supervisor.words import span

NARROWEST: Final = 60
"""Columns. A narrower terminal breaks the lines itself."""

_COLOURS: Final = {
    "ready": "green",
    "booting": "cyan",
    "outgoing": "yellow",
    "cancelled": "yellow",
    "draining": "yellow",
    "stuck": "red",
    "aborting": "red",
    "killed": "red",
}
"""By a worker's state. One that a later version may have has none."""

_BAR: Final = 24
"""Characters of a progress bar."""

_INDENT: Final = 23
"""Columns left of what is told about a worker below its line: where its state stands."""

_SHOWN_RUNS: Final = 5
_SHOWN_EXITS: Final = 6


@dataclass(frozen=True, slots=True)
class Easel:
    """What is drawn on.

    Attributes:
        width: columns.
        colour: whether escape sequences are welcome.
        fancy: whether it can show more than ASCII.
    """

    width: int = 80
    colour: bool = False
    fancy: bool = True

    def paint(self, text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
        """Colour a piece of a line."""
        return click.style(text, fg=colour, bold=bold or None, dim=dim or None) if self.colour else text

    def cut(self, text: str, room: int) -> str:
        """Make it fit on its line, and safe to print."""
        text, dots = one_line(text), "…" if self.fancy else "..."
        room = max(room, len(dots))
        return text if len(text) <= room else text[: room - len(dots)] + dots

    def wrap(self, start: str, text: str, *, lines: int) -> list[str]:
        """Put a text behind the start of a line, and what doesn't fit below itself, on so many lines at most."""
        room = max(20, self.width - len(start))
        pieces = textwrap.wrap(one_line(text), room) or [""]
        if len(pieces) > lines:
            pieces = [*pieces[: lines - 1], self.cut(" ".join(pieces[lines - 1 :]), room)]
        return [(" " * len(start) if number else start) + piece for number, piece in enumerate(pieces)]

    def join(self, parts: Sequence[str]) -> str:
        """Parts of a line."""
        return (" · " if self.fancy else " - ").join(parts)


def draw(told: Mapping[str, Any], easel: Easel) -> list[str]:
    """Draw everything.

    Args:
        told: the fields of a server's outcome; what is missing, or comes with a later version, is left out.
        easel: what to draw on.
    """
    blocks = [list(_head(told, easel)), *([line] for line in _reload(told, easel))]
    for pool in told.get("pools", ()):
        runs = told.get("runs", {}).get(pool["name"], {})
        blocks += [list(_pool(pool, runs, easel, reloading=bool(told.get("reload")))), list(_exits(pool, easel))]
    lines: list[str] = []
    for block in filter(None, blocks):
        lines += ["", *block] if lines else block
    return lines


def _head(told: Mapping[str, Any], easel: Easel) -> Iterator[str]:
    about = [f"workerhub {told.get('version', '')}".strip(), str(told.get("title", ""))]
    if "pid" in told:
        about.append(f"pid {told['pid']}")
    if "uptime" in told:
        about.append(f"up {_age(told['uptime'])}")
    if told.get("stopping"):
        about.append("stopping")
    text = easel.cut(easel.join([part for part in about if part]), easel.width)
    yield easel.paint(text, "yellow" if told.get("stopping") else None, bold=True)


def _reload(told: Mapping[str, Any], easel: Easel) -> Iterator[str]:
    reload = told.get("reload")
    if not reload:
        return
    done, whole = reload["ready"], max(1, reload["slots"])
    full, empty = ("█", "░") if easel.fancy else ("#", ".")
    filled = _BAR * done // whole
    yield (
        f"{easel.paint('reload', 'cyan', bold=True)}  generation {reload['generation']}  {easel.paint(full * filled, 'cyan')}{empty * (_BAR - filled)}"
        f"  {done} of {whole}  {reload['phase']}"
    )


def _pool(pool: Mapping[str, Any], runs: Mapping[str, Any], easel: Easel, *, reloading: bool) -> Iterator[str]:
    serving, wanted = pool["serving"], pool["size"]
    health = "green" if serving >= wanted else "yellow" if serving else "red"
    yield easel.join(
        [
            easel.paint(pool["name"], bold=True),
            easel.paint(f"{serving} of {wanted} serving", health),
            f"generation {pool['generation']}",
            *(f"{runs[key]}" for key in ("class", "app") if key in runs),
        ]
    )
    addresses = "  ".join(runs.get("addresses", ()))
    if addresses:
        yield easel.paint(easel.cut(addresses, easel.width), dim=True)
    yield from (easel.paint(text, colour) for text, colour in _remarks(pool))
    yield ""
    yield easel.paint(" slot      pid   gen  state            age     requests      memory  busy", dim=True)
    for worker in pool["workers"]:
        yield from _worker(worker, easel, reloading=reloading)


def _remarks(pool: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if pool["standing"] != "in force":
        yield f"this pool is {pool['standing']}", "yellow"
    if pool["size"] != pool["configured"]:
        yield f"scaled to {pool['size']}; the configuration says {pool['configured']}", "yellow"
    if pool["degraded"]:
        yield "degraded: its workers crash more often than restart.intensity allows", "red"
    if pool["next_start"] is not None:
        yield f"no worker is started for {_age(pool['next_start'])}: restart.backoff", "yellow"


def _worker(worker: Mapping[str, Any], easel: Easel, *, reloading: bool) -> Iterator[str]:
    age = worker["age"] if worker["age"] is not None else worker["in_state"]
    memory = "" if worker["memory"] is None else f"{worker['memory'] / (1 << 20):.1f} MiB"
    state = easel.paint(f"{worker['state']:<10}", _COLOURS.get(worker["state"]))
    pid = "" if worker["pid"] is None else worker["pid"]
    slot = "tmpl" if worker["slot"] is None else worker["slot"]
    requests = "" if worker["slot"] is None else f"{worker['requests']:,}"
    yield (
        f"{slot:>5} {pid:>8} {worker['generation']:>5}  {state} {_age(age):>9} {requests:>12} {memory:>11}"
        f" {worker['busy'] or '':>5}"
    ).rstrip()
    if worker["leaving"] and not (reloading and worker["state"] == "outgoing"):  # which says it all
        text = f"for {_age(worker['in_state'])}: {worker['leaving']}"
        yield from (easel.paint(line, "yellow") for line in easel.wrap(" " * _INDENT, text, lines=2))
    for run in worker["running"][:_SHOWN_RUNS]:
        yield _run(run, easel)
    if (more := worker["busy"] - len(worker["running"][:_SHOWN_RUNS])) > 0:
        yield " " * _INDENT + easel.paint(f"and {more} more", dim=True)


def _run(run: Mapping[str, Any], easel: Easel) -> str:
    client = f"  {run['client']}" if run["client"] else ""
    line = easel.cut(run["line"], easel.width - _INDENT - len(client))
    age = easel.paint(f"{_age(run['seconds']):>{_INDENT - 2}}", "red" if run["overdue"] else None)
    return f"{age}  {line}{easel.paint(client, dim=True)}"


def _exits(pool: Mapping[str, Any], easel: Easel) -> Iterator[str]:
    exits = pool["exits"][:_SHOWN_EXITS]
    if exits:
        yield easel.paint(f"Lately gone from {pool['name']}", dim=True)
    for gone in exits:
        name = f"{pool['name']}/{gone['slot']}" if gone["slot"] is not None else f"template {pool['name']}"
        who = name + (f" ({gone['pid']})" if gone["pid"] is not None else "")
        start = f"{_age(gone['ago']) + ' ago':>14}  {who}  "
        for line in easel.wrap(start, gone["reason"], lines=2):
            yield easel.paint(line, "red" if gone["trouble"] else None)


def _age(seconds: float) -> str:
    """Whole seconds where that is exact enough."""
    return span(round(seconds)) if seconds >= 10 else f"{seconds:.1f} s"
