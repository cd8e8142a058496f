"""What all tests of logs have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.log_files import closed_at_the_end

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def log_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Are closed when the test is over."""
    with closed_at_the_end(monkeypatch):
        yield
