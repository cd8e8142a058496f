from __future__ import annotations

from itertools import product

import pytest

from workerhub.supervisor.phases import TABLE, Deed, Phase, Turn


def test_every_phase_says_what_follows_from_everything() -> None:
    assert {(phase, turn) for phase, row in TABLE.items() for turn in row} == set(product(Phase, Turn))


def test_every_deed_is_done_somewhere() -> None:
    assert {cell.deed for row in TABLE.values() for cell in row.values()} == set(Deed)


def test_from_every_phase_a_stop_ends_the_reload() -> None:
    assert {TABLE[phase][Turn.STOPPED].to or phase for phase in Phase} == {Phase.IDLE}


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.IDLE], ids=lambda phase: phase.name)
def test_during_a_reload_another_one_only_follows(phase: Phase) -> None:
    assert (TABLE[phase][Turn.ASKED].to, TABLE[phase][Turn.ASKED].deed) == (None, Deed.FOLLOW)


def test_once_a_new_worker_runs_a_reload_ends_committed_or_on_the_way_back() -> None:
    for phase in (Phase.PROVING, Phase.ROLLING):
        ends = {cell.deed for turn, cell in TABLE[phase].items() if cell.to is Phase.IDLE and turn is not Turn.STOPPED}
        assert ends <= {Deed.COMMIT}
        assert TABLE[phase][Turn.FAILED].to is Phase.RETURNING
