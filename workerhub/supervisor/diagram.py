"""The tables of `states` and `phases` as the manual shows them. The page is generated; a test says when it is stale."""

from __future__ import annotations

from collections.abc import Iterator

from workerhub.supervisor import phases
from workerhub.supervisor.phases import Phase, Turn
from workerhub.supervisor.states import NOTHING, TABLE, Cell, Input, State

_HEAD = """\
# What follows what

<!-- Generated from workerhub/supervisor/states.py and phases.py: python -m workerhub.supervisor.diagram > docs/reference/state-machine.md -->

The two tables by which the master decides: the life of a worker process, and the course of a reload. The reasons stand in
[supervision](../explanation/supervision.md).

## A worker process

What the master knows about each worker process, what can happen to it, and what follows. Words in capitals are what the process
is told on the way.
"""

_RELOAD = """
## A reload

How far it is, what can turn up, and what follows. Every reload ends committed, with new workers in every slot, or rolled back, with old ones.
"""


def page() -> str:
    """The reference page, Markdown."""
    return "\n".join(
        (
            _HEAD,
            "```mermaid",
            *_diagram(),
            "```",
            "",
            "### Every cell",
            "",
            *_cells(),
            "",
            "A dot: nothing happens. Words in capitals alone: the state stays, and the process is told something.",
            "",
            "| State | Deadline |",
            "|---|---|",
            *(f"| {state.value} | {deadline} |" for state, deadline in DEADLINES.items()),
            _RELOAD,
            "```mermaid",
            *_course(),
            "```",
            "",
            "### Every turn",
            "",
            *_turns(),
            "",
            "A dot: can't turn up, or means nothing. Words in brackets alone: the phase stays.",
        )
    )


DEADLINES = {
    State.BOOTING: "`timeouts.boot`",
    State.READY: "none; of a template, until when it has to have forked what it was told to",
    State.OUTGOING: "none: the replacement's readiness ends it",
    State.STUCK: "none: the replacement's readiness ends it",
    State.CANCELLED: "`timeouts.kill`",
    State.DRAINING: "`timeouts.graceful`, from the order to leave",
    State.ABORTING: "`timeouts.kill`, 5 s at most",
    State.KILLED: "10 s, then it is said that the process can't be killed",
    State.GONE: "none",
}
"""What OVERDUE means in each state; the numbers are set in `pool`."""


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.BOOTING.value}"
    for state, row in TABLE.items():
        arrows: dict[tuple[State, str], list[str]] = {}
        for input_, cell in row.items():
            if cell is not NOTHING:
                arrows.setdefault((cell.to or state, _told(cell)), []).append(input_.value)
        for (target, told), inputs in arrows.items():
            yield f"    {state.value} --> {target.value}: {' / '.join(inputs)}{told}"
    yield f"    {State.GONE.value} --> [*]"


def _course() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {_name(Phase.IDLE)}"
    for phase in Phase:
        yield f"    {_name(phase)}: {phase.value}"
    for phase, row in phases.TABLE.items():
        for turn, cell in row.items():
            if cell.to is not None:
                yield f"    {_name(phase)} --> {_name(cell.to)}: {turn.value} ({cell.deed.value})"


def _name(phase: Phase) -> str:
    return phase.name.lower()


def _turns() -> Iterator[str]:
    yield "| | " + " | ".join(phase.value for phase in Phase) + " |"
    yield "|---" * (len(Phase) + 1) + "|"
    for turn in Turn:
        cells = (phases.TABLE[phase][turn] for phase in Phase)
        yield f"| **{turn.value}** | " + " | ".join(map(_turn_in_words, cells)) + " |"


def _turn_in_words(cell: phases.Cell) -> str:
    if cell is phases.NOTHING:
        return "·"
    return f"{cell.to.value if cell.to is not None else ''} ({cell.deed.value})".strip()


def _cells() -> Iterator[str]:
    yield "| | " + " | ".join(state.value for state in State) + " |"
    yield "|---" * (len(State) + 1) + "|"
    for input_ in Input:
        yield f"| **{input_.value}** | " + " | ".join(_in_words(state, TABLE[state][input_]) for state in State) + " |"


def _in_words(state: State, cell: Cell) -> str:
    if cell is NOTHING:
        return "·"
    target = cell.to.value if cell.to is not None and cell.to is not state else ""
    return (target + _told(cell)).strip()


def _told(cell: Cell) -> str:
    return "".join(f" {nudge.name}" for nudge in cell.nudges)


if __name__ == "__main__":
    print(page())  # noqa: T201  # this is how the page is written
