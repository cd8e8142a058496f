from __future__ import annotations

from pathlib import Path

from workerhub.supervisor.diagram import page
from workerhub.supervisor.states import Input, State

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "state-machine.md"


def test_the_page_in_the_manual_is_current() -> None:
    """If not: python -m workerhub.supervisor.diagram > docs/reference/state-machine.md"""
    assert PAGE.read_text(encoding="utf-8") == page() + "\n"


def test_every_state_and_every_input_is_on_the_page() -> None:
    text = page()
    assert all(state.value in text for state in State)
    assert all(f"**{input_.value}**" in text for input_ in Input)
