"""The corpus of requests in tests/http/corpus: what comes of each, and why. Its index: docs/reference/refusals.md.

A file is a theme; its `theme` says what. A case: `name`, `reason`, the `rfc` and section it follows, the `input` (latin-1), and what has to
come of it: `requests` (each with what matters of it), `refused` (a status), `end` (a phase; IDLE or, if refused, FAILED unless said
otherwise). `settings` change the small limits of `support.http_wire.SMALL`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER = Path(__file__).parents[1] / "http" / "corpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Some bytes, and what comes of them."""

    theme: str
    name: str
    reason: str
    rfc: str
    input: str
    requests: Sequence[Mapping[str, Any]] = ()
    refused: int | None = None
    end: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.requests or self.refused or self.end, f"{self}: nothing is expected"

    def __str__(self) -> str:
        return f"{self.theme}: {self.name}"

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self.input.encode("latin-1")

    @property
    def phase(self) -> str:
        """The connection's phase when all is read."""
        return self.end or ("FAILED" if self.refused else "IDLE")


@dataclass(frozen=True, slots=True)
class Theme:
    """The cases of one file, and what they are about."""

    name: str
    about: str
    cases: tuple[Case, ...]


def _load(path: Path) -> Theme:
    file = tomllib.loads(path.read_text(encoding="utf-8"))
    cases = tuple(Case(theme=path.stem, **entry) for entry in file.pop("case"))
    assert len({case.name for case in cases}) == len(cases), f"{path}: two cases have one name"
    assert file.keys() == {"theme"}, f"{path}: {file.keys()}"
    return Theme(path.stem, file["theme"], cases)


THEMES = tuple(map(_load, sorted(FOLDER.glob("*.toml"))))
CASES = tuple(case for theme in THEMES for case in theme.cases)
