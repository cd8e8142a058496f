"""The table multiplied out."""

from __future__ import annotations

from itertools import product

import pytest

from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.diagram import DEADLINES
from workerhub.supervisor.states import HOLDING, LEAVING, NOTHING, SERVING, TABLE, Cell, Input, State

CELLS = [pytest.param(state, input_, id=f"{state.name}-{input_.name}") for state, input_ in product(State, Input)]
LIVING = [state for state in State if state is not State.GONE]


def reachable(start: State) -> set[State]:
    found, todo = {start}, [start]
    while todo:
        for cell in TABLE[todo.pop()].values():
            if cell.to is not None and cell.to not in found:
                found.add(cell.to)
                todo.append(cell.to)
    return found


@pytest.mark.parametrize(("state", "input_"), CELLS)
def test_every_cell_is_written(state: State, input_: Input) -> None:
    assert isinstance(TABLE[state][input_], Cell)


@pytest.mark.parametrize(("state", "input_"), CELLS)
def test_a_cell_is_something_or_nothing(state: State, input_: Input) -> None:
    """A cell that goes where it is already, and tells nobody, is to be written as NOTHING."""
    cell = TABLE[state][input_]
    assert cell is NOTHING or cell.to is not state or cell.nudges


def test_the_rows_and_columns_are_in_the_order_of_the_enums() -> None:
    """So that a reader finds a cell where it stands in every other row."""
    assert list(TABLE) == list(State)
    assert all(list(row) == list(Input) for row in TABLE.values())


def test_every_state_can_be_reached() -> None:
    assert reachable(State.BOOTING) == set(State)


@pytest.mark.parametrize("state", LIVING)
def test_every_life_can_end(state: State) -> None:
    assert TABLE[state][Input.EXITED] == Cell(State.GONE)


@pytest.mark.parametrize("input_", Input)
def test_gone_is_final(input_: Input) -> None:
    assert TABLE[State.GONE][input_] is NOTHING


@pytest.mark.parametrize("state", [state for state in State if state in LEAVING])
def test_there_is_no_way_back_from_leaving(state: State) -> None:
    assert reachable(state) <= LEAVING | {State.GONE}


@pytest.mark.parametrize("state", [state for state in State if state not in {State.BOOTING, State.CANCELLED}])
def test_readiness_is_believed_from_booting_children_only(state: State) -> None:
    assert TABLE[state][Input.READY] is NOTHING


@pytest.mark.parametrize("state", LIVING)
def test_a_fast_stop_reaches_everyone_who_is_not_already_being_ended(state: State) -> None:
    told = TABLE[state][Input.ABORT].nudges
    assert told == (() if state in {State.ABORTING, State.KILLED} else (Nudge.ABORT,))


@pytest.mark.parametrize("state", [State.BOOTING, State.CANCELLED, State.DRAINING, State.ABORTING, State.KILLED])
def test_what_has_a_deadline_ends_in_sigkill(state: State) -> None:
    """Overrunning one deadline after the other leads to SIGKILL, wherever it begins."""
    seen = []
    while state is not State.KILLED:
        cell = TABLE[state][Input.OVERDUE]
        assert cell.to is not None
        state = cell.to
        seen.append(cell)
    assert TABLE[State.KILLED][Input.OVERDUE] == Cell(State.KILLED, (Nudge.KILL,))
    assert len(seen) <= 2


def test_the_groups_are_made_of_whole_states() -> None:
    assert SERVING < HOLDING
    assert HOLDING | LEAVING | {State.GONE} == set(State)
    assert not HOLDING & LEAVING


def test_every_state_has_its_deadline_documented() -> None:
    assert list(DEADLINES) == list(State)
