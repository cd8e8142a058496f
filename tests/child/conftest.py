"""A real kernel for each test, and a place for workers to live in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.house import House, a_house
from support.log_files import closed_at_the_end
from support.stage import real_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    with real_kernel() as stage:
        yield stage


@pytest.fixture
def house(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with closed_at_the_end(monkeypatch), a_house(stage, tmp_path) as house:
        yield house
