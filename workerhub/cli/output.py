"""How verbs print: tables that line up, JSON that machines read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Line up cells; the last column is as long as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    return [
        (indent + "".join(cell.ljust(width + 2) for cell, width in zip(row, widths, strict=False)) + row[-1]).rstrip()
        for row in rows
    ]
