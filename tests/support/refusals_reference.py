"""Writes docs/reference/refusals.md from the corpus of requests: `cd tests && python -m support.refusals_reference`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from support.corpus import THEMES, Case

from workerhub.http.errors import REASONS, REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "refusals.md"
COMMAND = "cd tests && python -m support.refusals_reference"

BEGINNING = f"""\
<!-- Generated from workerhub/http/errors.py and tests/http/corpus/ by `{COMMAND}`; don't edit. -->

# What is refused

No request may be understood differently by workerhub and by what stands in front of it. Where the RFCs leave a choice, workerhub refuses;
every refusal closes the connection, so that nothing behind it is taken for a request, and has a line in the [access log](logs.md).

Whatever the parser (`http.parser`), the worker class, and the pieces in which the bytes arrive: the answer is the same. A request
whose body isn't complete never reaches the application as if it were.

| status | what the client is told |
|---|---|
"""

CASES = """
## The cases

Each is a test, of both parsers, with its bytes in `tests/http/corpus/`. A number is the status of the refusal; "served" means that the
application gets the request, "waits" that more is awaited.
"""


def page() -> str:
    """The whole page."""
    return "".join((BEGINNING, *_statuses(), CASES, *_themes()))


def _statuses() -> Iterator[str]:
    for refusal in sorted(REFUSALS.values(), key=lambda refusal: refusal.status):
        yield f"| {refusal.status} {REASONS[refusal.status]} | {refusal.text} |\n"


def _themes() -> Iterator[str]:
    for theme in THEMES:
        yield f"\n### {theme.name.replace('_', ' ').capitalize()}\n\n{theme.about}\n\n| case | verdict | RFC | why |\n|---|---|---|---|\n"
        for case in theme.cases:
            yield f"| {_text(case.name)} | {_verdict(case)} | {_links(case.rfc)} | {_text(case.reason)} |\n"


def _verdict(case: Case) -> str:
    if case.refused is None:
        return "served" if case.requests else "waits"
    return f"served, then {case.refused}" if case.requests else str(case.refused)


def _links(rfc: str) -> str:
    number, section = rfc.split()
    kind = "appendix" if section[0].isalpha() else "section"
    return f"[{number}, {section}](https://www.rfc-editor.org/rfc/rfc{number}#{kind}-{section})"


def _text(text: str) -> str:
    return re.sub(r"([|<>*_\[\]\\])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
