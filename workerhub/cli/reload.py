"""`workerhub reload`: new configuration and new code, all of it or nothing."""

from __future__ import annotations

import click

from workerhub.cli.asking import carry_out, json_option
from workerhub.cli.reaching import RunningServer, takes_server
from workerhub.kernel.control.wire import Request, Verb


@click.command()
@json_option
@takes_server
def reload(server: RunningServer, *, as_json: bool) -> int:
    """Have a server take its configuration and its code anew.

    Waits until the new generation serves, or is given up and the old one serves on.

    Exit codes: 0 the new generation serves; 1 it doesn't, for the reason that is printed.
    """
    return carry_out(server, Request(Verb.RELOAD), as_json=as_json)
