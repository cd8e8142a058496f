"""Log files of tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workerhub.logs import LogFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close all that the block opens: a log file stays open for as long as its process lives, and the tests' lives long."""
    opened: list[LogFile] = []
    initialize = LogFile.__init__

    def open_and_remember(self: LogFile, *arguments: Any, **options: Any) -> None:
        initialize(self, *arguments, **options)
        opened.append(self)

    monkeypatch.setattr(LogFile, "__init__", open_and_remember)
    yield
    for file in opened:
        file.close()
