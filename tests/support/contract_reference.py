"""Writes the clauses of docs/reference/worker-contract.md from their table: `python tests/support/contract_reference.py`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workerhub.testing.contract.table import CHAPTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "worker-contract.md"
COMMAND = "python tests/support/contract_reference.py"

MARK = f"<!-- What follows is generated from workerhub/testing/contract/ by `{COMMAND}`; don't edit. -->\n"


def page() -> str:
    """The whole page: what stands before the mark, and the clauses."""
    before, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    return before + mark + "\n".join(_clauses()) + "\n"


def _clauses() -> Iterator[str]:
    for chapter in CHAPTERS:
        yield f"\n### {chapter.name.capitalize()}\n"
        yield "| clause | promise |"
        yield "|---|---|"
        for clause in chapter:
            yield f"| `{clause.id}` | {clause.sentence} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
