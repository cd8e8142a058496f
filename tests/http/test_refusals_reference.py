"""The page in the manual says what the corpus says."""

from __future__ import annotations

from support.corpus import CASES
from support.refusals_reference import COMMAND, PAGE, page

from workerhub.http.errors import REFUSALS, Fault


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"run: {COMMAND}"


def test_every_status_of_a_refusal_has_a_case() -> None:
    """But PARSER's, which nothing is known to reach, and FORWARDED's, which takes a trusted proxy (test_forwarded.py)."""
    expected = {refusal.status for fault, refusal in REFUSALS.items() if fault not in {Fault.PARSER, Fault.FORWARDED}}
    assert {case.refused for case in CASES if case.refused} == expected
