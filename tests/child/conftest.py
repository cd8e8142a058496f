"""A real kernel for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.stage import real_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    with real_kernel() as stage:
        yield stage
