"""`workerhub show`: the configuration as it takes effect, and where each value comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from workerhub.cli.difference import show_difference
from workerhub.cli.invocation import takes_configuration
from workerhub.cli.output import print_json
from workerhub.config.catalogue import TABLES
from workerhub.planning import Configuration, Invocation, load_configuration

if TYPE_CHECKING:
    from workerhub.config.effective import Shown
    from workerhub.config.tree import Key


@click.command()
@click.option("--diff", is_flag=True, help="Only what a reload of the server that runs with it would change, and when.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@takes_configuration
def show(invocation: Invocation, *, diff: bool, as_json: bool) -> int:
    """Print the effective configuration, each value with its origin.

    What it prints is a configuration file itself.
    """
    if diff:
        return show_difference(invocation, as_json=as_json)
    configuration = load_configuration(invocation)
    shown = configuration.effective()
    if as_json:
        print_json({".".join(item.key): _as_json(configuration, item) for item in shown})
    else:
        click.echo(listing(configuration, shown))
    return 0


def listing(configuration: Configuration, shown: list[Shown]) -> str:
    """Write it as TOML, origins as comments. What isn't set, and has no way to say so, is a comment."""
    lines = [(f"# The effective configuration of {configuration.plan.title}.", "")]
    table = ""
    for item in shown:
        *above, name = item.key
        if above and above[0] != table:
            table = above[0]
            lines += [("", ""), (f"# {TABLES[table]}", ""), (f"[{table}]", "")]
        if item.value is None:
            lines.append((f"# {name} is not set", ""))
        else:
            lines.append((f"{name} = {_toml(item.value)}", f"# {item.origin.place}{_note(configuration, item.key)}"))
    width = max(len(text) for text, comment in lines if comment and len(text) <= 50)
    return "\n".join(f"{text.ljust(width)}  {comment}" if comment else text for text, comment in lines)


def _note(configuration: Configuration, key: Key) -> str:
    """What "auto" comes to."""
    (pool,) = configuration.plan.pools
    if key == ("worker", "processes") and configuration.config.worker.processes is None:
        return f" (auto is {pool.policy.size} here)"
    if key == ("timeouts", "keepalive") and configuration.config.timeouts.keepalive == "auto":
        seconds = pool.serve.keepalive_timeout
        return f" (auto is {'off' if seconds is None else f'{seconds:g}s'} for {pool.worker.name})"
    return ""


def _as_json(configuration: Configuration, item: Shown) -> dict[str, Any]:
    return {
        "value": item.value,
        "source": item.origin.source.value,
        "place": item.origin.place,
        "note": _note(configuration, item.key).strip(" ()"),
    }


def _toml(value: Any) -> str:
    """Write a value as TOML: JSON's notation is TOML's, but for tables and a few control characters."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
