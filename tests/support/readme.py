"""What the README, and the other pages, tell people to type and to write into files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.server import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = re.compile(r"^```(\w+)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, the word behind the language (a file name), its text."""

    language: str
    name: str
    text: str


def blocks(language: str, page: Path = ROOT / "README.md") -> list[Block]:
    """All blocks of a page in that language, in order."""
    text = page.read_text(encoding="utf-8")
    found = (Block(kind, name, body) for kind, name, body in BLOCK.findall(text))
    return [block for block in found if block.language == language]


def block(language: str, name: str) -> str:
    """The text of the block of that name."""
    (found,) = (block.text for block in blocks(language) if block.name == name)
    return found


def source(page: Path, name: str) -> str:
    """The Python file of that name: all blocks of the page that go into it, in order."""
    return "\n\n".join(block.text for block in blocks("python", page) if block.name == name)


def commands() -> list[str]:
    """Every line that the README has somebody type into a shell."""
    return [line for block in blocks("sh") for line in block.text.splitlines() if line and not line.startswith("#")]
