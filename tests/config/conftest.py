"""A third party's worker classes are installed while the configuration is tested."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _demo_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "plugins"))
    for name in [name for name in os.environ if name.startswith("WORKERHUB_")]:
        monkeypatch.delenv(name)
    yield
    sys.modules.pop("demo_workers", None)
