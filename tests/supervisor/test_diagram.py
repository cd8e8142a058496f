from __future__ import annotations

from pathlib import Path

from workerhub.supervisor.diagram import page
from workerhub.supervisor.phases import Phase, Turn
from workerhub.supervisor.states import Input, State

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "state-machine.md"


def test_the_page_in_the_manual_is_current() -> None:
    """If not: python -m workerhub.supervisor.diagram > docs/reference/state-machine.md"""
    assert PAGE.read_text(encoding="utf-8") == page() + "\n"


def test_every_state_and_everything_that_can_happen_is_on_the_page() -> None:
    text = page()
    assert all(f" {row.value} |" in text for row in (*State, *Phase))
    assert all(f"| **{what.value}** |" in text for what in (*Input, *Turn))
