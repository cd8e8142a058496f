"""The Python modules that a page of the documentation has its readers write."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from support.readme import source

if TYPE_CHECKING:
    from pathlib import Path


def module(page: Path, name: str) -> ModuleType:
    """A module of its own, made from that file."""
    made = ModuleType(name.removesuffix(".py"))
    sys.modules[made.__name__] = made  # where pydantic looks names up
    exec(compile(source(page, name), f"{page.name}:{name}", "exec"), made.__dict__)
    return made
