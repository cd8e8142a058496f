"""`workerhub workers`: which worker classes are installed, where from, and what they can be told."""

from __future__ import annotations

from typing import Any

import click

from workerhub.cli.output import columns, print_json
from workerhub.config.english import describe, find, show
from workerhub.config.units import format_duration
from workerhub.worker import Listing, available


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def workers(*, as_json: bool) -> int:
    """List the installed worker classes and their options."""
    facts = [_facts(listing) for listing in available()]
    if as_json:
        print_json(facts)
        return 0
    click.echo("\n\n".join(_block(fact) for fact in facts))
    return 0


def _facts(listing: Listing) -> dict[str, Any]:
    return {
        "name": listing.name,
        "class": listing.target,
        "origin": listing.origin,
        "meaning": _first_line(listing),
        "usable": listing.cls is not None and listing.unavailable is None,
        "reasons": [*listing.defects, *filter(None, [listing.unavailable])],
        "keepalive": listing.cls.default_keepalive if listing.cls is not None else None,
        "options": _options(listing),
    }


def _first_line(listing: Listing) -> str:
    return (listing.cls.__doc__ or "").strip().partition("\n")[0] if listing.cls is not None else ""


def _options(listing: Listing) -> list[dict[str, Any]]:
    if listing.cls is None:
        return []
    root = listing.cls.Options.model_json_schema()
    return [
        {
            "name": name,
            "expected": describe(find((name,), root), root),
            "default": property_.get("default"),
            "required": name in root.get("required", ()),
            "meaning": property_.get("description", ""),
        }
        for name, property_ in root.get("properties", {}).items()
    ]


def _block(fact: dict[str, Any]) -> str:
    lines = [f"{fact['name']}  ({fact['class']}, from {fact['origin']})"]
    if fact["meaning"]:
        lines.append(f"    {fact['meaning']}")
    lines += [f"    can't be used: {reason}" for reason in fact["reasons"]]
    rows = [
        (
            f"worker.{option['name']}",
            "required" if option["required"] else f"= {show(option['default'])}",
            f"{option['expected']}{': ' + option['meaning'] if option['meaning'] else ''}",
        )
        for option in fact["options"]
    ]
    rows = rows or [("no options of its own", "", "")]
    if fact["usable"]:
        keepalive = fact["keepalive"]
        default = show("off" if keepalive is None else format_duration(keepalive))
        rows.append(("timeouts.keepalive", f"= {default}", "where it is left at auto"))
    return "\n".join([*lines, *columns(rows, indent="    ")])
