"""`workerhub show --diff`: what a reload would change, found out by the running server itself.

It alone knows what it runs with: its own command line and environment are a part of that, and a reload takes them into account, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from workerhub.cli.asking import ask, tell
from workerhub.cli.output import columns
from workerhub.cli.reaching import RunningServer
from workerhub.kernel.control.wire import Request, Verb

if TYPE_CHECKING:
    from workerhub.planning import Invocation


def show_difference(invocation: Invocation, *, as_json: bool) -> int:
    """Ask the server that runs with the configuration, and print the answer; the exit code."""
    if invocation.path is None or invocation.app is not None or invocation.overrides:
        raise click.UsageError("--diff asks the server that runs with a file: workerhub show --diff -c server.toml")
    server = RunningServer(invocation.path, invocation.chosen_profile, None)
    outcome = ask(server, Request(Verb.DIFF))
    if outcome.ok and not as_json:
        click.echo("\n".join(_lines(outcome.fields["changes"])))
        return 0
    return tell(outcome, as_json=as_json)


def _lines(changes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not changes:
        yield "A reload would change no setting. (It always takes the code anew.)"
        return
    yield "A reload would change:"
    yield from columns(
        [
            (
                change["key"],
                f"{_shown(change['old'])} -> {_shown(change['new'])}",
                change["effect"],
                f"# {change['place']}",
            )
            for change in changes
        ],
        indent="  ",
    )


def _shown(value: object) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
